"""Stages of model versions: proposed by one person, agreed to by another, all of it in the log.

A proposal is an entry, not a row that waits somewhere: it survives a restore, and nobody can say
later that it was never made. It stands until anything else happens to the version. Who acted
and why is sealed beside the entry, as of legal holds, so that no name of staff is in the log.
"""

from collections.abc import Mapping
from typing import Final

from ledger.canonical import JsonValue
from ledger.commitments import commit, open_section, verify_opening
from ledger.entries import (
    Body,
    Entry,
    ModelVersionAct,
    ModelVersionRegistered,
    ModelVersionStatus,
    parse_entry,
)
from ledger.errors import ErasedError, RefusedError, SecondPersonNeeded, WrongStage
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter, Record
from ledger.operate.model_stage import (
    PROPOSALS,
    Act,
    Stage,
    StageEvent,
    check_step,
    checked_reason,
    proposal_of,
)
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import NewRecord, Records, attached_id
from ledger.operate.registry import ModelVersion, Registry
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault
from ledger.roles import Permission, Principal

__all__ = ["Approvals", "pending"]

_SECTION: Final = "detail"
_RETENTION_CLASS: Final = "model_stage"
_TURN: Final = "registry/stages"
_ACT, _STATUS = "model_version_act", "model_version_status"  # what an entry's id is made from


class Approvals:
    """The stages of the model versions of one ledger."""

    def __init__(
        self,
        log: PublishedLog,
        writer: LogWriter,
        vault: Vault,
        registry: Registry,
        clock: Clock,
        random: Random,
    ) -> None:
        self._log = log
        self._vault = vault
        self._registry = registry
        self._clock = clock
        self._records = Records(log, writer, vault, clock, random)

    def propose(
        self, principal: Principal, reference: str, stage: str, reason: str
    ) -> ModelVersion:
        """The version, for which the caller proposes that it is approved, or retired.

        It takes the place of an earlier proposal that nobody agreed to.

        Raises:
            PermissionRefused: the caller may not propose.
            NotFoundError: there is no such version.
            MalformedError: no stage that is proposed, or no reason.
            WrongStage: it may not follow the stage that the version is in.
            PushbackError, RefusedError: it could not be logged.
        """
        principal.require(Permission.MODELS_REGISTER)
        act, said = proposal_of(stage), checked_reason(reason)
        model = self._registry.model(reference)
        with self._log.alone(_TURN):
            check_step(self._stage(model.digest), PROPOSALS[act])
            self._write(self._records.new_id(), model.digest, act, principal, said)
        return self._registry.model(model.digest)

    def agree(
        self, principal: Principal, reference: str, proposal: str, reason: str
    ) -> ModelVersion:
        """The version, in the stage that another person proposed.

        Args:
            principal: who agrees.
            reference: `name@version` or digest.
            proposal: the id of the proposal's entry, so that nobody agrees to another one.
            reason: why.

        Raises:
            PermissionRefused: the caller may not approve.
            SecondPersonNeeded: the caller proposed it.
            RefusedError: who proposed it cannot be known any more.
            NotFoundError, MalformedError, PushbackError: as :meth:`propose`.
            WrongStage: this proposal does not stand (any more).
        """
        principal.require(Permission.MODELS_APPROVE)
        said = checked_reason(reason)
        model = self._registry.model(reference)
        with self._log.alone(_TURN):
            found = self._standing(model.digest, proposal)
            if found.actor is None:
                raise RefusedError(
                    "model: who proposed it cannot be opened any more; it has to be proposed again"
                )
            if found.actor == principal.id:
                raise SecondPersonNeeded("model: you proposed it; another person has to agree")
            stage = PROPOSALS[Act(found.act)]
            check_step(self._stage(model.digest), stage)
            act_id = attached_id(found.id, _ACT, 0)
            self._write(act_id, model.digest, Act(stage), principal, said, proposal=found.id)
        return self._registry.model(model.digest)

    def refuse(
        self, principal: Principal, reference: str, proposal: str, reason: str
    ) -> ModelVersion:
        """The version, whose proposal is off: refused by who may agree, or taken back.

        Raises:
            PermissionRefused: the caller may neither propose nor approve.
            NotFoundError, MalformedError, PushbackError: as :meth:`propose`.
            WrongStage: this proposal does not stand (any more).
        """
        if not principal.may(Permission.MODELS_REGISTER):
            principal.require(Permission.MODELS_APPROVE)
        said = checked_reason(reason)
        model = self._registry.model(reference)
        with self._log.alone(_TURN):
            found = self._standing(model.digest, proposal)
            act_id, act = attached_id(found.id, _ACT, 1), Act.PROPOSAL_REFUSED
            self._write(act_id, model.digest, act, principal, said, proposal=found.id)
        return self._registry.model(model.digest)

    def promote(self, principal: Principal, reference: str, reason: str) -> ModelVersion:
        """The version, approved before and in use from now on; raises as :meth:`propose`."""
        principal.require(Permission.MODELS_REGISTER)
        return self._enter(principal, reference, Act.PROMOTED, reason)

    def suspend(self, principal: Principal, reference: str, reason: str) -> ModelVersion:
        """The version, stopped: no decision by it is taken. One person is enough to stop.

        Raises:
            PermissionRefused: the caller may not stop models.
            NotFoundError, MalformedError, WrongStage, PushbackError: as :meth:`propose`.
        """
        principal.require(Permission.MODELS_SUSPEND)
        return self._enter(principal, reference, Act.SUSPENDED, reason)

    def history(self, reference: str) -> tuple[StageEvent, ...]:
        """Everything that happened to the version, oldest first, each detail checked.

        Raises:
            NotFoundError: there is no such version.
            VerificationError: what is stored is not what was logged.
        """
        digest = self._registry.model(reference).digest
        entries = [parse_entry(raw) for raw in self._log.referring(digest)]
        acts = {
            _status_id(each.id): (each.id, each.body)
            for each in entries
            if isinstance(each.body, ModelVersionAct)
        }
        stages = {each.id for each in entries if isinstance(each.body, ModelVersionStatus)}
        events = []
        for entry in entries:
            body = entry.body
            if isinstance(body, ModelVersionRegistered):
                events.append(_event(entry, Stage.REGISTERED.value, Stage.REGISTERED))
            elif isinstance(body, ModelVersionStatus):
                act = acts.get(entry.id)
                said = self._detail(*act) if act else {}
                events.append(_event(entry, body.status, Stage(body.status), said))
            elif isinstance(body, ModelVersionAct) and _status_id(entry.id) not in stages:
                events.append(_event(entry, body.act, None, self._detail(entry.id, body)))
        return tuple(events)

    def _enter(self, principal: Principal, reference: str, act: Act, reason: str) -> ModelVersion:
        said = checked_reason(reason)
        model = self._registry.model(reference)
        with self._log.alone(_TURN):
            check_step(self._stage(model.digest), Stage(act))
            self._write(self._records.new_id(), model.digest, act, principal, said)
        return self._registry.model(model.digest)

    def _stage(self, digest: str) -> Stage:
        return Stage(self._registry.model(digest).status)

    def _standing(self, digest: str, proposal: str) -> StageEvent:
        found = pending(self.history(digest))
        if found is None or found.id != proposal:
            raise WrongStage("model: this proposal does not stand; read it again")
        return found

    def _detail(self, entry_id: str, act: ModelVersionAct) -> Mapping[str, JsonValue]:
        """What an act says of who and why; empty once it cannot be opened any more."""
        try:
            members, key = self._records.open(entry_id)
        except ErasedError:
            return {}
        verify_opening(open_section(key, _SECTION, members), act.detail)
        return members

    def _write(
        self,
        act_id: str,
        digest: str,
        act: Act,
        principal: Principal,
        reason: str,
        *,
        proposal: str | None = None,
    ) -> None:
        """Log an act and, if it is one, the stage that begins with it, in one commit."""
        detail: dict[str, JsonValue] = {
            "reason": reason,
            "actor": principal.id,
            "role": principal.role.value,
            "proposal": proposal,
        }

        def body(key: bytes) -> Body:
            return ModelVersionAct(digest, act.value, commit(key, _SECTION, detail))

        holder = self._vault.period_tag(_RETENTION_CLASS, self._clock())
        after: tuple[Record, ...] = ()
        if act.value in set(Stage):
            after = (Record.of(_status_id(act_id), ModelVersionStatus(digest, act.value)),)
        self._records.write([NewRecord(act_id, holder, detail, body)], after=after)


def pending(history: tuple[StageEvent, ...]) -> StageEvent | None:
    """The proposal that stands: the last thing that happened, if it is one."""
    last = history[-1] if history else None
    return last if last is not None and last.act in PROPOSALS else None


def _status_id(act_id: str) -> str:
    """The id of the entry of the stage that begins with an act."""
    return attached_id(act_id, _STATUS, 0)


def _event(
    entry: Entry, act: str, stage: Stage | None, said: Mapping[str, JsonValue] | None = None
) -> StageEvent:
    known = said or {}
    proposal = known.get("proposal")
    return StageEvent(
        id=entry.id,
        seq=entry.seq,
        at=entry.at,
        act=act,
        stage=stage,
        actor=str(known["actor"]) if "actor" in known else None,
        role=str(known.get("role", "")),
        reason=str(known.get("reason", "")),
        proposal=proposal if isinstance(proposal, str) else None,
    )
