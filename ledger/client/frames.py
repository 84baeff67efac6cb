"""Frames: how a spool and its receipts lie on disk, so that a torn end is recognised.

A frame is magic, length, CRC-32, kind, payload. The magic holds bytes that occur in no
UTF-8 text, so after damage the next frame is found again. The CRC finds accidents, not
forgeries: whoever may write here may write anything. Pure: bytes in, values out.
"""

import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ledger.errors import MalformedError

__all__ = [
    "FRAME_HEADER_BYTES",
    "MAX_PAYLOAD_BYTES",
    "Damage",
    "Frame",
    "FrameKind",
    "encode_frame",
    "frame_at",
    "read_frames",
]

MAX_PAYLOAD_BYTES: Final = 2_200_000  # a decision of 2,000,000 bytes with what stands around it
_MAGIC: Final = b"\xf5DL\xff"  # 0xF5 and 0xFF occur in no UTF-8 text
_HEADER: Final = struct.Struct(">4sIIB")
_SUMMED: Final = struct.Struct(">IB")
FRAME_HEADER_BYTES: Final = _HEADER.size


class FrameKind(IntEnum):
    """What a frame holds."""

    DECISION = 1
    SKIPPED = 2  # counters that were given out and that no decision carries
    DECLARED = 3  # a gap that the caller declares
    REFUSED = 4
    CHECKPOINT = 5
    RECEIPT = 6
    STATE = 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame, and where it began and ended."""

    kind: FrameKind
    payload: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no frame: a torn end, or something worse before the next frame."""

    start: int
    end: int


def encode_frame(kind: FrameKind, payload: bytes) -> bytes:
    """The frame's bytes.

    Raises:
        MalformedError: the payload is too long.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MalformedError("frame: the payload is too long")
    return _HEADER.pack(_MAGIC, len(payload), _crc(kind, payload), kind) + payload


def frame_at(data: bytes | mmap.mmap, start: int) -> Frame | None:
    """The frame that begins at `start`, or None if no whole one does."""
    if start < 0 or start + _HEADER.size > len(data):
        return None
    magic, length, crc, number = _HEADER.unpack_from(data, start)
    end = start + _HEADER.size + length
    if magic != _MAGIC or length > MAX_PAYLOAD_BYTES or end > len(data):
        return None
    payload = bytes(data[start + _HEADER.size : end])
    if crc != _crc(number, payload):
        return None
    try:
        kind = FrameKind(number)
    except ValueError:
        return None
    return Frame(kind, payload, start, end)


def read_frames(data: bytes, start: int = 0) -> Iterator[Frame | Damage]:
    """Every frame from `start` on, in order, and the bytes between them that are none."""
    while start < len(data):
        frame = frame_at(data, start)
        if frame is not None:
            yield frame
            start = frame.end
            continue
        found = data.find(_MAGIC, start + 1)
        while found != -1 and frame_at(data, found) is None:
            found = data.find(_MAGIC, found + 1)
        end = len(data) if found == -1 else found
        yield Damage(start, end)
        start = end


def _crc(kind: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_SUMMED.pack(len(payload), kind)))
