"""The log on a SQL database: SQLite or PostgreSQL through SQLAlchemy Core."""

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    Integer,
    bindparam,
    func,
    insert,
    select,
)

from ledger.errors import CheckpointConflict, NotFoundError
from ledger.storage.database import (
    BUSY_TIMEOUT_MS,
    alone_beside,
    asking,
    reading,
    translated,
    writing,
)
from ledger.storage.driver import fetch, insert_rows, run, run_each
from ledger.storage.log_store import (
    MAX_READ_ENTRIES,
    Batch,
    Head,
    Sign,
    StoredEntry,
    StoredTile,
    Written,
)
from ledger.storage.models import (
    log,
    log_checkpoint,
    log_entry,
    log_head,
    log_reference,
    log_tile,
    sealed_payload,
)

_ENTRY = (log_entry.c.seq, log_entry.c.entry_id, log_entry.c.entry, log_entry.c.leaf_hash)
_ALONE_MS = 60_000  # of a turn in which nothing is heard from its process: the machine is gone

_ALONE_LIMITS = select(
    func.set_config("lock_timeout", str(BUSY_TIMEOUT_MS), True),
    func.set_config("idle_in_transaction_session_timeout", str(_ALONE_MS), True),
)

# Built once: building a statement costs three times as much as running it.
_OF_LOG = bindparam("of_log", type_=Integer)
_START = bindparam("start", type_=BigInteger)
_COUNT = bindparam("count", type_=Integer)
_LOG_ID = select(log.c.id).where(log.c.origin == bindparam("origin"))
_NEW_LOG = insert(log).returning(log.c.id)
_SEALED = select(sealed_payload.c.sealed).where(sealed_payload.c.record_id == bindparam("record"))
_ADD_HEAD = insert(log_head)

# Of each batch and look-up, and so for the driver as they stand (`ledger.storage.driver`).
_HEAD = (
    "SELECT log_head.size, log_checkpoint.note FROM log_head JOIN log_checkpoint"
    " ON log_checkpoint.log_id = log_head.log_id AND log_checkpoint.size = log_head.size"
    " WHERE log_head.log_id = ?"
)
_LOCKED = {  # SQLite's write transaction keeps others out from its beginning
    "sqlite": _HEAD,
    "postgresql": f"{_HEAD} FOR UPDATE OF log_head",
}
_ADVANCE = "UPDATE log_head SET size = ? WHERE log_id = ? AND size = ?"
_AMONG = {
    "sqlite": "IN (SELECT value FROM json_each(?))",
    "postgresql": "= ANY(?)",
}
_LOCATE = "SELECT entry_id, seq FROM log_entry WHERE log_id = ? AND entry_id {}"
_REFERRING = (
    "SELECT log_entry.seq, log_entry.entry_id, log_entry.entry, log_entry.leaf_hash"
    " FROM log_reference JOIN log_entry ON log_entry.log_id = log_reference.log_id"
    " AND log_entry.seq = log_reference.seq WHERE log_reference.log_id = ?"
    " AND log_reference.reference = ? AND log_reference.seq >= ? ORDER BY log_reference.seq"
)
_READ_ENTRIES = (
    "SELECT seq, entry_id, entry, leaf_hash FROM log_entry"
    " WHERE log_id = ? AND seq >= ? ORDER BY seq LIMIT ?"
)
_READ_TILE = (
    "SELECT hashes FROM log_tile WHERE log_id = ? AND level = ? AND tile_index = ?"
    " ORDER BY width DESC LIMIT 1"
)
_DROP_NARROWER = (
    "DELETE FROM log_tile WHERE log_id = ? AND level = ? AND tile_index = ? AND width < ?"
)


class SqlLogStore:
    """`LogStore` and `LogLookup` on the ledger database behind an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._log_ids: dict[str, int] = {}  # rows of `log` never change

    def head(self, origin: str) -> Head | None:
        """The newest committed head, or None before the first."""
        with asking(self._engine) as connection:
            log_id = self._find_log(connection, origin)
            return None if log_id is None else _read_head(connection, log_id, _HEAD)

    def integrate(self, batch: Batch, sign: Sign) -> Head:
        """Commit entries, tiles and the head that `sign` returns together, or nothing.

        Raises:
            CheckpointConflict: the stored head is not `batch.expected`.
            ConflictError: an entry's id is in the log already.
        """
        with writing(self._engine) as connection:
            log_id = self._claim(connection, batch)
            _insert_entries(connection, log_id, batch)
            _insert_tiles(connection, log_id, batch)
            # From here on the head can only be derived from bytes that the database holds.
            head = Head(batch.size, sign(_read_back(connection, log_id, batch)))
            _advance(connection, log_id, batch.expected, head)
        return head

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Keep out whoever enters this under the same name, on this database, anywhere.

        On SQLite by a file beside the database, which is only ever on one machine.

        Raises:
            PushbackError: somebody else holds it, for too long; or the file cannot be made.
        """
        key = hashlib.sha256(name.encode()).digest()[:8]
        if self._engine.name != "postgresql":
            with alone_beside(self._engine, key.hex()):
                yield
            return
        with translated(), self._engine.begin() as connection:
            connection.execute(_ALONE_LIMITS)
            connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(key, signed=True))))
            yield

    def entries(self, origin: str, start: int, count: int) -> tuple[StoredEntry, ...]:
        """Up to `count` (at most `MAX_READ_ENTRIES`) entries from index `start`, in order."""
        with asking(self._engine) as connection:
            log_id = self._find_log(connection, origin)
            return _stored(
                fetch(connection, _READ_ENTRIES, (log_id, start, min(count, MAX_READ_ENTRIES)))
            )

    def tile(self, origin: str, level: int, index: int) -> bytes:
        """The hashes of a tile at its widest so far; a narrower tile is a prefix of it.

        Raises:
            NotFoundError: nothing of this tile is stored.
        """
        with asking(self._engine) as connection:
            log_id = self._find_log(connection, origin)
            found = fetch(connection, _READ_TILE, (log_id, level, index))
        if not found:
            raise NotFoundError("tile: nothing of it is in this log")
        return bytes(found[0][0])

    def locate(self, origin: str, ids: Collection[str]) -> Mapping[str, int]:
        """The index of each of these entries that is in the log."""
        with asking(self._engine) as connection:
            log_id = self._find_log(connection, origin)
            dialect = connection.dialect.name
            # One parameter for all: an array, or what SQLite takes for one.
            wanted = json.dumps([*ids]) if dialect == "sqlite" else [*ids]
            statement = _LOCATE.format(_AMONG[dialect])
            return dict(fetch(connection, statement, (log_id, wanted)))

    def referring(self, origin: str, reference: str, start: int = 0) -> tuple[StoredEntry, ...]:
        """The entries from index `start` that name this besides their own id, in order."""
        with asking(self._engine) as connection:
            log_id = self._find_log(connection, origin)
            return _stored(fetch(connection, _REFERRING, (log_id, reference, start)))

    def sealed(self, record_id: str) -> bytes | None:
        """The sealed payload stored with an entry, or None if there is none any more."""
        with reading(self._engine) as connection:
            sealed = connection.scalar(_SEALED, {"record": record_id})
        return None if sealed is None else bytes(sealed)

    def _find_log(self, connection: Connection, origin: str) -> int | None:
        if origin in self._log_ids:
            return self._log_ids[origin]
        log_id = connection.scalar(_LOG_ID, {"origin": origin})
        if log_id is not None:
            self._log_ids[origin] = log_id
        return log_id

    def _claim(self, connection: Connection, batch: Batch) -> int:
        """The log's id, its head locked until commit and equal to `batch.expected`."""
        log_id = self._find_log(connection, batch.origin)
        if log_id is None:
            if batch.expected is not None:
                raise CheckpointConflict("log store: the log is not there")
            new = connection.execute(_NEW_LOG, {"origin": batch.origin})
            return int(new.scalar_one())
        # A second sequencer, started by mistake, waits here and then fails the comparison.
        locked = _LOCKED[connection.dialect.name]
        if _read_head(connection, log_id, locked) != batch.expected:
            raise CheckpointConflict("log store: the head has moved")
        return log_id


def _read_head(connection: Connection, log_id: int, statement: str) -> Head | None:
    found = fetch(connection, statement, (log_id,))
    return Head(*found[0]) if found else None


def _insert_entries(connection: Connection, log_id: int, batch: Batch) -> None:
    rows: list[tuple[object, ...]] = []
    references: list[tuple[object, ...]] = []
    payloads: list[tuple[object, ...]] = []
    for new in batch.entries:
        stored = new.stored
        rows.append((log_id, stored.seq, stored.entry_id, stored.entry, stored.leaf_hash))
        references += [(log_id, reference, stored.seq) for reference in new.references]
        if new.sealed is not None:
            payloads.append((stored.entry_id, log_id, new.sealed))
    insert_rows(connection, log_entry, rows)
    insert_rows(connection, log_reference, references)
    insert_rows(connection, sealed_payload, payloads)


def _insert_tiles(connection: Connection, log_id: int, batch: Batch) -> None:
    places = [(log_id, tile.level, tile.index, tile.width) for tile in batch.tiles]
    rows = [(*place, tile.hashes) for place, tile in zip(places, batch.tiles, strict=True)]
    insert_rows(connection, log_tile, rows)
    run_each(connection, _DROP_NARROWER, places)  # at most one per level and 256 entries


def _read_back(connection: Connection, log_id: int, batch: Batch) -> Written:
    first = batch.entries[0].stored.seq
    # One more than was written: nothing may stand behind the batch.
    limit = len(batch.entries) + 1
    entries = _stored(fetch(connection, _READ_ENTRIES, (log_id, first, limit)))
    tiles = tuple(
        StoredTile(tile.level, tile.index, _read_tile(connection, log_id, tile))
        for tile in batch.tiles
    )
    return Written(entries, tiles)


def _read_tile(connection: Connection, log_id: int, tile: StoredTile) -> bytes:
    ((hashes,),) = fetch(connection, _READ_TILE, (log_id, tile.level, tile.index))
    return bytes(hashes)


def _advance(connection: Connection, log_id: int, expected: Head | None, head: Head) -> None:
    insert_rows(connection, log_checkpoint, [(log_id, head.size, head.note)])
    if expected is None:
        connection.execute(_ADD_HEAD, {"log_id": log_id, "size": head.size})
        return
    if run(connection, _ADVANCE, (head.size, log_id, expected.size)) != 1:
        raise CheckpointConflict("log store: the head has moved")


def _stored(rows: Sequence[tuple[Any, ...]]) -> tuple[StoredEntry, ...]:
    return tuple(
        StoredEntry(seq, entry_id, bytes(entry), bytes(leaf_hash))
        for seq, entry_id, entry, leaf_hash in rows
    )
