"""Reads the tables of a log out of a database's dump, without executing anything of it.

Two programs write the dumps that are read: `pg_dump` in its plain format with COPY blocks,
and `.dump` of the SQLite shell. Of both exactly what they write for the five tables of
`docs/formats.md` §9 is taken, a row at a time; other tables are passed over. A dump that
breaks off, or has a row that these programs do not write, cannot be checked.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NoReturn, Protocol, TypeAlias

from ledger.verify.reader import UnreadableError

Value: TypeAlias = int | bytes | str | None
Row: TypeAlias = tuple[str, tuple[Value, ...]]
"""Of which table, and its columns."""

TABLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "log": ("id", "origin"),
        "log_entry": ("log_id", "seq", "entry_id", "entry", "leaf_hash"),
        "log_tile": ("log_id", "level", "tile_index", "width", "hashes"),
        "log_checkpoint": ("log_id", "size", "note"),
        "log_head": ("log_id", "size"),
    }
)
MAX_ROW_BYTES: Final = 4 * 1024 * 1024  # a note of 1 MB with every character escaped, and room
POSTGRES_BEGIN: Final = b"--\n-- PostgreSQL database dump\n"
SQLITE_BEGIN: Final = re.compile(rb"(?:PRAGMA foreign_keys=OFF;\n)?BEGIN TRANSACTION;\n")

_NAMES: Final = "|".join(TABLES)
_COPY: Final = re.compile(
    rf'COPY (?:(?:\w+|"[^"\n]+")\.)?(?P<table>{_NAMES}) '.encode()
    + rb"\((?P<columns>[a-z_, ]+)\) FROM stdin;\n"
)
_OTHER_COPY: Final = re.compile(rb"COPY [^\n]+ FROM stdin;\n")
_INSERT: Final = re.compile(rf'INSERT INTO (?:(?:\w+|"[^"\n]+")\.)?(?:{_NAMES}) '.encode())
_DONE: Final = b"-- PostgreSQL database dump complete\n"
_END_OF_COPY: Final = b"\\.\n"

_INTEGER: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,18})")
_BYTEA: Final = re.compile(rb"\\\\x((?:[0-9a-f]{2})*)")
_ESCAPE: Final = re.compile(rb"\\(.?)", re.DOTALL)
_ESCAPES: Final = {
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"\\": b"\\",
}
_BYTES_COLUMNS: Final = {"entry", "leaf_hash", "hashes"}
_TEXT_COLUMNS: Final = {"origin", "entry_id", "note"}

_SQLITE_INSERT: Final = re.compile(
    rf'INSERT INTO (?:"(?P<quoted>{_NAMES})"|(?P<table>{_NAMES})) VALUES\('.encode()
)
_LITERAL: Final = rb"'([^']*(?:''[^']*)*)'"
_SQLITE_VALUE: Final = re.compile(
    rb"(?P<integer>-?(?:0|[1-9][0-9]{0,18}))|(?P<null>NULL)|[Xx]'(?P<blob>(?:[0-9a-fA-F]{2})*)'"
    rb"|(?P<text>'[^']*(?:''[^']*)*')"
    rb"|(?P<replaced>replace\((?:replace\()?'[^']*(?:''[^']*)*'(?:,'[^']{1,16}',char\(1[03]\)\)){1,2})"
    rb"|unistr\((?P<unistr>'[^']*(?:''[^']*)*')\)"
)
_QUOTED: Final = re.compile(_LITERAL)
_REPLACEMENT: Final = re.compile(rb",'([^']{1,16})',char\((1[03])\)\)")
_UNISTR: Final = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(\\))|\\")


class Lines(Protocol):
    """A binary file that is read line by line, as `open` and `gzip.open` give it."""

    def readline(self, size: int, /) -> bytes:
        """The next line with its end, or as much of it as `size` bytes; b"" at the end."""


class _Reading:
    """A dump, line by line, never more than a row of it at once."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._number = 0

    def line(self) -> bytes:
        """The next line, cut where it is longer than any row of ours; b"" at the end."""
        self._number += 1
        return self._lines.readline(MAX_ROW_BYTES)

    def rest(self, line: bytes) -> Iterator[bytes]:
        """What is left of a line that was cut, piece by piece."""
        while line and not line.endswith(b"\n"):
            line = self._lines.readline(MAX_ROW_BYTES)
            yield line

    def refuse(self, why: str) -> NoReturn:
        raise UnreadableError(f"the dump, line {self._number:,}: {why}")


def postgres_rows(lines: Lines) -> Iterator[Row]:
    """The rows of the log's tables in a plain dump of pg_dump.

    Raises:
        UnreadableError: it is cut short, or was made in another way.
    """
    reading = _Reading(lines)
    done = False
    while line := reading.line():
        if not line.endswith(b"\n"):
            list(reading.rest(line))
        done = done or line == _DONE
        block = _COPY.fullmatch(line)
        if block is not None:
            table = block["table"].decode()
            if block["columns"].decode() != ", ".join(TABLES[table]):
                reading.refuse(f"the table {table} has other columns than a log's")
            for row in _copied(reading):
                yield table, _fields(reading, table, row)
        elif _OTHER_COPY.fullmatch(line):
            for _ in _copied(reading, cut=True):
                pass
        elif _INSERT.match(line):
            reading.refuse("made with --inserts; leave that out, so that pg_dump writes COPY")
    if not done:
        reading.refuse("it ends before pg_dump was done")


def _copied(reading: _Reading, *, cut: bool = False) -> Iterator[bytes]:
    """The lines of a COPY block, without their ends; `cut` allows for longer ones than ours."""
    while (line := reading.line()) != _END_OF_COPY:
        if not line:
            reading.refuse("it ends in the middle of a table")
        if not line.endswith(b"\n"):
            if not cut:
                reading.refuse("a row is longer than a log's may be, or the dump ends in it")
            list(reading.rest(line))
        yield line[:-1]


def _fields(reading: _Reading, table: str, row: bytes) -> tuple[Value, ...]:
    names, fields = TABLES[table], row.split(b"\t")
    if len(fields) != len(names):
        reading.refuse(f"a row of {table} has not {len(names)} columns")
    return tuple(_field(reading, name, each) for name, each in zip(names, fields, strict=True))


def _field(reading: _Reading, name: str, field: bytes) -> Value:
    if field == b"\\N":
        return None
    if name in _BYTES_COLUMNS:
        found = _BYTEA.fullmatch(field)
        if found is None:
            reading.refuse(f"{name} is not written in hex, as pg_dump does by default")
        return bytes.fromhex(found[1].decode())
    if name in _TEXT_COLUMNS:
        return _ESCAPE.sub(lambda escape: _unescaped(reading, escape[1]), field)
    return _integer(reading, name, field)


def _integer(reading: _Reading, name: str, text: bytes) -> int:
    if _INTEGER.fullmatch(text) is None or not -(2**63) <= int(text) < 2**63:
        reading.refuse(f"{name} is no number")
    return int(text)


def _unescaped(reading: _Reading, escape: bytes) -> bytes:
    if escape not in _ESCAPES:
        reading.refuse("a text is not escaped as pg_dump does it")
    return _ESCAPES[escape]


def sqlite_rows(lines: Lines) -> Iterator[Row]:
    """The rows of the log's tables in what `.dump` of the SQLite shell prints.

    Raises:
        UnreadableError: it is cut short, or was made in another way.
    """
    reading = _Reading(lines)
    last = b""
    while line := reading.line():
        begun = _SQLITE_INSERT.match(line)
        statement = _statement(reading, line, kept=begun is not None)
        if begun is not None:
            table = (begun["quoted"] or begun["table"]).decode()
            yield table, _values(reading, table, statement, begun.end())
        last = statement
    if last != b"COMMIT;\n":
        reading.refuse("it does not end with COMMIT, as a whole dump does")


def _statement(reading: _Reading, line: bytes, *, kept: bool) -> bytes:
    """The statement that begins with a line, or, if it is not to be `kept`, its last line."""
    pieces, length, marks = [line], len(line), line.count(b"'")
    # A text may hold ends of lines: a statement ends where no quotation mark is open.
    while marks % 2 or not line.endswith(b"\n"):
        line = reading.line()
        if not line:
            reading.refuse("it ends in the middle of a statement")
        marks += line.count(b"'")
        length += len(line)
        if not kept:
            pieces = [line]
        elif length > MAX_ROW_BYTES:
            reading.refuse("a row is longer than a log's may be")
        else:
            pieces.append(line)
    return b"".join(pieces)


def _values(reading: _Reading, table: str, line: bytes, at: int) -> tuple[Value, ...]:
    values: list[Value] = []
    while True:
        found = _SQLITE_VALUE.match(line, at)
        if found is None:
            reading.refuse(f"a value of {table} is not written as .dump does it")
        values.append(_value(reading, found))
        at = found.end()
        if line[at:] == b");\n":
            break
        if line[at : at + 1] != b",":
            reading.refuse(f"a row of {table} does not end as .dump ends it")
        at += 1
    if len(values) != len(TABLES[table]):
        reading.refuse(f"a row of {table} has not {len(TABLES[table])} columns")
    return tuple(values)


def _value(reading: _Reading, found: re.Match[bytes]) -> Value:
    match found.lastgroup:
        case "integer":
            return _integer(reading, "a value", found["integer"])
        case "blob":
            return bytes.fromhex(found["blob"].decode())
        case "text":
            return _literal(found["text"])
        case "replaced":
            text = _literal(_QUOTED.search(found["replaced"])[0])  # type: ignore[index]  # it has one
            for mark, code in _REPLACEMENT.findall(found["replaced"]):
                text = text.replace(mark, bytes((int(code),)))
            return text
        case "unistr":
            return _UNISTR.sub(lambda each: _character(reading, each), _literal(found["unistr"]))
        case _:
            return None


def _literal(quoted: bytes) -> bytes:
    return quoted[1:-1].replace(b"''", b"'")


def _character(reading: _Reading, escape: re.Match[bytes]) -> bytes:
    if escape[2]:
        return b"\\"
    if not escape[1]:
        reading.refuse("a text is not escaped as .dump does it")
    return chr(int(escape[1], 16)).encode("utf-8", "replace")
