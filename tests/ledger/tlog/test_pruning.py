"""The minimum index: its one form, and which resources lie below it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.tlog.merkle import MAX_SIZE
from ledger.tlog.pruning import MAX_MINIMUM_BYTES, MAX_POLICY_CHARS, MinimumIndex
from ledger.tlog.tile import EntryBundle, Tile, tiles_to_write

ORIGIN = "ledger.example/test/log/decisions"
POLICY = "Entries are published for ten years (retention schedule R-7)."


def at(index: int) -> MinimumIndex:
    return MinimumIndex(ORIGIN, index, POLICY if index else "")


def test_the_file_reads_back() -> None:
    assert at(0).format() == f"{ORIGIN}\n0\n".encode()
    assert at(600).format() == f"{ORIGIN}\n600\n{POLICY}\n".encode()
    for each in (at(0), at(600), MinimumIndex(ORIGIN, MAX_SIZE, "für immer")):
        assert MinimumIndex.parse(each.format()) == each


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        f"{ORIGIN}\n600\n".encode(),
        f"{ORIGIN}\n0\n{POLICY}\n".encode(),
        f"{ORIGIN}\n0\n\n".encode(),
        f"{ORIGIN}\n0600\n{POLICY}\n".encode(),
        f"{ORIGIN}\n-1\n{POLICY}\n".encode(),
        f"{ORIGIN}\n600\n{POLICY}".encode(),
        f"{ORIGIN}\n600\n{POLICY}\n\n".encode(),
        f"{ORIGIN}\n600\n {POLICY}\n".encode(),
        f"{ORIGIN}\n600\n{POLICY}\x1b[2J\n".encode(),
        f"a b\n600\n{POLICY}\n".encode(),
        f"{ORIGIN}\n600\n{'x' * (MAX_POLICY_CHARS + 1)}\n".encode(),
        f"{ORIGIN}\n600\n".encode() + b"x" * MAX_MINIMUM_BYTES,
    ],
)
def test_anything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        MinimumIndex.parse(data)


def test_an_index_out_of_range_is_refused() -> None:
    with pytest.raises(MalformedError):
        MinimumIndex(ORIGIN, MAX_SIZE + 1, POLICY)


@given(st.binary(max_size=60), st.integers(0, 3))
def test_any_bytes_end_in_a_value_or_in_our_error(data: bytes, lines: int) -> None:
    for each in (data, f"{ORIGIN}\n".encode() + data + b"\n" * lines):
        try:
            assert MinimumIndex.parse(each).format() == each
        except MalformedError:
            continue


@pytest.mark.parametrize(
    ("index", "withheld", "first"),
    [
        (0, [], 0),
        (255, [], 0),
        (256, ["tile/0/000", "tile/entries/000"], 256),
        (511, ["tile/0/000", "tile/entries/000"], 256),
        (512, ["tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001"], 512),
    ],
)
def test_what_ends_at_or_below_the_minimum_is_withheld(
    index: int, withheld: list[str], first: int
) -> None:
    resources: list[Tile | EntryBundle] = [*tiles_to_write(0, 600), *map(EntryBundle, range(3))]
    assert sorted(each.path() for each in resources if at(index).withholds(each)) == withheld
    assert at(index).first == first


def test_partial_ones_go_with_the_full_one() -> None:
    assert at(256).withholds(Tile(0, 0, 7))
    assert at(256).withholds(EntryBundle(0, 255))
    assert not at(256).withholds(Tile(0, 1, 7))


def test_a_tile_of_a_higher_level_spans_more() -> None:
    assert not at(65_535).withholds(Tile(1, 0))
    assert at(65_536).withholds(Tile(1, 0))
    assert not at(65_536).withholds(Tile(1, 1))
    assert not at(2**24 - 1).withholds(Tile(2, 0))
    assert at(2**24).withholds(Tile(2, 0))
    assert not at(MAX_SIZE).withholds(Tile(63, 0))
