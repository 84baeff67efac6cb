"""The key-encryption keys of one vault, as a process holds them.

The file may be replaced by another process at any time (a rotation, a new passphrase), so
each wrapping looks whether it was. Keys are opened when they are first needed: those of a
key service are let go of after a while and asked for again.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ledger.errors import ConflictError, NotFoundError, PushbackError
from ledger.operate import kek_file, kek_service
from ledger.operate.kek_file import Encrypted, Kept, KeyFile, Plain, Served
from ledger.operate.key_wrapper import (
    KeyEncryptionKey,
    KeyUnknown,
    Random,
    fresh_key,
    fresh_nonce,
    key_id_of,
)

__all__ = ["HOLD_SECONDS", "KekRing", "Protection"]

HOLD_SECONDS: Final = 900.0  # how long a service's key stays in memory without asking again
RETRY_SECONDS: Final = 5.0

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Protection:
    """How new keys are kept: by a service, under a passphrase, or, if neither, as they are."""

    passphrase: bytes | None = None
    service: str = ""

    def of(self, key: KeyEncryptionKey, random: Random) -> Kept:
        """The key as it is to be kept; a service is asked."""
        if self.service:
            return kek_service.wrapped_by_service(key, self.service)
        if self.passphrase:
            return kek_file.encrypted(key, self.passphrase, random)
        return Plain(key.id, key.secret)


@dataclass(frozen=True, slots=True)
class _Held:
    key: KeyEncryptionKey
    until: float  # of the monotonic clock; for ever if infinite


class KekRing:
    """A `KeyWrapper` by a file of keys. Safe to share between threads and across processes."""

    def __init__(
        self,
        path: Path,
        protection: Protection | None = None,
        random: Random = os.urandom,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """The ring of the file at `path`.

        Raises:
            NotFoundError: there is no file.
            RefusedError: it does not hold keys, or they do not open.
            PushbackError: a key service does not answer.
        """
        self._path = path
        self._protection = protection or Protection()
        self._random = random
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._file, self._stamp = self._read()
        self._opened(self._file.keys[0])  # a wrong passphrase shows at the start

    @classmethod
    def create(
        cls, path: Path, protection: Protection | None = None, random: Random = os.urandom
    ) -> "KekRing":
        """A ring of one new key, in a new file.

        Raises:
            ConflictError: there is a file; it is never overwritten, all keys hang on it.
            PushbackError: the key service does not answer.
        """
        kept = (protection or Protection()).of(fresh_key(random), random)
        KeyFile((kept,)).create(path)
        return cls(path, protection, random)

    def wrap(self, key: bytes, bound_to: str) -> bytes:
        """The 32-byte key, wrapped under the key in force."""
        kek = self._opened(self._newest().keys[0])
        return kek.wrap(key, bound_to, fresh_nonce(self._random))

    def unwrap(self, wrapped: bytes, bound_to: str) -> bytes:
        """The key again; raises as `KeyWrapper.unwrap`."""
        wanted = key_id_of(wrapped)
        for kept in self._newest().keys:
            if kept.id == wanted:
                return self._opened(kept).unwrap(wrapped, bound_to)
        here = ", ".join(kept.id for kept in self._file.keys)
        raise KeyUnknown(
            f"vault: wrapped under the key-encryption key {wanted}, which is not here; here: {here}"
        )

    def is_current(self, wrapped: bytes) -> bool:
        """Say whether this was wrapped under the key in force."""
        return key_id_of(wrapped) == self._newest().keys[0].id

    def knows(self, wrapped: bytes) -> bool:
        """Say whether the key that this was wrapped under is in the file."""
        return key_id_of(wrapped) in {kept.id for kept in self._newest().keys}

    def kept(self) -> tuple[Kept, ...]:
        """The keys as they are kept, the one in force first."""
        return self._newest().keys

    def rotate(self) -> str:
        """Put a new key in force; the old ones still unwrap. Returns the new key's id."""
        file = self._newest()
        kept = self._protection.of(fresh_key(self._random), self._random)
        replace(file, keys=(kept, *file.keys)).replace(self._path)
        return kept.id

    def retire(self, key_id: str) -> Kept:
        """Take a key that is not in force out of the file, and return it as it was kept.

        Expects that nothing is wrapped under it any more.

        Raises:
            NotFoundError: there is no such key.
            ConflictError: it is in force.
        """
        file = self._newest()
        if file.keys[0].id == key_id:
            raise ConflictError(f"key-encryption key {key_id}: it is in force; rotate first")
        found = [kept for kept in file.keys if kept.id == key_id]
        if not found:
            raise NotFoundError(f"key-encryption key {key_id}: there is none of this id")
        kept = tuple(each for each in file.keys if each.id != key_id)
        KeyFile(kept).replace(self._path)
        return found[0]

    def protect(self, protection: Protection) -> int:
        """Keep every key in another way, from now on; returns how many changed."""
        file = self._newest()
        kept = tuple(protection.of(self._opened(each), self._random) for each in file.keys)
        KeyFile(kept).replace(self._path)
        self._protection = protection
        return len(kept)

    def _newest(self) -> KeyFile:
        with self._turn:
            stamp = self._stamped()
            if stamp is not None and stamp != self._stamp:
                self._file, self._stamp = self._read()
                here = {kept.id for kept in self._file.keys}
                self._held = {key_id: held for key_id, held in self._held.items() if key_id in here}
            return self._file

    def _opened(self, kept: Kept) -> KeyEncryptionKey:
        with self._turn:
            held = self._held.get(kept.id)
            if held is not None and self._monotonic() < held.until:
                return held.key
            match kept:
                case Plain(key_id, secret):
                    key = kek_file.checked(KeyEncryptionKey(secret), key_id)
                case Encrypted():
                    key = kek_file.decrypted(kept, self._protection.passphrase)
                case Served():
                    key = kek_service.opened_by_service(kept)
            until = self._monotonic() + HOLD_SECONDS if isinstance(kept, Served) else float("inf")
            self._held[kept.id] = _Held(key, until)
            return key

    def _read(self) -> tuple[KeyFile, _Stamp | None]:
        stamp = self._stamped()  # before reading: a change in between shows the next time
        return KeyFile.read(self._path), stamp

    def _stamped(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PushbackError(
                "key-encryption key: its file cannot be read", retry_after=RETRY_SECONDS
            ) from error
        return found.st_mtime_ns, found.st_ino, found.st_size
