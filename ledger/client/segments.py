"""The numbered files in which a lane's frames wait, in one directory or, overflowing, in two.

Frames are appended with one write(2) each, so what was appended is the kernel's and
outlives the process. A file is removed, not emptied, once all of it is acknowledged.
Not safe between threads.
"""

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.client.frames import Damage, Frame, read_frames
from ledger.client.spool_cipher import KEY_ID_BYTES
from ledger.errors import MalformedError, PushbackError
from ledger.private_files import FILE_MODE

__all__ = ["HEADER_BYTES", "Place", "Segments", "SpoolFull", "read_segment"]

SEGMENT_BYTES: Final = 4 * 1024 * 1024  # then a new file: so soon is what was sent removed
SEGMENTS_AT_LEAST: Final = 16  # in a small spool: room comes back one file at a time
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
RETRY_SECONDS: Final = 1.0
_MAGIC: Final = b"dlspool"
_VERSION: Final = b"\x01"
HEADER_BYTES: Final = len(_MAGIC) + len(_VERSION) + KEY_ID_BYTES
_NAME: Final = re.compile(r"([0-9]{12})\.seg", re.ASCII)


class SpoolFull(PushbackError):
    """The spool has no room: this decision was not accepted, and its counter is declared."""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory for a lane's segments, and how many bytes they may take right now."""

    directory: Path
    most: Callable[[], int]


@dataclass(slots=True)
class Segment:
    """One file: its number, place, and length in bytes."""

    number: int
    path: Path
    size: int


class Segments:
    """The files of one lane, in the order of their numbers."""

    def __init__(self, places: Sequence[Place], key_id: bytes, after: int = 0) -> None:
        """What lies in the places; new files are numbered above it, and above `after`.

        Raises:
            OSError: a directory cannot be read.
        """
        self._places = tuple(places)
        self._header = _MAGIC + _VERSION + key_id
        self.files: dict[int, Segment] = {}
        found = [each for place in places for each in _listed(place.directory)]
        self._used = dict.fromkeys((place.directory for place in self._places), 0)
        for segment in sorted(found, key=lambda each: each.number):
            self.files[segment.number] = segment
            self._used[segment.path.parent] += segment.size
        self._last = max(after, *self.files, 0)
        self._active: tuple[Segment, Place, int] | None = None
        self._finished: list[int] = []
        self._new_names: set[Path] = set()

    @property
    def size(self) -> int:
        """How many bytes the files hold."""
        return sum(self._used.values())

    @property
    def directories(self) -> tuple[Path, ...]:
        """Where files may lie."""
        return tuple(place.directory for place in self._places)

    @property
    def active(self) -> int | None:
        """The number of the file that grows, if there is one."""
        return None if self._active is None else self._active[0].number

    def append(self, frame: bytes) -> None:
        """Write the frame behind all others.

        Raises:
            SpoolFull: no place has room for it.
            OSError: it cannot be written for another reason. Either way it is not there.
        """
        if self._active is not None and self._active[0].size + len(frame) > self._longest():
            self.finish()
        if self._active is not None and self._grow(frame):
            return
        for place in self._places:
            if self._begin(place, frame):
                return
        raise SpoolFull("spool: full", retry_after=RETRY_SECONDS)

    def finish(self) -> None:
        """Let no more be written to the newest file."""
        if self._active is not None:
            descriptor, self._active = self._active[2], None
            self._finished.append(descriptor)

    def to_sync(self) -> tuple[list[int], set[Path]]:
        """Descriptors to sync and close, and directories to sync: everything new since last."""
        descriptors, self._finished = self._finished, []
        if self._active is not None:
            descriptors.append(os.dup(self._active[2]))
        directories, self._new_names = self._new_names, set()
        return descriptors, directories

    def remove(self, number: int, aside: Path | None = None) -> None:
        """Remove a file, or move it `aside`, where somebody may look at its damage."""
        if self.active == number:
            self.finish()
        segment = self.files.pop(number)
        self._used[segment.path.parent] -= segment.size
        if aside is not None:
            aside.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(OSError):
                segment.path.rename(aside / segment.path.name)
                return
        segment.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close all descriptors."""
        self.finish()
        while self._finished:
            os.close(self._finished.pop())

    def _grow(self, frame: bytes) -> bool:
        """Append to the newest file; False if there is no room, and nothing has changed."""
        assert self._active is not None  # noqa: S101  # the caller looked
        segment, place, descriptor = self._active
        if not self._has_room(place, len(frame)):
            return False
        try:
            _write(descriptor, frame, segment.size)
        except OSError as error:
            if error.errno in FULL:
                return False
            # What the file holds now is uncertain; frames behind it would still be found.
            self.finish()
            raise
        segment.size += len(frame)
        self._used[place.directory] += len(frame)
        return True

    def _begin(self, place: Place, frame: bytes) -> bool:
        """Begin a new file with the frame; False if there is no room."""
        if not self._has_room(place, len(frame) + HEADER_BYTES):
            return False
        path = place.directory / f"{self._last + 1:012}.seg"
        try:
            # Not O_EXCL: a file of this number holds what a failed start of it left.
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, FILE_MODE)
        except OSError as error:
            if error.errno in FULL:
                return False
            raise
        try:
            _write(descriptor, self._header + frame, 0)
        except OSError as error:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            if error.errno in FULL:
                return False
            raise
        self.finish()
        self._last += 1
        segment = Segment(self._last, path, HEADER_BYTES + len(frame))
        self.files[segment.number] = segment
        self._used[place.directory] += segment.size
        self._active = (segment, place, descriptor)
        self._new_names.add(place.directory)
        return True

    def _longest(self) -> int:
        return min(SEGMENT_BYTES, self._places[0].most() // SEGMENTS_AT_LEAST)

    def _has_room(self, place: Place, size: int) -> bool:
        return self._used[place.directory] + size <= place.most()


def read_segment(
    path: Path, key_id: bytes | None, start: int, end: int
) -> Iterator[tuple[int, Frame | Damage]]:
    """The frames between two offsets of a file, each with the offset behind it.

    Raises:
        MalformedError: another version's file, or under another key (None: any will do).
        OSError: it cannot be read.
    """
    start = max(start, HEADER_BYTES)
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        if not header.strip(b"\0") or len(header) < HEADER_BYTES:
            # Cut off at its birth, by a crash or a power cut: no frame was ever accepted here.
            return
        _check_header(header, key_id)
        file.seek(start)
        data = file.read(max(end - start, 0))
    for each in read_frames(data):
        yield start + each.end, each


def _check_header(header: bytes, key_id: bytes | None) -> None:
    if not header.startswith(_MAGIC + _VERSION):
        raise MalformedError("spool: a file of another version, or none of ours")
    if key_id is not None and header[-KEY_ID_BYTES:] != key_id:
        raise MalformedError("spool: a file under another spool key")


def _write(descriptor: int, data: bytes, end: int) -> None:
    """Write at `end`, all of it or nothing."""
    failure = OSError(errno.ENOSPC, "no room for all of it")
    try:
        if os.pwrite(descriptor, data, end) == len(data):
            return
    except OSError as error:
        failure = error
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, end)
    raise failure


def _listed(directory: Path) -> list[Segment]:
    found = []
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(directory):
            match = _NAME.fullmatch(entry.name)
            if match is not None:
                found.append(Segment(int(match[1]), Path(entry.path), entry.stat().st_size))
    return found
