"""Several processes: the result of one, or a word that it could not be checked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.verify import processes
from ledger.verify.audit import audit
from ledger.verify.directory_reader import DirectoryLogReader
from ledger.verify.findings import Code
from ledger.verify.processes import SINGLE_BELOW, Processes, by_default, check_tiles
from ledger.verify.reader import LogReader, UnreadableError
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.ledger.verify.audits import execute, found, log
from tests.ledger.verify.lying_reader import LyingReader
from tests.ledger.verify.tile_log import POLICY, Liar

SIZE = 1_100


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return Liar(log(SIZE)).sqlite(tmp_path / "x.db")


def test_two_processes_find_what_one_finds(database: Path) -> None:
    with SqliteLogReader.open(database) as (reader,), Processes(2, reader.reopen) as checked:
        assert audit(reader, POLICY, checked=checked) == audit(reader, POLICY)
    execute(database, "UPDATE log_entry SET entry = x'00' WHERE seq = 700")
    with SqliteLogReader.open(database) as (reader,), Processes(2, reader.reopen) as checked:
        result = audit(reader, POLICY, checked=checked)
        assert result == audit(reader, POLICY)
        assert (Code.HASH_DIFFERS, 700) in found(result)


def test_a_directory_is_shared_too(tmp_path: Path) -> None:
    reader = DirectoryLogReader(Liar(log(SIZE)).directory(tmp_path / "tiles"))
    assert check_tiles(reader.reopen, 256, 768) == [
        *check_tiles(reader.reopen, 256, 512),
        *check_tiles(reader.reopen, 512, 768),
    ]
    with Processes(1, reader.reopen) as checked:
        result = audit(reader, POLICY, checked=checked)
    assert result == audit(reader, POLICY)
    assert result.findings == ()


def test_answers_come_in_order_however_many_tasks_there_are(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_TILES_AT_ONCE", 1)
    monkeypatch.setattr(processes, "_AHEAD", 2)
    with SqliteLogReader.open(database) as (reader,), Processes(1, reader.reopen) as checked:
        tiles = [*checked(256, 1024)]
        assert tiles == check_tiles(reader.reopen, 256, 1024)
        assert next(checked(512, 1024)) == tiles[1]  # and the rest is not waited for


def test_tiles_in_doubt_are_left_to_the_audit(database: Path) -> None:
    execute(database, "UPDATE log_entry SET entry_id = 'x' WHERE seq = 600")
    execute(database, "DELETE FROM log_entry WHERE seq = 900")
    with SqliteLogReader.open(database) as (reader,):
        tiles = check_tiles(reader.reopen, 256, 1024)
    assert [tile is None for tile in tiles] == [False, True, True]


def test_what_is_read_elsewhere_is_not_read_here(database: Path) -> None:
    here = LyingReader(Liar(log(SIZE)))
    with SqliteLogReader.open(database) as (reader,):
        elsewhere = reader.reopen

        def checked(start: int, stop: int) -> Iterator[object]:
            yield from check_tiles(elsewhere, start, stop)

        assert audit(here, POLICY, checked=checked).findings == ()  # type: ignore[arg-type]
    assert here.read == [*range(256), *range(1024, SIZE)]


def test_a_size_without_end_does_not_take_for_ever(database: Path) -> None:
    execute(database, "UPDATE log_head SET size = 4000000000000000")
    with SqliteLogReader.open(database) as (reader,):
        elsewhere = reader.reopen
        assert reader.size > 10**15

        def checked(start: int, stop: int) -> Iterator[object]:
            for at in range(start, stop, 256):
                yield from check_tiles(elsewhere, at, at + 256)

        result = audit(reader, POLICY, checked=checked)  # type: ignore[arg-type]
        assert result == audit(reader, POLICY)
    assert found(result) == {(Code.HEAD_DIFFERS, None)}


def test_rows_without_a_number_are_seen_all_the_same(database: Path) -> None:
    execute(database, "INSERT INTO log_entry VALUES (1, NULL, 'x', x'00', x'00')")
    execute(database, "INSERT INTO log_entry VALUES (1, 'zzz', 'y', x'00', x'00')")
    with SqliteLogReader.open(database) as (reader,), Processes(1, reader.reopen) as checked:
        result = audit(reader, POLICY, checked=checked)
        assert result == audit(reader, POLICY)
    (finding,) = result.findings
    assert (finding.code, finding.index, finding.last) == (Code.SEQ_WRONG, -1, 0)  # both rows


@dataclass(frozen=True)
class Dying:
    """Opens nothing: the process is gone."""

    @contextmanager
    def __call__(self) -> Iterator[LogReader]:
        os._exit(3)
        yield  # type: ignore[unreachable]


def test_a_process_that_dies_is_no_finding(database: Path) -> None:
    with (
        SqliteLogReader.open(database) as (reader,),
        Processes(1, Dying()) as checked,
        pytest.raises(UnreadableError, match="process"),
    ):
        audit(reader, POLICY, checked=checked)


def test_a_file_that_goes_away_is_no_finding(database: Path) -> None:
    with SqliteLogReader.open(database) as (reader,), Processes(1, reader.reopen) as checked:
        database.unlink()
        with pytest.raises(UnreadableError):
            audit(reader, POLICY, checked=checked)


def test_small_logs_take_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert by_default(SINGLE_BELOW - 1) == 1
    assert by_default(SINGLE_BELOW) == 4
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert by_default(SINGLE_BELOW) == 1
