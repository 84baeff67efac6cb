"""Attributions that were worked out after their decision was logged.

A decision may come without them. Its entry then commits to their absence, for good; what is
worked out later is an entry of its own, with the date on which the log accepted it, and is
never shown as if the decision had come with it. What is still to be done is a mark in the
vault's index, so that it goes when the decision is erased.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

from sqlalchemy import func, select, update

from ledger.canonical import JsonValue
from ledger.commitments import Opening, open_section, verify_opening
from ledger.entries import AttributionsAttached, Body, Entry, parse_entry
from ledger.errors import NotFoundError
from ledger.operate.decision import gathered, spread, written_attributions
from ledger.operate.decision_view import DecisionView
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import Records, attached_id
from ledger.operate.sequencer import Clock
from ledger.operate.vault import PENDING, Vault
from ledger.storage.database import reading, writing
from ledger.storage.models import decision_index
from ledger.tlog.proof import Receipt

__all__ = ["Attributed", "LaterAttributions", "Pending", "Standing"]

_SECTION: Final = "attributions"


@dataclass(frozen=True, slots=True)
class Attributed:
    """The attributions of a decision, and since when there are any.

    Attributes:
        computed: when they were worked out; `pending`: not yet, `value` is empty.
        value: as of docs/formats.md §5; or, worked out later, `status` and why there are none.
        entry: the entry that they were attached by, if it was later.
        at: when the log accepted that entry.
    """

    computed: Literal["at_decision", "later", "pending"]
    value: Mapping[str, JsonValue]
    entry: str | None = None
    at: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether there are numbers."""
        return "values" in self.value


@dataclass(frozen=True, slots=True)
class Pending:
    """A decision whose attributions are to be worked out, and its model's digest."""

    record_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How many attributions are to be worked out with one model, and since when the oldest is."""

    model: str
    count: int
    oldest_us: int


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
        return Attributed("later", gathered(opening.disclosed()), entry.id, entry.at)

    def evidence(self, record_id: str) -> tuple[Receipt, Opening]:
        """What shows that attributions were attached as they stand.

        Raises:
            NotFoundError: none were.
            ErasedError, VerificationError: as :meth:`of`.
        """
        entry, opening = self._attached(record_id)
        return self._log.receipt(entry.id), opening

    def attach(self, record_id: str, value: Mapping[str, JsonValue]) -> Entry:
        """Seal attributions, or why there are none, beside the decision, and log it; only once.

        Whoever comes second, in whatever process, gets the entry of the first.

        Raises:
            NotFoundError, ErasedError: there is no such decision (any more).
            PushbackError, RefusedError: nothing can be written now.
        """

        def body(commitment: bytes) -> Body:
            return AttributionsAttached(record_id, commitment)

        entry = self._records.attach(record_id, _SECTION, spread(value), body, count=0)
        self.settle(record_id)
        return entry

    def settle(self, record_id: str) -> bool:
        """Take the mark away if attributions are attached; say whether they are."""
        if not self._log.locate([attached_id(record_id, _SECTION, 0)]):
            return False
        with writing(self._vault.engine) as connection:
            theirs = decision_index.c.record_id == record_id
            connection.execute(update(decision_index).where(theirs).values(pending=None))
        return True

    def pending(self, limit: int, model: str, after: str = "") -> tuple[Pending, ...]:
        """Decisions by one model version that lack attributions, by id, behind `after`."""
        query = (
            select(decision_index.c.record_id)
            .where(
                decision_index.c.pending == PENDING,
                decision_index.c.model == model,
                decision_index.c.record_id > after,
            )
            .order_by(decision_index.c.record_id)
            .limit(limit)
        )
        with reading(self._vault.engine) as connection:
            return tuple(Pending(record_id, model) for record_id in connection.scalars(query))

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

    def _attached(self, record_id: str) -> tuple[Entry, Opening]:
        entry = parse_entry(self._log.entry(attached_id(record_id, _SECTION, 0)))
        members, key = self._records.open(entry.id)
        opening = open_section(key, _SECTION, members)
        verify_opening(opening, cast("AttributionsAttached", entry.body).attributions)
        return entry, opening
