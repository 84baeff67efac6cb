"""UBJSON, the binary form in which XGBoost saves a model, read strictly.

Specification: https://ubjson.org (draft 12), the part that XGBoost writes: objects, arrays,
counted and typed arrays, text, booleans, null, numbers. Numbers are big-endian. Pure: bytes
in, plain JSON types out; a typed array comes back as a list.
"""

import struct
from dataclasses import dataclass

import numpy as np

from explain.errors import ArtefactRefused

__all__ = ["decode"]

MAX_DEPTH = 32  # nesting of a model file; XGBoost needs eight
_NUMBERS = {
    b"i": (">b", 1),
    b"U": (">B", 1),
    b"I": (">h", 2),
    b"l": (">i", 4),
    b"L": (">q", 8),
    b"d": (">f", 4),
    b"D": (">d", 8),
}
_WHOLE = frozenset((b"i", b"U", b"I", b"l", b"L"))


def decode(data: bytes) -> object:
    """Return the value that `data` holds, whole.

    Raises:
        ArtefactRefused: not UBJSON as XGBoost writes it, cut short, or followed by more bytes.
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), MAX_DEPTH)
    if reader.at != len(data):
        raise ArtefactRefused("model file: bytes after the end of its UBJSON")
    return value


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise ArtefactRefused("model file: its UBJSON is cut short")
        part = self.data[self.at : end]
        self.at = end
        return part

    def value(self, marker: bytes, depth: int) -> object:
        if depth == 0:
            raise ArtefactRefused("model file: its UBJSON is nested too deeply")
        if marker == b"{":
            return self.members(depth)
        if marker == b"[":
            return self.items(depth)
        if marker == b"S":
            return self.text()
        if marker in _NUMBERS:
            return self.number(marker)
        constants = {b"T": True, b"F": False, b"Z": None}
        if marker not in constants:
            raise ArtefactRefused("model file: not UBJSON as XGBoost writes it")
        return constants[marker]

    def number(self, marker: bytes) -> int | float:
        layout, size = _NUMBERS[marker]
        (number,) = struct.unpack(layout, self.take(size))
        value: int | float = number
        return value

    def count(self) -> int:
        marker = self.take(1)
        if marker not in _WHOLE:
            raise ArtefactRefused("model file: a length in its UBJSON is not a whole number")
        return int(self.number(marker))

    def text(self) -> str:
        try:
            return self.take(self.count()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ArtefactRefused("model file: a text in its UBJSON is not UTF-8") from error

    def members(self, depth: int) -> dict[str, object]:
        members: dict[str, object] = {}
        while self.data[self.at : self.at + 1] != b"}":
            name = self.text()
            if name in members:
                raise ArtefactRefused("model file: a member occurs twice in its UBJSON")
            members[name] = self.value(self.take(1), depth - 1)
        self.at += 1
        return members

    def items(self, depth: int) -> list[object]:
        ahead = self.data[self.at : self.at + 1]
        if ahead == b"$":
            self.at += 1
            return self.typed_items()
        items: list[object] = []
        if ahead == b"#":
            self.at += 1
            for _ in range(self.count()):
                items.append(self.value(self.take(1), depth - 1))  # noqa: PERF401 - reads as it goes
            return items
        while (marker := self.take(1)) != b"]":
            items.append(self.value(marker, depth - 1))
        return items

    def typed_items(self) -> list[object]:
        marker = self.take(1)
        if marker not in _NUMBERS or self.take(1) != b"#":
            raise ArtefactRefused("model file: a typed array in its UBJSON is malformed")
        layout, size = _NUMBERS[marker]
        count = self.count()
        # take() refuses a count beyond the data, so nothing large is allocated first.
        items: list[object] = np.frombuffer(self.take(count * size), dtype=layout).tolist()
        return items
