"""Directories and files for their owner only."""

import stat
from pathlib import Path

import pytest

from ledger.private_files import private_directory, sync_directory, write_synced


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


def test_an_exclusive_write_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_synced(path, b"first", exclusive=True)
    with pytest.raises(FileExistsError):
        write_synced(path, b"second", exclusive=True)
    assert path.read_bytes() == b"first"
