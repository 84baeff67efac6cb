"""The checkpoint lock: the last head that was signed, kept outside the database.

A restored backup or a truncated log is caught because the lock remembers a larger
head. So the lock must not be part of the database's backups, and it is never created
silently. It is trusted this far: whoever can change the lock *and* the database can
make the sequencer continue an older history; receipts and witnesses still show it.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from ledger.errors import (
    CheckpointConflict,
    ConflictError,
    NotFoundError,
    PushbackError,
    StoppedError,
)
from ledger.private_files import (
    FILE_MODE,
    ROOM_SECONDS,
    no_room,
    private_directory,
    sync_directory,
    write_synced,
)

MAX_NOTE_BYTES: Final = 65_536  # a checkpoint with some twenty ML-DSA-44 cosignatures


class CheckpointLock(Protocol):
    """One log's last signed note, in a place of its own.

    What :meth:`swap` stored is durable when it returns. Any failure but a want of space is
    fatal to the sequencer that meets it.
    """

    def create(self, note: str) -> None:
        """Make the lock, holding `note`.

        Raises:
            ConflictError: there is one already.
            StoppedError: it cannot be written.
        """

    def read(self) -> str:
        """The note.

        Raises:
            NotFoundError: there is no lock; only creating a log makes one.
            StoppedError: it cannot be read.
        """

    def swap(self, old: str, new: str) -> None:
        """Replace `old` with `new`, whole or not at all.

        Raises:
            CheckpointConflict: the lock does not hold `old`.
            PushbackError: there is no room for it now. It holds one of the two.
            StoppedError: it cannot be written.
        """

    def held(self) -> AbstractContextManager[None]:
        """Keep every other writer of this log out, in this and other processes."""


class FileCheckpointLock:
    """The lock as a file, replaced by an atomic rename."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, note: str) -> None:
        """Make the lock, holding `note`.

        Raises:
            ConflictError: there is one already.
            StoppedError: it cannot be written.
        """
        private_directory(self._path.parent)
        beside = self._path.with_suffix(".new")
        try:
            write_synced(beside, note.encode())
            self._path.hardlink_to(beside)  # unlike a rename, refuses to replace
            beside.unlink()
            sync_directory(self._path.parent)
        except FileExistsError:
            raise ConflictError("checkpoint lock: there is one already") from None
        except OSError as error:
            raise StoppedError("checkpoint lock: it cannot be written") from error

    def read(self) -> str:
        """The note.

        Raises:
            NotFoundError: there is no lock; only creating a log makes one.
            StoppedError: it cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_NOTE_BYTES).decode()
        except FileNotFoundError:
            raise NotFoundError(
                f"checkpoint lock: {self._path.name} is not there, and is never made again by"
                " itself; docs/operating.md, The start-up rule"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise StoppedError("checkpoint lock: it cannot be read") from error

    def swap(self, old: str, new: str) -> None:
        """Replace `old` with `new`, whole or not at all.

        Raises:
            CheckpointConflict: the lock does not hold `old`.
            PushbackError: there is no room for it now. It holds one of the two.
            StoppedError: it cannot be written.
        """
        if self.read() != old:
            raise CheckpointConflict("checkpoint lock: it holds another checkpoint")
        beside = self._path.with_suffix(".new")
        try:
            write_synced(beside, new.encode())
            beside.replace(self._path)
            # Until the directory is synced a power cut may bring the old note back,
            # which the start-up rule would take for a crash before the swap: harmless.
            sync_directory(self._path.parent)
        except OSError as error:
            if no_room(error):
                raise PushbackError(
                    "checkpoint lock: its disk is full", retry_after=ROOM_SECONDS
                ) from error
            raise StoppedError("checkpoint lock: it cannot be written") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other writer of this log out, in this and other processes."""
        # A file of its own: the lock file's inode changes with every swap.
        guard = self._path.with_suffix(".guard")
        try:
            private_directory(guard.parent)
            descriptor = os.open(guard, os.O_CREAT | os.O_RDWR, FILE_MODE)
        except OSError as error:
            raise StoppedError("checkpoint lock: it cannot be taken") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)  # releases the lock
