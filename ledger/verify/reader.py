"""What an audit reads: a log's raw bytes, wherever they are kept.

:class:`LogReader` is the port. Readers pass on what is stored and judge nothing:
a row of the wrong type or an odd file becomes bytes that the audit will refuse,
so that whoever tampers with the store cannot turn tampering into "unreadable".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
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
class StoredRun:
    """Entries in the order of the store, column by column: at most one bundle of 256.

    Attributes:
        indexes: where the store says they stand; rising by one unless something is wrong.
        raws: the bytes of each.
        ids: the id that the store keeps beside each, or None if it keeps none.
        hashes: the leaf hash that the store keeps beside each, or None if it keeps none.
        claims: what else states a leaf hash, by the place in the run.
    """

    indexes: Sequence[int]
    raws: Sequence[bytes]
    ids: Sequence[bytes] | None = None
    hashes: Sequence[bytes] | None = None
    claims: Mapping[int, tuple[Claim, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def entries(self) -> Iterator[StoredEntry]:
        """The entries one by one."""
        for at, (index, raw) in enumerate(zip(self.indexes, self.raws, strict=True)):
            kept = None if self.ids is None else self.ids[at].decode("utf-8", "replace")
            beside = self.claims.get(at, ())
            if self.hashes is not None:
                beside = (Claim("its stored hash", self.hashes[at]), *beside)
            yield StoredEntry(index, raw, kept, beside)


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

    def checkpoints(self, least: int = 0) -> Iterator[StoredCheckpoint]:
        """Every stored checkpoint of at least this size, by rising size."""

    def runs(self, start: int = 0, stop: int | None = None) -> Iterator[StoredRun]:
        """The stored entries from index `start` to before `stop`, by rising index.

        What is missing is left out. From 0 on, and without a `stop`, it is every row of
        the log, whatever index it has; a run ends where a bundle does unless rows are odd.
        """

    def tiles(self, level: int, index: int) -> tuple[tuple[int, bytes], ...]:
        """The stored widths of one tile with their bytes, by rising width; () if none."""

    def strays(self) -> Iterator[str]:
        """Names of stored tiles beyond `size`, at most `MAX_STRAYS`."""
