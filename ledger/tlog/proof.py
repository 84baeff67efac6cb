"""Receipts: one entry, its inclusion proof and the signed head, in one text file.

Format: c2sp.org/tlog-proof@v1. The `extra` line carries the entry's bytes, so that the
file stands alone. Whose signature counts is left to a policy.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from ledger.errors import MalformedError
from ledger.tlog.checkpoint import Checkpoint, parse_decimal
from ledger.tlog.merkle import HASH_BYTES, MAX_SIZE, leaf_hash, verify_inclusion
from ledger.tlog.note import (
    MAX_NOTE_BYTES,
    SignedNote,
    decode_base64,
    encode_base64,
)
from ledger.tlog.tile import MAX_ENTRY_BYTES

__all__ = ["MAX_RECEIPT_LENGTH", "Receipt", "checkpoint_of"]

MAX_PROOF_HASHES: Final = 63  # a tree of 2^63 leaves needs no more
MAX_RECEIPT_LENGTH: Final = MAX_NOTE_BYTES + 100_000  # characters; an entry takes 87,380
_HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Receipt:
    """That `entry` is entry number `index` of the log under `checkpoint_note`.

    Nothing is verified at birth: see :meth:`verify_inclusion` and the policy.
    """

    entry: bytes
    index: int
    proof: tuple[bytes, ...]
    checkpoint_note: str

    def __post_init__(self) -> None:
        """Refuse what the file's form cannot carry."""
        if not 1 <= len(self.entry) <= MAX_ENTRY_BYTES:
            raise MalformedError("receipt: the entry is empty or too long")
        if not 0 <= self.index < MAX_SIZE or len(self.proof) > MAX_PROOF_HASHES:
            raise MalformedError("receipt: the index or the proof is out of range")
        if any(len(each) != HASH_BYTES for each in self.proof):
            raise MalformedError("receipt: a hash is not 32 bytes")
        checkpoint_of(self.checkpoint_note)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the receipt of a `.tlog-proof` file.

        Raises:
            MalformedError: anything :meth:`format` would not have written.
        """
        if len(text) > MAX_RECEIPT_LENGTH:
            raise MalformedError("receipt: too long")
        head, blank, note = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or len(lines) < 3 or lines[0] != _HEADER:  # noqa: PLR2004  header, extra, index
            raise MalformedError("receipt: not a tlog-proof with an entry and an index")
        if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
            raise MalformedError("receipt: not a tlog-proof with an entry and an index")
        return cls(
            entry=decode_base64(lines[1].removeprefix("extra ")),
            index=parse_decimal(lines[2].removeprefix("index ")),
            proof=tuple(decode_base64(line) for line in lines[3:]),
            checkpoint_note=note,
        )

    def format(self) -> str:
        """Return the file's text."""
        head = [_HEADER, f"extra {encode_base64(self.entry)}", f"index {self.index}"]
        head += [encode_base64(each) for each in self.proof]
        return "\n".join(head) + "\n\n" + self.checkpoint_note

    def verify_inclusion(self, checkpoint: Checkpoint) -> None:
        """Return if the entry is in the tree of `checkpoint`, which a policy has accepted.

        Raises:
            InclusionError, RootMismatchError: it is not.
        """
        verify_inclusion(
            self.index,
            checkpoint.size,
            leaf_hash(self.entry),
            self.proof,
            checkpoint.root_hash,
        )


@lru_cache(maxsize=8)  # of notes of up to a megabyte; the receipts of a batch share one
def checkpoint_of(note: str) -> Checkpoint:
    """Return the checkpoint that a signed note states; no signature is verified.

    Raises:
        MalformedError: it states none.
    """
    return Checkpoint.parse(SignedNote.parse(note).text)
