"""What every LogStore promises, on every implementation."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.errors import CheckpointConflict, ConflictError, MalformedError, NotFoundError
from ledger.storage.database import Schema, migrate, open_database
from ledger.storage.log_store import (
    Batch,
    Head,
    LogDatabase,
    NewEntry,
    Sign,
    StoredEntry,
    StoredTile,
    Written,
)
from ledger.storage.memory_log_store import MemoryLogStore
from ledger.storage.sql_log_store import SqlLogStore

ORIGIN = "ledger.example/log"
OTHER = "ledger.example/other"


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogDatabase]:
    if request.param == "memory":
        yield MemoryLogStore()
        return
    url = f"sqlite:///{tmp_path}/ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    engine = open_database(url)
    migrate(engine, Schema.LEDGER)
    yield SqlLogStore(engine)
    engine.dispose()


def new(seq: int, *, entry_id: str = "", references: tuple[str, ...] = ()) -> NewEntry:
    raw = b"entry %d" % seq
    leaf = hashlib.sha256(b"\x00" + raw).digest()
    stored = StoredEntry(seq, entry_id or f"id-{seq}", raw, leaf)
    return NewEntry(stored, references, sealed=b"sealed %d" % seq if seq % 2 else None)


def batch(
    expected: Head | None, count: int, *, origin: str = ORIGIN, tiles: tuple[StoredTile, ...] = ()
) -> Batch:
    start = expected.size if expected else 0
    return Batch(origin, expected, tuple(map(new, range(start, start + count))), tiles)


def signed(_written: Written) -> str:
    return "note\n"


def noted(note: str) -> Sign:
    return lambda _written: note


def grow(store: LogDatabase, *counts: int, origin: str = ORIGIN) -> Head:
    head = store.head(origin)
    for count in counts:
        head = store.integrate(batch(head, count, origin=origin), noted(f"of {count}\n"))
    assert head is not None
    return head


def test_a_store_begins_empty(store: LogDatabase) -> None:
    assert store.head(ORIGIN) is None
    assert store.entries(ORIGIN, 0, 10) == ()
    assert store.locate(ORIGIN, ["id-0"]) == {}
    assert store.referring(ORIGIN, "id-0") == ()
    assert store.sealed("id-1") is None
    with pytest.raises(NotFoundError):
        store.tile(ORIGIN, 0, 0)


def test_what_was_integrated_is_there(store: LogDatabase) -> None:
    head = grow(store, 2, 3)
    assert head == Head(5, "of 3\n")
    assert store.head(ORIGIN) == head
    assert store.entries(ORIGIN, 0, 100) == tuple(new(seq).stored for seq in range(5))
    assert store.entries(ORIGIN, 1, 2) == tuple(new(seq).stored for seq in (1, 2))
    assert store.locate(ORIGIN, ["id-4", "id-1", "id-9"]) == {"id-1": 1, "id-4": 4}
    assert store.sealed("id-3") == b"sealed 3"
    assert store.sealed("id-2") is None


def test_signing_sees_what_was_written(store: LogDatabase) -> None:
    tile = StoredTile(0, 0, bytes(64))
    seen: list[Written] = []

    def sign(written: Written) -> str:
        seen.append(written)
        return "note\n"

    wanted = batch(None, 2, tiles=(tile,))
    store.integrate(wanted, sign)
    assert seen == [Written(tuple(each.stored for each in wanted.entries), (tile,))]


def test_nothing_stays_if_signing_refuses(store: LogDatabase) -> None:
    head = grow(store, 2)

    def refuse(_written: Written) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.integrate(batch(head, 2, tiles=(StoredTile(0, 0, bytes(32)),)), refuse)
    assert store.head(ORIGIN) == head
    assert len(store.entries(ORIGIN, 0, 10)) == 2
    assert store.sealed("id-3") is None
    with pytest.raises(NotFoundError):
        store.tile(ORIGIN, 0, 0)
    assert grow(store, 2).size == 4


@pytest.mark.parametrize("stale", [None, Head(1, "of 1\n"), Head(2, "another note\n")])
def test_only_the_expected_head_moves(store: LogDatabase, stale: Head | None) -> None:
    head = grow(store, 1, 1)
    with pytest.raises(CheckpointConflict):
        store.integrate(batch(stale, 1), signed)
    assert store.head(ORIGIN) == head


def test_a_log_that_is_not_there_has_no_head_to_move(store: LogDatabase) -> None:
    with pytest.raises(CheckpointConflict):
        store.integrate(batch(Head(3, "note\n"), 1), signed)
    assert store.head(ORIGIN) is None


def test_an_id_is_there_once(store: LogDatabase) -> None:
    head = grow(store, 2)
    again = replace(batch(head, 1), entries=(new(2, entry_id="id-0"),))
    with pytest.raises(ConflictError):
        store.integrate(again, signed)
    twice = (new(2, entry_id="same"), new(3, entry_id="same"))
    with pytest.raises(ConflictError):
        store.integrate(replace(batch(head, 2), entries=twice), signed)
    assert store.head(ORIGIN) == head
    assert len(store.entries(ORIGIN, 0, 10)) == 2


def test_origins_are_independent(store: LogDatabase) -> None:
    first = Batch(OTHER, None, (replace(new(0), sealed=None),), (StoredTile(0, 0, b"o" * 32),))
    store.integrate(first, signed)
    head = grow(store, 2)
    assert head.size == 2
    assert store.head(OTHER) == Head(1, "note\n")
    assert store.locate(OTHER, ["id-0", "id-1"]) == {"id-0": 0}
    with pytest.raises(NotFoundError):
        store.tile(ORIGIN, 0, 0)


def test_the_widest_tile_is_read(store: LogDatabase) -> None:
    narrow, wide = bytes(32), bytes(32) + b"x" * 32
    head = store.integrate(batch(None, 1, tiles=(StoredTile(0, 0, narrow),)), signed)
    store.integrate(
        batch(head, 1, tiles=(StoredTile(0, 0, wide), StoredTile(1, 7, b"y" * 32))), signed
    )
    assert store.tile(ORIGIN, 0, 0) == wide
    assert store.tile(ORIGIN, 1, 7) == b"y" * 32


def test_references_lead_to_the_entries_that_make_them(store: LogDatabase) -> None:
    entries = (new(0), new(1, references=("id-0", "other")), new(2), new(3, references=("id-0",)))
    store.integrate(Batch(ORIGIN, None, entries, ()), signed)
    assert [each.seq for each in store.referring(ORIGIN, "id-0")] == [1, 3]
    assert [each.seq for each in store.referring(ORIGIN, "id-0", 2)] == [3]
    assert store.referring(ORIGIN, "id-0", 4) == ()
    assert [each.seq for each in store.referring(ORIGIN, "other")] == [1]
    assert store.referring(OTHER, "id-0") == ()


def test_many_ids_are_located_at_once(store: LogDatabase) -> None:
    grow(store, 1200)
    ids = [f"id-{seq}" for seq in range(0, 2400, 2)]
    assert store.locate(ORIGIN, ids) == {f"id-{seq}": seq for seq in range(0, 1200, 2)}


@pytest.mark.parametrize(
    ("expected", "seqs"), [(None, []), (None, [1]), (None, [0, 2]), (Head(2, "n"), [0, 1])]
)
def test_a_batch_has_the_indexes_that_come_next(expected: Head | None, seqs: list[int]) -> None:
    with pytest.raises(MalformedError):
        Batch(ORIGIN, expected, tuple(map(new, seqs)), ())


@pytest.mark.parametrize("hashes", [b"", bytes(31), bytes(33)])
def test_a_tile_is_whole_hashes(hashes: bytes) -> None:
    with pytest.raises(MalformedError):
        StoredTile(0, 0, hashes)


def test_one_may_work_on_the_log_while_alone(store: LogDatabase) -> None:
    with store.alone(ORIGIN), store.alone(OTHER):
        assert grow(store, 2).size == 2
    with store.alone(ORIGIN):
        assert len(store.entries(ORIGIN, 0, 10)) == 2
