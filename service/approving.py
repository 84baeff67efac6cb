"""Stages of model versions, for one caller: who proposed is somebody else than who agrees.

The ledger compares keys; here names are compared too, since one person may hold two keys.
"""

from ledger.operate.approvals import pending
from ledger.operate.model_stage import StageEvent
from ledger.operate.registry import ModelVersion
from ledger.roles import Permission, Principal
from service.erasing import check_other
from service.runtime import Runtime

__all__ = ["Approver"]


class Approver:
    """What one caller does about the stages of models."""

    def __init__(self, runtime: Runtime, principal: Principal) -> None:
        self._runtime = runtime
        self._principal = principal

    def propose(self, reference: str, stage: str, reason: str) -> ModelVersion:
        """As `Approvals.propose`."""
        return self._runtime.approvals.propose(self._principal, reference, stage, reason)

    def agree(self, reference: str, proposal: str, reason: str) -> ModelVersion:
        """As `Approvals.agree`.

        Raises:
            SecondPersonNeeded: the key that proposed is this caller's, or has the same holder.
        """
        self._principal.require(Permission.MODELS_APPROVE)
        found = pending(self._runtime.approvals.history(reference))
        if found is not None and found.id == proposal and found.actor is not None:
            check_other(self._runtime, self._principal, found.actor)
        return self._runtime.approvals.agree(self._principal, reference, proposal, reason)

    def refuse(self, reference: str, proposal: str, reason: str) -> ModelVersion:
        """As `Approvals.refuse`."""
        return self._runtime.approvals.refuse(self._principal, reference, proposal, reason)

    def promote(self, reference: str, reason: str) -> ModelVersion:
        """As `Approvals.promote`."""
        return self._runtime.approvals.promote(self._principal, reference, reason)

    def suspend(self, reference: str, reason: str) -> ModelVersion:
        """As `Approvals.suspend`."""
        return self._runtime.approvals.suspend(self._principal, reference, reason)

    def history(self, reference: str) -> tuple[StageEvent, ...]:
        """As `Approvals.history`."""
        return self._runtime.approvals.history(reference)
