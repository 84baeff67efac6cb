"""A reader in memory of a log whose keeper may lie."""

from collections.abc import Iterator, Sequence

from ledger.tlog.merkle import leaf_hash
from ledger.verify.reader import StoredCheckpoint, StoredRun
from tests.ledger.verify.tile_log import Liar, entry_id, tiles_of


class LyingReader:
    """What a liar stores, as a LogReader; which parts of it were read is written down.

    Attributes:
        read: the index of every entry that was read, in that order.
    """

    def __init__(self, liar: Liar) -> None:
        self._liar = liar
        self._tiles = tiles_of(liar.hashed)
        self.origin = liar.origin
        self.size = liar.head
        self.read: list[int] = []

    def checkpoints(self, least: int = 0) -> Iterator[StoredCheckpoint]:
        for size, note in sorted(self._liar.notes.items()):
            if size >= least:
                yield StoredCheckpoint(size, note)

    def runs(self, start: int = 0, stop: int | None = None) -> Iterator[StoredRun]:
        within = [
            index
            for index in sorted(self._liar.stored)
            if start <= index and (stop is None or index < stop)
        ]
        while within:
            bundle = within[0] // 256
            run = [index for index in within if index // 256 == bundle]
            within = within[len(run) :]
            self.read += run
            yield self._run(run)

    def _run(self, indexes: Sequence[int]) -> StoredRun:
        liar = self._liar
        return StoredRun(
            indexes,
            [liar.stored[index] for index in indexes],
            [entry_id(index).encode() for index in indexes],
            [leaf_hash(liar.hashed[index]) for index in indexes],
        )

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        return tuple(
            (tile.width, data)
            for tile, data in self._tiles.items()
            if (tile.level, tile.index) == (level, index)
        )

    def strays(self) -> Iterator[str]:
        return iter(())
