"""The unfinished tiles at the right edge of a log, and how they grow.

Of a tree of tiles (c2sp.org/tlog-tiles) only the last tile of each level can still
change. Pure: leaf hashes in, tiles to store out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from ledger.storage.log_store import HASH_BYTES, StoredTile
from ledger.tlog.merkle import Frontier
from ledger.tlog.tile import TILE_HEIGHT, TILE_WIDTH

_FULL = TILE_WIDTH * HASH_BYTES


@dataclass(frozen=True, slots=True)
class RightEdge:
    """The hashes of the unfinished tile of each level, from level 0 up, for a size."""

    size: int = 0
    unfinished: tuple[bytes, ...] = ()

    @classmethod
    def load(cls, size: int, tile: Callable[[int, int], bytes]) -> Self:
        """The edge of a stored log; `tile` reads the widest tile at (level, index)."""
        levels: list[bytes] = []
        count = size
        while count:
            width = count % TILE_WIDTH
            level = len(levels)
            hashes = tile(level, count // TILE_WIDTH)[: width * HASH_BYTES] if width else b""
            levels.append(hashes)
            count >>= TILE_HEIGHT
        return cls(size, tuple(levels))

    def extend(self, leaves: Sequence[bytes]) -> tuple[Self, tuple[StoredTile, ...]]:
        """The edge after these leaf hashes, and every tile that grew, at its new width."""
        levels = [bytearray(hashes) for hashes in self.unfinished]
        finished: list[StoredTile] = []
        grown: set[int] = set()
        for position, leaf in enumerate(leaves, self.size):
            level, node = 0, leaf
            while True:
                if level == len(levels):
                    levels.append(bytearray())
                levels[level] += node
                grown.add(level)
                if len(levels[level]) < _FULL:
                    break
                hashes = bytes(levels[level])
                index = position >> TILE_HEIGHT * (level + 1)
                finished.append(StoredTile(level, index, hashes))
                levels[level] = bytearray()
                level, node = level + 1, _root(hashes)
        size = self.size + len(leaves)
        unfinished = (
            StoredTile(level, size >> TILE_HEIGHT * (level + 1), bytes(levels[level]))
            for level in sorted(grown)
            if levels[level]
        )
        edge = type(self)(size, tuple(bytes(hashes) for hashes in levels))
        return edge, (*finished, *unfinished)


def _root(hashes: bytes) -> bytes:
    """The root of a full tile: the hash that stands for it one level up."""
    frontier = Frontier.empty()
    for at in range(0, len(hashes), HASH_BYTES):
        frontier = frontier.append(hashes[at : at + HASH_BYTES])
    return frontier.root()
