"""A client at work: everything that exists between its first decision and its end.

Made by the first decision, in the process that makes it; forgotten by a child of a fork.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ledger.client.counters import State, Tally
from ledger.client.delivery import Delivery, Listener
from ledger.client.heads import FileHeads, Heads, MemoryHeads
from ledger.client.lanes import Lane, SpoolDirectory
from ledger.client.memory_spool import MemorySpool
from ledger.client.options import Options
from ledger.client.outbox import LaneOutbox
from ledger.client.receipts import FileReceipts, MemoryReceipts, Receipts
from ledger.client.shipping import Shipper, Syncer
from ledger.client.spool import DiskSpool
from ledger.client.spool_cipher import SpoolCipher
from ledger.client.transport import HttpLedger
from ledger.client.trust import Trust

__all__ = ["Kept", "Running", "kept_in", "spool_directory"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a client keeps beside decisions, whether it is at work or not."""

    receipts: Receipts
    heads: Heads
    trust: Trust | None = None
    evidence: Path | None = None


def kept_in(options: Options) -> Kept:
    """Where these options keep receipts, heads and evidence; nothing is made yet.

    Raises:
        MalformedError: the file of the policy cannot be read, or is none.
    """
    heads = None if options.spool is None else options.spool / "heads"
    trust = None if options.policy is None else Trust(options.policy, heads)
    if options.spool is None or heads is None:
        return Kept(MemoryReceipts(), MemoryHeads(), trust)
    receipts = FileReceipts(options.spool / "receipts", options.keep_receipts_for)
    return Kept(receipts, FileHeads(heads), trust, options.spool / "alarms")


def spool_directory(options: Options, path: Path) -> SpoolDirectory:
    """The lanes below a path, as these options want them."""
    return SpoolDirectory(
        path,
        source=options.source,
        cipher=SpoolCipher(options.spool_key),
        max_bytes=options.max_bytes,
        spill=options.spill,
        max_spill_bytes=options.max_spill_bytes,
    )


class Running:
    """A spool, the worker that empties it, and on disk the one that syncs it."""

    def __init__(
        self,
        options: Options,
        *,
        ledger: HttpLedger,
        kept: Kept,
        tally: Tally,
        listener: Listener,
        on_state: Callable[[State, str], None],
    ) -> None:
        """Claim a lane; the threads begin with :meth:`start`.

        Raises:
            OSError: the spool cannot be used.
        """
        self.spool: DiskSpool | MemorySpool
        self.outbox: LaneOutbox | MemorySpool
        self._ledger = ledger
        self._tally = tally
        self._directory: SpoolDirectory | None = None
        self._syncer: Syncer | None = None
        if options.spool is None:
            self.spool = self.outbox = MemorySpool(options.source, options.max_bytes)
        else:
            self._directory = spool_directory(options, options.spool)
            lane = self._directory.claim()
            try:
                self.spool = DiskSpool(lane)
                self.outbox = LaneOutbox(lane)
            except BaseException:
                lane.close()  # else each attempt would keep another lane, and its files, for ever
                raise
            self._syncer = Syncer(
                self.spool,
                options.sync_seconds,
                partial(self._directory.measure, lane),
                self._directory.reserve.hold,
            )
        self.delivery = Delivery(
            ledger, kept.trust, kept.heads, kept.receipts, tally, listener,
            evidence=kept.evidence, most=options.batch, make_room=self._make_room,
        )  # fmt: skip
        self.shipper = Shipper(
            self.delivery, self.outbox, tally,
            orphans=self._orphans, on_state=on_state,
        )  # fmt: skip

    def start(self) -> None:
        """Begin to sync and to deliver.

        Raises:
            RuntimeError: no thread can be started; the lane is let go of.
        """
        try:
            if self._syncer is not None:
                self._syncer.start()
            self.shipper.start()
        except RuntimeError:
            if self._syncer is not None:
                self._syncer.stop()
            with contextlib.suppress(OSError):
                self.spool.close()
            raise

    def accepted(self) -> None:
        """A decision was accepted: sync and deliver it."""
        if self._syncer is not None:
            self._syncer.wake()
        self.shipper.wake()

    @property
    def waiting(self) -> int:
        """How many counters of the lane are not settled."""
        return self.spool.waiting

    @property
    def done(self) -> bool:
        """Whether everything is settled, counted and told."""
        return not self.spool.waiting and not self.delivery.busy

    def stop(self, seconds: float) -> None:
        """End both threads, and leave the lane in good order.

        Raises:
            OSError: the lane is as after a crash, which loses nothing.
        """
        self.shipper.stop(seconds)
        if self._syncer is not None:
            self._syncer.stop()
        if isinstance(self.outbox, LaneOutbox):
            with contextlib.suppress(OSError):
                self.outbox.tidy()
        with contextlib.suppress(Exception):  # what a connection says at its end helps nobody
            self._ledger.close()
        self.spool.close()

    def abandon(self) -> None:
        """Forget what a child of a fork has inherited."""
        with contextlib.suppress(OSError):
            self.spool.abandon()

    def _make_room(self) -> bool:
        directory = self._directory
        return directory is not None and directory.reserve.release()

    def _orphans(self) -> Iterator[Lane]:
        directory = self._directory
        if directory is not None:
            yield from directory.orphans()
            self._tally.put(unreadable=len(directory.unreadable))
