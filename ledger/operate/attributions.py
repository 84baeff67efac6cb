"""Attributions that were worked out after their decision was logged.

A decision may come without them. Its entry then commits to their absence, for good; what is
worked out later is an entry of its own, with the date on which the log accepted it, and is
never shown as if the decision had come with it. What is still to be done is a mark in the
vault's index, so that it goes when the decision is erased.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

from sqlalchemy import bindparam, func, select, tuple_, update

from ledger.canonical import JsonValue
from ledger.commitments import Opening, open_section, verify_opening
from ledger.entries import AttributionsAttached, Body, Entry, parse_entry
from ledger.errors import ErasedError, NotFoundError
from ledger.operate.decision import gathered, spread, written_attributions
from ledger.operate.decision_view import DecisionView
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import NewRecord, Records, attached_id
from ledger.operate.sequencer import Clock
from ledger.operate.vault import PENDING, Vault
from ledger.storage.database import reading, writing
from ledger.storage.models import decision_index
from ledger.tlog.proof import Receipt

__all__ = ["REASONS", "Attributed", "Counts", "LaterAttributions", "Pending", "Standing"]

REASONS: Final = (
    *("does_not_add_up", "input_incomplete", "input_not_kept", "not_reproduced"),
    "not_taken_apart",
)
"""Why there are no attributions: what `status` says in place of numbers."""

_SECTION: Final = "attributions"
_DONE: Final = PENDING + 1
_MARKS: Final = {"": _DONE} | {reason: at for at, reason in enumerate(REASONS, _DONE + 1)}
"""What `decision_index.pending` becomes: by the status that was attached, "" for numbers."""
_NOTE: Final = (
    update(decision_index)
    .where(decision_index.c.record_id == bindparam("of_record"))
    .values(pending=bindparam("mark"))
)


@dataclass(frozen=True, slots=True)
class Attributed:
    """The attributions of a decision, and since when there are any.

    Attributes:
        computed: when they were worked out; `pending`: not yet, `value` is empty.
        value: as of docs/formats.md §5; or, worked out later, `status` and why there are none.
        entry: the entry that they were attached by, if it was later.
        seq: the index of that entry.
        at: when the log accepted it.
    """

    computed: Literal["at_decision", "later", "pending"]
    value: Mapping[str, JsonValue]
    entry: str | None = None
    seq: int | None = None
    at: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether there are numbers."""
        return "values" in self.value


@dataclass(frozen=True, slots=True)
class Pending:
    """A decision whose attributions are to be worked out, and when the vault received it."""

    record_id: str
    received_us: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How many attributions are to be worked out with one model, and since when the oldest is."""

    model: str
    count: int
    oldest_us: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How attributions that decisions came without stand; erased decisions are in no count.

    Attributes:
        pending: to be worked out.
        done: worked out and attached.
        impossible: for each of `REASONS`, how many have that attached in place of numbers.
        oldest_us: since when the oldest pending one waits; None if none does.
    """

    pending: int
    done: int
    impossible: Mapping[str, int]
    oldest_us: int | None


class LaterAttributions:
    """What one log's decisions still lack, and what they were given later."""

    def __init__(
        self, log: PublishedLog, writer: LogWriter, vault: Vault, clock: Clock, random: Random
    ) -> None:
        self._log = log
        self._vault = vault
        self._records = Records(log, writer, vault, clock, random)

    def of(self, view: DecisionView) -> Attributed:
        """The attributions of a decision, checked against what the log commits to.

        Raises:
            ErasedError: they were destroyed.
            VerificationError: what is stored is not what was logged.
        """
        if view.payload.attributed:
            return Attributed("at_decision", written_attributions(view.payload.attributions))
        try:
            entry, opening = self._attached(view.id)
        except NotFoundError:
            return Attributed("pending", {})
        return Attributed("later", gathered(opening.disclosed()), entry.id, entry.seq, entry.at)

    def evidence(
        self, record_id: str, disclose: Collection[str] | None = None
    ) -> tuple[Receipt, Opening]:
        """What shows that attributions were attached as they stand.

        Args:
            record_id: the decision's id.
            disclose: which fields to show, as `values.income`; None shows all. The others
                are there as digests.

        Raises:
            MalformedError: a field to disclose is not there.
            NotFoundError: none were attached.
            ErasedError, VerificationError: as :meth:`of`.
        """
        entry, opening = self._attached(record_id, disclose)
        return self._log.receipt(entry.id), opening

    def attach(self, found: Mapping[str, Mapping[str, JsonValue]]) -> int:
        """Seal attributions, or why there are none, beside each decision, and log them; once.

        Whoever comes second, in whatever process, changes nothing. Decisions that are gone
        are passed over.

        Args:
            found: by the decision's id, at most `log_writer.MAX_RECORDS`.

        Returns:
            How many have an entry now.

        Raises:
            PushbackError, RefusedError: nothing can be written now.
        """
        new = [each for each in map(self._new, found, found.values()) if each is not None]
        if not new:
            return 0
        try:
            places = self._records.write(new).places
        except ErasedError:  # one of them went since, and the writer saw its tombstone
            if len(found) == 1:
                return 0
            return sum(self.attach({record_id: found[record_id]}) for record_id in found)
        ours = {each.id for each, place in zip(new, places, strict=True) if place.raw is not None}
        told = {i: value for i, value in found.items() if attached_id(i, _SECTION, 0) in ours}
        self._note({record_id: _mark(value) for record_id, value in told.items()})
        return len(told) + len(self.settle(found.keys() - told.keys()))

    def settle(self, record_ids: Collection[str]) -> frozenset[str]:
        """Note which of these decisions have attributions attached, and return them.

        Raises:
            VerificationError: what is stored is not what was logged.
        """
        ids = {attached_id(record_id, _SECTION, 0): record_id for record_id in record_ids}
        marks: dict[str, int | None] = {}
        for each in self._log.locate(ids):
            try:
                marks[ids[each]] = _mark(self._attached(ids[each])[1].disclosed())
            except ErasedError:
                marks[ids[each]] = None
        self._note(marks)
        return frozenset(marks)

    def forget(self, record_id: str) -> None:
        """Expect nothing of a decision any more: what it was worked out from is destroyed."""
        self._note({record_id: None})

    def waiting(self) -> tuple[str, ...]:
        """The model versions that decisions wait for, by digest; cheap however many wait."""
        column, found = decision_index.c.model, [""]
        theirs = select(column).where(decision_index.c.pending == PENDING)
        with reading(self._vault.engine) as connection:
            # From one model straight to the next: no index is read through.
            while (
                model := connection.scalar(
                    theirs.where(column > found[-1]).order_by(column).limit(1)
                )
            ) is not None:
                found.append(model)
        return tuple(found[1:])

    def pending(self, limit: int, model: str, after: Pending | None = None) -> tuple[Pending, ...]:
        """Decisions by one model version that lack attributions, oldest first, behind `after`."""
        place = (decision_index.c.received_us, decision_index.c.record_id)
        query = (
            select(decision_index.c.record_id, decision_index.c.received_us)
            .where(decision_index.c.pending == PENDING, decision_index.c.model == model)
            .order_by(*place)
            .limit(limit)
        )
        if after is not None:
            query = query.where(tuple_(*place) > tuple_(after.received_us, after.record_id))
        with reading(self._vault.engine) as connection:
            return tuple(Pending(*row) for row in connection.execute(query))

    def standing(self) -> tuple[Standing, ...]:
        """How many are to be worked out, by model."""
        query = (
            select(decision_index.c.model, func.count(), func.min(decision_index.c.received_us))
            .where(decision_index.c.pending == PENDING)
            .group_by(decision_index.c.model)
            .order_by(decision_index.c.model)
        )
        with reading(self._vault.engine) as connection:
            return tuple(Standing(*row) for row in connection.execute(query))

    def counts(self) -> Counts:
        """How many are pending, done and impossible: for people and for metrics."""
        column = decision_index.c.pending
        query = select(column, func.count()).where(column.is_not(None)).group_by(column)
        with reading(self._vault.engine) as connection:
            by_mark = {int(mark): int(count) for mark, count in connection.execute(query)}
        oldest = [
            each[0].received_us for model in self.waiting() if (each := self.pending(1, model))
        ]
        return Counts(
            pending=by_mark.get(PENDING, 0),
            done=by_mark.get(_DONE, 0),
            impossible={reason: by_mark.get(_MARKS[reason], 0) for reason in REASONS},
            oldest_us=min(oldest, default=None),
        )

    def _new(self, record_id: str, value: Mapping[str, JsonValue]) -> NewRecord | None:
        def body(commitment: bytes) -> Body:
            return AttributionsAttached(record_id, commitment)

        try:
            return self._records.attachment(record_id, _SECTION, spread(value), body, count=0)
        except ErasedError:
            return None

    def _note(self, marks: Mapping[str, int | None]) -> None:
        if marks:
            rows = [{"of_record": each, "mark": mark} for each, mark in marks.items()]
            with writing(self._vault.engine) as connection:
                connection.execute(_NOTE, rows)

    def _attached(
        self, record_id: str, disclose: Collection[str] | None = None
    ) -> tuple[Entry, Opening]:
        entry = parse_entry(self._log.entry(attached_id(record_id, _SECTION, 0)))
        members, key = self._records.open(entry.id)
        opening = open_section(key, _SECTION, members, disclose)
        verify_opening(opening, cast("AttributionsAttached", entry.body).attributions)
        return entry, opening


def _mark(value: Mapping[str, JsonValue]) -> int:
    return _MARKS.get(str(value.get("status", "")), _DONE)
