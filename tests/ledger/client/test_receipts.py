"""Receipts are found again by the id of their decision, also after a crash, until they expire."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.client import receipts as module
from ledger.client.receipts import FileReceipts, MemoryReceipts, Receipts
from ledger.entries import parse_entry, uuid7
from ledger.errors import MalformedError, NotFoundError
from ledger.tlog.merkle import inclusion_proof
from ledger.tlog.proof import Receipt
from ledger.verify.verifier import verify_receipt
from tests.ledger.client import simulator
from tests.ledger.client.simulator import BEGIN, POLICY, Ledger, decision

LANE = "loan-desk.abcdefgh"


@pytest.fixture(params=["file", "memory"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Receipts:
    return FileReceipts(tmp_path / "receipts") if request.param == "file" else MemoryReceipts()


def issued(count: int, first: int = 0, at: datetime = BEGIN) -> list[Receipt]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulator, "BEGIN", at)
        return _issued(count, first)


def _issued(count: int, first: int) -> list[Receipt]:
    ledger = Ledger()
    ledger.record(
        [
            decision(id=uuid7(first + n, bytes(10)), source={"id": LANE, "seq": n + 1})
            for n in range(count)
        ]
    )
    size = len(ledger.entries)
    return [
        Receipt(ledger.entries[at], at, inclusion_proof(at, size, ledger.node), ledger.note())
        for at in range(1, size)
    ]


def name_of(receipt: Receipt) -> str:
    return parse_entry(receipt.entry).id


def test_receipts_are_found_by_their_decision(kept: Receipts) -> None:
    first, second = issued(5), issued(3, first=100)
    kept.keep(LANE, first)
    kept.keep("loan-desk.other234", second)
    kept.keep(LANE, [])
    for each in (*first, *second):
        assert kept.find(name_of(each)) == each
        verify_receipt(kept.find(name_of(each)).format(), POLICY)
    with pytest.raises(NotFoundError):
        kept.find(uuid7(999, bytes(10)))
    with pytest.raises(MalformedError):
        kept.find("x")


def test_the_newest_receipt_of_a_decision_counts(kept: Receipts) -> None:
    (old,), (new, _) = issued(1), issued(2)
    kept.keep(LANE, [old])
    kept.keep(LANE, [new])
    assert kept.find(name_of(old)) == new != old


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_IN_MEMORY", 2)
    kept = MemoryReceipts()
    first, second, third = issued(3)
    kept.keep(LANE, [first, second, third])
    with pytest.raises(NotFoundError):
        kept.find(name_of(first))
    assert kept.find(name_of(third)) == third


def test_a_torn_end_hides_nothing_that_was_kept(tmp_path: Path) -> None:
    kept = FileReceipts(tmp_path)
    first, second = issued(2), issued(2, first=100)
    kept.keep(LANE, first)
    (path,) = tmp_path.iterdir()
    whole = path.stat().st_size
    kept.keep(LANE, second)
    data = path.read_bytes()
    for cut in range(whole, len(data), 97):
        path.write_bytes(data[:cut])
        assert kept.find(name_of(first[1])) == first[1]
        kept.keep(LANE, second)
        assert kept.find(name_of(second[1])) == second[1]


def test_a_receipt_whose_head_is_damaged_is_not_shown(tmp_path: Path) -> None:
    kept = FileReceipts(tmp_path)
    (receipt,) = issued(1)
    kept.keep(LANE, [receipt])
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    (tmp_path / f"{LANE}.20990101.0000.receipts").touch()  # empty: it cannot be mapped
    with pytest.raises(NotFoundError):
        kept.find(name_of(receipt))


def test_files_are_rolled_and_expire_by_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FILE_BYTES", 100)
    today = [datetime(2026, 5, 14, tzinfo=UTC)]
    kept = FileReceipts(tmp_path, timedelta(days=2), lambda: today[0])
    every = issued(4)
    for number, each in enumerate(every):
        kept.keep(LANE, [each])
        assert len(list(tmp_path.iterdir())) == number + 1
        if number:
            today[0] += timedelta(days=1 if number < 3 else 0)
    assert kept.find(name_of(every[3])) == every[3]
    today[0] += timedelta(days=5)
    kept.keep(LANE, [every[0]])
    assert len(list(tmp_path.iterdir())) == 5  # the ledger's clock says that no day has passed
    for path in tmp_path.glob("*.20260521.*"):
        path.unlink()
    kept.keep(LANE, issued(1, at=today[0]))
    assert [each.name for each in tmp_path.iterdir()] == [f"{LANE}.20260521.0000.receipts"]


def test_all_that_are_kept_can_be_gone_through(tmp_path: Path) -> None:
    kept = FileReceipts(tmp_path / "receipts")
    assert list(kept.all()) == []
    first, second = issued(2), issued(2, first=100)
    kept.keep("desk.aaaaaaaa", first)
    kept.keep("desk.bbbbbbbb", second)
    (path,) = (tmp_path / "receipts").glob("desk.bbb*")
    path.write_bytes(path.read_bytes()[:-1])
    assert list(kept.all()) == [*first, second[0]]
