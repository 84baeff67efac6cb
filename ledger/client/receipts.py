"""Verified receipts, kept compactly: one signed head for each batch, and what hangs on it.

Files of frames that are only added to. There is no index: an id is looked for as its 16
bytes, which a processor does at gigabytes a second, and the frame around it is checked.
"""

import contextlib
import errno
import mmap
import re
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from ledger.client.frames import (
    FRAME_HEADER_BYTES,
    Frame,
    FrameKind,
    encode_frame,
    frame_at,
    read_frames,
)
from ledger.entries import parse_entry, parse_id
from ledger.errors import MalformedError, NotFoundError
from ledger.private_files import append_synced, private_directory
from ledger.tlog.merkle import HASH_BYTES
from ledger.tlog.proof import Receipt

__all__ = ["FileReceipts", "MemoryReceipts", "Receipts"]

FILE_BYTES: Final = 64 * 1024 * 1024  # then a new file; a look-up reads one at a time
MAX_IN_MEMORY: Final = 10_000  # receipts, some 20 MB; beyond it the oldest are forgotten
_HEAD: Final = struct.Struct(">16sQQB")
_NAME: Final = re.compile(r".+\.([0-9]{8})\.[0-9]{4}\.receipts", re.ASCII)


class Receipts(Protocol):
    """Where verified receipts are kept, by the id of their decision."""

    def keep(self, source: str, receipts: Sequence[Receipt]) -> None:
        """Keep the receipts of one batch, which have one head, as durably as may be.

        Raises:
            OSError: they could not be kept.
        """

    def find(self, decision: str) -> Receipt:
        """The receipt of a decision, the newest one kept.

        Raises:
            NotFoundError: none is kept.
            MalformedError: not an id.
        """


class MemoryReceipts:
    """The newest receipts, for as long as the process lives."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Receipt] = OrderedDict()
        self._mutex = threading.Lock()

    def keep(self, source: str, receipts: Sequence[Receipt]) -> None:  # noqa: ARG002  # the port's
        """Keep them, and forget the oldest."""
        with self._mutex:
            for each in receipts:
                self._kept[parse_entry(each.entry).id] = each
            while len(self._kept) > MAX_IN_MEMORY:
                self._kept.popitem(last=False)

    def find(self, decision: str) -> Receipt:
        """The receipt of a decision.

        Raises:
            NotFoundError: none is kept.
            MalformedError: not an id.
        """
        with self._mutex:
            try:
                return self._kept[parse_id(decision)]
            except KeyError:
                raise NotFoundError("receipts: none of this decision is kept") from None


class FileReceipts:
    """Receipts in a directory: files of a lane and a day, written by the lane's holder."""

    def __init__(
        self,
        directory: Path,
        keep_for: timedelta | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """The receipts in a directory; files of days before `keep_for` are removed (None: none)."""
        self._directory = directory
        self._keep_for = keep_for
        self._now = now
        self._pruned = ""
        self._full: set[Path] = set()

    def keep(self, source: str, receipts: Sequence[Receipt]) -> None:
        """Keep the receipts of one batch; durable when this returns.

        Raises:
            OSError: they could not be kept.
        """
        if not receipts:
            return
        private_directory(self._directory)
        self._prune(receipts[-1])

        def frames(start: int) -> bytes:
            head = encode_frame(FrameKind.CHECKPOINT, receipts[0].checkpoint_note.encode())
            packed = [encode_frame(FrameKind.RECEIPT, _packed(each, start)) for each in receipts]
            return head + b"".join(packed)

        while True:
            path = self._file(source)
            try:
                append_synced(path, frames)
            except OSError as error:
                # Where the process may not make files as long as ours, it goes on in another.
                if error.errno != errno.EFBIG or not path.stat().st_size:
                    raise
                self._full.add(path)
            else:
                return

    def find(self, decision: str) -> Receipt:
        """The receipt of a decision, the newest one kept.

        Raises:
            NotFoundError: none is kept.
            MalformedError: not an id.
        """
        wanted = bytes.fromhex(parse_id(decision).replace("-", ""))
        for path in sorted(self._files(), key=_day, reverse=True):
            with contextlib.suppress(OSError, ValueError):  # an empty file cannot be mapped
                with (
                    path.open("rb") as file,
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
                ):
                    found = _find(data, wanted)
                if found is not None:
                    return found
        raise NotFoundError("receipts: none of this decision is kept")

    def all(self) -> Iterator[Receipt]:
        """Every receipt that is kept, as it was kept, files in the order of their names."""
        for path in sorted(self._files()):
            data = path.read_bytes()
            for each in read_frames(data):
                if isinstance(each, Frame) and each.kind is FrameKind.RECEIPT:
                    with contextlib.suppress(MalformedError, UnicodeDecodeError, struct.error):
                        yield _receipt(data, each.payload)

    def _file(self, source: str) -> Path:
        day = self._now().strftime("%Y%m%d")
        number = 0
        while True:
            path = self._directory / f"{source}.{day}.{number:04}.receipts"
            room = not path.exists() or path.stat().st_size < FILE_BYTES
            if room and path not in self._full:
                return path
            number += 1

    def _prune(self, newest: Receipt) -> None:
        """Remove files that are old by our clock and by the ledger's: one may be wrong."""
        if self._keep_for is None:
            return
        now = min(self._now(), parse_entry(newest.entry).at)
        day = now.strftime("%Y%m%d")
        if day != self._pruned:
            oldest = (now - self._keep_for).strftime("%Y%m%d")
            for path in self._files():
                if _day(path)[0] < oldest:
                    path.unlink(missing_ok=True)
            self._pruned = day

    def _files(self) -> list[Path]:
        with contextlib.suppress(FileNotFoundError):
            return [each for each in self._directory.iterdir() if _NAME.fullmatch(each.name)]
        return []


def _day(path: Path) -> tuple[str, str]:
    match = _NAME.fullmatch(path.name)
    return ("" if match is None else match[1], path.name)


def _packed(receipt: Receipt, head: int) -> bytes:
    identifier = bytes.fromhex(parse_entry(receipt.entry).id.replace("-", ""))
    packed = _HEAD.pack(identifier, head, receipt.index, len(receipt.proof))
    return packed + b"".join(receipt.proof) + receipt.entry


def _find(data: mmap.mmap, wanted: bytes) -> Receipt | None:
    at = data.rfind(wanted)
    while at != -1:
        with contextlib.suppress(MalformedError, UnicodeDecodeError, struct.error):
            frame = frame_at(data, at - FRAME_HEADER_BYTES)
            if frame is not None and frame.kind is FrameKind.RECEIPT:
                return _receipt(data, frame.payload)
        at = data.rfind(wanted, 0, at)
    return None


def _receipt(data: bytes | mmap.mmap, payload: bytes) -> Receipt:
    _, head, index, count = _HEAD.unpack_from(payload)
    note = frame_at(data, head)
    if note is None or note.kind is not FrameKind.CHECKPOINT:
        raise MalformedError("receipts: a receipt without its head")
    entry = _HEAD.size + count * HASH_BYTES
    hashes = payload[_HEAD.size : entry]
    proof = tuple(hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES))
    return Receipt(payload[entry:], index, proof, note.payload.decode())
