"""What goes between a ledger's process and the one that holds a model: frames over two pipes.

A frame is the length of its head, the length of its body, a head in JSON, and a body of bare
bytes: a file, or numbers in rows. Nothing in it is code, and each side bounds what it takes.
"""

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["MAX_HEAD_BYTES", "FrameError", "packed", "read_frame"]

MAX_HEAD_BYTES: Final = 8_000_000  # a manifest has at most half of it

_LENGTHS: Final = struct.Struct(">II")


class FrameError(Exception):
    """What came is no frame, or larger than this side takes."""


def packed(head: Mapping[str, object], body: bytes = b"") -> bytes:
    """The frame with this head and body."""
    text = json.dumps(head, ensure_ascii=False).encode()
    return b"".join((_LENGTHS.pack(len(text), len(body)), text, body))


def read_frame(read: Callable[[int], bytes], most: int) -> tuple[dict[str, Any], bytes]:
    """The head and the body of the next frame.

    Args:
        read: gives exactly as many bytes as asked for, or raises.
        most: bytes of the body that are taken.

    Raises:
        FrameError: what came is none.
    """
    length, size = _LENGTHS.unpack(read(_LENGTHS.size))
    if length > MAX_HEAD_BYTES or size > most:
        raise FrameError("too large")
    try:
        head = json.loads(read(length))
    except (ValueError, RecursionError) as error:
        raise FrameError("no JSON") from error
    if not isinstance(head, dict):
        raise FrameError("no object")
    return head, read(size)
