"""Tiles and bundles: paths, what has to be written, and reading a tree back from them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.tlog.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from ledger.tlog.tile import (
    MAX_ENTRY_BYTES,
    TILE_WIDTH,
    EntryBundle,
    Tile,
    bundle_for,
    decode_bundle,
    encode_bundle,
    tile_for,
    tile_nodes,
    tiles_to_write,
)

UPSTREAM = Path(__file__).parents[4] / "shared" / "vectors"
LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(70_000)]


class Written:
    """A log's tiles as they are written, batch after batch."""

    def __init__(self) -> None:
        self.size = 0
        self.tiles: dict[Tile, bytes] = {}

    def grow(self, size: int) -> None:
        for tile in tiles_to_write(self.size, size):
            first = tile.index * TILE_WIDTH
            self.tiles[tile] = b"".join(
                self._hash(tile.level, first + at) for at in range(tile.width)
            )
        self.size = size

    def _hash(self, level: int, index: int) -> bytes:
        if level == 0:
            return LEAVES[index]
        below = self.tiles[Tile(level - 1, index)]
        hashes = (below[at : at + 32] for at in range(0, len(below), 32))
        return Frontier.empty().extend(hashes).root()


@pytest.fixture(scope="module")
def written() -> Written:
    log = Written()
    for size in (1, 255, 256, 257, 1_000, 65_535, 65_537, 70_000):
        log.grow(size)
    return log


def test_a_tree_of_70_000_has_the_specifications_tiles(written: Written) -> None:
    sizes = [tile for tile in written.tiles if not tile.is_partial]
    assert len([tile for tile in sizes if tile.level == 0]) == 273
    assert Tile(0, 273, 112) in written.tiles
    assert Tile(1, 1, 17) in written.tiles
    assert Tile(2, 0, 1) in written.tiles


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1_000, 65_535, 65_537, 70_000])
def test_roots_and_proofs_from_tiles_verify(written: Written, size: int) -> None:
    nodes = tile_nodes(written.tiles.__getitem__, size)
    root = Frontier.empty().extend(LEAVES[:size]).root()
    assert tree_root(size, nodes) == root
    for index in {0, size // 2, size - 1}:
        verify_inclusion(index, size, LEAVES[index], inclusion_proof(index, size, nodes), root)
    old = size // 3
    old_root = Frontier.empty().extend(LEAVES[:old]).root()
    verify_consistency(old, size, old_root, root, consistency_proof(old, size, nodes))


def test_a_tile_is_read_once(written: Written) -> None:
    read: list[Tile] = []

    def reader(tile: Tile) -> bytes:
        read.append(tile)
        return written.tiles[tile]

    nodes = tile_nodes(reader, 70_000)
    for index in range(0, 70_000, 97):
        inclusion_proof(index, 70_000, nodes)
    assert len(read) == len(set(read))


def test_a_tile_of_another_length_is_refused() -> None:
    nodes = tile_nodes(lambda _tile: bytes(31), 5)
    with pytest.raises(MalformedError):
        tree_root(5, nodes)
    with pytest.raises(MalformedError):
        tile_nodes(lambda tile: bytes(32 * tile.width), 5)(1, 2)
    with pytest.raises(MalformedError):
        tile_nodes(lambda tile: bytes(32 * tile.width), 5)(0, 300)


@given(st.integers(0, 400), st.integers(0, 70_000), st.integers(0, 70_000))
def test_growing_in_steps_writes_what_growing_at_once_writes(a: int, b: int, c: int) -> None:
    small, middle, large = sorted((a, b, c))
    at_once = {tile for tile in tiles_to_write(small, large) if not tile.is_partial}
    in_steps = {
        tile
        for tile in (*tiles_to_write(small, middle), *tiles_to_write(middle, large))
        if not tile.is_partial
    }
    assert at_once == in_steps


def test_a_log_does_not_shrink() -> None:
    with pytest.raises(MalformedError):
        tiles_to_write(2, 1)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(3, 5, 17), "tile/3/005.p/17"),
        (EntryBundle(0, 1), "tile/entries/000.p/1"),
        (EntryBundle(1000), "tile/entries/x001/000"),
    ],
)
def test_paths(tile: Tile | EntryBundle, path: str) -> None:
    assert tile.path() == path
    assert type(tile).parse(path) == tile


def test_known_tile_paths() -> None:
    source = UPSTREAM / "known-answers.json"
    if not source.exists():
        pytest.skip("../shared is absent: the specification's tile paths were not checked")
    known = json.loads(source.read_text())["tile_paths"]
    assert Tile(0, 1_234_067).path() == f"tile/0/{known['N_1234067']}"
    for size in (256, 70_000):
        counted = {
            f"level{level}_{'partial' if partial else 'full'}": found
            for level in range(4)
            for partial in (True, False)
            if (found := _count(size, level, partial=partial))
        }
        assert counted == known[f"size_{size}"]


def _count(size: int, level: int, *, partial: bool) -> int:
    tiles = [tile for tile in tiles_to_write(0, size) if tile.level == level]
    widths = [tile.width for tile in tiles if tile.is_partial]
    return sum(widths) if partial else len(tiles) - len(widths)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/0/001/x000",
        "tile/0/x1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/٠٠٠",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/000",
    ],
)
def test_what_is_not_a_tile(path: str) -> None:
    with pytest.raises(MalformedError):
        Tile.parse(path)


def test_a_tile_is_not_a_bundle() -> None:
    with pytest.raises(MalformedError):
        EntryBundle.parse("tile/0/000")


@given(
    st.text(max_size=40)
    | st.from_regex(r"\Atile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,2}[0-9]{3}(\.p/[0-9]{1,3})?\Z")
)
def test_any_path_is_a_place_or_our_error(path: str) -> None:
    for kind in (Tile, EntryBundle):
        try:
            parsed = kind.parse(path)
        except MalformedError:
            continue
        assert parsed.path() == path


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_a_bundle_reads_back(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == tuple(entries)


@given(st.binary(max_size=60), st.integers(0, 8))
def test_any_bytes_are_a_bundle_or_our_error(data: bytes, width: int) -> None:
    try:
        entries = decode_bundle(data, width)
    except MalformedError:
        return
    assert encode_bundle(entries) == data


def test_what_no_bundle_holds() -> None:
    assert len(encode_bundle([bytes(MAX_ENTRY_BYTES)])) == MAX_ENTRY_BYTES + 2
    with pytest.raises(MalformedError):
        encode_bundle([bytes(MAX_ENTRY_BYTES + 1)])


def test_places_of_a_log_of_300() -> None:
    assert tile_for(0, 0, 300) == Tile(0, 0)
    assert tile_for(0, 1, 300) == Tile(0, 1, 44)
    assert bundle_for(1, 300) == EntryBundle(1, 44)
    assert bundle_for(1, 300).start == 256
    assert bundle_for(1, 300).is_partial
    for make in (
        lambda: tile_for(0, 2, 300),
        lambda: bundle_for(2, 300),
        lambda: Tile(64, 0),
        lambda: EntryBundle(-1),
        lambda: EntryBundle(0, 257),
    ):
        with pytest.raises(MalformedError):
            make()
