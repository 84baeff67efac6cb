"""The spool: what was accepted waits here until the ledger has it.

Two ports, one for each side: callers append on theirs, a worker empties the other. A
spool on disk and one in memory keep the same promises, but for what outlives a process.
"""

import contextlib
import os
import threading
import time
from typing import Final, Protocol

from ledger.client.frames import FrameKind
from ledger.client.lanes import LEASE, Lane
from ledger.client.segments import SpoolFull
from ledger.client.spooled import Draft, Gap
from ledger.errors import StoppedError
from ledger.private_files import sync_directory

__all__ = ["DiskSpool", "Spool"]

LEASE_SECONDS: Final = 5.0  # to wait for more counters, when the disk is very slow


class Spool(Protocol):
    """Where accepted decisions wait, in the order of their counters, which have no hole.

    Safe between threads. Each counter is given out once: to a decision that was accepted,
    or in vain, and then it is spooled as a gap ahead of the next decision.
    """

    source: str

    def append(self, draft: Draft) -> int:
        """The counter of the decision, which was accepted.

        Raises:
            SpoolFull: there is no room; no counter was given out.
            OSError: it could not be written; no counter was given out.
        """

    def skip(self, reason: str) -> int:
        """The counter that a decision would have had which was not accepted."""

    def declare(self, gap: Gap) -> None:
        """Accept a gap in other counters of this source.

        Raises:
            SpoolFull, OSError: as :meth:`append`.
        """

    def wait_for_room(self, seconds: float) -> None:
        """Return when something was acknowledged, or after some time at most."""


class DiskSpool:
    """A lane's writing side. What it accepts outlives the process, and after a sync the power."""

    def __init__(self, lane: Lane) -> None:
        """Begin to write to the lane.

        Raises:
            OSError: the disk does not take what has to be durable first.
        """
        self.source = lane.source
        self.lane = lane
        self._usable = 0  # the highest counter that may be given out
        self._synced = 0
        self._doubtful = 0  # up to here a sync has failed, and no later one says what became of it
        self._open = True
        self._mutex = lane.mutex
        self._synced_now = threading.Condition(self._mutex)
        self._wanted = LEASE
        self.renew()

    def append(self, draft: Draft) -> int:
        """The counter of the decision. Its bytes are the kernel's when this returns.

        Raises:
            SpoolFull, OSError: it was not accepted.
        """
        with self._mutex:
            self._check_open()
            self._wait_for_counters()
            self.lane.spool_skipped()
            seq = self.lane.last + 1
            self.lane.segments.append(draft.frame(self.source, seq, self.lane.cipher))
            self.lane.last = self.lane.spooled = seq
            return seq

    def skip(self, reason: str) -> int:
        """A counter that no decision carries; it is remembered even if the disk is full."""
        with self._mutex:
            self._check_open()
            before = self.lane.state.state.skipped
            if before is not None and before.reason != reason:
                with contextlib.suppress(SpoolFull, OSError):  # else one reason has to do for both
                    self.lane.spool_skipped()
                before = self.lane.state.state.skipped
            seq = self.lane.last + 1
            gap = Gap(seq, seq, reason) if before is None else Gap(before.first, seq, before.reason)
            self.lane.last = seq
            self.lane.state.change(skipped=gap)
            return seq

    def declare(self, gap: Gap) -> None:
        """Spool a gap in other counters.

        Raises:
            SpoolFull, OSError: it was not accepted.
        """
        with self._mutex:
            self._check_open()
            self.lane.segments.append(gap.frame(FrameKind.DECLARED))

    def wait_for_room(self, seconds: float) -> None:
        """Return when something was acknowledged, or after so many seconds at most."""
        with self.lane.room:
            self.lane.room.wait(seconds)

    def sync(self) -> None:
        """Keep everything that was accepted so far when the power fails.

        Raises:
            OSError: the disk failed, and what was kept is not known.
        """
        with self._mutex:
            with contextlib.suppress(SpoolFull, OSError):  # then once there is room
                self.lane.spool_skipped()
            upto = self.lane.last
            descriptors, directories = self.lane.segments.to_sync()
        try:
            for descriptor in descriptors:
                os.fdatasync(descriptor)
            for directory in directories:
                sync_directory(directory)
        except OSError:
            with self._mutex:
                self._doubtful = max(self._doubtful, upto)
            raise
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        with self._synced_now:
            self._synced = max(self._synced, upto)
            self._synced_now.notify_all()

    def wait_synced(self, seq: int, seconds: float) -> bool:
        """Say whether the counter's decision is synced, after waiting so long at most."""
        with self._synced_now:
            synced = self._synced_now.wait_for(lambda: self._synced >= seq, seconds)
            return synced and seq > self._doubtful

    @property
    def waiting(self) -> int:
        """How many counters are not settled yet."""
        return self.lane.waiting

    @property
    def size(self) -> int:
        """How many bytes the spool's files hold."""
        return self.lane.segments.size

    @property
    def has_skipped(self) -> bool:
        """Whether counters were given out in vain that no frame says so of yet."""
        return self.lane.state.state.skipped is not None

    def needs_counters(self) -> bool:
        """Say whether half of the counters that may be given out are used."""
        return self._usable - self.lane.last < self._wanted // 2

    def has_many_counters(self, few: int) -> bool:
        """Say whether more than this many counters may be given out."""
        return self._usable - self.lane.last > few

    def renew(self, wanted: int = LEASE) -> None:
        """Let `wanted` more counters be given out, once that is durable.

        A power cut leaves all of them in doubt, so an idle lane asks for few.

        Raises:
            OSError: it is not durable; what could be given out before still can.
        """
        with self._mutex:
            until = self.lane.last + wanted
            self._usable = min(self._usable, until)
            self.lane.state.change(until=until, closed=False)
        self.lane.state.sync()
        with self._synced_now:
            self._usable, self._wanted = until, wanted
            self._synced_now.notify_all()

    def close(self) -> None:
        """Leave the lane in good order, with everything synced.

        Raises:
            OSError: it could not be: the next to come finds it as after a crash.
        """
        with self._mutex:
            self._open = False
        try:
            self.sync()
            with self._mutex:
                self.lane.state.change(until=self.lane.last, closed=True)
            self.lane.state.sync()
        finally:
            with self._mutex:  # a delivery that is still under way must not settle meanwhile
                self.lane.close()

    def abandon(self) -> None:
        """Forget what a child of a fork has inherited."""
        self.lane.close()

    def _check_open(self) -> None:
        if not self._open:
            raise StoppedError("client: closed")

    def _wait_for_counters(self) -> None:
        deadline = time.monotonic() + LEASE_SECONDS
        while self.lane.last >= self._usable:
            left = deadline - time.monotonic()
            if left <= 0:
                raise SpoolFull("spool: the disk does not keep up", retry_after=1)
            self._synced_now.wait(left)
