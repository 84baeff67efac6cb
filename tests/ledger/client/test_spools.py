"""One contract for all spools: on disk, encrypted on disk, and in memory."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.client.memory_spool import MemorySpool
from ledger.client.outbox import LaneOutbox, Outbox, read_refusals
from ledger.client.segments import SpoolFull
from ledger.client.spool import DiskSpool, Spool
from ledger.client.spool_cipher import CLEAR, SpoolCipher
from ledger.client.spooled import Gap, Refusal
from tests.ledger.client.spools import directory, draft

Pair = tuple[Spool, Outbox]


MAX = 65_536


@pytest.fixture(params=["disk", "encrypted", "memory"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    if request.param == "memory":
        both = MemorySpool("loan-desk", MAX)
        yield both, both
        both.close()
        return
    cipher = SpoolCipher(bytes(32)) if request.param == "encrypted" else CLEAR
    spool = DiskSpool(directory(tmp_path, max_bytes=MAX, cipher=cipher).claim())
    yield spool, LaneOutbox(spool.lane)
    spool.close()


def seqs(outbox: Outbox, most: int = 1_000, most_bytes: int = 10**9) -> list[int]:
    return [item.decision.seq for item in outbox.batch(most, most_bytes)]


def fill(spool: Spool) -> int:
    """How many decisions it took."""
    count = 0
    while True:
        try:
            count = spool.append(draft(count))
        except SpoolFull:
            return count


def test_decisions_come_out_in_the_order_of_their_counters(pair: Pair) -> None:
    spool, outbox = pair
    assert spool.source == outbox.source
    assert [spool.append(draft(number)) for number in range(5)] == [1, 2, 3, 4, 5]
    assert seqs(outbox, 2) == seqs(outbox, 2) == [1, 2]  # the same until they are settled
    assert seqs(outbox, 3) == [1, 2, 3]
    outbox.settle(())
    assert seqs(outbox) == [4, 5]
    outbox.settle(())
    assert seqs(outbox) == []
    assert spool.append(draft(6)) == 6
    assert seqs(outbox) == [6]
    assert b'"seq":6' in outbox.batch(1, 1)[0].body


def test_a_batch_is_bounded_by_bytes_but_has_one_at_least(pair: Pair) -> None:
    spool, outbox = pair
    for number in range(3):
        spool.append(draft(number))
    size = len(outbox.batch(1, 1)[0].body)
    assert seqs(outbox, 9, 1) == [1]
    assert len(seqs(outbox, 9, size * 2 + size // 2)) == 2


def test_a_counter_given_out_in_vain_becomes_a_gap(pair: Pair) -> None:
    spool, outbox = pair
    spool.append(draft(1))
    assert [spool.skip("spool_full"), spool.skip("spool_full")] == [2, 3]
    assert spool.append(draft(4)) == 4
    assert seqs(outbox) == [1, 4]
    outbox.settle(())
    assert seqs(outbox) == []
    assert outbox.gaps() == (Gap(2, 3, "spool_full"),)
    outbox.gaps_declared(outbox.gaps())
    assert outbox.gaps() == ()


def test_a_gap_in_other_counters_uses_none(pair: Pair) -> None:
    spool, outbox = pair
    spool.declare(Gap(100, 200, "shadow_mode"))
    assert spool.append(draft(1)) == 1
    assert seqs(outbox) == [1]
    outbox.settle(())
    assert outbox.gaps() == (Gap(100, 200, "shadow_mode"),)


def test_what_was_refused_is_kept_aside_and_declared(pair: Pair, tmp_path: Path) -> None:
    spool, outbox = pair
    for number in range(3):
        spool.append(draft(number))
    second = outbox.batch(9, 10**9)[1]
    outbox.settle((Refusal(second.decision, {"status": 422}),))
    assert seqs(outbox) == []
    assert outbox.gaps() == (Gap(2, 2, "refused_by_ledger"),)
    if isinstance(spool, DiskSpool):
        kept = read_refusals(spool.lane.directory)
    else:
        assert isinstance(spool, MemorySpool)
        kept = tuple(spool.refusals)
    assert [(each.decision, each.problem) for each in kept] == [(second.decision, {"status": 422})]


def test_a_full_spool_gives_out_no_counter_and_has_room_again_when_emptied(pair: Pair) -> None:
    spool, outbox = pair
    count = fill(spool)
    assert 50 < count < 200
    assert spool.skip("spool_full") == count + 1
    while seqs(outbox, 7):
        outbox.settle(())
    if isinstance(outbox, LaneOutbox):
        outbox.tidy()
    assert spool.append(draft(0)) == count + 2
    assert seqs(outbox) == [count + 2]
    outbox.settle(())
    assert outbox.gaps() == (Gap(count + 1, count + 1, "spool_full"),)


def test_who_waits_for_room_is_woken_when_something_is_settled(pair: Pair) -> None:
    spool, outbox = pair
    spool.append(draft(1))
    waiter = threading.Thread(target=spool.wait_for_room, args=(30.0,))
    waiter.start()
    while waiter.is_alive():
        seqs(outbox)
        outbox.settle(())
        waiter.join(0.01)
    spool.wait_for_room(0.001)


def test_many_threads_get_different_counters_without_a_hole(pair: Pair) -> None:
    spool, outbox = pair
    found: list[int] = []

    def work() -> None:
        found.extend(spool.append(draft(number)) for number in range(10))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 81))
    assert seqs(outbox) == list(range(1, 81))
