"""Dumps: exactly what the two programs write, and an error of ours for everything else."""

import gzip
import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.verify import sql_dump
from ledger.verify.__main__ import main
from ledger.verify.audit import audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.dump_reader import is_dump, open_dump
from ledger.verify.findings import Code
from ledger.verify.reader import UnreadableError
from ledger.verify.sql_dump import Row, postgres_rows, sqlite_rows
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.ledger.verify.audits import audited, execute, found, log
from tests.ledger.verify.dumps import sqlite_dump
from tests.ledger.verify.tile_log import POLICY, Liar, note

COLUMNS = {table: ", ".join(columns) for table, columns in sql_dump.TABLES.items()}


def escaped(value: object) -> str:
    if isinstance(value, bytes):
        return f"\\\\x{value.hex()}"
    text = str(value)
    for plain, escape in {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}.items():
        text = text.replace(plain, escape)
    return text


def postgres_dump(liar: Liar) -> str:
    """What pg_dump writes (the contract has a real one), with other things around it."""
    blocks = [
        f"COPY public.{table} ({COLUMNS[table]}) FROM stdin;\n"
        + "".join("\t".join(map(escaped, row)) + "\n" for row in rows)
        + "\\.\n\n"
        for table, rows in liar.rows().items()
    ]
    others = "COPY public.api_key (id, name) FROM stdin;\n1\tINSERT INTO log \\\\.\n\\.\n\n"
    return "".join(
        [
            "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET lock_timeout = 0;\n\n",
            "CREATE TABLE public.log (\n    id integer NOT NULL,\n    origin text NOT NULL\n);\n\n",
            *(others, *blocks, others),
            "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n",
        ]
    )


def quoted(value: object) -> str:
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("'", "''")
    if "\n" not in text:
        return f"'{text}'"
    return "replace('" + text.replace("\n", "\\n") + "','\\n',char(10))"


def shell_dump(liar: Liar, quote: Callable[[object], str] = quoted, name: str = "{}") -> str:
    """What `.dump` of the SQLite shell prints (the contract has a real one)."""
    rows = (
        f"INSERT INTO {name.format(table)} VALUES({','.join(map(quote, row))});\n"
        for table, rows in liar.rows().items()
        for row in rows
    )
    return "".join(
        [
            "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n",
            "CREATE TABLE log (\n\tid INTEGER NOT NULL, \n\torigin TEXT NOT NULL\n)\n STRICT\n\n;\n",
            "INSERT INTO api_key VALUES('a','two\nlines\nINSERT INTO log VALUES(9,''x'');\n');\n",
            *rows,
            "CREATE TRIGGER t BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'no'); END;\n",
            "COMMIT;\n",
        ]
    )


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def put(content: str | bytes) -> Path:
        path = tmp_path / "a file of any name"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


Put = Callable[[str | bytes], Path]


def audit_of(path: Path) -> AuditResult:
    assert is_dump(path)
    with open_dump(path) as (reader, *_):
        return audit(reader, POLICY)


@pytest.mark.parametrize("size", [1, 300])
@pytest.mark.parametrize("dump", [postgres_dump, shell_dump])
@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())])
def test_a_dump_is_audited_like_its_database(
    put: Put, size: int, dump: Callable[[Liar], str], pack: Callable[[str], bytes], tmp_path: Path
) -> None:
    liar = Liar(log(size), sizes=sorted({1, size}))
    result = audit_of(put(pack(dump(liar))))
    assert result.findings == ()
    assert result == audited(liar.sqlite(tmp_path / "x.db"))


def test_the_command_checks_a_dump(
    put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.txt").write_text(POLICY.format())
    path = put(postgres_dump(Liar(log(20))))
    assert main([str(path), "--policy", str(tmp_path / "policy.txt")]) == 0
    assert "RESULT: fine" in capsys.readouterr().out


def raw_newlines(value: object) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else quoted(value)


def unistr(value: object) -> str:
    if not isinstance(value, str) or "\n" not in value:
        return quoted(value)
    return "unistr('" + value.replace("\\", "\\\\").replace("\n", "\\u000a") + "')"


def other_mark(value: object) -> str:
    return quoted(value).replace("\\n", "\\012")


@pytest.mark.parametrize("quote", [raw_newlines, unistr, other_mark])
@pytest.mark.parametrize("name", ["{}", '"{}"'])
def test_every_way_in_which_the_shell_writes_an_end_of_line(
    put: Put, quote: Callable[[object], str], name: str
) -> None:
    assert audit_of(put(shell_dump(Liar(log(20)), quote, name))).findings == ()


def test_both_ends_of_a_line_are_replaced() -> None:
    statement = (
        "INSERT INTO log_checkpoint VALUES"
        "(1,-2,replace(replace('it''s\\r\\n','\\r',char(13)),'\\n',char(10)));\n"
    )
    assert rows_of_shell(statement) == [("log_checkpoint", (1, -2, b"it's\r\n"))]


def test_an_escaped_text_is_undone() -> None:
    statement = "INSERT INTO log VALUES(1,unistr('a\\\\b\\u000a\\u00e9''c'));\n"
    assert rows_of_shell(statement) == [("log", (1, "a\\b\n\u00e9'c".encode()))]


def test_a_python_dump_is_read_too(tmp_path: Path, put: Put) -> None:
    with closing(sqlite3.connect(Liar(log(20)).sqlite(tmp_path / "x.db"))) as db:
        text = "\n".join(db.iterdump()) + "\n"
    assert text.startswith("BEGIN TRANSACTION;")
    assert audit_of(put(text)).findings == ()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE log_entry SET leaf_hash = zeroblob(32) WHERE seq = 5", (Code.HASH_DIFFERS, 5)),
        ("UPDATE log_entry SET entry = NULL WHERE seq = 5", (Code.HASH_DIFFERS, 5)),
        ("UPDATE log_entry SET entry_id = 'x' WHERE seq = 5", (Code.ID_DIFFERS, 5)),
        ("DELETE FROM log_entry WHERE seq = 5", (Code.ENTRY_MISSING, 5)),
        ("DELETE FROM log_tile", (Code.TILE_MISSING, 0)),
        ("INSERT INTO log_tile VALUES (1, 9, 0, 1, zeroblob(32))", (Code.TILE_STRAY, None)),
    ],
)
def test_tampering_shows_in_a_dump(
    tmp_path: Path, put: Put, statement: str, expected: tuple[Code, int | None]
) -> None:
    path = Liar(log(20)).sqlite(tmp_path / "x.db")
    execute(path, statement)
    assert expected in found(audit_of(put(sqlite_dump(path))))


def test_a_row_that_is_there_twice_is_a_finding(put: Put) -> None:
    text = shell_dump(Liar(log(3)))
    line = next(line for line in text.splitlines() if line.startswith("INSERT INTO log_entry"))
    assert (Code.SEQ_WRONG, 0) in found(audit_of(put(text.replace(line, f"{line}\n{line}"))))


# What is not read


def rows_of_postgres(content: str) -> list[Row]:
    return list(postgres_rows(io.BytesIO(content.encode())))


def rows_of_shell(statements: str) -> list[Row]:
    text = f"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n{statements}COMMIT;\n"
    return list(sqlite_rows(io.BytesIO(text.encode())))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("-- PostgreSQL database dump complete\n", "", "before pg_dump was done"),
        ("\\.\n\n--\n-- PostgreSQL database dump complete", "", "in the middle of a table"),
        ("(id, origin)", "(origin, id)", "other columns"),
        ("(id, origin)", "(id, origin, more)", "other columns"),
        ("COPY public.log (", "INSERT INTO public.log VALUES (1);\nCOPY public.log (", "--inserts"),
        ("COPY public.log (", "INSERT INTO log (id) VALUES (1);\nCOPY public.log (", "--inserts"),
        ("\\\\x", "\\\\X", "hex"),
        ("\\\\x", "\\x", "hex"),
        ("\\\\x7b", "\\\\x7", "hex"),
        ("\n1\t0\t", "\n1\t00\t", "seq is no number"),
        ("\n1\t0\t", "\n1\t9999999999999999999\t", "seq is no number"),
        ("\n1\t0\t", "\n1\t-9223372036854775809\t", "seq is no number"),
        ("\n1\t0\t", "\n1\t+0\t", "seq is no number"),
        ("\n1\t0\t", "\n1\t", "not 5 columns"),
        ("\n1\t0\t", "\n1\t0\t0\t", "not 5 columns"),
        ("\n1\tledger", "\n1\t\\ledger", "not escaped"),
        ("\n1\tledger.example/test/log/decisions\n", "\n1\tledger\\\n", "not escaped"),
    ],
)
def test_what_pg_dump_does_not_write_is_refused(put: Put, old: str, new: str, why: str) -> None:
    text = postgres_dump(Liar(log(3)))
    assert old in text
    path = put(text.replace(old, new, 1) if old != "\\.\n\n--\n-- PostgreSQL database dump complete"
               else text[: text.rindex("\\.\n")])  # fmt: skip
    with pytest.raises(UnreadableError, match=why):
        audit_of(path)


def test_null_is_passed_on(put: Put) -> None:
    text = postgres_dump(Liar(log(3))).replace("\n1\t0\t", "\n1\t\\N\t", 1)
    assert (Code.SEQ_WRONG, -1) in found(audit_of(put(text)))


def test_every_escape_of_copy_is_undone() -> None:
    text = postgres_dump(Liar(log(1)))
    text = text.replace("\n1\tledger.example/test/log/decisions\n", "\n1\t\\b\\f\\n\\r\\t\\v\\\\\n")
    assert ("log", (1, b"\b\f\n\r\t\v\\")) in rows_of_postgres(text)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("INSERT INTO log VALUES(1,'x'", "does not end"),
        ("INSERT INTO log VALUES(1,'x') ;", "does not end"),
        ("INSERT INTO log VALUES(1);", "not 2 columns"),
        ("INSERT INTO log VALUES(1,'x',2);", "not 2 columns"),
        ("INSERT INTO log VALUES(1,(SELECT 'x'));", "as .dump does it"),
        ("INSERT INTO log VALUES(1,load_extension('x'));", "as .dump does it"),
        ("INSERT INTO log VALUES(1,X'abc');", "as .dump does it"),
        ("INSERT INTO log VALUES(01,'x');", "does not end"),
        ("INSERT INTO log VALUES(9223372036854775808,'x');", "no number"),
        ("INSERT INTO log VALUES(1,unistr('\\x'));", "not escaped"),
        ("INSERT INTO log VALUES(1,'x", "middle of a statement"),
        ("ROLLBACK; -- due to errors", "does not end with COMMIT"),
    ],
)
def test_what_the_shell_does_not_write_is_refused(statement: str, why: str) -> None:
    end = "\n" if statement.startswith("ROLLBACK") else "\nCOMMIT;\n"
    text = f"BEGIN TRANSACTION;\n{statement}{end}"
    with pytest.raises(UnreadableError, match=why):
        list(sqlite_rows(io.BytesIO(text.encode())))


def test_a_dump_that_lacks_a_log(put: Put) -> None:
    with pytest.raises(UnreadableError, match="no log"):
        audit_of(put("BEGIN TRANSACTION;\nCOMMIT;\n"))


def test_rows_are_bounded_and_others_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_dump, "MAX_ROW_BYTES", 100)
    long = "x" * 1_000
    assert rows_of_shell(f"INSERT INTO api_key VALUES('{long}\n{long}');\n") == []
    assert rows_of_shell(f"-- {long}\nINSERT INTO log VALUES(1,'a');\n") == [("log", (1, b"a"))]
    with pytest.raises(UnreadableError, match="longer than a log's"):
        rows_of_shell(f"INSERT INTO log VALUES(1,'{long}');\n")
    with pytest.raises(UnreadableError, match="longer than a log's"):
        rows_of_shell("INSERT INTO log VALUES(1,'" + "\n" * 200 + "');\n")
    begin = "--\n-- PostgreSQL database dump\n"
    end = "-- PostgreSQL database dump complete\n"
    other = f"COPY public.api_key (id) FROM stdin;\n{long}\n\\.\n{long}\n"
    assert rows_of_postgres(begin + other + end) == []
    with pytest.raises(UnreadableError, match="longer than a log's"):
        rows_of_postgres(f"{begin}COPY public.log (id, origin) FROM stdin;\n1\t{long}\n")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PGDMP\x01\x0e", "custom format"),
        (b"toc.dat\x00\x00", "tar format"),
        (b"--\n-- PostgreSQL database cluster dump\n--\n", "pg_dumpall"),
        (gzip.compress(b"PGDMP", mtime=0), "custom format"),
        (gzip.compress(b"SQLite format 3\x00", mtime=0), "compressed database"),
        (gzip.compress(b"-- PostgreSQL", mtime=0)[:-9], "damaged"),
        (b"\x1f\x8bnot gzip", "cannot read the file"),
    ],
)
def test_files_that_are_something_else(put: Put, content: bytes, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        is_dump(put(content))


def test_a_compressed_dump_that_is_cut_short(put: Put) -> None:
    whole = gzip.compress(shell_dump(Liar(log(300))).encode())
    with pytest.raises(UnreadableError, match="damaged, or cut short"):
        audit_of(put(whole[: len(whole) // 2]))


def test_a_file_that_is_not_there_or_no_dump(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no such file"):
        is_dump(tmp_path / "absent")
    assert not is_dump(Liar(log(3)).sqlite(tmp_path / "x.db"))
    (tmp_path / "junk").write_bytes(b"junk")
    assert not is_dump(tmp_path / "junk")
    with pytest.raises(UnreadableError):
        SqliteLogReader.open(tmp_path / "junk").__enter__()


def test_no_room_for_the_rows(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect

    class Full(sqlite3.Connection):
        def executemany(self, *_: object) -> sqlite3.Cursor:
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", lambda path: real(path, factory=Full))
    with pytest.raises(UnreadableError, match="disk is full"):
        audit_of(put(shell_dump(Liar(log(3)))))


@given(st.data(), st.sampled_from([postgres_dump, shell_dump]))
def test_any_bytes_give_rows_or_an_error_of_ours(
    data: st.DataObject, dump: Callable[[Liar], str]
) -> None:
    raw = bytearray(dump(Liar(log(2))).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 40))] = data.draw(
            st.binary(max_size=5) | st.sampled_from([b"'", b"\n", b"\\", b"\\.\n", b"\t", b"COPY "])
        )
    read = postgres_rows if dump is postgres_dump else sqlite_rows
    try:
        rows = list(read(io.BytesIO(bytes(raw))))
    except LedgerError:
        return
    for table, values in rows:
        assert len(values) == len(sql_dump.TABLES[table])
        assert all(isinstance(value, int | bytes | None) for value in values)


def test_the_samples_hold_ends_of_lines() -> None:
    assert "\n" in note(log(3))
