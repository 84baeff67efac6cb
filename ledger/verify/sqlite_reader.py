"""A log read from the operator's SQLite database, without the operator's software.

The tables `log`, `log_entry`, `log_tile`, `log_checkpoint` and `log_head` are a
format (`docs/formats.md`). Opened read-only, with the standard library alone.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from ledger.entries import MAX_ENTRY_BYTES
from ledger.verify.reader import (
    MAX_NOTE_BYTES,
    MAX_STRAYS,
    MAX_TILE_BYTES,
    Claim,
    StoredCheckpoint,
    StoredEntry,
    UnreadableError,
)

MAX_LOGS = 64  # one deployment keeps a handful; a hostile file may name any number

# Types are the file's, not ours: cast, and read one byte more than may be there, so
# that whatever was put into a column arrives as bytes that the audit refuses.
_ENTRIES = """
    SELECT coalesce(CAST(seq AS INTEGER), -1),
           coalesce(substr(CAST(entry AS BLOB), 1, ?2), x''),
           coalesce(substr(CAST(entry_id AS BLOB), 1, 64), x''),
           coalesce(substr(CAST(leaf_hash AS BLOB), 1, 64), x'')
    FROM log_entry WHERE log_id = ?1 ORDER BY seq
"""
_CHECKPOINTS = """
    SELECT coalesce(CAST(size AS INTEGER), -1),
           coalesce(substr(CAST(note AS BLOB), 1, ?2), x'')
    FROM log_checkpoint WHERE log_id = ?1 ORDER BY size
"""
_TILES = """
    SELECT coalesce(CAST(width AS INTEGER), -1),
           coalesce(substr(CAST(hashes AS BLOB), 1, ?2), x'')
    FROM log_tile WHERE log_id = ?1 AND level = ?3 AND tile_index = ?4 ORDER BY width
"""
_STRAYS = """
    SELECT printf('level %d, index %d, width %d', level, tile_index, width) FROM log_tile
    WHERE log_id = ?1 AND (level NOT BETWEEN 0 AND 7 OR width NOT BETWEEN 1 AND 256
                           OR tile_index * 256 + width > (?2 >> (8 * level)))
    LIMIT ?3
"""
_LOGS = (
    "SELECT id, coalesce(substr(CAST(origin AS BLOB), 1, 256), x'') FROM log ORDER BY id LIMIT ?"
)
_HEAD = "SELECT coalesce(CAST(size AS INTEGER), 0) FROM log_head WHERE log_id = ?"


class SqliteLogReader:
    """One log of a database file, as of the moment the file was opened."""

    def __init__(self, connection: sqlite3.Connection, log_id: int, origin: str) -> None:
        self._connection = connection
        self._log_id = log_id
        self.origin = origin
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
            yield tuple(cls(connection, log_id, _text(origin)) for log_id, origin in logs)

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Every stored checkpoint, by rising size."""
        for size, note in self._rows(_CHECKPOINTS, MAX_NOTE_BYTES + 1):
            yield StoredCheckpoint(size, _text(note))

    def entries(self) -> Iterator[StoredEntry]:
        """Every stored entry, by rising index."""
        for seq, raw, entry_id, leaf_hash in self._rows(_ENTRIES, MAX_ENTRY_BYTES + 1):
            yield StoredEntry(seq, raw, _text(entry_id), (Claim("its stored hash", leaf_hash),))

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        """The stored widths of one tile with their bytes, by rising width."""
        return tuple(self._rows(_TILES, MAX_TILE_BYTES + 1, level, index))

    def strays(self) -> Iterator[str]:
        """Stored tiles beyond the head's size, or of no legal shape."""
        for (name,) in self._rows(_STRAYS, self.size, MAX_STRAYS):
            yield str(name)

    def _rows(self, query: str, *arguments: int) -> Iterator[tuple[Any, ...]]:
        with _unreadable():
            yield from self._connection.execute(query, (self._log_id, *arguments))


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
