"""Directories and files for their owner only."""

import stat
import threading
from pathlib import Path

import pytest

from ledger.private_files import (
    alone,
    private_directory,
    sync_directory,
    write_new,
    write_synced,
)


def test_directories_that_are_there_keep_their_mode(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    private_directory(tmp_path / "open" / "closed")
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "open" / "closed").stat().st_mode) == 0o700


def test_a_file_is_its_owners_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_synced(path, b"longer")
    write_synced(path, b"short")
    sync_directory(tmp_path)
    assert path.read_bytes() == b"short"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_new(path, b"first")
    with pytest.raises(FileExistsError):
        write_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_what_a_crash_left_beside_is_not_written_through(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_new(path, b"first")
    (tmp_path / "file.new").hardlink_to(path)  # a crash between the name and the removal
    with pytest.raises(FileExistsError):
        write_new(path, b"second")
    assert path.read_bytes() == b"first"


def test_one_at_a_time_holds_a_guard_file(tmp_path: Path) -> None:
    guard = tmp_path / "new" / "guard"
    order: list[str] = []

    def second() -> None:
        with alone(guard):
            order.append("second")

    with alone(guard):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert stat.S_IMODE(guard.stat().st_mode) == 0o600
