"""A log read from the operator's SQLite database, without the operator's software.

The tables `log`, `log_entry`, `log_tile`, `log_checkpoint` and `log_head` are a
format (`docs/formats.md`). Opened read-only, with the standard library alone.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ledger.entries import MAX_ENTRY_BYTES
from ledger.tlog.tile import TILE_WIDTH
from ledger.verify.reader import (
    MAX_NOTE_BYTES,
    MAX_STRAYS,
    MAX_TILE_BYTES,
    StoredCheckpoint,
    StoredRun,
    UnreadableError,
)

MAX_LOGS = 64  # one deployment keeps a handful; a hostile file may name any number

# Types are the file's, not ours: cast, and read one byte more than may be there, so
# that whatever was put into a column arrives as bytes that the audit refuses.
_ENTRIES = """
    SELECT coalesce(CAST(seq AS INTEGER), -1),
           coalesce(substr(CAST(entry AS BLOB), 1, :most), x''),
           coalesce(substr(CAST(entry_id AS BLOB), 1, 64), x''),
           coalesce(substr(CAST(leaf_hash AS BLOB), 1, 64), x'')
    FROM log_entry WHERE log_id = :log{bounds} ORDER BY seq
"""
_CHECKPOINTS = """
    SELECT coalesce(CAST(size AS INTEGER), -1),
           coalesce(substr(CAST(note AS BLOB), 1, :most), x'')
    FROM log_checkpoint WHERE log_id = :log{bounds} ORDER BY size
"""
# A bound is left out where every row counts: what is no number sorts before or after them all.
_FROM, _BEFORE, _NOWHERE = " AND seq >= :start", " AND seq < :stop", " AND seq IS NULL"
_AT_LEAST = " AND size >= :least"
_TILES = """
    SELECT coalesce(CAST(width AS INTEGER), -1),
           coalesce(substr(CAST(hashes AS BLOB), 1, :most), x'')
    FROM log_tile WHERE log_id = :log AND level = :level AND tile_index = :index ORDER BY width
"""
_STRAYS = """
    SELECT printf('level %d, index %d, width %d', level, tile_index, width) FROM log_tile
    WHERE log_id = :log AND (level NOT BETWEEN 0 AND 7 OR width NOT BETWEEN 1 AND 256
                           OR tile_index * 256 + width > (:size >> (8 * level)))
    LIMIT :most
"""
_LOGS = (
    "SELECT id, coalesce(substr(CAST(origin AS BLOB), 1, 256), x'') FROM log ORDER BY id LIMIT ?"
)
_HEAD = "SELECT coalesce(CAST(size AS INTEGER), 0) FROM log_head WHERE log_id = ?"


@dataclass(frozen=True, slots=True)
class SqliteLog:
    """Which log of which database file, to be opened again in another process."""

    path: Path
    log_id: int
    origin: str

    @contextmanager
    def __call__(self) -> Iterator["SqliteLogReader"]:
        """The log, as of the moment of this call.

        Raises:
            UnreadableError: it cannot be read.
        """
        with closing(_connect(self.path)) as connection:
            yield SqliteLogReader(connection, self)


class SqliteLogReader:
    """One log of a database file, as of the moment the file was opened.

    Attributes:
        reopen: opens the same log in another process.
    """

    def __init__(self, connection: sqlite3.Connection, of: SqliteLog) -> None:
        self._connection = connection
        self._log_id = log_id = of.log_id
        self.origin = of.origin
        self.reopen = of
        with _unreadable():
            head = connection.execute(_HEAD, (log_id,)).fetchone()
        self.size: int = head[0] if head else 0

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[tuple[Self, ...]]:
        """A reader for each log in the file, all as of the same moment.

        Raises:
            UnreadableError: it is not a database that SQLite can read, or holds no log.
        """
        if not path.is_file():
            raise UnreadableError("there is no such file")
        with closing(_connect(path)) as connection:
            with _unreadable():
                logs = connection.execute(_LOGS, (MAX_LOGS,)).fetchall()
            if not logs:
                raise UnreadableError("the database holds no log")
            yield tuple(
                cls(connection, SqliteLog(path, each, _text(origin))) for each, origin in logs
            )

    def checkpoints(self, least: int = 0) -> Iterator[StoredCheckpoint]:
        """Every stored checkpoint of at least this size, by rising size."""
        query = _CHECKPOINTS.format(bounds=_AT_LEAST if least else "")
        for size, note in self._rows(query, most=MAX_NOTE_BYTES + 1, least=least):
            yield StoredCheckpoint(size, _text(note))

    def runs(self, start: int = 0, stop: int | None = None) -> Iterator[StoredRun]:
        """Every stored entry from index `start` to before `stop`, by rising index."""
        bounds = [(_FROM if start else "") + ("" if stop is None else _BEFORE)]
        if not start and stop is not None:
            bounds.insert(0, _NOWHERE)
        named = {"log": self._log_id, "most": MAX_ENTRY_BYTES + 1, "start": start, "stop": stop}
        for each in bounds:
            yield from self._runs(_ENTRIES.format(bounds=each), named, start)

    def _runs(self, query: str, named: dict[str, int | None], at: int) -> Iterator[StoredRun]:
        with _unreadable():
            cursor = self._connection.execute(query, named)
            while rows := cursor.fetchmany(TILE_WIDTH - at % TILE_WIDTH):
                indexes, raws, ids, hashes = zip(*rows, strict=True)
                yield StoredRun(indexes, raws, ids, hashes)
                at = indexes[-1] + 1

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        """The stored widths of one tile with their bytes, by rising width."""
        return tuple(self._rows(_TILES, most=MAX_TILE_BYTES + 1, level=level, index=index))

    def strays(self) -> Iterator[str]:
        """Stored tiles beyond the head's size, or of no legal shape."""
        for (name,) in self._rows(_STRAYS, most=MAX_STRAYS, size=self.size):
            yield str(name)

    def _rows(self, query: str, **named: int) -> Iterator[tuple[Any, ...]]:
        with _unreadable():
            cursor = self._connection.execute(query, {"log": self._log_id, **named})
            for row in cursor:  # noqa: UP028  `yield from` would close a cursor that is closed
                yield row


def _connect(path: Path) -> sqlite3.Connection:
    address = path.resolve().as_uri()
    try:
        return _begin(f"{address}?mode=ro")
    except sqlite3.OperationalError:
        # A database in WAL mode on read-only media cannot be opened the usual way. It may be
        # read as it lies, but only if no write-ahead log waits to be applied.
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size > 0:
            raise UnreadableError("the database has changes that were not applied yet") from None
        with _unreadable():
            return _begin(f"{address}?mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise _as_ours(error) from error


def _begin(uri: str) -> sqlite3.Connection:
    """Open, and hold one moment of the database: the service may be writing meanwhile."""
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")  # the file is a stranger's
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def _unreadable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _as_ours(error) from error


def _as_ours(error: sqlite3.Error) -> UnreadableError:
    return UnreadableError(f"not a readable ledger database ({error})")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
