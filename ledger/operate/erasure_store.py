"""The rows of erasures: the durable intent, moved from stage to stage by one transaction each.

They are in the vault, beside what they destroy: a vault that is put back has the intent as it
was then, and whatever was logged since is replayed from the log.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    select,
    update,
)

from ledger.errors import NotFoundError, WrongStage
from ledger.operate.erasure import UNDER_WAY, Ending, Erasure, Ground, Stage
from ledger.operate.hold_store import TURN, covering
from ledger.operate.vault import EPOCH, microseconds
from ledger.storage.database import in_turn, reading, writing
from ledger.storage.models import decision_index, erasure, erasure_record

__all__ = ["ATTACHED", "DECISIONS", "ErasureStore"]

DECISIONS: Final = 0  # parts of what an erasure is about
ATTACHED: Final = 1
_ROWS: Final = 1_000  # of one statement

_OTHER = erasure.alias("other")
_OTHERS = erasure_record.alias("others")


class ErasureStore:
    """The erasures of one vault: those of decisions, or those of details of the access log."""

    def __init__(self, vault: Engine, *, access: bool = False) -> None:
        self._vault = vault
        of_access = erasure.c.ground == Ending.ACCESS_LOG_ENDED.value
        self._ours = of_access if access else ~of_access

    def add(self, new: Erasure, tag: bytes | None, record_ids: Collection[str]) -> None:
        """Store a request, about a person or about these decisions."""
        values = {
            "id": new.id,
            "tag": tag,
            "state": new.stage.value,
            "ground": new.ground.value,
            "requester": new.requester,
            "requester_role": new.requester_role,
            "requested_us": microseconds(new.requested_at),
        }
        with writing(self._vault) as connection:
            connection.execute(insert(erasure).values(values))
            _add_records(connection, new.id, record_ids, DECISIONS)

    def approve(
        self,
        erasure_id: str,
        approver: str,
        role: str,
        at: datetime,
        size: int,
        spared: Collection[str] = (),
    ) -> tuple[str, ...]:
        """List what is to go and begin, unless holds keep all of it; return those holds.

        From its commit on the erasure goes on by itself: this is the point of no return.

        Args:
            erasure_id: the request, which has to stand at `requested`.
            approver: the credential that agrees.
            role: its role.
            at: now.
            size: of the log; everything below it is settled in the vault.
            spared: records that it named and that stay.

        Raises:
            WrongStage: it stands elsewhere, or its records are being erased already.
        """
        with writing(self._vault) as connection:
            in_turn(connection, TURN)
            row = _row(connection, erasure_id)
            if row.state != Stage.REQUESTED:
                raise WrongStage(f"erasure: it is {row.state}, not requested")
            if row.tag is not None:
                _list_person(connection, erasure_id, bytes(row.tag), size)
            elif _overlaps(connection, erasure_id):
                raise WrongStage("erasure: some of these records are erased by another request")
            mine = erasure_record.c.erasure_id == erasure_id
            _spare(connection, erasure_id, spared)
            held = update(erasure_record).where(mine)
            connection.execute(held.values(hold_id=covering(erasure_record.c.record_id)))
            goes = select(exists().where(mine, erasure_record.c.hold_id.is_(None)))
            holds = select(erasure_record.c.hold_id).where(mine).distinct()
            values = {"approver": approver, "approver_role": role, "approved_us": microseconds(at)}
            if connection.scalar(goes):
                values |= {"state": Stage.APPROVED.value}
                values |= {"size": size} if row.tag is not None else {}
                _set(connection, erasure_id, values)
                return ()
            kept = tuple(sorted(filter(None, connection.scalars(holds))))
            if not kept:
                raise WrongStage("erasure: nothing of it is left to erase")
            _set(connection, erasure_id, values | _refused("hold_in_force"))
        return kept

    def refuse(self, erasure_id: str, approver: str, role: str, at: datetime, reason: str) -> None:
        """Let a request come to nothing.

        Raises:
            WrongStage: it does not stand at `requested`.
        """
        with writing(self._vault) as connection:
            in_turn(connection, TURN)
            row = _row(connection, erasure_id)
            if row.state != Stage.REQUESTED:
                raise WrongStage(f"erasure: it is {row.state}, not requested")
            values = {"approver": approver, "approver_role": role, "approved_us": microseconds(at)}
            _set(connection, erasure_id, values | _refused(reason))

    def gathered(self, erasure_id: str, attached: Collection[str]) -> None:
        """Note what was attached to the decisions; nothing changes if that was noted before."""
        with writing(self._vault) as connection:
            in_turn(connection, TURN)
            if _row(connection, erasure_id).state == Stage.APPROVED:
                _add_records(connection, erasure_id, attached, ATTACHED)
                _set(connection, erasure_id, {"state": Stage.GATHERED.value})

    def finish(self, erasure_id: str, at: datetime) -> None:
        """Note that everything is destroyed; nothing changes if that was noted before."""
        with writing(self._vault) as connection:
            in_turn(connection, TURN)
            if _row(connection, erasure_id).state == Stage.GATHERED:
                values = {"state": Stage.DONE.value, "done_us": microseconds(at)}
                _set(connection, erasure_id, values)

    def note_clean(self, at: datetime, erasure_ids: Collection[str]) -> None:
        """Note that the files were cleaned up after these erasures."""
        with writing(self._vault) as connection:
            for each in erasure_ids:
                _set(connection, each, {"cleaned_us": microseconds(at)})

    def read(self, erasure_id: str) -> Erasure:
        """One erasure.

        Raises:
            NotFoundError: there is none with this id.
        """
        found = self.find(erasure.c.id == erasure_id)
        if not found:
            raise NotFoundError("erasure: there is none with this id")
        return found[0]

    def find(self, *wanted: ColumnElement[bool]) -> tuple[Erasure, ...]:
        """The erasures that fit, oldest first."""
        query = select(erasure).where(and_(self._ours, *wanted)).order_by(erasure.c.id)
        with reading(self._vault) as connection:
            return tuple(_value(connection, row) for row in connection.execute(query).all())

    def of_person(self, tag: bytes) -> tuple[Erasure, ...]:
        """The erasures of a person, by tag."""
        return self.find(erasure.c.tag == tag)

    def of_record(self, record_id: str) -> tuple[Erasure, ...]:
        """The erasures, begun or done, in which a record goes."""
        theirs = select(erasure_record.c.erasure_id).where(
            erasure_record.c.record_id == record_id, erasure_record.c.hold_id.is_(None)
        )
        begun = erasure.c.state.in_((*UNDER_WAY, Stage.DONE))
        return self.find(erasure.c.id.in_(theirs), begun)

    def known(self, tag: bytes) -> int:
        """How many decisions of a person can be found."""
        with reading(self._vault) as connection:
            return _known(connection, tag)

    def records(self, erasure_id: str, part: int, size: int) -> Iterator[tuple[str, ...]]:
        """What goes of a part, by rising ids, so many at a time: the same whenever it is asked."""
        column, after = erasure_record.c, ""
        while True:
            query = (
                select(column.record_id)
                .where(column.erasure_id == erasure_id, column.part == part)
                .where(column.hold_id.is_(None), column.record_id > after)
                .order_by(column.record_id)
                .limit(size)
            )
            with reading(self._vault) as connection:
                found = tuple(connection.scalars(query))
            if found:
                yield found
            if len(found) < size:  # that was the end: an erasure of one record asks this often
                return
            after = found[-1]

    def held(self, erasure_id: str) -> tuple[tuple[str, str], ...]:
        """The decisions that stay, each with the hold that keeps it."""
        column = erasure_record.c
        query = (
            select(column.record_id, column.hold_id)
            .where(column.erasure_id == erasure_id, column.hold_id.is_not(None))
            .order_by(column.record_id)
        )
        with reading(self._vault) as connection:
            return tuple((row.record_id, row.hold_id) for row in connection.execute(query))


def _list_person(connection: Connection, erasure_id: str, tag: bytes, size: int) -> None:
    """Everything of the person that is in the log below `size`, but what another erasure takes."""
    column = decision_index.c
    connection.execute(
        insert(erasure_record).from_select(
            ("erasure_id", "record_id", "part", "hold_id"),
            select(literal(erasure_id), column.record_id, literal(DECISIONS), null()).where(
                column.tag == tag, column.seq < size, ~_taken(column.record_id, erasure_id)
            ),
        )
    )


def _overlaps(connection: Connection, erasure_id: str) -> bool:
    taken = _taken(erasure_record.c.record_id, erasure_id)
    query = select(erasure_record.c.record_id).where(
        erasure_record.c.erasure_id == erasure_id, taken
    )
    return connection.scalar(query.limit(1)) is not None


def _taken(record_id: ColumnElement[str], erasure_id: str) -> ColumnElement[bool]:
    """As SQL: another erasure that is begun or done takes the record of this column."""
    return exists().where(
        _OTHERS.c.record_id == record_id,
        _OTHERS.c.hold_id.is_(None),
        _OTHERS.c.erasure_id != erasure_id,
        _OTHER.c.id == _OTHERS.c.erasure_id,
        _OTHER.c.state.in_((*UNDER_WAY, Stage.DONE)),
    )


def _add_records(
    connection: Connection, erasure_id: str, record_ids: Collection[str], part: int
) -> None:
    ids = sorted(record_ids)
    for at in range(0, len(ids), _ROWS):
        some = ids[at : at + _ROWS]
        rows = [{"erasure_id": erasure_id, "record_id": each, "part": part} for each in some]
        connection.execute(insert(erasure_record), rows)


def _spare(connection: Connection, erasure_id: str, record_ids: Collection[str]) -> None:
    ids = sorted(record_ids)
    for at in range(0, len(ids), _ROWS // 2):
        theirs = erasure_record.c.record_id.in_(ids[at : at + _ROWS // 2])
        mine = erasure_record.c.erasure_id == erasure_id
        connection.execute(delete(erasure_record).where(mine, theirs))


def _refused(reason: str) -> dict[str, str]:
    return {"state": Stage.REFUSED.value, "reason": reason}


def _set(connection: Connection, erasure_id: str, values: dict[str, Any]) -> None:
    connection.execute(update(erasure).where(erasure.c.id == erasure_id).values(**values))


def _row(connection: Connection, erasure_id: str) -> Row[Any]:
    row = connection.execute(select(erasure).where(erasure.c.id == erasure_id)).one_or_none()
    if row is None:
        raise NotFoundError("erasure: there is none with this id")
    return row


def _value(connection: Connection, row: Row[Any]) -> Erasure:
    column = erasure_record.c
    held = column.hold_id.is_not(None)
    query = (
        select(column.part, held, func.count())
        .where(column.erasure_id == row.id)
        .group_by(column.part, held)
    )
    counts = {(part, bool(kept)): count for part, kept, count in connection.execute(query)}
    if row.state == Stage.REQUESTED and row.tag is not None:
        counts[DECISIONS, False] = _known(connection, bytes(row.tag))
    return Erasure(
        id=row.id,
        stage=Stage(row.state),
        ground=_ground(row.ground),
        whole_person=row.tag is not None,
        requester=row.requester,
        requester_role=row.requester_role,
        requested_at=EPOCH + timedelta(microseconds=row.requested_us),
        approver=row.approver,
        approver_role=row.approver_role,
        approved_at=_moment(row.approved_us),
        size=row.size,
        done_at=_moment(row.done_us),
        cleaned_at=_moment(row.cleaned_us),
        reason=row.reason,
        decisions=counts.get((DECISIONS, False), 0),
        attached=counts.get((ATTACHED, False), 0),
        held=counts.get((DECISIONS, True), 0),
    )


def _ground(code: str) -> Ground | Ending:
    return Ending(code) if code in set(Ending) else Ground(code)


def _known(connection: Connection, tag: bytes) -> int:
    query = select(func.count()).where(
        decision_index.c.tag == tag, decision_index.c.seq.is_not(None)
    )
    return connection.scalar(query) or 0


def _moment(us: int | None) -> datetime | None:
    return None if us is None else EPOCH + timedelta(microseconds=us)
