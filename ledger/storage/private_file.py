"""Files of the operator's own: readable by their owner only, whole or not there at all."""

import os
from pathlib import Path

from ledger.storage.database import FILE_MODE, private_directory


def write_new(path: Path, content: bytes) -> None:
    """Make the file, durable when this returns; a crash leaves the whole file or none.

    Raises:
        FileExistsError: it is there already, and stays as it is.
    """
    private_directory(path.parent)
    beside = path.with_name(f"{path.name}.new")  # left behind by a crash: written over
    descriptor = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(beside)  # unlike a rename, refuses to replace
    finally:
        beside.unlink()
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make what was created, renamed or removed in the directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
