"""What every LogReader promises, on every implementation; and that none hides a lie."""

import gc
import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.tlog.merkle import leaf_hash
from ledger.verify.audit import audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.directory_reader import DirectoryLogReader
from ledger.verify.dump_reader import is_dump, open_dump
from ledger.verify.findings import Code
from ledger.verify.http_reader import HttpLogReader
from ledger.verify.postgres_reader import PostgresLogReader
from ledger.verify.reader import LogReader
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.ledger.verify.audits import found, honest, log, one
from tests.ledger.verify.dumps import pg_dump, sqlite_dump
from tests.ledger.verify.lying_reader import LyingReader
from tests.ledger.verify.tile_log import ORIGIN, POLICY, Liar, edited, note, rechained, tiles_of
from tests.ledger.verify.web import Site, served

SIZE = 600
TABLES = ("log", "log_head", "log_entry", "log_tile", "log_checkpoint")
Open = Callable[[Liar], LogReader]

PLACES = (
    *("memory", "sqlite", "directory", "http", "sqlite dump"),
    *(pytest.param(place, marks=pytest.mark.postgres) for place in ("postgresql", "pg_dump")),
)


@pytest.fixture(params=PLACES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def dumped(data: bytes, name: str) -> LogReader:
            (tmp_path / name).write_bytes(data)
            assert is_dump(tmp_path / name)
            return stack.enter_context(open_dump(tmp_path / name))[0]

        def postgres(liar: Liar) -> str:
            url = str(request.getfixturevalue("postgres_url"))
            return liar.postgres(url.replace("postgresql+psycopg", "postgresql"))

        def reader(liar: Liar) -> LogReader:  # noqa: PLR0911  one for each place
            match request.param:
                case "memory":
                    return LyingReader(liar)
                case "sqlite":
                    path = liar.sqlite(tmp_path / "x.db")
                    return stack.enter_context(SqliteLogReader.open(path))[0]
                case "directory":
                    return DirectoryLogReader(liar.directory(tmp_path / "tiles"))
                case "http":
                    site = stack.enter_context(served(Site(liar.directory(tmp_path / "tiles"))))
                    return stack.enter_context(HttpLogReader.open(site.address, POLICY))
                case "sqlite dump":
                    return dumped(sqlite_dump(liar.sqlite(tmp_path / "x.db")), "dump.txt")
                case "postgresql":
                    return stack.enter_context(PostgresLogReader.open(postgres(liar)))[0]
                case _:
                    return dumped(gzip.compress(pg_dump(postgres(liar))), "nightly")

        yield reader


def indexes(reader: LogReader, start: int = 0, stop: int | None = None) -> list[int]:
    return [index for run in reader.runs(start, stop) for index in run.indexes]


def test_it_says_which_log_and_how_large(opened: Open) -> None:
    reader = opened(Liar(log(3)))
    assert (reader.origin, reader.size) == (ORIGIN, 3)


def test_runs_are_every_entry_in_order_and_end_with_bundles(opened: Open) -> None:
    runs = list(opened(Liar(log(SIZE))).runs())
    assert [(run.indexes[0], len(run.indexes)) for run in runs] == [(0, 256), (256, 256), (512, 88)]
    entries = [entry for run in runs for entry in run.entries()]
    assert [entry.raw for entry in entries] == log(SIZE)
    assert [entry.index for entry in entries] == list(range(SIZE))
    for entry in entries:
        assert all(claim.leaf_hash == leaf_hash(entry.raw) for claim in entry.claims)


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 0), (0, 10), (5, 300), (256, 512), (300, None), (600, None), (599, 600)]
)
def test_runs_begin_and_stop_where_they_are_told(
    opened: Open, start: int, stop: int | None
) -> None:
    reader = opened(Liar(log(SIZE)))
    expected = list(range(SIZE))[start:stop]
    assert indexes(reader, start, stop) == expected
    ends = [run.indexes[-1] + 1 for run in reader.runs(start, stop)]
    assert all(end % 256 == 0 for end in ends[:-1])


def test_checkpoints_are_of_a_size_or_more(opened: Open) -> None:
    reader = opened(Liar(log(SIZE), sizes=(1, 256, SIZE)))
    every = [(stored.size, stored.note) for stored in reader.checkpoints()]
    assert every[-1] == (SIZE, note(honest(SIZE)))
    assert [size for size, _ in every] == sorted(size for size, _ in every)
    assert [stored.size for stored in reader.checkpoints(SIZE)] == [SIZE]
    assert list(reader.checkpoints(SIZE + 1)) == []


def test_tiles_are_as_they_are_stored(opened: Open) -> None:
    reader = opened(Liar(log(SIZE)))
    for tile, data in tiles_of(honest(SIZE)).items():
        assert reader.tiles(tile.level, tile.index) == ((tile.width, data),)
    assert reader.tiles(0, 3) == reader.tiles(2, 0) == ()
    assert list(reader.strays()) == []


def test_tiles_may_be_asked_for_between_runs(opened: Open) -> None:
    reader = opened(Liar(log(SIZE)))
    widths = [reader.tiles(0, run.indexes[0] // 256)[0][0] for run in reader.runs()]
    assert widths == [256, 256, 88]


@pytest.fixture
def left() -> Iterator[list[object]]:
    """What outlives the reader that it reads from, as it does where an audit raises."""
    kept: list[object] = []
    yield kept
    kept.clear()
    gc.collect()  # an error in there would fail the test


def test_what_is_left_in_the_middle_ends_quietly(left: list[object], opened: Open) -> None:
    reader = opened(Liar(log(SIZE), sizes=(300, SIZE)))
    begun = (reader.runs(), reader.runs(), reader.checkpoints())
    assert all(next(iterator) for iterator in begun)
    left.extend(begun)


@pytest.mark.parametrize("size", [1, 256, 300, SIZE])
def test_an_honest_log_is_fine_wherever_it_is(opened: Open, size: int) -> None:
    result = audit(opened(Liar(log(size))), POLICY)
    assert result.findings == ()
    assert result.located
    assert result == replace(audit(LyingReader(Liar(log(size))), POLICY), verified=result.verified)


def fully_and_since(opened: Open, liar: Liar) -> tuple[AuditResult, AuditResult]:
    reader = opened(liar)
    kept = audit(LyingReader(Liar(log(300))), POLICY).verified
    assert kept is not None
    return audit(reader, POLICY), audit(reader, POLICY, since=kept)


def test_only_what_is_new_is_read(opened: Open) -> None:
    fully, since = fully_and_since(opened, Liar(log(SIZE)))
    assert since.since is not None
    assert since.since.size == 300
    assert (since.root, since.counts, since.sources) == (fully.root, fully.counts, fully.sources)
    assert (since.first_at, since.last_at) == (fully.first_at, fully.last_at)
    assert since.verified == fully.verified


def named(result: AuditResult) -> set[tuple[Code, int | None]]:
    """The findings but for the one that only says between which checkpoints."""
    return {(code, index) for code, index in found(result) if code is not Code.ROOT_DIFFERS}


@pytest.mark.parametrize("index", [1, 255, 256, 299, 300, 511, 599])
def test_a_changed_entry_is_named_wherever_the_log_is(opened: Open, index: int) -> None:
    stored = log(SIZE)
    stored[index] = edited(stored[index])
    result, since = fully_and_since(opened, Liar(log(SIZE), dict(enumerate(stored))))
    assert (Code.TILE_DIFFERS, index) in found(result)
    assert {i for _, i in named(result)} == {index}
    if index >= 299:  # the kept last entry, or a new one; what is older is not read again
        assert named(since) == named(result)


def test_a_history_rewritten_before_what_was_kept_is_a_fork(opened: Open) -> None:
    lie = log(SIZE)
    lie[100] = edited(lie[100])
    lie = rechained(lie, 101)
    fully, since = fully_and_since(opened, Liar(lie))
    assert fully.findings == ()
    assert found(since) == {(Code.CHECKPOINT_FORKED, None)}


def test_a_log_that_shrank_is_missing_entries(opened: Open) -> None:
    _, since = fully_and_since(opened, Liar(log(290)))
    finding = one(since, Code.ENTRY_MISSING)
    assert (finding.index, finding.last) == (290, 299)
