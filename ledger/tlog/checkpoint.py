"""Checkpoints: a tree head written as the text of a signed note (c2sp.org/tlog-checkpoint).

Three lines and no extension lines. Who signed it is left to the note around it.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from ledger.errors import MalformedError
from ledger.tlog.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE
from ledger.tlog.note import check_name, decode_base64, encode_base64

__all__ = ["MAX_CHECKPOINT_LENGTH", "Checkpoint", "parse_decimal"]

MAX_CHECKPOINT_LENGTH: Final = 1_000  # characters; 255 of origin, 19 of size, 44 of root hash
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's origin, its number of entries and the root hash over them."""

    origin: str
    size: int
    root_hash: bytes

    def __post_init__(self) -> None:
        """Refuse a head that no log can have."""
        check_name(self.origin)
        if not 0 <= self.size <= MAX_SIZE:
            raise MalformedError("checkpoint: the size is out of range")
        if len(self.root_hash) != HASH_BYTES:
            raise MalformedError("checkpoint: the root hash is not 32 bytes")
        if self.size == 0 and self.root_hash != EMPTY_ROOT:
            raise MalformedError("checkpoint: an empty tree with another tree's root hash")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the checkpoint of a note's text.

        Raises:
            MalformedError: anything :meth:`format` would not have written.
        """
        if len(text) > MAX_CHECKPOINT_LENGTH:
            raise MalformedError("checkpoint: too long")
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:  # noqa: PLR2004  three lines and what follows the last
            raise MalformedError("checkpoint: not exactly three lines")
        return cls(lines[0], parse_decimal(lines[1]), decode_base64(lines[2]))

    def format(self) -> str:
        """Return the three lines."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root_hash)}\n"


def parse_decimal(text: str) -> int:
    """Return a whole number of at most 19 ASCII digits without sign or leading zero.

    Raises:
        MalformedError: anything else that `int` would have taken.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise MalformedError("not a decimal number in canonical form")
    return int(text)
