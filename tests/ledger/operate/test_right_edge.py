"""Tiles grow as the specification says, whatever the batches."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.operate.right_edge import RightEdge
from ledger.storage.log_store import HASH_BYTES
from ledger.tlog.merkle import Frontier, tree_root
from ledger.tlog.tile import TILE_WIDTH, Tile, tile_nodes, tiles_to_write


def leaf(index: int) -> bytes:
    return hashlib.sha256(b"%d" % index).digest()


LEAVES = [leaf(index) for index in range(70_000)]


def grown(*sizes: int) -> tuple[RightEdge, dict[tuple[int, int], bytes]]:
    edge = RightEdge()
    tiles: dict[tuple[int, int], bytes] = {}
    for size in sizes:
        edge, new = edge.extend(LEAVES[edge.size : size])
        tiles |= {(tile.level, tile.index): tile.hashes for tile in new}
    return edge, tiles


def root_of(tiles: dict[tuple[int, int], bytes], size: int) -> bytes:
    def read(tile: Tile) -> bytes:
        return tiles[tile.level, tile.index][: tile.width * HASH_BYTES]

    return tree_root(size, tile_nodes(read, size))


@given(st.lists(st.integers(1, 1_200), min_size=1, max_size=6, unique=True).map(sorted))
def test_tiles_give_the_root_at_every_size_on_the_way(sizes: list[int]) -> None:
    edge, tiles = grown(*sizes)
    for size in sizes:
        assert root_of(tiles, size) == Frontier.empty().extend(LEAVES[:size]).root()
    assert edge.size == sizes[-1]


@given(st.integers(0, 1_100), st.integers(1, 1_100))
def test_exactly_the_tiles_that_grew_are_written(old: int, more: int) -> None:
    edge, _ = grown(old) if old else (RightEdge(), {})
    _, new = edge.extend(LEAVES[old : old + more])
    written = {(tile.level, tile.index, tile.width) for tile in new}
    wanted = {(t.level, t.index, t.width) for t in tiles_to_write(old, old + more)}
    assert written == wanted


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000])
def test_a_stored_edge_is_loaded_as_it_was(size: int) -> None:
    edge, tiles = grown(size)

    def tile(level: int, index: int) -> bytes:
        return tiles[level, index]

    loaded = RightEdge.load(size, tile)
    assert loaded.size == size
    assert [h for h in loaded.unfinished if h] == [h for h in edge.unfinished if h]
    assert all(len(hashes) < TILE_WIDTH * HASH_BYTES for hashes in loaded.unfinished)
    assert root_of(tiles, size) == Frontier.empty().extend(LEAVES[:size]).root()
