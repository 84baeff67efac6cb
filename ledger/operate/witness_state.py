"""What a witness remembers: of each log the newest checkpoint it cosigned, and proof of forks.

One file for each log, replaced by an atomic rename and durable before anybody hears of
it. Trusted this far: who puts an older file back can make the witness cosign a second
history. So it is not part of any backup.
"""

from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ledger.errors import ConflictError, NotFoundError, PushbackError, RefusedError
from ledger.operate.checkpoint_lock import FileCheckpointLock

__all__ = ["WitnessState", "origin_hash"]


def origin_hash(origin: str) -> str:
    """The name of a log in addresses and files: SHA-256 of its origin, in lower-case hex."""
    return sha256(origin.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class WitnessState:
    """The files of one witness, below `directory`. Safe to share between threads and processes."""

    directory: Path

    def held(self, origin: str) -> AbstractContextManager[None]:
        """Keep everybody else away from this log's record, from the check to the writing.

        Raises:
            RefusedError: the guard file cannot be used.
        """
        return self._record(origin).held()

    def latest(self, origin: str) -> str | None:
        """The newest cosigned checkpoint of the log, None if there never was one.

        Raises:
            RefusedError: it cannot be read.
        """
        return _read(self._record(origin))

    def keep(self, origin: str, latest: str | None, note: str) -> None:
        """Put `note` in the place of `latest`, durable when this returns.

        Raises:
            ConflictError: another one is there than `latest`.
            RefusedError: it cannot be written.
        """
        if latest is None:
            self._record(origin).create(note)
        else:
            try:
                self._record(origin).swap(latest, note)
            except PushbackError as error:  # a witness that cannot remember says no
                raise RefusedError(str(error)) from error

    def fork(self, origin: str) -> str | None:
        """Two notes that no history of the log explains, one after the other; None if none came.

        Raises:
            RefusedError: it cannot be read.
        """
        return _read(self._evidence(origin))

    def keep_fork(self, origin: str, cosigned: str, other: str) -> None:
        """Remember both notes. The first such pair stays: one is enough, and disks are finite.

        Raises:
            RefusedError: it cannot be written.
        """
        with suppress(ConflictError):
            self._evidence(origin).create(f"{cosigned}\n{other}")

    def _record(self, origin: str) -> FileCheckpointLock:
        return FileCheckpointLock(self.directory / "state" / f"{origin_hash(origin)}.note")

    def _evidence(self, origin: str) -> FileCheckpointLock:
        return FileCheckpointLock(self.directory / "forks" / f"{origin_hash(origin)}.txt")


def _read(file: FileCheckpointLock) -> str | None:
    try:
        return file.read()
    except NotFoundError:
        return None
