"""What a log sends to a witness: the body of `add-checkpoint` (c2sp.org/tlog-witness).

Says nothing about whether the checkpoint is signed or the proof leads anywhere.
"""

from dataclasses import dataclass
from typing import Final, Self

from ledger.errors import MalformedError
from ledger.tlog.checkpoint import parse_decimal
from ledger.tlog.merkle import HASH_BYTES, MAX_SIZE
from ledger.tlog.note import SignedNote, decode_base64, encode_base64

__all__ = [
    "MAX_PROOF_LINES",
    "MAX_REQUEST_BYTES",
    "SIZE_TYPE",
    "AddCheckpoint",
    "parse_size_answer",
]

MAX_PROOF_LINES: Final = 63  # hashes; as the specification says
MAX_REQUEST_BYTES: Final = 262_144  # 63 hashes, and a note with all 64 signatures in ML-DSA-44
SIZE_TYPE: Final = "text/x.tlog.size"  # of an answer with status 409
_OLD: Final = "old "


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """That the log of `note` grew out of its first `old_size` entries, as `proof` shows."""

    old_size: int
    proof: tuple[bytes, ...]
    note: SignedNote

    def __post_init__(self) -> None:
        """Refuse what the body cannot carry."""
        if not 0 <= self.old_size <= MAX_SIZE or len(self.proof) > MAX_PROOF_LINES:
            raise MalformedError("add-checkpoint: the old size or the proof is out of range")
        if any(len(each) != HASH_BYTES for each in self.proof):
            raise MalformedError("add-checkpoint: a hash is not 32 bytes")

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the request of a body.

        Raises:
            MalformedError: anything :meth:`format` would not have written.
        """
        if len(body) > MAX_REQUEST_BYTES:
            raise MalformedError("add-checkpoint: too long")
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise MalformedError("add-checkpoint: not UTF-8") from error
        head, blank, note = text.partition("\n\n")
        old, *proof = head.split("\n")
        if not blank or not old.startswith(_OLD):
            raise MalformedError("add-checkpoint: not an old size, hashes and a checkpoint")
        return cls(
            old_size=parse_decimal(old.removeprefix(_OLD)),
            proof=tuple(decode_base64(line) for line in proof),
            note=SignedNote.parse(note),
        )

    def format(self) -> bytes:
        """Return the body."""
        head = [f"{_OLD}{self.old_size}", *map(encode_base64, self.proof)]
        return ("\n".join(head) + "\n\n" + self.note.format()).encode()


def parse_size_answer(body: bytes) -> int:
    """Return the size that a witness answers with 409: a decimal and a line feed.

    Raises:
        MalformedError: anything else.
    """
    text = body.decode("ascii", errors="replace")
    if not text.endswith("\n"):
        raise MalformedError("witness: the size has no end of line")
    return parse_decimal(text[:-1])
