"""A spool in memory, for containers without a disk to write to.

What it holds is lost with the process, and with it the proof that anything is missing at
the end: its lane is of this process alone, and the log never hears of it again.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence

from ledger.client.frames import frame_at
from ledger.client.outbox import REFUSED, Item
from ledger.client.segments import SpoolFull
from ledger.client.spool_cipher import CLEAR
from ledger.client.spooled import (
    MARK_BYTES,
    Draft,
    Gap,
    Refusal,
    Spooled,
    lane_name,
    merged,
    undeclared,
)
from ledger.errors import MalformedError

__all__ = ["MemorySpool"]


class MemorySpool:
    """Both sides of a spool, for as long as the process lives."""

    def __init__(self, source: str, max_bytes: int) -> None:
        self.source = lane_name(source, os.urandom(MARK_BYTES))
        self.size = 0
        self.last = 0
        self._max_bytes = max_bytes
        self._room = threading.Condition()
        self._items: deque[Item] = deque()
        self._gaps: list[Gap] = []
        self._taken = 0
        self.refusals: list[Refusal] = []

    @property
    def waiting(self) -> int:
        """How many decisions are not settled yet."""
        return len(self._items)

    def append(self, draft: Draft) -> int:
        """The counter of the decision, which is kept in memory.

        Raises:
            SpoolFull: there is no room; no counter was given out.
        """
        with self._room:
            seq = self.last + 1
            frame = frame_at(draft.frame(self.source, seq, CLEAR), 0)
            if frame is None:
                raise MalformedError("spool: the decision cannot be kept")
            decision = Spooled.of(frame)
            if self.size + len(decision.sealed) > self._max_bytes:
                raise SpoolFull("spool: full", retry_after=1)
            self._items.append(Item(decision, decision.sealed))
            self.size += len(decision.sealed)
            self.last = seq
            return seq

    def skip(self, reason: str) -> int:
        """A counter that no decision carries."""
        with self._room:
            self.last += 1
            before = self._gaps.pop() if self._gaps else None
            if before is not None and (before.last, before.reason) == (self.last - 1, reason):
                self._gaps.append(Gap(before.first, self.last, reason))
            else:
                one = Gap(self.last, self.last, reason)
                self._gaps += [one] if before is None else [before, one]
            return self.last

    def declare(self, gap: Gap) -> None:
        """Remember a gap in other counters."""
        with self._room:
            self._gaps.append(gap)

    def close(self) -> None:
        """Nothing is left to do: what waits is lost, and `waiting` told how much."""

    def abandon(self) -> None:
        """Forget what a child of a fork has inherited: its parent sends it."""

    def wait_for_room(self, seconds: float) -> None:
        """Return when something was settled, or after so many seconds at most."""
        with self._room:
            self._room.wait(seconds)

    def batch(self, most: int, most_bytes: int) -> tuple[Item, ...]:
        """The oldest decisions that are not settled."""
        with self._room:
            items: list[Item] = []
            size = 0
            for item in self._items:
                size += len(item.body)
                if len(items) == most or (items and size > most_bytes):
                    break
                items.append(item)
            self._taken = len(items)
            return tuple(items)

    def settle(self, refusals: Sequence[Refusal]) -> None:
        """Let go of the last batch; what was refused is kept in `refusals`."""
        with self._room:
            for _ in range(self._taken):
                self.size -= len(self._items.popleft().body)
            self._taken = 0
            # Refused decisions are in the way of new ones, so that they stay bounded too.
            self.size += sum(len(each.decision.sealed) for each in refusals)
            self.refusals += refusals
            for each in refusals:
                self._gaps.append(Gap(each.decision.seq, each.decision.seq, REFUSED))
            self._room.notify_all()

    def gaps(self) -> tuple[Gap, ...]:
        """What is to be declared to the ledger."""
        with self._room:
            return merged(self._gaps)

    def gaps_declared(self, declared: Sequence[Gap]) -> None:
        """Forget gaps that the ledger has taken."""
        with self._room:
            self._gaps = [*undeclared(self._gaps, declared)]
