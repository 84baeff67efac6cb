"""Signatures over checkpoints, of every kind we know, and opening a note with known keys.

Types 0x01 (c2sp.org/signed-note), 0x04 and 0x06 (c2sp.org/tlog-cosignature). The log
itself signs with 0x01, which today's witnesses read, and with 0x06 (ML-DSA-44, FIPS 204),
which keeps ten-year evidence after quantum computers.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from ledger.errors import MalformedError, SignatureError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import (
    ED25519,
    ED25519_COSIGNATURE,
    MLDSA44_COSIGNATURE,
    SignedNote,
    Signer,
    VerifierKey,
    verify_ed25519,
)

__all__ = [
    "MAX_TIMESTAMP",
    "Ed25519Cosigner",
    "MLDSA44Signer",
    "Opened",
    "VerifiedSignature",
    "open_note",
    "verify_mldsa44",
    "verify_signature",
]

MAX_TIMESTAMP: Final = 2**63 - 1  # seconds since the epoch (tlog-cosignature)
_TIMESTAMP: Final = struct.Struct(">Q")
_LABEL: Final = b"subtree/v1\n\x00"


@dataclass(frozen=True, slots=True)
class MLDSA44Signer:
    """Signs checkpoints with ML-DSA-44 (type 0x06), each at the time that `now` tells.

    `now` returns whole seconds since the epoch.
    """

    name: str
    private_key: Signer = field(repr=False)
    now: Callable[[], int] = field(repr=False)

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half."""
        raw = self.private_key.public_key().public_bytes_raw()
        return VerifierKey.of(self.name, MLDSA44_COSIGNATURE, raw)

    def sign(self, text: str) -> bytes:
        """Return 8 bytes of time and 2,420 bytes of signature over a checkpoint's text.

        Raises:
            MalformedError: not a checkpoint, or the clock is out of range.
        """
        timestamp = _checked_time(self.now())
        message = _subtree_message(self.name, timestamp, Checkpoint.parse(text))
        return _TIMESTAMP.pack(timestamp) + self.private_key.sign(message)


@dataclass(frozen=True, slots=True)
class Ed25519Cosigner:
    """Cosigns checkpoints with Ed25519 (type 0x04), each at the time that `now` tells."""

    name: str
    private_key: Signer = field(repr=False)
    now: Callable[[], int] = field(repr=False)

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half."""
        raw = self.private_key.public_key().public_bytes_raw()
        return VerifierKey.of(self.name, ED25519_COSIGNATURE, raw)

    def sign(self, text: str) -> bytes:
        """Return 8 bytes of time and 64 bytes of signature over a note's text.

        Raises:
            MalformedError: the clock is out of range.
        """
        timestamp = _checked_time(self.now())
        return _TIMESTAMP.pack(timestamp) + self.private_key.sign(_v1_message(timestamp, text))


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that was checked: by which key, and when it says it was made (0x01: None)."""

    key: VerifierKey
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A note's text and the signatures of known keys under it, each verified."""

    text: str
    signatures: tuple[VerifiedSignature, ...]


def open_note(note: str, keys: Sequence[VerifierKey]) -> Opened:
    """Return the note's text, signed by at least one of `keys`; unknown keys are ignored.

    Raises:
        MalformedError: not a signed note.
        SignatureError: a known key's signature fails, or none is there.
    """
    parsed = SignedNote.parse(note)
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[VerifierKey, VerifiedSignature] = {}
    for line in parsed.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None:  # each is verified, also the second one of a key
            timestamp = verify_signature(key, parsed.text, line.signature)
            verified.setdefault(key, VerifiedSignature(key, timestamp))
    if not verified:
        raise SignatureError("note: no signature of a known key")
    return Opened(parsed.text, tuple(verified.values()))


def verify_signature(key: VerifierKey, text: str, signature: bytes) -> int | None:
    """Return the signature's own time in seconds since the epoch, None for type 0x01.

    Raises:
        SignatureError: the signature is not this key's over this text.
    """
    if key.kind == ED25519:
        verify_ed25519(key.public_key, signature, text.encode())
        return None
    if len(signature) < _TIMESTAMP.size:
        raise SignatureError("cosignature: too short")
    (timestamp,) = _TIMESTAMP.unpack_from(signature)
    if timestamp > MAX_TIMESTAMP:
        raise SignatureError("cosignature: its time is out of range")
    rest = signature[_TIMESTAMP.size :]
    if key.kind == ED25519_COSIGNATURE:
        verify_ed25519(key.public_key, rest, _v1_message(timestamp, text))
    else:
        _verify_checkpoint(key, rest, timestamp, text)
    return int(timestamp)


def verify_mldsa44(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Return if the signature is the key's over the message, with an empty context.

    Raises:
        SignatureError: it is not.
    """
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("ML-DSA-44: the signature does not verify") from error


def _verify_checkpoint(key: VerifierKey, signature: bytes, timestamp: int, text: str) -> None:
    try:
        message = _subtree_message(key.name, timestamp, Checkpoint.parse(text))
    except MalformedError as error:
        raise SignatureError("ML-DSA-44: it signs checkpoints, and this is none") from error
    verify_mldsa44(key.public_key, signature, message)


def _checked_time(timestamp: int) -> int:
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        raise MalformedError("cosignature: its time is out of range")
    return timestamp


def _v1_message(timestamp: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _subtree_message(name: str, timestamp: int, checkpoint: Checkpoint) -> bytes:
    """Return the `cosigned_message` of a whole tree: start 0, end its size."""
    return b"".join(
        (
            _LABEL,
            _short_opaque(name.encode()),
            struct.pack(">Q", timestamp),
            _short_opaque(checkpoint.origin.encode()),
            struct.pack(">QQ", 0, checkpoint.size),
            checkpoint.root_hash,
        )
    )


def _short_opaque(data: bytes) -> bytes:
    """Return the bytes behind their length in one byte; names are bounded at their birth."""
    return bytes((len(data),)) + data
