"""Where logs are kept: the ports, and the values that cross them.

A store keeps bytes in order and commits a batch whole or not at all. It knows no
tree, no signature and no clock: what a head means is the sequencer's business.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from ledger.errors import MalformedError

HASH_BYTES: Final = 32
MAX_READ_ENTRIES: Final = 4096  # entries of one read: some 3 MB of decisions


@dataclass(frozen=True, slots=True)
class Head:
    """The newest committed checkpoint of a log, as it was signed."""

    size: int
    note: str


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry's bytes at its index, with the id and leaf hash they were stored under.

    Only `entry` is evidence; the id and the hash are copies for look-ups.
    """

    seq: int
    entry_id: str
    entry: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to store, the ids it names besides its own, and its sealed payload."""

    stored: StoredEntry
    references: tuple[str, ...] = ()
    sealed: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredTile:
    """The hashes of one tile, 1 to 256 of them, end to end."""

    level: int
    index: int
    hashes: bytes

    def __post_init__(self) -> None:
        if not self.hashes or len(self.hashes) % HASH_BYTES:
            raise MalformedError("tile: not a whole number of hashes")

    @property
    def width(self) -> int:
        """How many hashes the tile holds."""
        return len(self.hashes) // HASH_BYTES


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit adds to a log whose head is `expected` (None: no log yet).

    `tiles` are those that grew, at their new width.
    """

    origin: str
    expected: Head | None
    entries: tuple[NewEntry, ...]
    tiles: tuple[StoredTile, ...]

    def __post_init__(self) -> None:
        if not self.entries:
            raise MalformedError("batch: no entries")
        start = self.expected.size if self.expected else 0
        if [new.stored.seq for new in self.entries] != list(range(start, self.size)):
            raise MalformedError("batch: not the indexes that come next")

    @property
    def size(self) -> int:
        """The size of the log after the batch."""
        return (self.expected.size if self.expected else 0) + len(self.entries)


@dataclass(frozen=True, slots=True)
class Written:
    """A batch as read back from the store, inside the transaction that wrote it."""

    entries: tuple[StoredEntry, ...]
    tiles: tuple[StoredTile, ...]


Sign = Callable[[Written], str]
"""Check what was written and return the signed note of the new head, or raise."""


class LogStore(Protocol):
    """Where one operator keeps logs, by origin.

    Writes are durable when a method returns. Calls for one origin are serializable,
    across processes and restarts; origins are independent. Every method may raise
    PushbackError when the database does not answer; after that error from
    :meth:`integrate` the batch may or may not be there: read the head again.
    """

    def head(self, origin: str) -> Head | None:
        """The newest committed head, or None before the first."""

    def integrate(self, batch: Batch, sign: Sign) -> Head:
        """Commit entries, tiles and the head that `sign` returns together, or nothing.

        `sign` is called once, after everything was written and read back; if it
        raises, nothing is committed and its error leaves unchanged.

        Raises:
            CheckpointConflict: the stored head is not `batch.expected`.
            ConflictError: an entry's id is in the log already.
        """

    def alone(self, name: str) -> AbstractContextManager[None]:
        """Keep out whoever enters this under the same name, in this and other processes.

        What :meth:`integrate` promises does not depend on it. What is written beside the
        log does: two writers must not each tidy away what the other is about to log.
        """

    def entries(self, origin: str, start: int, count: int) -> tuple[StoredEntry, ...]:
        """Up to `count` (at most `MAX_READ_ENTRIES`) entries from index `start`, in order."""

    def tile(self, origin: str, level: int, index: int) -> bytes:
        """The hashes of a tile at its widest so far; a narrower tile is a prefix of it.

        Raises:
            NotFoundError: nothing of this tile is stored.
        """


class LogLookup(Protocol):
    """Finding entries and payloads by id instead of by index."""

    def locate(self, origin: str, ids: Collection[str]) -> Mapping[str, int]:
        """The index of each of these entries that is in the log."""

    def referring(self, origin: str, reference: str, start: int = 0) -> tuple[StoredEntry, ...]:
        """The entries from index `start` that name this besides their own id, in order."""

    def sealed(self, record_id: str) -> bytes | None:
        """The sealed payload stored with an entry, or None if there is none any more."""


class LogDatabase(LogStore, LogLookup, Protocol):
    """Both ports on one database."""
