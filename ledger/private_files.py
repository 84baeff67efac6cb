"""Files and directories that only their owner can read, written so that a power cut keeps them.

Knows nothing of what is in them.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = [
    "DIRECTORY_MODE",
    "FILE_MODE",
    "ROOM_SECONDS",
    "alone",
    "append_synced",
    "no_room",
    "private_directory",
    "sync_directory",
    "write_new",
    "write_synced",
]

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
ROOM_SECONDS: Final = 30.0  # what a caller is told when a disk is full: somebody has to make room

# A full disk, a quota that is used up, a limit on the size of files.
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def no_room(error: OSError) -> bool:
    """Say whether it could not be written for want of space alone, which may come back."""
    return error.errno in _NO_ROOM


def private_directory(path: Path) -> Path:
    """The directory, created with its parents if needed, each new one for its owner only."""
    missing = [path, *path.parents]
    for directory in reversed([each for each in missing if not each.exists()]):
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    return path


def write_synced(path: Path, content: bytes) -> None:
    """Make the file anew, durable when this returns but for its name in the directory.

    Raises:
        OSError: it cannot be written.
    """
    # Making one that was cut short can leave a second name of the very file that it made.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_new(path: Path, content: bytes) -> None:
    """Make the file, durable when this returns; a crash leaves the whole file or none.

    Raises:
        FileExistsError: it is there already, and stays as it is.
    """
    private_directory(path.parent)
    beside = path.with_name(f"{path.name}.new")  # left behind by a crash: replaced
    write_synced(beside, content)
    try:
        path.hardlink_to(beside)  # unlike a rename, refuses to replace
    finally:
        beside.unlink()
    sync_directory(path.parent)


def append_synced(path: Path, content: Callable[[int], bytes]) -> None:
    """Add to the file what `content` makes of its length; durable when this returns.

    One at a time, whoever else adds to it. A crash can leave a part of it.

    Raises:
        OSError: it cannot be written, and nothing of it is there.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        start = os.fstat(descriptor).st_size
        try:
            view = memoryview(content(start))
            while view:
                view = view[os.write(descriptor, view) :]
            os.fdatasync(descriptor)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(descriptor, start)  # a full disk would be fuller with each attempt
            raise
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child of a fork may hold the descriptor too
        os.close(descriptor)
    if not start:
        sync_directory(path.parent)


@contextmanager
def alone(guard: Path) -> Iterator[None]:
    """Keep out everyone else who asks for the same guard file, in this and other processes.

    Raises:
        OSError: the guard file cannot be used.
    """
    private_directory(guard.parent)
    descriptor = os.open(guard, os.O_CREAT | os.O_RDWR, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # releases the lock


def sync_directory(path: Path) -> None:
    """Make what was created, renamed or removed in the directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
