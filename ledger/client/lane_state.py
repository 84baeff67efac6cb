"""What a lane must not forget: which counters may be in use, and what was acknowledged.

A file of two slots that are overwritten in turn, so that a crash in the middle of writing
leaves the other one, and so that a full disk cannot keep us from writing it.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from ledger import canonical
from ledger.client.frames import FrameKind, encode_frame, frame_at
from ledger.client.spooled import Gap
from ledger.errors import MalformedError
from ledger.private_files import FILE_MODE

__all__ = ["LaneState", "StateFile"]

SLOT_BYTES: Final = 512  # a disk's sector, which is written whole
_SLOTS: Final = 2
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class LaneState:
    """One lane's state.

    Attributes:
        birth: where and since when the lane lives: boot, then inode and ctime of its lock.
        until: no counter above it has been given out. Durable before one is.
        closed: the lane was left in good order, and no counter above `until` was given out.
        segment: the segment up to which everything is acknowledged, and
        offset: the place in it.
        seq: the highest acknowledged counter; 0 if none is.
        skipped: counters that were given out in vain and that no frame says so of yet.
    """

    birth: tuple[str, str]
    until: int
    closed: bool = False
    segment: int = 0
    offset: int = 0
    seq: int = 0
    skipped: Gap | None = None

    def format(self, generation: int) -> bytes:
        """The bytes of a slot."""
        skipped = self.skipped and [self.skipped.first, self.skipped.last, self.skipped.reason]
        document = {
            "v": _VERSION,
            "generation": generation,
            "birth": list(self.birth),
            "until": self.until,
            "closed": self.closed,
            "acked": [self.segment, self.offset, self.seq],
            "skipped": skipped,
        }
        slot = encode_frame(FrameKind.STATE, canonical.encode(document))
        if len(slot) > SLOT_BYTES:
            raise MalformedError("lane: the state does not fit its slot")
        return slot.ljust(SLOT_BYTES, b"\0")

    @classmethod
    def parse(cls, slot: bytes) -> tuple[int, Self]:
        """The generation and the state of a slot.

        Raises:
            MalformedError: torn, or of a version that is not known here.
        """
        frame = frame_at(slot, 0)
        if frame is None or frame.kind is not FrameKind.STATE:
            raise MalformedError("lane: the state cannot be read")
        document = canonical.decode(frame.payload, max_bytes=SLOT_BYTES)
        try:
            generation, state = cls._of(document)
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedError("lane: the state is not one that is known here") from error
        if state.format(generation) != slot:
            raise MalformedError("lane: the state is not as we would have written it")
        return generation, state

    @classmethod
    def _of(cls, document: Any) -> tuple[int, Self]:
        boot, lock = document["birth"]
        segment, offset, seq = document["acked"]
        skipped = document["skipped"]
        state = cls(
            birth=(str(boot), str(lock)),
            until=int(document["until"]),
            closed=bool(document["closed"]),
            segment=int(segment),
            offset=int(offset),
            seq=int(seq),
            skipped=None if skipped is None else Gap(*skipped),
        )
        return int(document["generation"]), state


class StateFile:
    """The file of a lane's state. Its owner holds the lane's lock; not safe between threads."""

    def __init__(self, descriptor: int, generation: int, state: LaneState) -> None:
        self._descriptor = descriptor
        self._generation = generation
        self.state = state

    @classmethod
    def create(cls, path: Path, state: LaneState) -> Self:
        """The file, made anew and durable but for its name."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        file = cls(os.open(path, flags, FILE_MODE), 0, state)
        os.pwrite(file._descriptor, bytes(SLOT_BYTES * _SLOTS), 0)  # allocated once and for all
        file.change()
        file.sync()
        return file

    @classmethod
    def open(cls, path: Path) -> Self:
        """The file as it was left.

        Raises:
            MalformedError: neither slot can be read.
            OSError: there is no such file.
        """
        descriptor = os.open(path, os.O_RDWR)
        try:
            generation, state = _newest(os.pread(descriptor, SLOT_BYTES * _SLOTS, 0))
        except MalformedError:
            os.close(descriptor)
            raise
        return cls(descriptor, generation, state)

    @staticmethod
    def look(path: Path) -> LaneState:
        """The state that a file holds, for somebody who only looks.

        Raises:
            MalformedError: neither slot can be read.
            OSError: there is no such file.
        """
        with path.open("rb") as file:
            return _newest(file.read(SLOT_BYTES * _SLOTS))[1]

    def change(self, **members: Any) -> None:
        """Write the state with these members changed; kept when the process is killed.

        Raises:
            OSError: it cannot be written, and stays as it was.
        """
        state = replace(self.state, **members)
        generation = self._generation + 1
        slot = state.format(generation)
        os.pwrite(self._descriptor, slot, SLOT_BYTES * (generation % _SLOTS))
        self._generation, self.state = generation, state

    def sync(self) -> None:
        """Keep what was written also when the power fails."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file; what it holds stays as it is, and every later change fails."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def _newest(data: bytes) -> tuple[int, LaneState]:
    found: list[tuple[int, LaneState]] = []
    failure = MalformedError("lane: the state is missing")
    for at in range(0, SLOT_BYTES * _SLOTS, SLOT_BYTES):
        try:
            found.append(LaneState.parse(data[at : at + SLOT_BYTES]))
        except MalformedError as error:
            failure = error
    if not found:
        raise failure
    return max(found, key=lambda each: each[0])
