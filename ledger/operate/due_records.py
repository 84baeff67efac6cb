"""Which records are due: found in the index by time, a page at a time, without opening any.

Nothing here decides how long something is kept; it is given a moment, and finds what is older.
What is held, disputed or being erased is told apart, with the reason.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, Engine, and_, func, or_, select

from ledger.entries import UUID7_RANDOM_BYTES, Access, AccessDenied, Review, parse_entry, uuid7
from ledger.operate.erasure import UNDER_WAY
from ledger.operate.vault import EPOCH, microseconds
from ledger.storage.database import reading
from ledger.storage.models import (
    access_detail,
    decision_index,
    erasure,
    erasure_record,
    log,
    log_entry,
    log_reference,
    record_key,
)

__all__ = [
    "Extent",
    "Kept",
    "accesses_before",
    "decisions_before",
    "extent",
    "kept_apart",
    "recorded",
]

PAGE: Final = 1_000  # records looked at together: bounds memory, whatever is due
REVIEW_OVER: Final = frozenset({"closed", "decided_again", "decision_stands", "withdrawn"})
"""The states in which the review of a decision is over; in every other it is kept."""

_IDS_PER_QUERY: Final = 500  # bound variables of one statement; SQLite's oldest limit is 999
_REVIEW_MARK: Final = b'"kind":"review"'  # in canonical JSON: spares parsing all the others


class Kept(StrEnum):
    """Why a record that is due is kept."""

    ERASURE = "erasure"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Extent:
    """How many decisions of a policy there are, and from when to when."""

    count: int
    first: datetime | None
    last: datetime | None


def recorded(vault: Engine) -> dict[str, int]:
    """How many decisions there are of each policy, by its digest."""
    column = decision_index.c
    query = select(column.policy, func.count()).where(column.seq.is_not(None))
    with reading(vault) as connection:
        rows = connection.execute(query.group_by(column.policy)).all()
    return {row.policy: row[1] for row in rows}


def extent(vault: Engine, policy: str, before: datetime) -> Extent:
    """How much there is of the policy with this digest from before a moment."""
    column = decision_index.c
    query = select(func.count(), func.min(column.decided_us), func.max(column.decided_us))
    with reading(vault) as connection:
        count, first, last = connection.execute(query.where(_of(policy, before))).one()
    return Extent(count, _moment(first), _moment(last))


def decisions_before(vault: Engine, policy: str, before: datetime) -> Iterator[tuple[str, ...]]:
    """The decisions of a policy from before a moment, oldest first, in pages."""
    column = decision_index.c
    last: tuple[int, str] | None = None
    while True:
        query = select(column.decided_us, column.record_id).where(_of(policy, before))
        if last is not None:
            at, after = last
            same = and_(column.decided_us == at, column.record_id > after)
            query = query.where(column.decided_us >= at, or_(column.decided_us > at, same))
        query = query.order_by(column.decided_us, column.record_id).limit(PAGE)
        with reading(vault) as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        yield tuple(row.record_id for row in rows)
        last = (rows[-1].decided_us, rows[-1].record_id)


def accesses_before(
    vault: Engine, ledger: Engine, origin: str, before: datetime
) -> Iterator[tuple[str, ...]]:
    """The details of the access log from before a moment, oldest first, in pages.

    Their ids are ours, and sort by time. Incidents of that log are not among them.
    """
    column, after = record_key.c, ""
    bound = uuid7(microseconds(before) // 1_000, bytes(UUID7_RANDOM_BYTES))
    while True:
        query = (
            select(column.record_id)
            .join(access_detail, access_detail.c.record_id == column.record_id)
            .where(column.origin == origin, column.seq.is_not(None))
            .where(column.record_id > after, column.record_id < bound)
            .order_by(column.record_id)
            .limit(PAGE)
        )
        with reading(vault) as connection:
            ids = tuple(connection.scalars(query))
        if not ids:
            return
        yield tuple(_accesses(ledger, origin, ids, before))
        after = ids[-1]


def kept_apart(
    vault: Engine, ledger: Engine, origin: str, record_ids: Collection[str]
) -> dict[str, Kept]:
    """Those of these records that are under review, or being erased by somebody else."""
    found: dict[str, Kept] = {}
    for ids in _chunks(record_ids):
        going = (
            select(erasure_record.c.record_id)
            .join(erasure, erasure.c.id == erasure_record.c.erasure_id)
            .where(erasure.c.state.in_(UNDER_WAY), erasure_record.c.record_id.in_(ids))
            .where(erasure_record.c.hold_id.is_(None))
        )
        with reading(vault) as connection:
            found |= dict.fromkeys(connection.scalars(going), Kept.ERASURE)
        found |= dict.fromkeys(_under_review(ledger, origin, ids), Kept.REVIEW)
    return found


def _under_review(ledger: Engine, origin: str, ids: Collection[str]) -> frozenset[str]:
    """Those of these decisions whose last review is not over."""
    raw = (
        select(log_entry.c.entry)
        .join(log, log.c.id == log_entry.c.log_id)
        .join(
            log_reference,
            and_(
                log_reference.c.log_id == log_entry.c.log_id,
                log_reference.c.seq == log_entry.c.seq,
            ),
        )
        .where(log.c.origin == origin, log_reference.c.reference.in_(ids))
        .order_by(log_entry.c.seq)
    )
    states: dict[str, str] = {}
    with reading(ledger) as connection:
        for entry in map(bytes, connection.scalars(raw)):
            if _REVIEW_MARK in entry:
                body = parse_entry(entry).body
                if isinstance(body, Review):
                    states[body.decision] = body.state
    return frozenset(each for each, state in states.items() if state not in REVIEW_OVER)


def _accesses(
    ledger: Engine, origin: str, record_ids: Collection[str], before: datetime
) -> Iterator[str]:
    for ids in _chunks(record_ids):
        raw = (
            select(log_entry.c.entry)
            .join(log, log.c.id == log_entry.c.log_id)
            .where(log.c.origin == origin, log_entry.c.entry_id.in_(ids))
            .order_by(log_entry.c.entry_id)
        )
        with reading(ledger) as connection:
            entries = [parse_entry(bytes(each)) for each in connection.scalars(raw)]
        for entry in entries:
            if isinstance(entry.body, Access | AccessDenied) and entry.at < before:
                yield entry.id


def _of(policy: str, before: datetime) -> ColumnElement[bool]:
    column = decision_index.c
    settled = and_(column.policy == policy, column.seq.is_not(None))
    return settled & (column.decided_us < microseconds(before))


def _moment(us: int | None) -> datetime | None:
    return None if us is None else EPOCH + timedelta(microseconds=us)


def _chunks(record_ids: Collection[str]) -> Iterator[list[str]]:
    ids = sorted(record_ids)
    for at in range(0, len(ids), _IDS_PER_QUERY):
        yield ids[at : at + _IDS_PER_QUERY]
