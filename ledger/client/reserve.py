"""Room that is held back on the spool's disk, so that a full disk does not keep itself full.

Room is made by delivering, and delivering writes first: the receipts have to be durable
before a file of the spool is removed. So some bytes are taken in advance and let go of when
the disk is full; until they are held again, no decision may take what was freed.
"""

import contextlib
import errno
import os
import time
from pathlib import Path
from typing import Final

from ledger.private_files import FILE_MODE

__all__ = ["FREE_SECONDS", "Reserve", "disk_bytes"]

FREE_SECONDS: Final = 5.0  # for deliveries to use what was let go of, before it is held again
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_BLOCK: Final = bytes(65_536)


class Reserve:
    """A file of nothing, of `size` bytes. Safe between threads and processes.

    Attributes:
        held: whether decisions may be accepted. True as long as nobody asked to hold it.
    """

    def __init__(self, path: Path, size: int) -> None:
        """The reserve at a path; nothing is made yet."""
        self._path = path
        self._size = size
        self._not_before = 0.0
        self.held = True

    def hold(self) -> None:
        """Take the room if it can be had, unless it was let go of a moment ago."""
        try:
            if self._path.stat().st_size == self._size:
                self.held = True
                return
        except FileNotFoundError:
            pass
        except OSError:
            return  # the spool's own files will say what is wrong
        if time.monotonic() < self._not_before:
            self.held = False
            return
        self.held = self._made()

    def release(self) -> bool:
        """Let go of the room; say whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        self.held = False
        self._not_before = time.monotonic() + FREE_SECONDS
        return True

    def _made(self) -> bool:
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            descriptor = os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, FILE_MODE)
            try:
                _allocate(descriptor, self._size)
            finally:
                os.close(descriptor)
            beside.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            # A disk that has room and holds none back has to do without.
            return error.errno not in _NO_ROOM
        return True


def disk_bytes(path: Path) -> int:
    """How large the disk is on which a directory lies."""
    found = os.statvfs(path)
    return found.f_frsize * found.f_blocks


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    for start in range(0, size, len(_BLOCK)):  # pragma: no cover  # macOS
        os.write(descriptor, _BLOCK[: size - start])
