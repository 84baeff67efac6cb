"""The log of a PostgreSQL archive, laid out as a SQLite file that the offline verifier reads.

An archive of `pg_dump` needs no server to be read, but `pg_restore`. What it says is put
into the tables as it stands and judged by the audit, like any other stored log.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from ledger.errors import LedgerError, MalformedError
from ledger.storage.database_copy import dumped_rows

__all__ = ["lay_out"]

_TABLES: Final = {
    "log": ("id", "origin"),
    "log_entry": ("log_id", "seq", "entry_id", "entry", "leaf_hash"),
    "log_tile": ("log_id", "level", "tile_index", "width", "hashes"),
    "log_checkpoint": ("log_id", "size", "note"),
    "log_head": ("log_id", "size"),
}
_BINARY: Final = frozenset({"entry", "leaf_hash", "hashes"})
_TEXT: Final = frozenset({"origin", "entry_id", "note"})
_ORDER: Final = {
    "log_entry": "log_id, seq",
    "log_tile": "log_id, level, tile_index",
    "log_checkpoint": "log_id, size",
}
_COPY: Final = re.compile(rb"COPY \S+ \(([a-z_, ]+)\) FROM stdin;\n", re.ASCII)
_END: Final = b"\\.\n"
_NULL: Final = b"\\N"
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPED: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def lay_out(archive: Path, target: Path) -> None:
    """Write the log's tables in the archive to a new SQLite file.

    Raises:
        MalformedError: what the archive holds is not rows of these tables.
        LedgerError: `pg_restore` is not there, or the file cannot be written.
    """
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=OFF")  # a copy to read once
            for table, columns in _TABLES.items():
                database.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
                marks = ", ".join("?" * len(columns))
                with dumped_rows(archive, table) as lines:
                    database.execute("BEGIN")
                    insert = f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608  # names of ours
                    database.executemany(insert, _rows(lines, columns))
                    database.execute("COMMIT")
            for table, order in _ORDER.items():
                database.execute(f"CREATE INDEX {table}_order ON {table} ({order})")
    except sqlite3.Error as error:
        raise LedgerError(f"backup: the archive cannot be laid out ({error})") from error


def _rows(lines: Iterator[bytes], columns: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    """The rows of a COPY section, their values in the order of `columns`."""
    named: list[str] | None = None
    for line in lines:
        if named is None:
            header = _COPY.fullmatch(line)
            if header is not None:
                named = header[1].decode().split(", ")
                if set(named) != set(columns):
                    raise MalformedError("backup: a table in the archive has other columns")
        elif line == _END:
            named = None
        else:
            values = line.removesuffix(b"\n").split(b"\t")
            if len(values) != len(named):
                raise MalformedError("backup: a row in the archive has another width")
            row = dict(zip(named, values, strict=True))
            yield tuple(_value(name, row[name]) for name in columns)


def _value(column: str, written: bytes) -> object:
    if written == _NULL:
        return None
    plain = _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), written)
    try:
        if column in _BINARY:
            return bytes.fromhex(plain.removeprefix(b"\\x").decode())
        return plain.decode() if column in _TEXT else int(plain)
    except ValueError as error:
        raise MalformedError("backup: a value in the archive is not of its column") from error
