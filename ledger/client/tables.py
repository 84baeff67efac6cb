"""Rows of a file, one at a time: JSON lines or Parquet, told apart by their content.

The only door to pyarrow, the extra `parquet`; nothing of a file but some rows is held in
memory. A value that Python cannot hold exactly spoils its own column of its own row.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from ledger import canonical
from ledger.errors import LedgerError, MalformedError

__all__ = ["BadRow", "Inexact", "Row", "Table", "file_digest", "open_table"]

MAX_LINE_BYTES: Final = 5_000_000  # of JSON, white space and all: what the ledger reads at once
MAX_DEPTH: Final = 32
ROWS_AT_ONCE: Final = 1_000  # of a Parquet file's row groups, decoded together
_CHUNK: Final = 1 << 20
# What a conversion raises: beyond the calendar, an unknown zone, finer than a microsecond.
_CONVERSIONS: Final = (OverflowError, KeyError, TypeError, ValueError)
_PARQUET: Final = b"PAR1"


@dataclass(frozen=True, slots=True)
class Inexact:
    """In place of a value that is there and that Python would have to round, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number, from 0 on, and its columns or members."""

    number: int
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, and why; never what stood in it."""

    number: int
    why: str


class Table(Protocol):
    """A file of rows."""

    def rows(self, start: int) -> Iterator[Row | BadRow]:
        """The rows from number `start` on."""

    def share(self) -> float:
        """How much of the file was passed, from 0 to 1."""


def file_digest(path: Path) -> bytes:
    """SHA-256 of the file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.digest()


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """The file's rows.

    Raises:
        LedgerError: a Parquet file, and pyarrow is not installed, or it does not read it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(_PARQUET)) == _PARQUET:
            yield _ParquetTable(path)
        else:
            yield _LinesTable(path)


class _LinesTable:
    """JSON lines (RFC 8259 values, one a line); an empty line counts and is no row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = max(path.stat().st_size, 1)
        self._at = 0

    def rows(self, start: int) -> Iterator[Row | BadRow]:
        """The rows from number `start` on."""
        with self._path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                long = len(line) > MAX_LINE_BYTES and not line.endswith(b"\n")
                while long and (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
                    pass
                self._at = file.tell()
                if number >= start and line.strip():
                    yield BadRow(number, "the line is too long") if long else _parsed(number, line)
                number += 1

    def share(self) -> float:
        """How much of the file was passed."""
        return self._at / self._size


def _parsed(number: int, line: bytes) -> Row | BadRow:
    try:
        value = canonical.parse(line.strip(), max_bytes=MAX_LINE_BYTES, max_depth=MAX_DEPTH)
    except MalformedError as error:
        return BadRow(number, f"not JSON that every reader reads alike: {error}")
    if not isinstance(value, Mapping):
        return BadRow(number, "not an object")
    return Row(number, value)


class _ParquetTable:
    """A Parquet file, read row group by row group."""

    def __init__(self, path: Path) -> None:
        try:
            from pyarrow import ArrowException, parquet, timestamp, types
        except ImportError as error:
            raise LedgerError(
                "a Parquet file needs pyarrow: pip install 'decision-ledger[parquet]'"
            ) from error
        self._errors = ArrowException
        self._is_time, self._time = types.is_timestamp, timestamp
        try:
            self._file = parquet.ParquetFile(path)
        except (self._errors, OSError) as error:
            raise LedgerError(f"{path.name}: not a Parquet file that can be read") from error
        names = self._file.schema_arrow.names
        if len(set(names)) != len(names):  # as a row, the last one would hide the others
            raise LedgerError(f"{path.name}: two columns have the same name")
        self._total = max(int(self._file.metadata.num_rows), 1)
        self._at = 0

    def rows(self, start: int) -> Iterator[Row | BadRow]:
        """The rows from number `start` on; row groups before it are not read."""
        first = 0
        groups: list[int] = []
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            if groups or first + count > start:
                groups.append(group)
            else:
                first += count
        number = first
        try:
            for batch in self._file.iter_batches(batch_size=ROWS_AT_ONCE, row_groups=groups):
                names = batch.schema.names
                for values in zip(*map(self._values, batch.columns), strict=True):
                    self._at = number + 1
                    if number >= start:
                        yield Row(number, dict(zip(names, values, strict=True)))
                    number += 1
        except (self._errors, OSError, ValueError) as error:
            # What lies behind cannot be told apart from the damage.
            raise LedgerError(f"the Parquet file is damaged behind row {number:,}") from error

    def share(self) -> float:
        """How much of the file was passed."""
        return self._at / self._total

    def _values(self, column: Any) -> list[Any]:
        """A column's values as Python has them, all at once if none of them is inexact."""
        try:
            return list(self._exact(column).to_pylist())
        except (self._errors, *_CONVERSIONS):
            return [self._value(column.slice(at, 1)) for at in range(len(column))]

    def _value(self, column: Any) -> Any:
        try:
            return self._exact(column).to_pylist()[0]
        except (self._errors, *_CONVERSIONS):
            return Inexact(f"a {column.type} that cannot be carried over exactly")

    def _exact(self, column: Any) -> Any:
        """The column, times in nanoseconds as microseconds; raises if that would round one."""
        kind = column.type
        if self._is_time(kind) and kind.unit == "ns":
            return column.cast(self._time("us", tz=kind.tz))
        return column
