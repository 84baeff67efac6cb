"""Every step of delivery fails, before and after it has persisted, and the process dies there.

Whoever takes the lane next goes on: each decision is in the log once, in order, its receipt
is kept, what was refused is kept and declared, and nothing is left in the spool.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ledger.client import outbox as outbox_module
from ledger.client.counters import Tally
from ledger.client.delivery import Delivery, Idle, Paused, Retry, Sent
from ledger.client.heads import FileHeads
from ledger.client.lane_state import StateFile
from ledger.client.lanes import Lane
from ledger.client.outbox import LaneOutbox, read_refusals
from ledger.client.receipts import FileReceipts
from ledger.client.segments import Segments
from ledger.client.spool import DiskSpool
from ledger.client.transport import HttpLedger
from ledger.client.trust import Trust
from ledger.entries import parse_entry, uuid7
from tests.ledger.client.clients import told
from tests.ledger.client.simulator import KEY, POLICY, Ledger
from tests.ledger.client.spools import dies, directory, draft

STEPS: list[tuple[Any, str]] = [
    (HttpLedger, "post"),
    (FileHeads, "advance"),
    (FileReceipts, "keep"),
    (LaneOutbox, "settle"),
    (LaneOutbox, "gaps_declared"),
    (StateFile, "change"),
    (Segments, "remove"),
    (outbox_module, "append_synced"),
]


class Silent:
    def settled(self, results: Any) -> None:
        pass


class Desk:
    """A lane's delivery, which can die and be taken up again."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self.tally = Tally()
        self.receipts = FileReceipts(path / "receipts")
        ledger = HttpLedger(url, lambda: KEY)
        heads = FileHeads(path / "heads")
        self.delivery = Delivery(
            ledger,
            Trust(POLICY),
            heads,
            self.receipts,
            self.tally,
            Silent(),
            path / "alarms",
            most=4,
        )

    def deliver(self, lane: Lane) -> None:
        outbox = LaneOutbox(lane)
        outcome: Any = Sent()
        while isinstance(outcome, Sent):
            outcome = self.delivery.step(outbox)
        if isinstance(outcome, Idle):
            outcome = self.delivery.declare_gaps(outbox)
            outbox.tidy()
        self.outcome = outcome


def failing(real: Callable[..., Any], number: int, *, after: bool) -> Callable[..., Any]:
    """The step, whose call of this number fails."""
    calls = [0]

    def step(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] != number:
            return real(*arguments, **named)
        if after:
            real(*arguments, **named)
        raise OSError(5, "the machine died")

    return step


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[name for _, name in STEPS])
def test_a_death_at_any_step_loses_and_doubles_nothing(
    owner: Any,
    name: str,
    number: int,
    after: bool,
    *,
    ledger: Ledger,
    url: str,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = DiskSpool(directory(spool).claim())
    for count in range(10):
        record.append(draft(count, subject=f"S-{count}"))
    record.skip("spool_full")
    record.append(draft(10))
    source = record.source
    dies(record.lane)
    ledger.refused.add("S-5")

    desk = Desk(spool, url)
    lane = directory(spool).claim()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(getattr(owner, name), number, after=after))
        with suppress(OSError):  # of tidying up at the end
            desk.deliver(lane)
    dies(lane)
    lane = directory(spool).claim()
    desk.deliver(lane)
    assert isinstance(desk.outcome, Idle)
    assert lane.source == source
    counters = [1, 2, 3, 4, 5, 7, 8, 9, 10, 12]
    assert ledger.counters() == {source: counters}
    assert told(ledger) == {6: "refused_by_ledger", 11: "spool_full"}
    for seq in counters:
        count = seq - 1 if seq < 11 else 10
        found = desk.receipts.find(uuid7(1_700_000_000_000 + count, bytes(10)))
        assert parse_entry(found.entry).id == uuid7(1_700_000_000_000 + count, bytes(10))
    assert [each.decision.seq for each in read_refusals(lane.directory)] == [6]
    assert (lane.waiting, list(lane.directory.glob("*.seg"))) == (0, [])
    assert desk.tally.look().alarms == 0
    lane.close()


def test_a_disk_that_cannot_be_read_is_tried_again_and_a_strange_file_pauses(
    url: str, spool: Path
) -> None:
    record = DiskSpool(directory(spool).claim())
    record.append(draft(1))
    (file,) = record.lane.directory.glob("*.seg")
    whole = file.read_bytes()
    file.write_bytes(b"another version" + whole[15:])
    desk, outbox = Desk(spool, url), LaneOutbox(record.lane)
    assert isinstance(desk.delivery.step(outbox), Paused)
    file.unlink()
    assert isinstance(desk.delivery.step(outbox), Retry)
    file.write_bytes(whole)
    assert isinstance(desk.delivery.step(outbox), Sent)
    record.close()


def test_gaps_that_cannot_be_declared_wait(spool: Path) -> None:
    record = DiskSpool(directory(spool).claim())
    record.skip("spool_full")
    record.sync()
    desk = Desk(spool, "http://127.0.0.1:9")
    outbox = LaneOutbox(record.lane)
    assert isinstance(desk.delivery.step(outbox), Idle)
    assert isinstance(desk.delivery.declare_gaps(outbox), Retry)
    assert len(outbox.gaps()) == 1
    record.close()
