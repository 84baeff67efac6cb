"""Readers: what cannot be read is said to be unreadable, never fine and never tampered."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.tlog.tile import Tile
from ledger.verify.audit import audit
from ledger.verify.directory_reader import MAX_ABSENT, DirectoryLogReader
from ledger.verify.reader import UnreadableError
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.ledger.verify.tile_log import POLICY, Liar, entries


def open_database(path: Path) -> None:
    with SqliteLogReader.open(path) as readers:
        for reader in readers:
            audit(reader, POLICY)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no such file"):
        open_database(tmp_path / "absent.db")


def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(UnreadableError):
        open_database(path)


@pytest.mark.parametrize("table", ["log", "log_entry", "log_tile", "log_checkpoint", "log_head"])
def test_a_database_that_lacks_a_table(tmp_path: Path, table: str) -> None:
    path = Liar(entries(3)).sqlite(tmp_path / "x.db")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"DROP TABLE {table}")
    with pytest.raises(UnreadableError):
        open_database(path)


def test_a_database_without_a_log(tmp_path: Path) -> None:
    path = Liar(entries(3)).sqlite(tmp_path / "x.db")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM log")
    with pytest.raises(UnreadableError, match="no log"):
        open_database(path)


def test_a_database_cut_short(tmp_path: Path) -> None:
    path = Liar(entries(300)).sqlite(tmp_path / "x.db")
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(UnreadableError):
        open_database(path)


def wal(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    return db


def test_a_database_in_use_is_read_as_of_one_moment(tmp_path: Path) -> None:
    path = Liar(entries(3)).sqlite(tmp_path / "x.db")
    with closing(wal(path)) as db, SqliteLogReader.open(path) as (reader,):
        db.execute("DELETE FROM log_entry")
        db.commit()
        assert audit(reader, POLICY).findings == ()


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make SQLite behave as on read-only media: root may write everywhere, so refuse by hand."""
    real = sqlite3.connect

    def connect(address: str, **options: Any) -> sqlite3.Connection:
        if "immutable=1" not in address:
            raise sqlite3.OperationalError("unable to open database file")
        connection: sqlite3.Connection = real(address, **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)


def test_a_copy_on_read_only_media_is_read(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = Liar(entries(3)).sqlite(tmp_path / "x.db")
    wal(path).close()
    request.getfixturevalue("unwritable")
    open_database(path)


def test_changes_that_were_not_applied_are_not_ignored(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = Liar(entries(3)).sqlite(tmp_path / "x.db")
    (tmp_path / "x.db-wal").write_bytes(b"pending")
    request.getfixturevalue("unwritable")
    with pytest.raises(UnreadableError, match="not applied"):
        open_database(path)


def no_checkpoint(path: Path) -> None:
    (path / "checkpoint").unlink()


def no_size(path: Path) -> None:
    (path / "checkpoint").write_text("origin\nmany\n")


def one_line(path: Path) -> None:
    (path / "checkpoint").write_text("origin")


def empty(path: Path) -> None:
    (path / "checkpoint").write_text("")


def a_directory(path: Path) -> None:
    (path / "checkpoint").unlink()
    (path / "checkpoint").mkdir()


@pytest.mark.parametrize("spoil", [no_checkpoint, no_size, one_line, empty, a_directory])
def test_a_directory_without_a_checkpoint(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = Liar(entries(3)).directory(tmp_path / "tiles")
    spoil(path)
    with pytest.raises(UnreadableError):
        DirectoryLogReader(path)


def test_a_directory_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = DirectoryLogReader(Liar(entries(3)).directory(tmp_path / "tiles"))

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UnreadableError, match="cannot list"):
        reader.tiles(0, 0)


def test_names_that_are_no_widths_are_passed_over(tmp_path: Path) -> None:
    path = Liar(entries(3)).directory(tmp_path / "tiles")
    partial = path / "tile/0/000.p"
    for name in ("256", "999", "x", "01", "0", "3.tmp"):
        (partial / name).write_bytes(b"")
    reader = DirectoryLogReader(path)
    assert reader.tiles(0, 0) == ((3, (path / Tile(0, 0, 3).path()).read_bytes()),)
    assert reader.tiles(1, 0) == ()


def test_a_claimed_size_without_end_does_not_take_for_ever(tmp_path: Path) -> None:
    path = Liar(entries(3)).directory(tmp_path / "tiles")
    text = (path / "checkpoint").read_text().replace("\n3\n", f"\n{10**15}\n")
    (path / "checkpoint").write_text(text)
    reader = DirectoryLogReader(path)
    assert [index for run in reader.runs() for index in run.indexes] == [0, 1, 2]
    assert reader.size > MAX_ABSENT * 256


def test_a_file_of_enormous_length_is_not_read_whole(tmp_path: Path) -> None:
    path = Liar(entries(3)).directory(tmp_path / "tiles")
    os.truncate(path / "tile/0/000.p/3", 10**9)
    ((_, data),) = DirectoryLogReader(path).tiles(0, 0)
    assert len(data) == 8193
