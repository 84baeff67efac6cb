"""The log in memory: for tests and simulations; it promises what a database promises."""

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ledger.errors import CheckpointConflict, ConflictError, NotFoundError
from ledger.storage.log_store import (
    MAX_READ_ENTRIES,
    Batch,
    Head,
    NewEntry,
    Sign,
    StoredEntry,
    Written,
)


@dataclass(slots=True)
class _Log:
    head: Head | None = None
    entries: list[NewEntry] = field(default_factory=list)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)


class MemoryLogStore:
    """`LogStore` and `LogLookup` for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alone: dict[str, threading.Lock] = {}
        self._logs: dict[str, _Log] = {}

    def head(self, origin: str) -> Head | None:
        """The newest committed head, or None before the first."""
        return self._log(origin).head

    def integrate(self, batch: Batch, sign: Sign) -> Head:
        """Commit entries, tiles and the head that `sign` returns together, or nothing.

        Raises:
            CheckpointConflict: the stored head is not `batch.expected`.
            ConflictError: an entry's id is in the log already.
        """
        with self._lock:
            old = self._log(batch.origin)
            if old.head != batch.expected:
                raise CheckpointConflict("log store: the head has moved")
            ids = [new.stored.entry_id for new in (*old.entries, *batch.entries)]
            if len(set(ids)) != len(ids):
                raise ConflictError("log store: an entry's id is in the log already")
            tiles = {(tile.level, tile.index): tile.hashes for tile in batch.tiles}
            written = Written(tuple(new.stored for new in batch.entries), batch.tiles)
            head = Head(batch.size, sign(written))
            new = _Log(head, [*old.entries, *batch.entries], old.tiles | tiles)
            self._logs[batch.origin] = new
        return head

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Keep out whoever enters this under the same name: the log lives in this process."""
        with self._lock:
            lock = self._alone.setdefault(name, threading.Lock())
        with lock:
            yield

    def entries(self, origin: str, start: int, count: int) -> tuple[StoredEntry, ...]:
        """Up to `count` (at most `MAX_READ_ENTRIES`) entries from index `start`, in order."""
        stop = start + min(count, MAX_READ_ENTRIES)
        return tuple(new.stored for new in self._log(origin).entries[start:stop])

    def tile(self, origin: str, level: int, index: int) -> bytes:
        """The hashes of a tile at its widest so far; a narrower tile is a prefix of it.

        Raises:
            NotFoundError: nothing of this tile is stored.
        """
        try:
            return self._log(origin).tiles[level, index]
        except KeyError:
            raise NotFoundError("tile: nothing of it is in this log") from None

    def locate(self, origin: str, ids: Collection[str]) -> Mapping[str, int]:
        """The index of each of these entries that is in the log."""
        stored = (new.stored for new in self._log(origin).entries)
        return {entry.entry_id: entry.seq for entry in stored if entry.entry_id in set(ids)}

    def referring(self, origin: str, reference: str, start: int = 0) -> tuple[StoredEntry, ...]:
        """The entries from index `start` that name this besides their own id, in order."""
        entries = self._log(origin).entries[start:]
        return tuple(new.stored for new in entries if reference in new.references)

    def sealed(self, record_id: str) -> bytes | None:
        """The sealed payload stored with an entry, or None if there is none any more."""
        for each in tuple(self._logs.values()):
            for new in each.entries:
                if new.stored.entry_id == record_id:
                    return new.sealed
        return None

    def _log(self, origin: str) -> _Log:
        return self._logs.get(origin) or _Log()
