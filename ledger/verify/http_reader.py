"""A log read from a web server that publishes its tiles (c2sp.org/tlog-tiles).

The checkpoint is checked against the policy before anything else is read, since only its
size says where to stop. What the server does not have, or cannot give now, cannot be checked;
what it gives is judged by the audit.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from ledger.errors import LedgerError
from ledger.tlog.policy import Policy
from ledger.tlog.pruning import MAX_MINIMUM_BYTES, MinimumIndex
from ledger.tlog.tile import TILE_HEIGHT, TILE_WIDTH, EntryBundle, Tile, bundle_for, tile_for
from ledger.verify.http_fetch import MAX_PAUSE, MAX_SECONDS, TRIES, Fetcher
from ledger.verify.reader import (
    MAX_NOTE_BYTES,
    MAX_TILE_BYTES,
    StoredCheckpoint,
    StoredRun,
    UnreadableError,
)
from ledger.verify.tile_files import MAX_BUNDLE_BYTES, head_of, minimum_of, run_of, split_bundle

AT_ONCE: Final = 4  # requests: a guest of somebody else's server
PATIENCE: Final = TRIES * (MAX_SECONDS + MAX_PAUSE)  # seconds for one file, tried again and again
AHEAD: Final = 8  # bundles with their tiles; 128 MiB if each were as large as one may be


_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class _File:
    """A tile or a bundle, and how wide its name says it is."""

    width: int
    data: bytes


class HttpLogReader:
    """The log below an address, as of its checkpoint when it was opened.

    Attributes:
        minimum: what the server states to be withheld, or None.
    """

    def __init__(self, fetcher: Fetcher, pool: ThreadPoolExecutor, policy: Policy) -> None:
        self._fetcher = fetcher
        self._pool = pool
        self._tiles: dict[int, Future[_File]] = {}  # of leaves, that were asked for ahead
        self.minimum: MinimumIndex | None = None
        note = _waited(pool.submit(fetcher.get, "checkpoint", MAX_NOTE_BYTES))
        if note is None:
            raise UnreadableError("there is no checkpoint at this address")
        self._note = note.decode("utf-8", "replace")
        self.origin, self._stated = head_of(self._note)
        try:
            policy.check(self._note)
            self.size = self._stated
        except LedgerError:
            self.size = 0  # the audit says why; nobody vouches for a size to read up to
            return
        stated = _waited(pool.submit(fetcher.get, "minimum-index", MAX_MINIMUM_BYTES))
        self.minimum = minimum_of(stated, self.origin, self.size)

    @classmethod
    @contextmanager
    def open(cls, address: str, policy: Policy) -> Iterator["HttpLogReader"]:
        """The log that is published below the address.

        Raises:
            UnreadableError: the server cannot be reached, or has no checkpoint there.
        """
        fetcher, pool = Fetcher(address), ThreadPoolExecutor(AT_ONCE, "tiles")
        try:
            yield cls(fetcher, pool, policy)
        finally:
            fetcher.interrupt()
            pool.shutdown(cancel_futures=True)
            fetcher.close()

    def checkpoints(self, least: int = 0) -> Iterator[StoredCheckpoint]:
        """The one checkpoint that is published, if it is of at least this size."""
        if self._stated >= least:
            yield StoredCheckpoint(self._stated, self._note)

    def runs(self, start: int = 0, stop: int | None = None) -> Iterator[StoredRun]:
        """The entries up to the checkpoint's size, a bundle a run, some of them read ahead.

        What lies below the minimum index that the server states is not asked for.
        """
        start = max(start, 0 if self.minimum is None else self.minimum.first)
        end = self.size if stop is None else min(stop, self.size)
        bundles = iter(range(start // TILE_WIDTH, -(-end // TILE_WIDTH)))
        waiting: dict[int, Future[_File]] = {}
        try:
            for index in bundles:
                waiting[index] = self._pool.submit(self._bundle, index)
                self._tiles[index] = self._pool.submit(self._tile, 0, index)
                if len(waiting) == AHEAD:
                    yield from self._run(waiting, start, end)
            while waiting:
                yield from self._run(waiting, start, end)
        finally:
            for each in (*waiting.values(), *self._tiles.values()):
                each.cancel()
            self._tiles.clear()

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        """The tile as the tree of the checkpoint's size has it; () if that tree has none."""
        if index * TILE_WIDTH >= self.size >> (TILE_HEIGHT * level):
            return ()
        ahead = self._tiles.pop(index, None) if level == 0 else None
        file = _waited(ahead or self._pool.submit(self._tile, level, index))
        return ((file.width, file.data),)

    def strays(self) -> Iterator[str]:
        """Nothing: what else a server has cannot be listed."""
        return iter(())

    def _run(self, waiting: dict[int, Future[_File]], start: int, end: int) -> Iterator[StoredRun]:
        index = next(iter(waiting))
        file = _waited(waiting.pop(index))
        self._tiles.pop(index - 1, None)
        begin = index * TILE_WIDTH
        first, after = max(begin, start), min(begin + TILE_WIDTH, end)
        entries = split_bundle(file.data, file.width)[: after - begin]
        if begin + len(entries) > first:
            yield run_of(index, first, entries, {})

    def _bundle(self, index: int) -> _File:
        bundle = bundle_for(index, self.size)
        return self._file(bundle.path(), bundle.width, EntryBundle(index).path(), MAX_BUNDLE_BYTES)

    def _tile(self, level: int, index: int) -> _File:
        tile = tile_for(level, index, self.size)
        return self._file(tile.path(), tile.width, Tile(level, index).path(), MAX_TILE_BYTES)

    def _file(self, path: str, width: int, full: str, most: int) -> _File:
        """The file; a server may drop a partial one when it has the full one (tlog-tiles)."""
        data = self._fetcher.get(path, most)
        if data is None and full != path:
            data, width = self._fetcher.get(full, most), TILE_WIDTH
        if data is None:
            raise UnreadableError(f"the server does not have {path}, which its checkpoint promises")
        return _File(width, data)


def _waited(task: Future[_Answer]) -> _Answer:
    try:
        return task.result(PATIENCE)
    except TimeoutError as error:
        raise UnreadableError("the server keeps its answer back") from error
