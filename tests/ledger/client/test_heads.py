"""Heads are kept by the largest, by one file for all processes, and growth is proved by tiles."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.client.answers import Seen
from ledger.client.heads import (
    GROWN,
    NEWEST,
    FileHeads,
    Heads,
    MemoryHeads,
    check_growth,
    grew,
    kept_size,
    log_path,
)
from ledger.errors import InconsistencyError, MalformedError, NotFoundError
from tests.ledger.client.simulator import POLICY, Ledger


@pytest.fixture(params=["file", "memory"])
def heads(request: pytest.FixtureRequest, tmp_path: Path) -> Heads:
    return FileHeads(tmp_path / "heads") if request.param == "file" else MemoryHeads()


@pytest.fixture(scope="module")
def log() -> Ledger:
    return grown(700)


def grown(size: int, first: int = 1) -> Ledger:
    ledger = Ledger()
    for number in range(first, first + size - 1):
        ledger.declare("x", {"first": number, "last": number, "reason": "x"})
    return ledger


def seen(log: Ledger, size: int) -> Seen:
    note = log.note(size)
    return Seen(POLICY.check(note), note)


def read(log: Ledger) -> Callable[[str], bytes]:
    def tile(path: str) -> bytes:
        assert path.startswith("/log/decisions/")
        return log.tile(path.removeprefix("/log/decisions/"))

    return tile


def test_the_largest_head_is_kept(heads: Heads, log: Ledger) -> None:
    assert heads.read(NEWEST) is None
    assert kept_size(heads, NEWEST) == 0
    for size, kept in [(10, 10), (20, 20), (15, 20), (20, 20)]:
        heads.advance(NEWEST, seen(log, size))
        assert heads.read(NEWEST) == seen(log, kept)
    assert kept_size(heads, NEWEST) == 20
    with pytest.raises(InconsistencyError):
        heads.advance(NEWEST, seen(grown(20, first=5), 20))


@pytest.mark.parametrize(("old", "new"), [(1, 2), (10, 700), (256, 512), (255, 257), (699, 700)])
def test_growth_is_proved_from_the_logs_own_tiles(
    heads: Heads, log: Ledger, old: int, new: int
) -> None:
    heads.advance(NEWEST, seen(log, old))
    assert grew(heads, read(log)) == old
    heads.advance(NEWEST, seen(log, new))
    assert grew(heads, read(log)) == new
    assert kept_size(heads, GROWN) == new


def test_another_history_is_found_and_the_evidence_kept(heads: Heads, log: Ledger) -> None:
    heads.advance(NEWEST, seen(log, 10))
    grew(heads, read(log))
    other = grown(300, first=5)
    heads.advance(NEWEST, seen(other, 300))
    with pytest.raises(InconsistencyError) as found:
        grew(heads, read(other))
    assert (found.value.older, found.value.newer) == (log.note(10), other.note(300))
    assert found.value.proof
    assert kept_size(heads, GROWN) == 10


def test_what_cannot_be_checked_stays_unchecked(heads: Heads, log: Ledger) -> None:
    assert grew(heads, read(log)) == 0
    heads.advance(GROWN, seen(log, 20))
    heads.advance(NEWEST, seen(log, 10))
    with pytest.raises(MalformedError):
        grew(heads, read(log))

    def gone(path: str) -> bytes:
        raise NotFoundError(path)

    heads.advance(NEWEST, seen(log, 30))
    with pytest.raises(NotFoundError):
        grew(heads, gone)
    with pytest.raises(MalformedError):
        check_growth(seen(log, 20), seen(log, 30), lambda _: b"short")


def test_a_file_that_is_no_head_is_refused(tmp_path: Path) -> None:
    heads = FileHeads(tmp_path)
    for content in [b"", b"\xff", b"text\n"]:
        (tmp_path / NEWEST).write_bytes(content)
        with pytest.raises(MalformedError):
            heads.read(NEWEST)
        assert kept_size(heads, NEWEST) == 0


def test_the_origin_tells_where_the_tiles_are() -> None:
    assert log_path("ledger.example/demo/log/decisions") == "/log/decisions/"
    for wrong in ["ledger.example", "/log/x", "a/log/", "a/log/..", "a/log/b/c"]:
        with pytest.raises(MalformedError):
            log_path(wrong)
