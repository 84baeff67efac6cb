"""How decisions lie in a spool: in clear, or encrypted under a key that the caller gives.

Encrypted is `12-byte nonce ‖ AES-256-GCM`, bound to the lane and to the frame's prefix.
"""

import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import MalformedError, VerificationError

__all__ = ["CLEAR", "KEY_ID_BYTES", "SpoolCipher"]

KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 8  # tells one key from another, in a segment's header
_NONCE_BYTES: Final = 12
_LABEL: Final = b"decision-ledger/v1/spool-key\n"


@dataclass(frozen=True, slots=True)
class SpoolCipher:
    """Seals and opens a spool's decisions; with `key` None they stay as they are."""

    key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.key is not None and len(self.key) != KEY_BYTES:
            raise MalformedError(f"spool key: not {KEY_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """Which key it is, without telling it; zeros for none."""
        if self.key is None:
            return bytes(KEY_ID_BYTES)
        return sha256(_LABEL + self.key).digest()[:KEY_ID_BYTES]

    def seal(self, body: bytes, source: str, prefix: bytes) -> bytes:
        """The bytes to keep."""
        if self.key is None:
            return body
        nonce = os.urandom(_NONCE_BYTES)  # random: one key has far fewer than 2^32 frames
        return nonce + AESGCM(self.key).encrypt(nonce, body, source.encode() + b"\n" + prefix)

    def open(self, sealed: bytes, source: str, prefix: bytes) -> bytes:
        """The bytes that were sealed.

        Raises:
            VerificationError: another key, lane or frame, or changed bytes.
        """
        if self.key is None:
            return sealed
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self.key).decrypt(nonce, rest, source.encode() + b"\n" + prefix)
        except (InvalidTag, ValueError):
            raise VerificationError("spool: another key, or changed bytes") from None


CLEAR: Final = SpoolCipher()
