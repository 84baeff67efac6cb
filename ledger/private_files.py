"""Files and directories that only their owner can read, written so that a power cut keeps them.

Knows nothing of what is in them.
"""

import os
from pathlib import Path
from typing import Final

__all__ = ["DIRECTORY_MODE", "FILE_MODE", "private_directory", "sync_directory", "write_synced"]

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700


def private_directory(path: Path) -> Path:
    """The directory, created with its parents if needed, each new one for its owner only."""
    missing = [path, *path.parents]
    for directory in reversed([each for each in missing if not each.exists()]):
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    return path


def write_synced(path: Path, data: bytes, *, exclusive: bool = False) -> None:
    """Write the file, durable when this returns but for its name in the directory.

    Raises:
        FileExistsError: `exclusive`, and there is one.
        OSError: it cannot be written.
    """
    how = os.O_EXCL if exclusive else os.O_TRUNC
    descriptor = os.open(path, os.O_CREAT | how | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Make the names in the directory durable.

    Raises:
        OSError: it cannot be synced.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
