"""What lies in a spool, for somebody who looks: nothing is locked for long, changed or opened."""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledger.client.frames import Damage, Frame, FrameKind
from ledger.client.lane_state import StateFile
from ledger.client.lanes import SpoolDirectory
from ledger.client.outbox import read_gaps, read_refusals
from ledger.client.segments import Place, Segments, read_segment
from ledger.client.spool_cipher import KEY_ID_BYTES
from ledger.client.spooled import Spooled
from ledger.errors import LedgerError

__all__ = ["LaneStatus", "look"]


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """How one lane stands.

    Attributes:
        source: its name, which is the source that the log knows.
        state: `in use`, `free` or `unreadable`.
        last: the highest counter that was acknowledged or waits.
        pending: decisions that wait, and
        oldest: when the first of them was accepted; None if none waits.
        size: bytes of its files.
        refused: decisions that the ledger refused.
        gaps: counters that are to be declared missing.
        damage: places in its files that could not be read.
    """

    source: str
    state: str
    last: int = 0
    pending: int = 0
    oldest: datetime | None = None
    size: int = 0
    refused: int = 0
    gaps: int = 0
    damage: int = 0


def look(spool: Path) -> tuple[LaneStatus, ...]:
    """The lanes of a spool, by name.

    Raises:
        OSError: the directory cannot be read.
    """
    return tuple(_look(directory) for directory in SpoolDirectory(spool).lanes())


def _look(lane: Path) -> LaneStatus:
    try:
        state = StateFile.look(lane / "state")
        places = [Place(lane, int)]
        with contextlib.suppress(OSError):
            places.append(Place((lane / "spill").readlink(), int))
        segments = Segments(places, bytes(KEY_ID_BYTES))
        waiting: list[Spooled] = []
        damage = 0
        for number, segment in segments.files.items():
            start = state.offset if number == state.segment else 0
            if number < state.segment:
                continue
            with contextlib.suppress(FileNotFoundError):  # delivered while we look
                for _, each in read_segment(segment.path, None, start, segment.size):
                    damage += isinstance(each, Damage)
                    if isinstance(each, Frame) and each.kind is FrameKind.DECISION:
                        waiting.append(Spooled.of(each))
        gaps = [*read_gaps(lane), *([] if state.skipped is None else [state.skipped])]
        return LaneStatus(
            lane.name, "in use" if _is_held(lane / "lock") else "free",
            last=max([state.seq, *(each.seq for each in waiting)]),
            pending=len(waiting),
            oldest=_moment(waiting[0]) if waiting else None,
            size=segments.size,
            refused=len(read_refusals(lane)),
            gaps=sum(gap.last - gap.first + 1 for gap in gaps),
            damage=damage,
        )  # fmt: skip
    except (LedgerError, OSError):
        return LaneStatus(lane.name, "unreadable")


def _moment(waiting: Spooled) -> datetime | None:
    with contextlib.suppress(OverflowError):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=waiting.at_ms)
    return None


def _is_held(lock: Path) -> bool:
    descriptor = os.open(lock, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
