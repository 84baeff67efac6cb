"""A log read from the operator's PostgreSQL database, without the operator's software.

The tables are those of `docs/formats.md` §9. Everything is read in one read-only
transaction, as of one moment. The driver, psycopg, is imported only here.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Self

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

if TYPE_CHECKING:
    import psycopg

MAX_LOGS = 64  # one deployment keeps a handful; a hostile database may name any number
CONNECT_SECONDS = 20

# One byte more than may be there is read, so that too long shows.
_ENTRIES = f"""
    SELECT seq, substring(entry FROM 1 FOR {MAX_ENTRY_BYTES + 1}),
           left(entry_id, 64), substring(leaf_hash FROM 1 FOR 64)
    FROM log_entry WHERE log_id = %(log)s{{bounds}} ORDER BY seq
"""  # noqa: S608  constants
_CHECKPOINTS = f"""
    SELECT size, left(note, {MAX_NOTE_BYTES + 1})
    FROM log_checkpoint WHERE log_id = %(log)s AND size >= %(least)s ORDER BY size
"""  # noqa: S608  constants
_TILES = f"""
    SELECT width, substring(hashes FROM 1 FOR {MAX_TILE_BYTES + 1}) FROM log_tile
    WHERE log_id = %(log)s AND level = %(level)s AND tile_index = %(index)s ORDER BY width
"""  # noqa: S608  constants
_STRAYS = f"""
    SELECT format('level %%s, index %%s, width %%s', level, tile_index, width) FROM log_tile
    WHERE log_id = %(log)s AND (level NOT BETWEEN 0 AND 7 OR width NOT BETWEEN 1 AND 256
        OR tile_index::numeric * 256 + width > (%(size)s::bigint >> (8 * level)))
    LIMIT {MAX_STRAYS}
"""  # noqa: S608  constants
_LOGS = f"SELECT id, left(origin, 256) FROM log ORDER BY id LIMIT {MAX_LOGS}"  # noqa: S608
_HEAD = "SELECT size FROM log_head WHERE log_id = %(log)s"
_FROM, _BEFORE = " AND seq >= %(start)s", " AND seq < %(stop)s"


@dataclass(frozen=True, slots=True)
class PostgresLog:
    """Which log of which database, to be opened again in another process."""

    address: str = field(repr=False)  # may hold a password
    log_id: int
    origin: str

    @contextmanager
    def __call__(self) -> Iterator["PostgresLogReader"]:
        """The log, as of the moment of this call.

        Raises:
            UnreadableError: it cannot be read.
        """
        with closing(_connect(self.address)) as connection:
            yield PostgresLogReader(connection, self)


class PostgresLogReader:
    """One log of a database, as of the moment the transaction began.

    Attributes:
        reopen: opens the same log in another process.
    """

    def __init__(self, connection: "psycopg.Connection[Any]", of: PostgresLog) -> None:
        self._connection = connection
        self._log_id = of.log_id
        self._names = count()
        self.origin = of.origin
        self.reopen = of
        head = list(self._rows(_HEAD))
        self.size: int = head[0][0] if head else 0

    @classmethod
    @contextmanager
    def open(cls, address: str) -> Iterator[tuple[Self, ...]]:
        """A reader for each log in the database, all as of the same moment.

        Raises:
            UnreadableError: there is no psycopg here, the database cannot be read, or it
                holds no log.
        """
        with closing(_connect(address)) as connection:
            with _unreadable():
                logs = connection.execute(_LOGS).fetchall()
            if not logs:
                raise UnreadableError("the database holds no log")
            yield tuple(cls(connection, PostgresLog(address, *each)) for each in logs)

    def checkpoints(self, least: int = 0) -> Iterator[StoredCheckpoint]:
        """Every stored checkpoint of at least this size, by rising size."""
        for size, note in self._rows(_CHECKPOINTS, least=least):
            yield StoredCheckpoint(size, note)

    def runs(self, start: int = 0, stop: int | None = None) -> Iterator[StoredRun]:
        """Every stored entry from index `start` to before `stop`, by rising index."""
        bounds = (_FROM if start else "") + ("" if stop is None else _BEFORE)
        named = {"log": self._log_id, "start": start, "stop": stop}
        # A cursor of the server's, so that the log is not held in memory; in binary, which
        # halves what is sent.
        name = f"runs_{next(self._names)}"
        with _unreadable(), self._connection.cursor(name, binary=True) as cursor:
            cursor.execute(_ENTRIES.format(bounds=bounds), named)
            at = start
            while rows := cursor.fetchmany(TILE_WIDTH - at % TILE_WIDTH):
                indexes, raws, ids, hashes = zip(*rows, strict=True)
                yield StoredRun(indexes, raws, [*map(str.encode, ids)], hashes)
                at = indexes[-1] + 1

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        """The stored widths of one tile with their bytes, by rising width."""
        return tuple(self._rows(_TILES, level=level, index=index))

    def strays(self) -> Iterator[str]:
        """Stored tiles beyond the head's size, or of no legal shape."""
        for (name,) in self._rows(_STRAYS, size=self.size):
            yield name

    def _rows(self, query: str, **named: int) -> Iterator[tuple[Any, ...]]:
        with _unreadable(), self._connection.cursor(binary=True) as cursor:
            cursor.execute(query, {"log": self._log_id, **named})
            for row in cursor:  # noqa: UP028  `yield from` would close a cursor that is closed
                yield row


def _connect(address: str) -> "psycopg.Connection[Any]":
    try:
        import psycopg
    except ImportError as error:
        raise UnreadableError(
            "reading PostgreSQL takes psycopg: pip install 'psycopg[binary]', or check a dump"
        ) from error
    with _unreadable():
        given = psycopg.conninfo.conninfo_to_dict(address)
        waiting = int(given.get("connect_timeout") or CONNECT_SECONDS)
        connection = psycopg.connect(address, connect_timeout=waiting)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection


@contextmanager
def _unreadable() -> Iterator[None]:
    import psycopg

    try:
        yield
    except (psycopg.Error, UnicodeError, TypeError) as error:
        # The server's first line says what it is about; what follows may quote a row.
        why = str(error).partition("\n")[0] or type(error).__name__
        raise UnreadableError(f"not a readable ledger database ({why})") from error
