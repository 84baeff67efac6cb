"""The other side of a spool: what is to be sent, oldest first, and what became of it.

Nothing leaves a lane before it is settled, and settling is done in an order in which a
crash between any two steps only lets something be sent, or told, once more.
"""

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from ledger.client.frames import Damage, Frame, FrameKind, read_frames
from ledger.client.lanes import Lane
from ledger.client.segments import read_segment
from ledger.client.spooled import Gap, Refusal, Spooled, merged, undeclared
from ledger.private_files import append_synced, sync_directory, write_synced

__all__ = ["Item", "LaneOutbox", "Outbox", "read_gaps", "read_refusals"]

DAMAGED: Final = "spool_damaged"
REFUSED: Final = "refused_by_ledger"


@dataclass(frozen=True, slots=True)
class Item:
    """A decision to send, and its JSON."""

    decision: Spooled
    body: bytes


class Outbox(Protocol):
    """What one source has to send, in the order of its counters. Used by one thread."""

    source: str

    def batch(self, most: int, most_bytes: int) -> tuple[Item, ...]:
        """The oldest decisions that are not settled: the same ones until they are.

        At least one if there are any, however long.

        Raises:
            LedgerError, OSError: what is there cannot be read.
        """

    def settle(self, refusals: Sequence[Refusal]) -> None:
        """Let go of the last batch: the ledger has all of it but these, which are kept aside.

        Raises:
            OSError: it could not be noted down, so the batch comes again.
        """

    def gaps(self) -> tuple[Gap, ...]:
        """What is to be declared to the ledger, besides what was declared."""

    def gaps_declared(self, declared: Sequence[Gap]) -> None:
        """Forget gaps that the ledger has taken."""


@dataclass(slots=True)
class _Passed:
    """What lies between the settled place and the end of the last batch."""

    segment: int
    offset: int
    seq: int
    gaps: list[Gap] = field(default_factory=list)


class LaneOutbox:
    """The reading side of a lane, of this process's own or of one that has died.

    Attributes:
        torn: ends of files that a crash cut off.
        damaged: places inside files that could not be read; such files are moved aside.
    """

    def __init__(self, lane: Lane) -> None:
        self.source = lane.source
        self.torn = 0
        self.damaged = 0
        self._lane = lane
        state = lane.state.state
        self._segment, self._at = state.segment, state.offset
        self._frames: Iterator[tuple[int, Frame | Damage]] = iter(())
        self._limit = 0
        self._ahead: deque[tuple[int, int, Frame | Damage]] = deque()
        self._passed = _Passed(state.segment, state.offset, state.seq)
        self._counted = 0
        self._spoilt: set[int] = set()
        with lane.mutex, contextlib.suppress(OSError):  # a crash may have come before this
            self._remove_settled(self._passed)

    def batch(self, most: int, most_bytes: int) -> tuple[Item, ...]:
        """The oldest decisions that are not settled.

        Raises:
            LedgerError, OSError: what is there cannot be read.
        """
        while True:
            state = self._lane.state.state
            passed = _Passed(state.segment, state.offset, state.seq)
            items, count = self._pass(passed, most, most_bytes)
            self._passed, self._counted = passed, count
            if items or not count:
                return tuple(items)
            self.settle(())  # gaps and damage alone: nothing to send, but to note down

    def settle(self, refusals: Sequence[Refusal]) -> None:
        """Note down what was refused and what is missing, then let go of the batch.

        Raises:
            OSError: it could not be noted down, so the batch comes again.
        """
        passed, directory = self._passed, self._lane.directory
        refused = [each.decision.seq for each in refusals]
        gaps = [*passed.gaps, *(Gap(seq, seq, REFUSED) for seq in refused)]
        if refusals:
            frames = [each.decision.refused(each.problem) for each in refusals]
            append_synced(directory / "refused", lambda _: b"".join(frames))
        if gaps:
            missing = b"".join(each.frame(FrameKind.DECLARED) for each in gaps)
            append_synced(directory / "gaps", lambda _: missing)
        with self._lane.mutex:
            place = {"segment": passed.segment, "offset": passed.offset, "seq": passed.seq}
            self._lane.state.change(**place)
            for _ in range(self._counted):
                self._ahead.popleft()
            self._counted = 0
            self._remove_settled(passed)
            self._lane.room.notify_all()

    def gaps(self) -> tuple[Gap, ...]:
        """What is to be declared to the ledger."""
        return read_gaps(self._lane.directory)

    def gaps_declared(self, declared: Sequence[Gap]) -> None:
        """Forget gaps that the ledger has taken.

        Raises:
            OSError: they stay, and are declared once more.
        """
        path = self._lane.directory / "gaps"
        left = [each.frame(FrameKind.DECLARED) for each in undeclared(self.gaps(), declared)]
        if not left:
            path.unlink(missing_ok=True)
            return
        beside = path.with_suffix(".new")
        write_synced(beside, b"".join(left))
        beside.replace(path)
        sync_directory(path.parent)

    def tidy(self) -> None:
        """Remove the file that grows, if all of it is settled: it holds personal data."""
        with self._lane.mutex:
            state, segments = self._lane.state.state, self._lane.segments
            if segments.active == state.segment:
                file = segments.files[state.segment]
                if file.size <= state.offset:
                    segments.remove(file.number)
                    self._lane.room.notify_all()

    def _pass(self, passed: _Passed, most: int, most_bytes: int) -> tuple[list[Item], int]:
        items: list[Item] = []
        size, count = 0, 0
        while len(items) < most:
            if count == len(self._ahead):
                more = self._next()
                if more is None:
                    break
                self._ahead.append(more)
            segment, end, frame = self._ahead[count]
            if isinstance(frame, Frame) and frame.kind is FrameKind.DECISION:
                decision = Spooled.of(frame)
                size += len(decision.sealed)
                if items and size > most_bytes:
                    break
                body = decision.body(self.source, self._lane.cipher)
                items.append(Item(decision, body))
                self._follow(passed, decision.seq, decision.seq)
            elif isinstance(frame, Frame) and frame.kind is FrameKind.SKIPPED:
                gap = Gap.of(frame)
                self._follow(passed, gap.first, gap.last)
                passed.gaps.append(gap)
            elif isinstance(frame, Frame) and frame.kind is FrameKind.DECLARED:
                passed.gaps.append(Gap.of(frame))
            passed.segment, passed.offset = segment, end
            count += 1
        return items, count

    def _follow(self, passed: _Passed, first: int, last: int) -> None:
        """Counters have no hole; where the files have one, say that it is there."""
        if first > passed.seq + 1:
            passed.gaps.append(Gap(passed.seq + 1, first - 1, DAMAGED))
        passed.seq = max(passed.seq, last)

    def _next(self) -> tuple[int, int, Frame | Damage] | None:
        """What comes next in the files: which one, the offset behind it, and it."""
        while True:
            try:
                more = next(self._frames, None)
            except BaseException:
                # Not at its end: what could not be read now is read from here once more.
                self._frames, self._limit = iter(()), self._at
                raise
            if more is not None:
                self._at, frame = more
                if isinstance(frame, Damage):
                    self._count(self._at)
                return self._segment, self._at, frame
            self._at = max(self._at, self._limit)
            with self._lane.mutex:
                files = self._lane.segments.files
                file = files.get(self._segment)
                size = 0 if file is None else file.size
                later = [number for number in files if number > self._segment]
            if file is not None and self._at < size:
                self._limit = size
                self._frames = read_segment(file.path, self._lane.cipher.key_id, self._at, size)
            elif later:
                self._segment, self._at, self._limit = min(later), 0, 0
            else:
                return None

    def _count(self, end: int) -> None:
        if end == self._limit:
            self.torn += 1
        else:
            self.damaged += 1
            self._spoilt.add(self._segment)

    def _remove_settled(self, passed: _Passed) -> None:
        segments = self._lane.segments
        for number in sorted(segments.files):
            settled = number == passed.segment and passed.offset >= segments.files[number].size
            if number < passed.segment or (settled and number != segments.active):
                aside = self._lane.directory / "damaged" if number in self._spoilt else None
                segments.remove(number, aside)


def read_gaps(lane: Path) -> tuple[Gap, ...]:
    """The gaps that wait in a lane's directory, as few as say the same."""
    return merged(Gap.of(frame) for frame in _frames(lane / "gaps", FrameKind.DECLARED))


def read_refusals(lane: Path) -> tuple[Refusal, ...]:
    """The refused decisions that are kept in a lane's directory, each once."""
    found = [Refusal.of(frame) for frame in _frames(lane / "refused", FrameKind.REFUSED)]
    return tuple({each.decision.id: each for each in found}.values())


def _frames(path: Path, kind: FrameKind) -> Iterator[Frame]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    for each in read_frames(data):
        if isinstance(each, Frame) and each.kind is kind:
            yield each
