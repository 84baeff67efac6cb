"""Lanes and spools for tests: on a boot, and with room, of our choosing."""

from pathlib import Path
from typing import Any

from ledger.client.lanes import Lane, SpoolDirectory
from ledger.client.outbox import LaneOutbox
from ledger.client.spool import DiskSpool
from ledger.client.spooled import Draft
from ledger.entries import uuid7
from tests.ledger.client.simulator import decision

BOOT = "a-boot"


def directory(path: Path, **options: Any) -> SpoolDirectory:
    return SpoolDirectory(path, **{"source": "loan-desk", "boot": BOOT} | options)


def draft(number: int, **changes: Any) -> Draft:
    context = {"decided_at": "2026-05-14T09:31:07Z", "number": number}
    name = uuid7(1_700_000_000_000 + number, bytes(10))
    return Draft.of(name, 1_700_000_000_000 + number, decision(context=context) | changes)


def dies(lane: Lane) -> None:
    """What a kill leaves: the kernel closes what was open, and nobody tidies up."""
    lane.close()


def numbers(outbox: LaneOutbox, most: int = 1_000) -> list[int]:
    """The counters of the next batch."""
    return [item.decision.seq for item in outbox.batch(most, 10**9)]


def drained(lane: Lane) -> list[int]:
    """All counters that a lane has to send, as they are settled one batch after another."""
    outbox, found = LaneOutbox(lane), []
    while batch := numbers(outbox, 3):
        found += batch
        outbox.settle(())
    return found


def record(spool: DiskSpool, count: int) -> list[int]:
    return [spool.append(draft(number)) for number in range(count)]
