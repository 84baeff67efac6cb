"""The newest heads of the log that this client has seen, and whether one grew from the other.

Kept beside the spool, because a ledger that shows less than before, or something else,
has lost entries or shows two histories: only who remembers can notice.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from ledger.client.answers import Seen
from ledger.errors import InconsistencyError, LedgerError, MalformedError
from ledger.private_files import FILE_MODE, private_directory, sync_directory, write_synced
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import consistency_proof, verify_consistency
from ledger.tlog.note import MAX_NOTE_BYTES, SignedNote
from ledger.tlog.tile import Tile, tile_nodes

__all__ = ["FileHeads", "Heads", "MemoryHeads", "check_growth", "log_path"]

NEWEST: Final = "newest"
GROWN: Final = "grown"  # the newest one that is proved to have grown from those before


class Heads(Protocol):
    """Accepted heads, by name: `newest`, and `grown`. Safe between threads and processes."""

    def read(self, name: str) -> Seen | None:
        """The head kept under a name, or None.

        Raises:
            LedgerError, OSError: it cannot be read.
        """

    def advance(self, name: str, seen: Seen) -> None:
        """Keep the head, unless a larger one is there.

        Raises:
            InconsistencyError: another one of this size is there.
            LedgerError, OSError: it cannot be kept.
        """


class MemoryHeads:
    """Heads for as long as the process lives."""

    def __init__(self) -> None:
        self._kept: dict[str, Seen] = {}

    def read(self, name: str) -> Seen | None:
        """The head kept under a name, or None."""
        return self._kept.get(name)

    def advance(self, name: str, seen: Seen) -> None:
        """Keep the head, unless a larger one is there.

        Raises:
            InconsistencyError: another one of this size is there.
        """
        if _follows(self._kept.get(name), seen):
            self._kept[name] = seen


class FileHeads:
    """Heads in a directory, one file each, shared by all processes of a spool."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> Seen | None:
        """The head kept under a name, or None.

        Raises:
            MalformedError, OSError: it cannot be read.
        """
        try:
            with (self._directory / name).open("rb") as file:
                note = file.read(MAX_NOTE_BYTES).decode()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise MalformedError("heads: a file is not a checkpoint") from error
        return Seen(Checkpoint.parse(SignedNote.parse(note).text), note)

    def advance(self, name: str, seen: Seen) -> None:
        """Keep the head durably, unless a larger one is there.

        Raises:
            InconsistencyError: another one of this size is there.
            MalformedError, OSError: it cannot be kept.
        """
        with self._held():
            if _follows(self.read(name), seen):
                beside = self._directory / f"{name}.new"
                write_synced(beside, seen.note.encode())
                beside.replace(self._directory / name)
                sync_directory(self._directory)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        private_directory(self._directory)
        guard = os.open(self._directory / "guard", os.O_CREAT | os.O_RDWR, FILE_MODE)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield
        finally:
            # Not closing alone: a child of a fork may hold the guard open, and wait for it.
            fcntl.flock(guard, fcntl.LOCK_UN)
            os.close(guard)


def _follows(kept: Seen | None, seen: Seen) -> bool:
    if kept is None:
        return True
    old, new = kept.checkpoint, seen.checkpoint
    if old.size == new.size and old.root_hash != new.root_hash:
        raise InconsistencyError(
            "two heads of one size that differ", older=kept.note, newer=seen.note
        )
    return new.size > old.size


def log_path(origin: str) -> str:
    """The address of a log's tiles below the ledger's own, from its origin.

    Raises:
        MalformedError: not an origin that a ledger of this kind gives.
    """
    base, mark, name = origin.rpartition("/log/")
    if not base or not mark or not name.isalnum():
        raise MalformedError("heads: the origin does not tell where the tiles are")
    return f"/log/{name}/"


def check_growth(older: Seen, newer: Seen, read: Callable[[str], bytes]) -> None:
    """Return if the newer head grew from the older one, as the log's own tiles show.

    Args:
        older: the smaller head, accepted before.
        newer: the larger one, accepted too.
        read: the bytes at an address of the ledger.

    Raises:
        InconsistencyError: no history explains both; the error holds the evidence.
        LedgerError: what `read` raises, and MalformedError for tiles that are none: it
            could not be checked.
    """
    old, new = older.checkpoint, newer.checkpoint
    prefix = log_path(new.origin)

    def tile(each: Tile) -> bytes:
        return read(prefix + each.path())

    proof = consistency_proof(old.size, new.size, tile_nodes(tile, new.size))
    try:
        verify_consistency(old.size, new.size, old.root_hash, new.root_hash, proof)
    except InconsistencyError as error:
        raise InconsistencyError(
            str(error), older=older.note, newer=newer.note, proof=proof
        ) from error


def grew(heads: Heads, read: Callable[[str], bytes]) -> int:
    """How many entries the newest head has that is now proved to have grown from the first.

    Raises:
        InconsistencyError: it did not grow: keep the evidence, tell everybody.
        LedgerError, OSError: it could not be checked.
    """
    newest = heads.read(NEWEST)
    if newest is None:
        return 0
    grown = heads.read(GROWN)
    if grown is None or grown.checkpoint.size < newest.checkpoint.size:
        if grown is not None:
            check_growth(grown, newest, read)
        heads.advance(GROWN, newest)
    elif grown.checkpoint.size > newest.checkpoint.size:
        raise MalformedError("heads: the newest one is older than one that was checked")
    return newest.checkpoint.size


def kept_size(heads: Heads, name: str) -> int:
    """The size of a kept head; 0 if there is none or it cannot be read."""
    with contextlib.suppress(LedgerError, OSError):
        seen = heads.read(name)
        return 0 if seen is None else seen.checkpoint.size
    return 0
