"""Finding decisions: by subject, model, policy, outcome and time, newest first.

Reads the vault's index only, and of it only what is settled: a row whose record
never reached the log is never shown or counted.
"""

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, func, null, or_, select

from ledger.errors import MalformedError
from ledger.operate.hold_store import covering
from ledger.operate.vault import EPOCH, Vault, microseconds
from ledger.storage.database import reading
from ledger.storage.models import decision_index

MAX_LIMIT: Final = 500  # rows of one page; some 100 kB as JSON
DEFAULT_LIMIT: Final = 50
_IDS_PER_QUERY: Final = 500  # bound variables of one statement; SQLite's oldest limit is 999
MAX_CURSOR_CHARACTERS: Final = 128  # ours have 76

_CURSOR: Final = re.compile(r"(-?[0-9]{1,18}):([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class DecisionQuery:
    """What to look for; every member narrows, None does not.

    Attributes:
        subject: the operator's reference to a person.
        model: `name@version` or digest.
        policy: `name@version` or digest.
        outcome: the outcome's code.
        since: decided at or after; aware.
        until: decided before; aware.
        cursor: `next_cursor` of the page before.
        limit: rows per page, 1 to `MAX_LIMIT`.
    """

    subject: str | None = None
    model: str | None = None
    policy: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise MalformedError(f"query: not 1 to {MAX_LIMIT} rows", member="limit")
        for member in ("since", "until"):
            at = getattr(self, member)
            if at is not None and at.tzinfo is None:
                raise MalformedError("query: a time without a zone", member=member)


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision in a list. `margin` is in units of 10^-6 of the model's space.

    `hold` is the legal hold that keeps it and restricts its use, if one does.
    """

    id: str
    seq: int
    decided_at: datetime
    outcome: str
    model: str
    policy: str
    margin: int
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class Facets:
    """How many of all decisions found have each outcome, model and policy; most first."""

    outcome: tuple[tuple[str, int], ...]
    model: tuple[tuple[str, int], ...]
    policy: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some decisions, where the next page begins, and what there is in all."""

    rows: tuple[DecisionRow, ...]
    next_cursor: str | None
    total: int
    facets: Facets


@dataclass(frozen=True, slots=True)
class Tally:
    """The decisions of one model version under one policy: how many, decided from when to when."""

    policy: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class _Cursor:
    """The last row of a page: the next one continues below it."""

    decided_us: int
    record_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            if len(text) > MAX_CURSOR_CHARACTERS:
                raise ValueError  # noqa: TRY301  # one way out for every text that is not ours
            match = _CURSOR.fullmatch(base64.urlsafe_b64decode(text).decode("ascii"))
            parsed = cls(int(match[1]), match[2]) if match else None
        except (ValueError, binascii.Error):
            parsed = None
        if parsed is None or parsed.format() != text:
            raise MalformedError("query: not a cursor of ours", member="cursor")
        return parsed

    def format(self) -> str:
        return base64.urlsafe_b64encode(f"{self.decided_us}:{self.record_id}".encode()).decode()


def search(vault: Vault, query: DecisionQuery) -> Page:
    """The page that the query asks for; `model` and `policy` must be digests by now.

    Raises:
        MalformedError: the cursor is not one of ours.
        PushbackError: the database does not answer.
    """
    wanted = _conditions(vault, query)
    below = _Cursor.parse(query.cursor) if query.cursor is not None else None
    with reading(vault.engine) as connection:
        rows = _rows(connection, wanted, below, query.limit + 1)
        total = connection.scalar(select(func.count()).where(wanted)) or 0
        facets = Facets(
            outcome=_counts(connection, wanted, decision_index.c.outcome),
            model=_counts(connection, wanted, decision_index.c.model),
            policy=_counts(connection, wanted, decision_index.c.policy),
        )
    page, more = rows[: query.limit], len(rows) > query.limit
    last = _Cursor(microseconds(page[-1].decided_at), page[-1].id).format() if more else None
    return Page(page, last, total, facets)


def rows_of(vault: Vault, record_ids: Collection[str]) -> Iterator[DecisionRow]:
    """What the index says of those of these decisions that it knows, in no order.

    Raises:
        PushbackError: the database does not answer.
    """
    ids, column = sorted(record_ids), decision_index.c
    for at in range(0, len(ids), _IDS_PER_QUERY):
        named = column.record_id.in_(ids[at : at + _IDS_PER_QUERY])
        query = select(decision_index, null().label("hold")).where(named, column.seq.is_not(None))
        with reading(vault.engine) as connection:
            yield from _told(connection.execute(query))


def tallies(vault: Engine, model: str) -> tuple[Tally, ...]:
    """The decisions of the model version with this digest, by policy; most first.

    Of erased and expired ones nothing is left to count. As in :func:`search`, only what is settled
    counts.
    """
    column, count = decision_index.c, func.count()
    query = (
        select(column.policy, count, func.min(column.decided_us), func.max(column.decided_us))
        .where(column.seq.is_not(None), column.model == model)
        .group_by(column.policy)
        .order_by(count.desc(), column.policy)
    )
    with reading(vault) as connection:
        rows = connection.execute(query).all()
    return tuple(
        Tally(policy, number, *(EPOCH + timedelta(microseconds=at) for at in (first, last)))
        for policy, number, first, last in rows
    )


def _conditions(vault: Vault, query: DecisionQuery) -> ColumnElement[bool]:
    column = decision_index.c
    conditions: list[ColumnElement[bool]] = [column.seq.is_not(None)]
    if query.subject is not None:
        conditions.append(column.tag == vault.subject_tag(query.subject))
    for member in ("model", "policy", "outcome"):
        value = getattr(query, member)
        if value is not None:
            conditions.append(column[member] == value)
    if query.since is not None:
        conditions.append(column.decided_us >= microseconds(query.since))
    if query.until is not None:
        conditions.append(column.decided_us < microseconds(query.until))
    return and_(*conditions)


def _rows(
    connection: Connection, wanted: ColumnElement[bool], below: _Cursor | None, count: int
) -> tuple[DecisionRow, ...]:
    column = decision_index.c
    query = (
        select(decision_index, covering(column.record_id).label("hold"))
        .where(wanted)
        .order_by(column.decided_us.desc(), column.record_id.desc())
        .limit(count)
    )
    if below is not None:
        same_time = and_(column.decided_us == below.decided_us, column.record_id < below.record_id)
        query = query.where(or_(column.decided_us < below.decided_us, same_time))
    return _told(connection.execute(query))


def _told(rows: Iterable[Row[Any]]) -> tuple[DecisionRow, ...]:
    return tuple(
        DecisionRow(
            id=row.record_id,
            seq=row.seq,
            decided_at=EPOCH + timedelta(microseconds=row.decided_us),
            outcome=row.outcome,
            model=row.model,
            policy=row.policy,
            margin=row.margin,
            hold=row.hold,
        )
        for row in rows
    )


def _counts(
    connection: Connection, wanted: ColumnElement[bool], column: ColumnElement[Any]
) -> tuple[tuple[str, int], ...]:
    count = func.count()
    query = select(column, count).where(wanted).group_by(column).order_by(count.desc(), column)
    return tuple((value, number) for value, number in connection.execute(query))
