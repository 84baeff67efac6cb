"""The rows of legal holds: what they cover, and what is decided by that.

Whatever decides by holds, setting one or letting an erasure begin, does it in a write
transaction of the vault `in_turn` under one name, so that neither passes the other.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from ledger.errors import ConflictError, NotFoundError
from ledger.operate.erasure import UNDER_WAY, Hold, Restriction, Stage
from ledger.operate.vault import EPOCH, microseconds
from ledger.storage.database import in_turn, reading, writing
from ledger.storage.models import decision_index, erasure, erasure_record, hold_record, legal_hold

__all__ = ["TURN", "HoldStore", "covering"]

TURN: Final = "holds and erasures"
_IDS_PER_QUERY: Final = 500  # bound variables of one statement; SQLite's oldest limit is 999
_INDEX = decision_index.alias("indexed")


def covering(record_id: Column[str], *, restriction: bool | None = None) -> Any:
    """As SQL: the id of a hold in force that covers the record of this column, or NULL.

    `restriction` asks for restrictions of use alone (True), or for legal holds alone (False).
    """
    asked = record_id.table
    by_record = (
        select(hold_record.c.hold_id).where(hold_record.c.record_id == record_id).correlate(asked)
    )
    by_person = select(_INDEX.c.tag).where(_INDEX.c.record_id == record_id).correlate(asked)
    return (
        select(func.min(legal_hold.c.id))
        .where(
            legal_hold.c.released_us.is_(None),
            *_kind(restriction=restriction),
            or_(legal_hold.c.id.in_(by_record), legal_hold.c.tag.in_(by_person)),
        )
        .correlate(asked)
        .scalar_subquery()
    )


def _kind(*, restriction: bool | None) -> tuple[ColumnElement[bool], ...]:
    if restriction is None:
        return ()
    column = legal_hold.c.restriction
    return (column.is_not(None) if restriction else column.is_(None),)


class HoldStore:
    """The legal holds of one vault."""

    def __init__(self, vault: Engine) -> None:
        self._vault = vault

    def begin(self, hold: Hold, tag: bytes | None, record_ids: Collection[str]) -> None:
        """Put a hold in force, on a person or on records.

        Raises:
            NotFoundError: nothing is known of this person.
            ConflictError: a record is being erased: it is too late for a hold.
        """
        with writing(self._vault) as connection:
            in_turn(connection, TURN)
            if tag is not None and not _is_known(connection, tag):
                raise NotFoundError("hold: nothing is known of this person")
            too_late = _erased(connection, record_ids) if tag is None else _goes(connection, tag)
            if too_late:
                raise ConflictError("hold: a record is being erased, and cannot be held any more")
            connection.execute(insert(legal_hold).values(_values(hold, tag)))
            rows = [{"hold_id": hold.id, "record_id": each} for each in sorted(record_ids)]
            if rows:
                connection.execute(insert(hold_record), rows)

    def take_back(self, hold_id: str) -> None:
        """Remove a hold that could not be logged."""
        with writing(self._vault) as connection:
            connection.execute(delete(hold_record).where(hold_record.c.hold_id == hold_id))
            connection.execute(delete(legal_hold).where(legal_hold.c.id == hold_id))

    def note_logged(self, hold_id: str) -> None:
        """Note that the hold is in the log."""
        self._change(hold_id, logged=1)

    def ask_release(self, hold_id: str, releaser: str) -> None:
        """Note who asked for the hold's release."""
        self._change(hold_id, releaser=releaser)

    def end(self, hold_id: str, at: datetime) -> None:
        """Note that the hold is over; what it says of its end first stays."""
        self._change(hold_id, released_us=microseconds(at))

    def read(self, hold_id: str) -> Hold:
        """One hold.

        Raises:
            NotFoundError: there is none with this id.
        """
        with reading(self._vault) as connection:
            rows = _select(connection, legal_hold.c.id == hold_id)
        if not rows:
            raise NotFoundError("hold: there is none with this id")
        return rows[0]

    def all(self) -> tuple[Hold, ...]:
        """Every hold, oldest first."""
        with reading(self._vault) as connection:
            return _select(connection, legal_hold.c.id.is_not(None))

    def note_informed(self, hold_id: str, at: datetime) -> None:
        """Note when the person was told that a restriction is to be lifted."""
        self._change(hold_id, informed_us=microseconds(at))

    def of(
        self, record_ids: Collection[str], *, restriction: bool | None = None
    ) -> Mapping[str, str]:
        """For each of these records that a hold in force covers, the hold's id."""
        found: dict[str, str] = {}
        ids = sorted(record_ids)
        with reading(self._vault) as connection:
            any_left = select(legal_hold.c.id).where(legal_hold.c.released_us.is_(None)).limit(1)
            if connection.scalar(any_left) is None:
                return found
            for at in range(0, len(ids), _IDS_PER_QUERY):
                column = decision_index.c.record_id
                query = select(column, covering(column, restriction=restriction)).where(
                    decision_index.c.record_id.in_(ids[at : at + _IDS_PER_QUERY])
                )
                rows = connection.execute(query)
                found |= {record: hold for record, hold in rows if hold is not None}
        return found

    def restricted_places(self) -> frozenset[int]:
        """The log's indexes of the settled decisions that a restriction in force covers."""
        in_force = and_(legal_hold.c.released_us.is_(None), legal_hold.c.restriction.is_not(None))
        people = select(legal_hold.c.tag).where(in_force, legal_hold.c.tag.is_not(None))
        named = select(hold_record.c.record_id).join(
            legal_hold, and_(legal_hold.c.id == hold_record.c.hold_id, in_force)
        )
        column = decision_index.c
        query = select(column.seq).where(
            column.seq.is_not(None), or_(column.tag.in_(people), column.record_id.in_(named))
        )
        with reading(self._vault) as connection:
            return frozenset(connection.scalars(query))

    def _change(self, hold_id: str, **values: object) -> None:
        with writing(self._vault) as connection:
            in_turn(connection, TURN)
            still = (legal_hold.c.id == hold_id) & legal_hold.c.released_us.is_(None)
            connection.execute(update(legal_hold).where(still).values(**values))


def _is_known(connection: Connection, tag: bytes) -> bool:
    query = select(decision_index.c.record_id).where(
        decision_index.c.tag == tag, decision_index.c.seq.is_not(None)
    )
    return connection.scalar(query.limit(1)) is not None


def _goes(connection: Connection, tag: bytes) -> bool:
    """Whether a decision of the person is being erased."""
    query = (
        select(erasure_record.c.record_id)
        .join(erasure, erasure.c.id == erasure_record.c.erasure_id)
        .outerjoin(decision_index, decision_index.c.record_id == erasure_record.c.record_id)
        .where(
            erasure.c.state.in_(UNDER_WAY),
            erasure_record.c.hold_id.is_(None),
            or_(erasure.c.tag == tag, decision_index.c.tag == tag),
        )
    )
    return connection.scalar(query.limit(1)) is not None


def _erased(connection: Connection, record_ids: Collection[str]) -> bool:
    """Whether one of these is being erased, or was since somebody looked."""
    ids = sorted(record_ids)
    for at in range(0, len(ids), _IDS_PER_QUERY):
        query = (
            select(erasure_record.c.record_id)
            .join(erasure, erasure.c.id == erasure_record.c.erasure_id)
            .where(
                erasure.c.state.in_((*UNDER_WAY, Stage.DONE)),
                erasure_record.c.hold_id.is_(None),
                erasure_record.c.record_id.in_(ids[at : at + _IDS_PER_QUERY]),
            )
        )
        if connection.scalar(query.limit(1)) is not None:
            return True
    return False


def _select(connection: Connection, wanted: ColumnElement[bool]) -> tuple[Hold, ...]:
    count = (
        select(func.count())
        .where(hold_record.c.hold_id == legal_hold.c.id)
        .correlate(legal_hold)
        .scalar_subquery()
    )
    query = select(legal_hold, count.label("records")).where(wanted).order_by(legal_hold.c.id)
    return tuple(_hold(row) for row in connection.execute(query))


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        id=row.id,
        entry_id=row.entry_id,
        whole_person=row.tag is not None,
        records=row.records,
        setter=row.setter,
        set_at=EPOCH + timedelta(microseconds=row.set_us),
        review_at=EPOCH + timedelta(microseconds=row.review_us),
        logged=bool(row.logged),
        releaser=row.releaser,
        released_at=(
            None if row.released_us is None else EPOCH + timedelta(microseconds=row.released_us)
        ),
        restriction=None if row.restriction is None else Restriction(row.restriction),
        informed_at=(
            None if row.informed_us is None else EPOCH + timedelta(microseconds=row.informed_us)
        ),
    )


def _values(hold: Hold, tag: bytes | None) -> dict[str, object]:
    return {
        "id": hold.id,
        "entry_id": hold.entry_id,
        "tag": tag,
        "setter": hold.setter,
        "set_us": microseconds(hold.set_at),
        "review_us": microseconds(hold.review_at),
        "logged": int(hold.logged),
        "restriction": hold.restriction,
    }
