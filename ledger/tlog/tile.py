"""Tiles and entry bundles: the log as immutable files (c2sp.org/tlog-tiles).

A tile is 256 consecutive hashes of one level of the tree (levels are 8 apart), a bundle
is 256 consecutive entries; the last of each may be partial. Where the bytes are kept is
left to others.
"""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from ledger.errors import MalformedError
from ledger.tlog.merkle import HASH_BYTES, MAX_SIZE, NodeReader, node_hash

__all__ = [
    "MAX_ENTRY_BYTES",
    "MAX_LEVEL",
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "EntryBundle",
    "Tile",
    "bundle_for",
    "decode_bundle",
    "encode_bundle",
    "tile_for",
    "tile_nodes",
    "tiles_to_write",
]

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 256
MAX_LEVEL: Final = 63  # of a tile's path (tlog-tiles)
MAX_ENTRY_BYTES: Final = 65_535  # a bundle writes an entry's length in two bytes
_LENGTH: Final = struct.Struct(">H")
_PATH: Final = re.compile(
    r"tile/(?P<level>0|[1-9][0-9]?|entries)/"
    r"(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: `width` hashes of `level`, from hash 256·`index` on."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Refuse a tile that no tree has."""
        if not 0 <= self.level <= MAX_LEVEL:
            raise MalformedError("tile: level out of range")
        _check_place(self.index, self.width)

    @property
    def is_partial(self) -> bool:
        """Whether the tree ended inside it."""
        return self.width < TILE_WIDTH

    @classmethod
    def parse(cls, path: str) -> Self:
        """Return the tile of a path below the log's prefix.

        Raises:
            MalformedError: anything :meth:`path` would not have written.
        """
        level, index, width = _parse(path)
        if level == "entries":
            raise MalformedError("tile: this is an entry bundle's path")
        return cls(int(level), index, width)

    def path(self) -> str:
        """Return `tile/<L>/<N>[.p/<W>]`."""
        return f"tile/{self.level}/{_place(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class EntryBundle:
    """Which bundle: `width` entries, from entry 256·`index` on."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Refuse a bundle that no log has."""
        _check_place(self.index, self.width)

    @property
    def is_partial(self) -> bool:
        """Whether the log ended inside it."""
        return self.width < TILE_WIDTH

    @property
    def start(self) -> int:
        """The index of its first entry."""
        return self.index * TILE_WIDTH

    @classmethod
    def parse(cls, path: str) -> Self:
        """Return the bundle of a path below the log's prefix.

        Raises:
            MalformedError: anything :meth:`path` would not have written.
        """
        level, index, width = _parse(path)
        if level != "entries":
            raise MalformedError("entry bundle: this is a tile's path")
        return cls(index, width)

    def path(self) -> str:
        """Return `tile/entries/<N>[.p/<W>]`."""
        return f"tile/entries/{_place(self.index, self.width)}"


def tile_for(level: int, index: int, size: int) -> Tile:
    """Return the tile of this place in a tree of `size` leaves, partial where it ends.

    Raises:
        MalformedError: the tree has no hash there.
    """
    return Tile(level, index, _width(index, size >> (TILE_HEIGHT * level)))


def bundle_for(index: int, size: int) -> EntryBundle:
    """Return the bundle of this place in a log of `size` entries, partial where it ends.

    Raises:
        MalformedError: the log has no entry there.
    """
    return EntryBundle(index, _width(index, size))


def tiles_to_write(old_size: int, new_size: int) -> tuple[Tile, ...]:
    """Return every tile of the tree of `new_size` that the tree of `old_size` lacks.

    Lowest level first; at each level full tiles in order, then the partial one if any.

    Raises:
        MalformedError: the tree shrank.
    """
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise MalformedError("tiles: a log does not shrink")
    tiles: list[Tile] = []
    level, old, new = 0, old_size, new_size
    while old != new:  # what did not change at one level did not change above
        tiles += [Tile(level, index) for index in range(old // TILE_WIDTH, new // TILE_WIDTH)]
        if new % TILE_WIDTH:
            tiles.append(Tile(level, new // TILE_WIDTH, new % TILE_WIDTH))
        level, old, new = level + 1, old >> TILE_HEIGHT, new >> TILE_HEIGHT
    return tuple(tiles)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the entries, each behind its length in two bytes, big-endian.

    Raises:
        MalformedError: an entry is too long.
    """
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise MalformedError(f"entry bundle: an entry of more than {MAX_ENTRY_BYTES:,} bytes")
    return b"".join(_LENGTH.pack(len(entry)) + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """Return the `width` entries of a bundle.

    Raises:
        MalformedError: not exactly that many entries.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        start = at + _LENGTH.size
        if start > len(data):
            break
        (length,) = _LENGTH.unpack_from(data, at)
        at = start + length
        entries.append(data[start:at])
    if at != len(data) or len(entries) != width:
        raise MalformedError(f"entry bundle: not exactly {width} entries")
    return tuple(entries)


def tile_nodes(read_tile: Callable[[Tile], bytes], size: int) -> NodeReader:
    """Return a reader of the tree's complete subtrees, from the tiles of the tree of `size`.

    A tile is read once and its inner nodes are kept, so that many proofs over one tree
    cost little more than one: 16 KiB for each tile that was asked for, until the reader is
    dropped. The tiles are not checked: a proof made from wrong ones does not verify.

    Raises (from the reader):
        MalformedError: a tile has another length than its width says, or the tree has no
            such subtree.
    """
    levels: dict[tuple[int, int], list[list[bytes]]] = {}

    def nodes(level: int, index: int) -> bytes:
        height = level % TILE_HEIGHT
        first = index << height  # the subtree's first hash among those of its tile's level
        place = (level // TILE_HEIGHT, first // TILE_WIDTH)
        rows = levels.get(place)
        if rows is None:
            tile = tile_for(*place, size)
            rows = levels[place] = _rows(read_tile(tile), tile.width)
        row, at = rows[height], (first % TILE_WIDTH) >> height
        if at >= len(row):
            raise MalformedError("tile: the tree has no such complete subtree")
        return row[at]

    return nodes


def _rows(data: bytes, width: int) -> list[list[bytes]]:
    """Return the tile's hashes and, above them, those of its complete subtrees."""
    if len(data) != width * HASH_BYTES:
        raise MalformedError("tile: its length does not match its width")
    rows = [[data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]]
    for _ in range(TILE_HEIGHT - 1):
        below = rows[-1]
        rows.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return rows


def _width(index: int, hashes: int) -> int:
    return min(max(hashes - index * TILE_WIDTH, 0), TILE_WIDTH)


def _check_place(index: int, width: int) -> None:
    if not 0 <= index <= MAX_SIZE // TILE_WIDTH or not 1 <= width <= TILE_WIDTH:
        raise MalformedError("tile: the log has no such place")


def _place(index: int, width: int) -> str:
    groups = f"{index % 1000:03d}"
    while index := index // 1000:
        groups = f"x{index % 1000:03d}/{groups}"
    return groups if width == TILE_WIDTH else f"{groups}.p/{width}"


def _parse(path: str) -> tuple[str, int, int]:
    match = _PATH.fullmatch(path)
    if match is None:
        raise MalformedError("tile: not a tile's path")
    index = int(match["index"].replace("x", "").replace("/", ""))
    width = TILE_WIDTH if match["width"] is None else int(match["width"])
    # Leading zero groups, and a full tile written as a partial one, are not what we write.
    if not 1 <= width <= TILE_WIDTH or path != f"tile/{match['level']}/{_place(index, width)}":
        raise MalformedError("tile: not a tile's path in canonical form")
    return match["level"], index, width
