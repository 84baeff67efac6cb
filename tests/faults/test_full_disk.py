"""A disk that is full is an outage: it says so, loses nothing, and ends when there is room."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from ledger.errors import PushbackError, StoppedError
from ledger.operate.checkpoint_lock import FileCheckpointLock
from ledger.storage.database import InPlace, open_database, reading, writing
from service.problems import problem_of
from tests.faults.small_disk import PAGE, SmallDisk, small_disk
from tests.ledger.operate.premises import Open, Premises

DISK = 16_000_000  # bytes: two write-ahead logs take four million each
STEPS = range(0, 40 * PAGE, PAGE)  # of room: from not a page to a commit and a checkpoint


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", DISK) as made:
        yield made


@pytest.fixture
def on_it(disk: SmallDisk, founded: Path) -> Iterator[Premises]:
    shutil.copytree(founded, disk.path, dirs_exist_ok=True)
    premises = Premises(disk.path)
    yield premises
    premises.close()


def test_it_ends_when_there_is_room_and_nothing_is_lost(disk: SmallDisk, on_it: Premises) -> None:
    ledger = on_it.open()
    acknowledged = list(ledger.decisions.record([on_it.decision(0)]))
    refused: list[PushbackError] = []
    for seq, room in enumerate(STEPS, 1):
        decision = on_it.decision(seq)
        disk.fill(leave=room)
        try:
            acknowledged += ledger.decisions.record([decision])
        except PushbackError as error:
            refused.append(error)
        disk.free()
        (again,) = ledger.decisions.record([decision])  # the same process, without a restart
        if acknowledged[-1].id == decision.id:
            assert (again.status, again.seq) == ("duplicate", acknowledged[-1].seq)
        else:
            acknowledged.append(again)
    assert 0 < len(refused) < len(STEPS)  # some were written with what room was left
    for problem in map(problem_of, refused):
        assert problem.kind.status == 503
        assert int(problem.headers["Retry-After"]) >= 1
    for each in acknowledged:
        assert ledger.decisions.read(each.id).seq == each.seq
    assert [each.seq for each in acknowledged] == list(range(3, 4 + len(STEPS)))
    assert on_it.open().log.size() == 4 + len(STEPS)  # the start-up rule agrees


def test_a_full_disk_under_the_checkpoint_alone(
    premises: Premises, ledger: Open, tmp_path: Path
) -> None:
    place = premises.directory / "checkpoints"
    kept = {each.name: each.read_bytes() for each in place.iterdir() if each.is_file()}
    with small_disk(place, 16 * PAGE) as disk:
        for name, content in kept.items():
            (place / name).write_bytes(content)
        ledger = premises.open()
        decision = premises.decision(0)
        disk.fill()
        for _ in range(2):  # committed to the database, remembered by nobody: not acknowledged
            with pytest.raises(PushbackError, match="disk is full"):
                ledger.decisions.record([decision])
        disk.free()
        (told,) = ledger.decisions.record([decision])
        assert (told.status, told.seq) == ("duplicate", 3)
        assert told.receipt.checkpoint_note == premises.lock().read()
        (following,) = ledger.decisions.record([premises.decision(1)])
        assert following.seq == 4


def test_sqlite_without_room_says_so(premises: Premises, ledger: Open) -> None:
    with reading(premises.vault_engine) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    premises.vault_engine.dispose()
    held = []

    def bounded(connection: sqlite3.Connection, _entry: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")
        held.append(connection)

    event.listen(premises.vault_engine, "connect", bounded)
    with pytest.raises(PushbackError, match="disk is full") as raised:
        ledger.decisions.record([premises.decision(seq) for seq in range(50)])
    assert raised.value.retry_after > 2
    for each in held:
        each.execute("PRAGMA max_page_count=1000000")
    assert ledger.decisions.record([premises.decision(60)])[0].status == "recorded"


def test_a_lock_that_finds_no_room_keeps_what_it_held(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8 * PAGE) as disk:
        lock = FileCheckpointLock(disk.path / "decisions.lock")
        lock.create("one")
        disk.fill()
        with pytest.raises(PushbackError):
            lock.swap("one", "two" * PAGE)
        assert lock.read() == "one"
        disk.free()
        lock.swap("one", "two")
        assert lock.read() == "two"


def test_a_database_that_was_moved_away_is_an_outage_until_it_is_back(
    premises: Premises, ledger: Open
) -> None:
    path = premises.directory / "vault.db"
    watch = InPlace(premises.vault_engine)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(PushbackError, match="not there"):
        watch.check()
    premises.vault_engine.dispose()  # so that the next use connects anew
    with pytest.raises(PushbackError, match="not there"):
        ledger.decisions.record([premises.decision(0)])
    assert not path.exists()  # and no empty one was made in its place
    path.with_suffix(".away").rename(path)
    watch.check()
    assert ledger.decisions.record([premises.decision(0)])[0].status == "recorded"


def test_another_file_in_a_databases_place_stops_the_writing(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/one.db")
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE a (b)")
    watch = InPlace(engine)
    watch.check()
    shutil.copy(tmp_path / "one.db", tmp_path / "copy.db")
    (tmp_path / "copy.db").replace(tmp_path / "one.db")
    with pytest.raises(StoppedError, match="start the service again"):
        watch.check()
    engine.dispose()


def test_postgresql_sees_to_its_files_itself() -> None:
    engine = open_database("postgresql://nobody@127.0.0.1:1/away")
    InPlace(engine).check()
    engine.dispose()
