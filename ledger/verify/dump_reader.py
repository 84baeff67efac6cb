"""A log read from a dump of the operator's database: what was backed up, without a server.

The rows go into a SQLite file of this run's own, which the reader of databases then reads.
"""

import gzip
import io
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, cast

from ledger.verify.reader import UnreadableError
from ledger.verify.sql_dump import (
    POSTGRES_BEGIN,
    SQLITE_BEGIN,
    TABLES,
    Row,
    postgres_rows,
    sqlite_rows,
)
from ledger.verify.sqlite_reader import SqliteLogReader

PEEKED: Final = 512  # bytes that say what a file is

_GZIP: Final = b"\x1f\x8b"
_SQLITE: Final = b"SQLite format 3\x00"
_OTHER_DUMPS: Final = (
    (b"PGDMP", "pg_dump's custom format"),
    (b"toc.dat", "pg_dump's tar format"),
    (b"--\n-- PostgreSQL database cluster dump\n", "pg_dumpall"),
)
_AT_ONCE: Final = 1_000  # rows in one statement: 64 MB if each were as large as one may be
_INDEXES: Final = (
    "CREATE INDEX entries ON log_entry (log_id, seq)",
    "CREATE INDEX tiles ON log_tile (log_id, level, tile_index, width)",
    "CREATE INDEX checkpoints ON log_checkpoint (log_id, size)",
)


def is_dump(path: Path) -> bool:
    """Whether the file is the text of a dump, compressed or not, by what it begins with.

    Raises:
        UnreadableError: it cannot be read, or is of a kind that is not read here.
    """
    with _opened(path) as file:
        begin = file.read(PEEKED)
    if begin.startswith(POSTGRES_BEGIN) or SQLITE_BEGIN.match(begin):
        return True
    for mark, name in _OTHER_DUMPS:
        if begin.startswith(mark):
            raise UnreadableError(
                f"this was written as {name}; a plain dump of one database is read: pg_dump -Fp"
            )
    if begin.startswith(_SQLITE) and _is_compressed(path):
        raise UnreadableError("this is a compressed database: unpack it first")
    return False


@contextmanager
def open_dump(path: Path) -> Iterator[tuple[SqliteLogReader, ...]]:
    """A reader for each log in the dump.

    Raises:
        UnreadableError: it is no whole dump of the programs whose dumps are read, there is
            no room for its rows, or it holds no log.
    """
    with tempfile.TemporaryDirectory(prefix="ledger-verify-") as folder:
        database = Path(folder) / "dump.db"
        _load(path, database)
        with SqliteLogReader.open(database) as readers:
            yield readers


def _load(path: Path, database: Path) -> None:
    try:
        with _opened(path) as file, closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("PRAGMA journal_mode = OFF")  # a crash only loses a copy
            connection.execute("PRAGMA synchronous = OFF")
            for table, columns in TABLES.items():
                # Neither types nor keys: what is stored twice or oddly is the audit's to name.
                connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
            postgres = file.peek(PEEKED).startswith(POSTGRES_BEGIN)
            rows = postgres_rows(file) if postgres else sqlite_rows(file)
            while some := [*islice(rows, _AT_ONCE)]:
                _insert(connection, some)
            for statement in _INDEXES:
                connection.execute(statement)
    except sqlite3.Error as error:
        raise UnreadableError(f"cannot copy the dump's rows ({error})") from error


def _insert(connection: sqlite3.Connection, rows: list[Row]) -> None:
    for table, columns in TABLES.items():
        statement = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  constants
        connection.executemany(statement, (values for name, values in rows if name == table))


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    """The file's bytes, unpacked if they are compressed."""
    try:
        with path.open("rb") as file:
            packed = file.peek(len(_GZIP)).startswith(_GZIP)
            # What gzip unpacks is read through a buffer of ours, which can be looked into.
            raw = gzip.GzipFile(fileobj=cast("BinaryIO", file)) if packed else file
            yield io.BufferedReader(cast("io.RawIOBase", raw), 1 << 20) if packed else file
    except FileNotFoundError as error:
        raise UnreadableError("there is no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "damaged, or cut short"
        raise UnreadableError(f"cannot read the file ({why})") from error


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP
