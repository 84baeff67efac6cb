"""The key-encryption key: what every key in the vault is wrapped under.

Whoever has this key *and* the vault can open payloads; either alone opens nothing.
Keep it out of the backups of both databases.

Bytes of a key wrapped here: version `0x02`, the 8-byte id of the key-encryption key, then
the wrapped key of `docs/formats.md` §4. The id tells a key that is not here from bytes
that were changed, and lets old and new keys stand side by side during a rotation.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from ledger.errors import MalformedError, RefusedError, VerificationError
from ledger.sealing import KEY_BYTES, NONCE_BYTES, unwrap_key, wrap_key

__all__ = [
    "KEY_ID_BYTES",
    "KeyEncryptionKey",
    "KeyUnknown",
    "KeyWrapper",
    "Random",
    "fresh_key",
    "fresh_nonce",
    "key_id_of",
    "prefix_of",
]

Random = Callable[[int], bytes]
"""That many fresh random bytes; `os.urandom` in production."""

KEY_ID_BYTES: Final = 8

_VERSION: Final = b"\x02"
_ID: Final = b"decision-ledger/v1/kek\n"


class KeyUnknown(VerificationError):
    """Something is wrapped under a key-encryption key that is not here: bring that one back."""


class KeyWrapper(Protocol):
    """Wraps keys under a key-encryption key that it never gives away.

    Wrapping is bound to a text: what was wrapped for one id unwraps for no other. The key
    may be a file's or a key management service's, and it may be followed by another: what
    older keys wrapped unwraps as long as they are kept. Every method may raise
    PushbackError while a service is away.
    """

    def wrap(self, key: bytes, bound_to: str) -> bytes:
        """The 32-byte key, wrapped under the key-encryption key in force."""

    def unwrap(self, wrapped: bytes, bound_to: str) -> bytes:
        """The key again.

        Raises:
            KeyUnknown: wrapped under a key-encryption key that is not here.
            VerificationError: wrapped for another text, or changed since.
            MalformedError: not a wrapped key.
        """

    def is_current(self, wrapped: bytes) -> bool:
        """Say whether this was wrapped under the key-encryption key that is in force now."""

    def knows(self, wrapped: bytes) -> bool:
        """Say whether the key-encryption key that this was wrapped under is still kept."""


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """One key-encryption key, in memory. Its id follows from its 32 bytes."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise RefusedError("key-encryption key: not 32 bytes")

    @property
    def id(self) -> str:
        """Its id, 16 hex digits: tells keys apart, and says nothing about the key."""
        return hashlib.sha256(_ID + self.secret).digest()[:KEY_ID_BYTES].hex()

    def wrap(self, key: bytes, bound_to: str, nonce: bytes) -> bytes:
        """The 32-byte key, wrapped: 70 bytes. No nonce is ever used twice."""
        return _VERSION + bytes.fromhex(self.id) + wrap_key(self.secret, key, bound_to, nonce)

    def unwrap(self, wrapped: bytes, bound_to: str) -> bytes:
        """The key again; raises as :meth:`KeyWrapper.unwrap`."""
        if key_id_of(wrapped) != self.id:
            raise KeyUnknown(f"vault: wrapped under the key {key_id_of(wrapped)}, not {self.id}")
        return unwrap_key(self.secret, wrapped[1 + KEY_ID_BYTES :], bound_to)


def key_id_of(wrapped: bytes) -> str:
    """The id of the key-encryption key that this was wrapped under.

    Raises:
        MalformedError: not a wrapped key.
    """
    if wrapped[:1] != _VERSION or len(wrapped) <= KEY_ID_BYTES:
        raise MalformedError("wrapped key: not a version that is known here")
    return wrapped[1 : 1 + KEY_ID_BYTES].hex()


def prefix_of(key_id: str) -> bytes:
    """How everything begins that is wrapped under the key of this id."""
    return _VERSION + bytes.fromhex(key_id)


def fresh_key(random: Random) -> KeyEncryptionKey:
    """A new key-encryption key."""
    return KeyEncryptionKey(random(KEY_BYTES))


def fresh_nonce(random: Random) -> bytes:
    """A nonce for one wrapping."""
    return random(NONCE_BYTES)
