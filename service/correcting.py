"""Correcting data and deciding again, for one caller: on the access log first, then done.

What the archived model gives for the corrected data is information for whoever decides again.
It is no decision, and is not recorded as one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.canonical import JsonValue
from ledger.entries import Entry
from ledger.operate.corrections import Corrected
from ledger.operate.decision import Decision
from ledger.operate.decisions import DecisionView
from ledger.roles import Permission
from service.reading import Caller, Reading
from service.runtime import Runtime

__all__ = ["Case", "Correcting", "Rescored"]

_FIELDS = ("correction", "input")


@dataclass(frozen=True, slots=True)
class Rescored:
    """What the same model and cut-off give for the corrected data; `why` not, if they do not.

    `margin` is in units of 10^-6 of the model's space.
    """

    margin: int = 0
    outcome: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A decision, its corrections, and what it would be with them; None without any.

    `recipients` are those to whom it was disclosed here and who have to be told (Art. 19).
    """

    view: DecisionView
    corrections: tuple[Corrected, ...]
    current: Decision
    rescored: Rescored | None
    recipients: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Corrected, ...]:
        """The corrections that nobody has followed up."""
        return tuple(each for each in self.corrections if each.follow is None)


class Correcting:
    """What one caller does about wrong data."""

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._runtime = runtime
        self._caller = caller

    def correct(self, decision_id: str, changes: Mapping[str, JsonValue], why: str) -> Entry:
        """The entry of a correction, made; as `Corrections.correct`."""
        self._note(decision_id, Permission.CORRECTIONS_MAKE)
        return self._runtime.corrections.correct(self._caller.principal, decision_id, changes, why)

    def close(
        self, decision_id: str, correction_id: str, why: str, decision: str | None = None
    ) -> Entry:
        """The entry that closes the task of a correction; as `Corrections.close`."""
        self._note(decision_id, Permission.CORRECTIONS_MAKE)
        return self._runtime.corrections.close(
            self._caller.principal, decision_id, correction_id, why=why, decision=decision
        )

    def case(self, decision_id: str) -> Case:
        """The decision with its corrections."""
        self._note(decision_id, Permission.DECISIONS_READ)
        corrections = self._runtime.corrections
        view = self._runtime.decisions.read(decision_id)
        found, current = corrections.of(decision_id), corrections.current(view)
        rescored = self._rescored(view, current) if found else None
        told = self._runtime.disclosures.recipients((decision_id,))
        return Case(view, found, current, rescored, told)

    def tasks(self) -> tuple[str, ...]:
        """The decisions that are to be decided again."""
        self._caller.principal.require(Permission.DECISIONS_READ)
        waiting = tuple(filter(self._waits, self._runtime.corrections.tasks()))
        Reading(self._runtime, self._caller).note(waiting, ("correction",), listed=True)
        return waiting

    def _waits(self, decision_id: str) -> bool:
        from ledger.errors import NotFoundError

        try:
            return self._runtime.corrections.tidy(decision_id)
        except NotFoundError:  # erased meanwhile
            return False

    def _rescored(self, view: DecisionView, current: Decision) -> Rescored:
        from explain.errors import ExplainError

        try:
            margin, outcome = self._runtime.explaining.rescore(view, current.input)
        except ExplainError as error:
            return Rescored(why=str(error))
        return Rescored(margin, outcome)

    def _note(self, decision_id: str, permission: Permission) -> None:
        self._caller.principal.require(permission)
        Reading(self._runtime, self._caller).note([decision_id], _FIELDS)
