"""Outcomes: what became of a decision, fed back later and sealed beside it.

An outcome is an entry of its own that says that something was observed, and commits to what. It is
sealed under the person's own holder, so that it is erased with the decision. The last of a source
is in force; those before it stay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, cast

from ledger.canonical import JsonValue
from ledger.entries import Body, OutcomeObserved, parse_entry
from ledger.errors import ConflictError, ErasedError, LedgerError, MalformedError, NotFoundError
from ledger.operate.attachments import Attached, Attachments
from ledger.operate.decision_search import DecisionRow
from ledger.operate.decisions import Decisions
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import MAX_RECORDS, LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import NewRecord, Records
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault
from ledger.roles import Permission, Principal

__all__ = ["MAX_OF_ONE", "Event", "Fed", "Observed", "Outcome", "Outcomes"]

MAX_OF_ONE: Final = 50  # outcomes of one decision, with superseded ones: each is opened at the next
MAX_SOURCE: Final = 64  # characters of a source's name, as of one that predicts
TURNS: Final = 3  # that a writer waits for others at the same decision before it says so
A_DAY: Final = timedelta(days=1)  # a date has no zone: it may be a day off

_SOURCE_FIRST: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_SOURCE_REST: Final = _SOURCE_FIRST | frozenset("_.-")


class Event(StrEnum):
    """What may have happened: a closed list, so that no outcome is free text."""

    CLAIMED = "claimed"
    DEFAULTED = "defaulted"
    FRAUDULENT = "fraudulent"
    READMITTED = "readmitted"
    REPAID = "repaid"
    TARGET = "target"  # what the model predicts by its manifest, whatever that is


@dataclass(frozen=True, slots=True)
class Outcome:
    """What somebody says became of a decision.

    Attributes:
        decision: its id.
        event: what was looked for.
        occurred: whether it happened.
        observed_on: the day on which that was seen.
        source: who says so: a system, and never a person.
    """

    decision: str
    event: Event
    occurred: bool
    observed_on: date
    source: str

    def __post_init__(self) -> None:
        """Refuse a source that is none."""
        name = self.source
        if (
            not 1 <= len(name) <= MAX_SOURCE
            or name[0] not in _SOURCE_FIRST
            or not set(name) <= _SOURCE_REST
        ):
            raise MalformedError(
                f"outcome: a source has 1 to {MAX_SOURCE} of a-z 0-9 _ . -", member="source"
            )

    def content(self) -> dict[str, JsonValue]:
        """What is committed to: the section `outcome` of the entry."""
        return {
            "event": self.event.value,
            "occurred": self.occurred,
            "observed_on": self.observed_on.isoformat(),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Observed:
    """An outcome on record, opened and checked.

    Attributes:
        id: its entry's id.
        seq: the entry's index.
        at: when the log accepted it.
        outcome: what it says.
        superseded: a later one of the same source stands.
    """

    id: str
    seq: int
    at: datetime
    outcome: Outcome
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Fed:
    """An outcome that is on record now.

    Attributes:
        id: its entry's id.
        seq: the entry's index.
        status: `recorded`, or `duplicate` if the source had said the same last.
        supersedes: the id of the entry that the source had made before, if any.
    """

    id: str
    seq: int
    status: str
    supersedes: str | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    at: int  # among the outcomes of the call
    outcome: Outcome
    new: NewRecord
    supersedes: str | None


class Outcomes:
    """The outcomes of one log's decisions."""

    def __init__(
        self,
        log: PublishedLog,
        writer: LogWriter,
        vault: Vault,
        decisions: Decisions,
        attachments: Attachments,
        clock: Clock,
        random: Random,
    ) -> None:
        self._log = log
        self._decisions = decisions
        self._attachments = attachments
        self._clock = clock
        self._records = Records(log, writer, vault, clock, random)

    def record_each(
        self, principal: Principal, outcomes: Sequence[Outcome]
    ) -> tuple[Fed | LedgerError, ...]:
        """Seal each outcome beside its decision and log it; each stands or falls by itself.

        The same from the same source again gives the entry that there is. Another value is a
        later entry, which supersedes; both remain.

        Returns:
            In order, what became of each: MalformedError of a day that cannot be, NotFoundError,
            ErasedError, or ConflictError of a decision with too many, or that others write about.

        Raises:
            PermissionRefused: the caller may not feed back.
            MalformedError: not 1 to `log_writer.MAX_RECORDS` outcomes.
            PushbackError, StoppedError: nothing can be written now; those before may be on
                record, and sending all of it again is right.
            VerificationError: what is stored is not what was logged.
        """
        principal.require(Permission.OUTCOMES_RECORD)
        if not 1 <= len(outcomes) <= MAX_RECORDS:
            raise MalformedError(f"outcomes: not 1 to {MAX_RECORDS:,}")
        rows = {each.id: each for each in self._decisions.rows({o.decision for o in outcomes})}
        results: dict[int, Fed | LedgerError] = {}
        waiting = list(range(len(outcomes)))
        for _ in range(MAX_OF_ONE + TURNS):
            drafts = {}  # one of each decision: the next builds on what this one is given
            for at in waiting:
                if outcomes[at].decision not in drafts:
                    drafts[outcomes[at].decision] = at
            results |= self._round(outcomes, list(drafts.values()), rows)
            waiting = [at for at in waiting if at not in results]
            if not waiting:
                break
        busy = ConflictError("outcome: too much is said of this decision at once: send it again")
        return tuple(results.get(at, busy) for at in range(len(outcomes)))

    def of(self, decision_id: str) -> tuple[Observed, ...]:
        """The outcomes of a decision, oldest first.

        Raises:
            NotFoundError, ErasedError: there is no such decision (any more).
            VerificationError: what is stored is not what was logged.
        """
        self._decisions.history(decision_id)
        return self._of(decision_id)

    def _of(self, decision_id: str) -> tuple[Observed, ...]:
        found = [_observed(each) for each in self._attachments.of(decision_id, OutcomeObserved)]
        last = {each.outcome.source: each.id for each in found}
        return tuple(
            Observed(each.id, each.seq, each.at, each.outcome, each.id != last[each.outcome.source])
            for each in found
        )

    def _round(
        self, outcomes: Sequence[Outcome], ats: Iterable[int], rows: dict[str, DecisionRow]
    ) -> dict[int, Fed | LedgerError]:
        """What became of those of these that one write settles; each is of another decision."""
        settled: dict[int, Fed | LedgerError] = {}
        drafts = []
        for at in ats:
            try:
                found = self._draft(at, outcomes[at], rows.get(outcomes[at].decision))
            except (MalformedError, NotFoundError, ConflictError) as error:
                settled[at] = error
                continue
            if isinstance(found, Fed):
                settled[at] = found
            else:
                drafts.append(found)
        return settled | self._written(drafts)

    def _draft(self, at: int, outcome: Outcome, row: DecisionRow | None) -> _Draft | Fed:
        if row is None:
            self._decisions.history(outcome.decision)  # there was never one
            raise ErasedError("outcome: the decision is gone")
        decided, today = row.decided_at.date(), self._clock().date()
        if not decided - A_DAY <= outcome.observed_on <= today + A_DAY:
            raise MalformedError(
                "outcome: a day before the decision, or still to come", member="observed_on"
            )
        before = self._log.referring(outcome.decision)
        known = self._of(outcome.decision) if any(map(_is_outcome, before)) else ()
        own = [each for each in known if each.outcome.source == outcome.source]
        if own and own[-1].outcome == outcome:
            earlier = own[-2].id if own[1:] else None
            return Fed(own[-1].id, own[-1].seq, "duplicate", earlier)
        if len(known) >= MAX_OF_ONE:
            raise ConflictError(f"outcome: the decision has {MAX_OF_ONE} already")

        def body(commitment: bytes) -> Body:
            return OutcomeObserved(outcome.decision, commitment)

        new = self._records.attachment(
            outcome.decision, "outcome", outcome.content(), body, count=len(before)
        )
        return _Draft(at, outcome, new, own[-1].id if own else None)

    def _written(self, drafts: Sequence[_Draft]) -> dict[int, Fed | LedgerError]:
        """What became of these; those are left out before whom others wrote about a decision."""
        if not drafts:
            return {}
        try:
            places = self._records.write([each.new for each in drafts]).places
        except ErasedError as error:  # one of them went since, and the writer saw its tombstone
            if len(drafts) == 1:
                return {drafts[0].at: error}
            found: dict[int, Fed | LedgerError] = {}
            for each in drafts:
                found |= self._written([each])
            return found
        return {
            each.at: Fed(each.new.id, place.seq, "recorded", each.supersedes)
            for each, place in zip(drafts, places, strict=True)
            if place.raw is not None
        }


def _is_outcome(raw: bytes) -> bool:
    return isinstance(parse_entry(raw).body, OutcomeObserved)


def _observed(each: Attached) -> Observed:
    told = each.opening.disclosed()
    outcome = Outcome(
        decision=cast("OutcomeObserved", each.entry.body).decision,
        event=Event(str(told["event"])),
        occurred=bool(told["occurred"]),
        observed_on=date.fromisoformat(str(told["observed_on"])),
        source=str(told["source"]),
    )
    return Observed(each.entry.id, each.entry.seq, each.entry.at, outcome)
