"""Gaps by the thousand, and gaps that the ledger will not take: nothing waits for them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.client import delivery
from ledger.client.memory_spool import MemorySpool
from ledger.client.outbox import LaneOutbox
from ledger.client.spool import DiskSpool
from ledger.client.spooled import Gap, merged, undeclared
from ledger.entries import SourceGap, parse_entry
from tests.ledger.client.clients import client_of, told, until
from tests.ledger.client.simulator import Ledger, decision
from tests.ledger.client.spools import directory, draft

MANY = 1_000
GAPS = st.lists(
    st.builds(
        lambda first, more, reason: Gap(first, first + more, reason),
        st.integers(0, 30),
        st.integers(0, 5),
        st.sampled_from(["one", "two"]),
    ),
    max_size=8,
)


def test_decisions_do_not_wait_for_a_thousand_gaps(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool) as client:
        ledger.takes_gaps = False
        source = client.record(**decision()).source
        for number in range(MANY):
            client.declare_gap(10_000 + 2 * number, 10_000 + 2 * number, "shadow_mode")
        assert client.flush()
        until(lambda: client.counters().gaps_pending == MANY)
    ledger.takes_gaps = True
    with client_of(url, spool) as client:
        client.start()
        until(lambda: len(ledger.gaps) > 10)
        client.record(**decision())
        until(lambda: len(ledger.gaps) == MANY)
        assert client.flush()
        until(lambda: client.counters().gaps_pending == 0)
        until(lambda: client.counters().gaps_declared == MANY)  # counted once the spool has it
    kinds = [isinstance(parse_entry(each).body, SourceGap) for each in ledger.entries]
    last = max(at for at, is_gap in enumerate(kinds) if not is_gap)
    assert sum(kinds[last:]) > MANY // 2  # the decision overtook most of them
    assert ledger.counters()[source] == [1, 2]


def test_what_is_declared_is_forgotten_many_at_once(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the rest is written anew, so one by one would take the square of their number."""
    record = DiskSpool(directory(spool).claim())
    outbox = LaneOutbox(record.lane)
    for number in range(delivery.GAPS_AT_ONCE + 5):
        record.declare(Gap(2 * number, 2 * number, "shadow_mode"))
    assert outbox.batch(1, 1) == ()
    assert len(outbox.gaps()) == delivery.GAPS_AT_ONCE + 5
    outbox.gaps_declared(outbox.gaps()[:-2])
    assert [gap.first for gap in outbox.gaps()] == [206, 208]
    record.close()


def test_a_gap_that_is_refused_does_not_stop_the_others(
    ledger: Ledger, url: str, spool: Path
) -> None:
    ledger.refused_gaps.add("strange")
    with client_of(url, spool) as client:
        client.declare_gap(1_000, 1_000, "strange")
        for number in range(2, 5):
            client.declare_gap(1_000 * number, 1_000 * number, "shadow_mode")
        until(lambda: len(ledger.gaps) == 3)
        until(lambda: client.counters().gaps_pending == 1)
    assert set(told(ledger)) == {2_000, 3_000, 4_000}


def test_two_reasons_in_a_row_are_two_gaps(tmp_path: Path) -> None:
    spool = DiskSpool(directory(tmp_path).claim())
    assert [spool.skip(reason) for reason in ("one", "one", "two", "one")] == [1, 2, 3, 4]
    spool.append(draft(1))
    outbox = LaneOutbox(spool.lane)
    assert [item.decision.seq for item in outbox.batch(10, 10**6)] == [5]
    outbox.settle(())
    assert outbox.gaps() == (Gap(1, 2, "one"), Gap(3, 3, "two"), Gap(4, 4, "one"))
    spool.close()


def test_in_memory_gaps_are_joined_as_they_come() -> None:
    spool = MemorySpool("desk", 10**6)
    for reason in ("one", "one", "two", "two", "one"):
        spool.skip(reason)
    spool.declare(Gap(90, 99, "one"))
    spool.skip("one")
    assert len(spool._gaps) == 5
    found = (Gap(1, 2, "one"), Gap(3, 4, "two"), Gap(5, 6, "one"), Gap(90, 99, "one"))
    assert spool.gaps() == found
    spool.gaps_declared(found[:2])
    assert spool.gaps() == found[2:]


@given(gaps=GAPS, declared=GAPS)
def test_what_is_not_declared_is_what_no_declared_gap_covers(
    gaps: list[Gap], declared: list[Gap]
) -> None:
    told = {(seq, each.reason) for each in declared for seq in range(each.first, each.last + 1)}
    expected = tuple(
        gap
        for gap in merged(gaps)
        if not told.issuperset((seq, gap.reason) for seq in range(gap.first, gap.last + 1))
    )
    assert undeclared(merged(gaps), declared) == expected
