"""The key-encryption key: what every key in the vault is wrapped under.

Whoever has this key *and* the vault can open payloads; either alone opens nothing.
Keep it out of the backups of both databases.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from ledger.errors import ConflictError, NotFoundError, RefusedError
from ledger.private_files import write_new
from ledger.sealing import KEY_BYTES, NONCE_BYTES, unwrap_key, wrap_key

Random = Callable[[int], bytes]
"""That many fresh random bytes; `os.urandom` in production."""

MAX_KEY_FILE_BYTES: Final = KEY_BYTES + 1  # one more than a key, so that a longer file shows


class KeyWrapper(Protocol):
    """Wraps keys under a key-encryption key that it never gives away.

    Wrapping is bound to a text: what was wrapped for one id unwraps for no other. An
    implementation may be a local file or a key management service; both methods may
    raise PushbackError while a service is away.
    """

    def wrap(self, key: bytes, bound_to: str) -> bytes:
        """The 32-byte key, wrapped."""

    def unwrap(self, wrapped: bytes, bound_to: str) -> bytes:
        """The key again.

        Raises:
            VerificationError: wrapped elsewhere, for another text, or changed since.
        """


class LocalKeyWrapper:
    """A key-encryption key in a file that only its owner can read."""

    def __init__(self, key: bytes, random: Random = os.urandom) -> None:
        if len(key) != KEY_BYTES:
            raise RefusedError("key-encryption key: not 32 bytes")
        self._key = key
        self._random = random

    @classmethod
    def create(cls, path: Path, random: Random = os.urandom) -> "LocalKeyWrapper":
        """A new key in a new file.

        Raises:
            ConflictError: there is one; it is never overwritten, all keys hang on it.
        """
        key = random(KEY_BYTES)
        try:
            write_new(path, key)
        except FileExistsError:
            raise ConflictError("key-encryption key: there is one already") from None
        return cls(key, random)

    @classmethod
    def load(cls, path: Path, random: Random = os.urandom) -> "LocalKeyWrapper":
        """The key from its file.

        Raises:
            NotFoundError: there is no file.
            RefusedError: it does not hold a key.
        """
        try:
            with path.open("rb") as file:
                return cls(file.read(MAX_KEY_FILE_BYTES), random)
        except FileNotFoundError:
            raise NotFoundError(
                f"key-encryption key: {path.name} is not there; bring it back from its backup,"
                " nothing can be read without it"
            ) from None

    def wrap(self, key: bytes, bound_to: str) -> bytes:
        """The 32-byte key, wrapped."""
        return wrap_key(self._key, key, bound_to, self._random(NONCE_BYTES))

    def unwrap(self, wrapped: bytes, bound_to: str) -> bytes:
        """The key again.

        Raises:
            VerificationError: wrapped elsewhere, for another text, or changed since.
        """
        return unwrap_key(self._key, wrapped, bound_to)
