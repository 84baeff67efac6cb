"""Copies of a database: of one moment whoever writes meanwhile, and never with a password in sight."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.errors import LedgerError
from ledger.storage import database_copy
from ledger.storage.database_copy import copied, dump_command, engine_of, open_reader, sqlite_path


@pytest.fixture
def source(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "source.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE kept (row)")
        connection.executemany("INSERT INTO kept VALUES (?)", [("x" * 3000,)] * 100)
        yield connection


def test_a_writer_between_two_pages_neither_shows_nor_disturbs(
    source: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_copy, "_PAGES", 1)
    seen: list[tuple[int, int]] = []

    def write(done: int, total: int) -> None:
        source.execute("INSERT INTO kept VALUES ('later')")
        seen.append((done, total))
        assert len(seen) < 10_000, "every commit makes the copy begin again"

    with copied(f"sqlite:///{tmp_path}/source.db", tmp_path / "copy.db", write) as connection:
        assert connection.scalar(text("SELECT count(*) FROM kept")) == 100
    assert len(seen) > 50
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 300_000
    assert source.execute("SELECT count(*) FROM kept").fetchone() == (100 + len(seen),)
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]


def test_a_file_that_is_there_is_not_written_over(
    source: sqlite3.Connection, tmp_path: Path
) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with (
        pytest.raises(FileExistsError),
        copied(f"sqlite:///{tmp_path}/source.db", tmp_path / "copy.db", lambda *_: None),
    ):
        pass
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_damaged_database_is_no_backup(source: sqlite3.Connection, tmp_path: Path) -> None:
    source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "source.db").open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"\xff" * 4096 * 5)
    with (
        pytest.raises(LedgerError, match=r"damaged|cannot be copied"),
        copied(f"sqlite:///{tmp_path}/source.db", tmp_path / "copy.db", lambda *_: None),
    ):
        pass


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with (
        pytest.raises(LedgerError, match="cannot be copied"),
        copied(f"sqlite:///{tmp_path}/none.db", tmp_path / "copy.db", lambda *_: None),
    ):
        pass
    assert not (tmp_path / "none.db").exists()


POSTGRESQL = "postgresql://ledger_owner:s3cret@db.example:5433/ledger?sslmode=verify-full"


def test_without_the_program_its_command_is_said_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(LedgerError) as raised,
        copied(POSTGRESQL, tmp_path / "ledger.dump", lambda *_: None),
    ):
        pass
    said = str(raised.value)
    assert "pg_dump is not on PATH" in said
    address = "postgresql://ledger_owner@db.example:5433/ledger?sslmode=verify-full"
    assert f"--file={tmp_path}/ledger.dump '--dbname={address}'" in said
    assert "s3cret" not in said
    assert not any("s3cret" in word for word in dump_command(POSTGRESQL, tmp_path))


def test_what_a_program_complains_of_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pg_restore"
    program.write_text("#!/bin/sh\necho first >&2\necho it is no archive >&2\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(LedgerError, match="pg_restore refused: it is no archive"):
        database_copy.check_archive(tmp_path / "ledger.dump")
    with (
        pytest.raises(LedgerError, match=r"cannot read ledger\.dump: it is no archive"),
        database_copy.dumped_rows(tmp_path / "ledger.dump", "log") as lines,
    ):
        assert list(lines) == []
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(LedgerError, match="it did not say why"):
        database_copy.check_archive(tmp_path / "ledger.dump")


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(LedgerError, match="database: ") as raised:
        engine_of(url)
    assert url not in str(raised.value)


def test_a_database_in_memory_is_no_file() -> None:
    with pytest.raises(LedgerError, match="needs a file"):
        sqlite_path("sqlite://")
    assert open_reader(POSTGRESQL).name == "postgresql"
