"""The lock file: made once, swapped whole, held by one."""

import fcntl
import stat
from pathlib import Path

import pytest

from ledger.errors import CheckpointConflict, ConflictError, NotFoundError, RefusedError
from ledger.operate.checkpoint_lock import FileCheckpointLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "decisions.lock"


def test_a_lock_is_made_once_and_never_by_reading(path: Path) -> None:
    lock = FileCheckpointLock(path)
    for use in (lock.read, lambda: lock.swap("old", "new")):
        with pytest.raises(NotFoundError):
            use()
    lock.create("one")
    with pytest.raises(ConflictError):
        lock.create("two")
    assert lock.read() == "one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_only_what_it_holds_is_swapped(path: Path) -> None:
    lock = FileCheckpointLock(path)
    lock.create("one")
    lock.swap("one", "two")
    with pytest.raises(CheckpointConflict):
        lock.swap("one", "three")
    assert FileCheckpointLock(path).read() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in path.parent.iterdir()) == ["decisions.lock"]


def test_a_swap_after_creating_was_cut_short_makes_a_new_file(path: Path) -> None:
    lock = FileCheckpointLock(path)
    lock.create("one")
    path.with_suffix(".new").hardlink_to(path)  # what a crash before its removal leaves
    kept = path.open()
    lock.swap("one", "two")
    assert lock.read() == "two"
    assert sorted(each.name for each in path.parent.iterdir()) == ["decisions.lock"]
    with kept:
        assert kept.read() == "one"  # the old file was replaced, not written over


def test_a_lock_that_cannot_be_used_is_refused(path: Path) -> None:
    lock = FileCheckpointLock(path)
    path.mkdir(parents=True)
    with pytest.raises(RefusedError):
        lock.read()
    path.rmdir()
    lock.create("one")
    path.with_suffix(".new").mkdir()
    with pytest.raises(RefusedError):
        lock.swap("one", "two")
    assert lock.read() == "one"
    (path.parent / "other.new").mkdir()
    with pytest.raises(RefusedError):
        FileCheckpointLock(path.parent / "other.lock").create("one")
    path.with_suffix(".guard").mkdir()
    with pytest.raises(RefusedError), lock.held():
        pass


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RefusedError):
        FileCheckpointLock(path).read()


def test_it_is_held_by_one(path: Path) -> None:
    lock = FileCheckpointLock(path)
    with lock.held(), path.with_suffix(".guard").open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.held():
        pass
