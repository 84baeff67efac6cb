"""Lanes: each process counts in a lane of its own, so that no counter is ever used twice.

A lane is a directory of the spool, named like the source that the log will know:
`<source>.<mark>`, with a random mark. Whoever holds its lock writes there, and nobody
else. It is written to in one boot of one machine only: after a restart of the machine,
in a copy, and in a restored backup it is emptied and never written to again. Why is
`docs/adr/0014-client-spool.md`.
"""

import contextlib
import fcntl
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ledger.client.frames import FrameKind
from ledger.client.lane_state import LaneState, StateFile
from ledger.client.reserve import Reserve, disk_bytes
from ledger.client.segments import (
    SEGMENT_BYTES,
    SEGMENTS_AT_LEAST,
    Place,
    Segments,
    SpoolFull,
    read_segment,
)
from ledger.client.spool_cipher import CLEAR, SpoolCipher
from ledger.client.spooled import MARK_BYTES, Gap, Spooled, check_source, lane_name
from ledger.errors import LedgerError
from ledger.private_files import DIRECTORY_MODE, FILE_MODE, private_directory, sync_directory

__all__ = ["LEASE", "Lane", "SpoolDirectory", "boot_id"]

LEASE: Final = 1_024  # counters that may be given out before the state is written again
POWER_CUT: Final = "power_cut"
RESERVED_SEGMENTS: Final = 4  # receipts of small decisions take three times what these take
RESERVED_BYTES: Final = 524_288  # besides: heads, and the receipts of a batch
MARK: Final = re.compile(r"[a-z2-7]{8}", re.ASCII)
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """What tells this start of the machine from all others; empty where nothing does."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text("ascii").strip()
    return ""


class Lane:
    """One lane, locked for as long as this lives. Its members are used under `mutex`."""

    def __init__(
        self,
        directory: Path,
        lock: int,
        state: StateFile,
        segments: Segments,
        cipher: SpoolCipher,
    ) -> None:
        self.source = directory.name
        self.directory = directory
        self.state = state
        self.segments = segments
        self.cipher = cipher
        self.mutex = threading.Lock()
        self.room = threading.Condition(self.mutex)
        self.spooled = max(state.state.seq, self._last_spooled())
        skipped = state.state.skipped
        self.last = self.spooled if skipped is None else max(self.spooled, skipped.last)
        self._lock = lock

    @property
    def waiting(self) -> int:
        """How many counters are not acknowledged yet."""
        return max(self.last - self.state.state.seq, 0)

    def retire(self, *, rebooted: bool, copied: bool) -> None:
        """Close a lane that nobody will write to again, and spool what it has lost.

        Raises:
            SpoolFull, OSError: there is no room to say so.
        """
        self.spool_skipped()
        state = self.state.state
        if state.closed:
            return
        # A copy does not know what the original went on to use.
        if rebooted and not copied and state.until > self.last:
            self._spool(Gap(self.last + 1, state.until, POWER_CUT))
        self.state.change(closed=True, until=self.last)

    def spool_skipped(self) -> None:
        """Spool the counters that were given out in vain, if there are any.

        Raises:
            SpoolFull, OSError: there is no room to say so.
        """
        gap = self.state.state.skipped
        if gap is not None:
            if gap.last > self.spooled:  # a crash may have left both the frame and the note of it
                self._spool(gap)
            self.state.change(skipped=None)

    def close(self) -> None:
        """Let go of the lane: another process may take it, except in a child of a fork.

        There the lock is the parent's, and was closed without being let go of.
        """
        self.segments.close()
        lock, self._lock = self._lock, -1
        if lock >= 0:
            self.state.close()
            _unlock(lock)

    def remove(self) -> None:
        """Remove the lane's directory, which holds nothing any more."""
        for place in self.segments.directories:
            shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _spool(self, gap: Gap) -> None:
        self.segments.append(gap.frame(FrameKind.SKIPPED))
        self.last = self.spooled = gap.last

    def _last_spooled(self) -> int:
        """The highest counter in the files; 0 if they hold none."""
        for segment in sorted(self.segments.files.values(), key=lambda each: -each.number):
            last = 0
            for _, frame in read_segment(segment.path, None, 0, segment.size):
                if getattr(frame, "kind", None) is FrameKind.DECISION:
                    last = Spooled.of(frame).seq  # type: ignore[arg-type]  # only frames have a kind
                elif getattr(frame, "kind", None) is FrameKind.SKIPPED:
                    last = Gap.of(frame).last  # type: ignore[arg-type]
            if last:
                return last
        return 0


class SpoolDirectory:
    """Where the lanes of one source, or of all, are kept.

    Attributes:
        others: bytes in the lanes of other processes, as of the last :meth:`measure`.
        reserve: what is held back on the disk, so that a full one can be emptied.
        unreadable: lanes of another version or spool key, as of the last :meth:`orphans`.
    """

    def __init__(
        self,
        path: Path,
        *,
        source: str | None = None,
        cipher: SpoolCipher = CLEAR,
        max_bytes: int = 2**30,
        spill: Path | None = None,
        max_spill_bytes: int = 2**30,
        boot: str | None = None,
    ) -> None:
        """The lanes below `path`; nothing is read or made yet.

        Raises:
            MalformedError: not a name of a source.
        """
        self.path = path
        self.cipher = cipher
        self._source = None if source is None else check_source(source)
        self._max_bytes = max_bytes
        self._spill = spill
        self._max_spill_bytes = max_spill_bytes
        self._boot = boot_id() if boot is None else boot
        self.others = 0
        self.reserve = Reserve(path / "reserve", 0)
        self.unreadable: tuple[str, ...] = ()

    def claim(self) -> Lane:
        """A lane to write to: one that a process of this boot has left, or a new one.

        Raises:
            OSError: the directory cannot be used.
        """
        private_directory(self.path / "lanes")
        self._hold_back()
        for directory in self.lanes():
            lane = self._take(directory)
            if lane is None:
                continue
            if self._boot and lane.state.state.birth == self._birth(directory):
                with contextlib.suppress(LedgerError, OSError):
                    lane.state.change(until=max(lane.last, lane.state.state.until), closed=False)
                    return lane
            lane.close()
        return self._create()

    def orphans(self) -> Iterator[Lane]:
        """Each lane that nobody holds and that has something to send, closed once it is passed.

        One that nobody will ever write to again first declares what it has lost; when it is
        empty it is removed.
        """
        self.unreadable = ()
        for directory in self.lanes():
            lane = self._take(directory)
            if lane is None:
                continue
            try:
                birth = self._birth(directory)
                state = lane.state.state
                rebooted = not self._boot or state.birth[0] != birth[0]
                copied = state.birth[1] != birth[1]
                with contextlib.suppress(SpoolFull, OSError):  # then once there is room again
                    if rebooted or copied:
                        lane.retire(rebooted=rebooted, copied=copied)
                    else:
                        lane.spool_skipped()
                yield lane
                if rebooted or copied:
                    with contextlib.suppress(SpoolFull, OSError):  # what was sent made room
                        lane.retire(rebooted=rebooted, copied=copied)
                    if lane.state.state.closed and _is_empty(lane):
                        lane.remove()
            finally:
                lane.close()

    def lanes(self) -> list[Path]:
        """The directories of the lanes, by name."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(
                path for path in (self.path / "lanes").iterdir() if self._is_lane(path.name)
            )
        return []

    def measure(self, own: Lane) -> None:
        """Find anew how many bytes the other lanes hold."""
        total = 0
        for directory in self.lanes():
            if directory != own.directory:
                with contextlib.suppress(OSError):
                    total += sum(each.stat().st_size for each in directory.glob("*.seg"))
        self.others = total

    def _is_lane(self, name: str) -> bool:
        source, _, mark = name.rpartition(".")
        named = bool(source) if self._source is None else source == self._source
        return named and MARK.fullmatch(mark) is not None

    def _birth(self, directory: Path) -> tuple[str, str]:
        stat = (directory / "lock").stat()
        return (self._boot, f"{stat.st_ino} {stat.st_ctime_ns}")

    def _take(self, directory: Path) -> Lane | None:
        """The lane, locked and read; None if another process holds it or it cannot be read."""
        lock = _locked(directory / "lock")
        if lock is None:
            return None
        try:
            state = StateFile.open(directory / "state")
        except FileNotFoundError:  # its maker died at once: nothing was ever accepted there
            shutil.rmtree(directory, ignore_errors=True)
            _unlock(lock)
            return None
        except (LedgerError, OSError):
            self.unreadable += (directory.name,)
            _unlock(lock)
            return None
        try:
            segments = Segments(self._places(directory), self.cipher.key_id, state.state.segment)
            for segment in segments.files.values():
                for _ in read_segment(segment.path, self.cipher.key_id, segment.size, segment.size):
                    pass
            return Lane(directory, lock, state, segments, self.cipher)
        except (LedgerError, OSError):
            self.unreadable += (directory.name,)
            state.close()
            _unlock(lock)
            return None

    def _places(self, directory: Path) -> list[Place]:
        places = [Place(directory, self._room)]
        link = directory / "spill"
        if self._spill is not None and not link.is_symlink():
            target = private_directory(self._spill.absolute() / directory.name)
            link.symlink_to(target)
        if link.is_symlink():
            places.append(Place(link.readlink(), lambda: self._max_spill_bytes))
        return places

    def _room(self) -> int:
        """How many bytes a lane may take right now."""
        return self._max_bytes - self.others if self.reserve.held else 0

    def _hold_back(self) -> None:
        """Take room for deliveries ahead of decisions; on a small disk, everything is small."""
        disk = disk_bytes(self.path) or self._max_bytes  # some network disks do not say
        self._max_bytes = min(self._max_bytes, disk)
        segment = min(SEGMENT_BYTES, self._max_bytes // SEGMENTS_AT_LEAST)
        size = RESERVED_SEGMENTS * segment + min(RESERVED_BYTES, disk // SEGMENTS_AT_LEAST)
        self.reserve = Reserve(self.path / "reserve", size)
        self.reserve.hold()

    def _create(self) -> Lane:
        name = lane_name(self._source or "", os.urandom(MARK_BYTES))
        directory = self.path / "lanes" / name
        # Under a name that is no lane's until it is locked: nobody may take it half made.
        unborn = directory.with_name(f"{name}.new")
        unborn.mkdir(mode=DIRECTORY_MODE)
        lock = os.open(unborn / "lock", os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _locks.add(lock)
            birth = LaneState(birth=self._birth(unborn), until=0)
            state = StateFile.create(unborn / "state", birth)
            sync_directory(unborn)
            unborn.rename(directory)
            sync_directory(directory.parent)
            segments = Segments(self._places(directory), self.cipher.key_id)
            return Lane(directory, lock, state, segments, self.cipher)
        except BaseException:
            _unlock(lock)
            shutil.rmtree(unborn, ignore_errors=True)
            raise


_locks: Final[set[int]] = set()
"""Descriptors of the locks that this process holds."""


def _unlock(descriptor: int) -> None:
    """Let go of a lock, though a child of a fork has its descriptor too."""
    if descriptor in _locks:  # else it was inherited, and is closed
        _locks.discard(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _close_inherited() -> None:
    """In a child of a fork: the locks are the parent's, and must end with it."""
    while _locks:
        os.close(_locks.pop())


os.register_at_fork(after_in_child=_close_inherited)


def _locked(path: Path) -> int | None:
    """The descriptor of the file, locked; None if it is gone or another process holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            _locks.add(descriptor)
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _is_empty(lane: Lane) -> bool:
    left = {path.name for path in lane.directory.iterdir()} - {"lock", "state", "spill"}
    return not lane.segments.files and not left and not lane.waiting
