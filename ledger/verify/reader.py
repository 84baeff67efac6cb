"""What an audit reads: a log's raw bytes, wherever they are kept.

:class:`LogReader` is the port. Readers pass on what is stored and judge nothing:
a row of the wrong type or an odd file becomes bytes that the audit will refuse,
so that whoever tampers with the store cannot turn tampering into "unreadable".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ledger.errors import LedgerError

MAX_NOTE_BYTES = 1_000_000  # a checkpoint with 16 ML-DSA cosignatures takes 55 kB
MAX_TILE_BYTES = 256 * 32  # a full tile
MAX_STRAYS = 100  # tiles beyond the log's end that are named one by one


class UnreadableError(LedgerError):
    """The log could not be read, so nothing is known about it: neither fine nor tampered."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A leaf hash that something beside the entry's own bytes states for it.

    Attributes:
        where: what states it, in words.
        leaf_hash: as stated; any length, for it may have been tampered with.
    """

    where: str
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is stored.

    Attributes:
        index: where the store says it stands.
        raw: its bytes.
        id: the id that the store keeps beside it, or None if it keeps none.
        claims: leaf hashes kept beside it, or in a second copy.
    """

    index: int
    raw: bytes
    id: str | None = None
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as it is stored: the size it is filed under, and the signed note."""

    size: int
    note: str


class LogReader(Protocol):
    """One log, as of one moment. Every method raises UnreadableError if it cannot be read.

    Attributes:
        origin: the log's name as the store states it.
        size: how many entries the store says there are.
    """

    origin: str
    size: int

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Every stored checkpoint, by rising size."""

    def entries(self) -> Iterator[StoredEntry]:
        """Every stored entry, by rising index; what is missing is left out."""

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        """The stored widths of one tile with their bytes, by rising width; () if none."""

    def strays(self) -> Iterator[str]:
        """Names of stored tiles beyond `size`, at most `MAX_STRAYS`."""
