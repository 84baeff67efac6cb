"""The signing keys of one log, kept as files or by a key service.

Each log has two keys: Ed25519 (what today's witnesses and verifiers read) and
ML-DSA-44 (so that evidence of ten years' standing survives quantum computers). A key
is a PKCS#8 PEM file readable by its owner only, encrypted if a passphrase is given, or
a file that says which key of which service signs. Whoever owns these files can sign as
the log; copies held by others and witnesses still show what was signed before.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.errors import ConflictError, NotFoundError, RefusedError
from ledger.operate.checked_signer import CheckedSigner
from ledger.operate.key_service import ED25519_BYTES, MLDSA44_BYTES, RemoteKey, ServiceSigner
from ledger.private_files import sync_directory, write_new, write_synced
from ledger.tlog.cose import CoseSigner, Ed25519CoseSigner
from ledger.tlog.cosignature import Ed25519Cosigner, MLDSA44Signer
from ledger.tlog.note import Ed25519Signer, NoteSigner, Signer, VerifierKey

__all__ = ["LogKeys", "change_passphrase"]

MAX_KEY_FILE_BYTES: Final = 16_384  # an encrypted ML-DSA-44 key takes 5 kB

_ED25519: Final = "ed25519"
_MLDSA44: Final = "mldsa44"
_FILE: Final = ".pem"
_SERVICE: Final = ".uri"


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The two private keys of one log, or of one witness.

    `origin` is the name that they sign under: the log's origin, or the witness's name.
    """

    origin: str
    ed25519: Signer
    mldsa44: Signer

    @classmethod
    def generate(
        cls,
        directory: Path,
        origin: str,
        passphrase: bytes | None = None,
        *,
        ed25519: RemoteKey | None = None,
    ) -> Self:
        """New keys, written to `directory`: both or, if this is cut short, neither.

        With `ed25519` that key of a service takes the place of a new one.

        Raises:
            ConflictError: there are keys already; they are never overwritten.
            RefusedError: the service's key cannot be used.
        """
        served = None if ed25519 is None else ServiceSigner(ed25519)
        fresh, mldsa44 = Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate()
        beside = directory.with_name(f"{directory.name}.new")
        shutil.rmtree(beside, ignore_errors=True)  # half made, and never used
        if ed25519 is None:
            write_new(beside / f"{_ED25519}{_FILE}", _pem(fresh, passphrase))
        else:
            write_new(beside / f"{_ED25519}{_SERVICE}", ed25519.format().encode())
        write_new(beside / f"{_MLDSA44}{_FILE}", _pem(mldsa44, passphrase))
        try:
            beside.rename(directory)  # replaces an empty directory, never keys
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise ConflictError("log keys: there are some already") from error
        sync_directory(directory.parent)
        return cls(origin, served or fresh, mldsa44)

    @classmethod
    def load(cls, directory: Path, origin: str, passphrase: bytes | None = None) -> Self:
        """The keys that :meth:`generate` wrote; either may be a service's (`*.uri`).

        Raises:
            NotFoundError: a key file is not there.
            RefusedError: a file is not such a key, or the passphrase is another; or there
                are two files for one key, or what it takes to reach a service is missing.
            MalformedError: a file does not say where a service keeps the key.
        """
        ed25519 = _read_key(directory, _ED25519, passphrase)
        mldsa44 = _read_key(directory, _MLDSA44, passphrase)
        lengths = [len(each.public_key().public_bytes_raw()) for each in (ed25519, mldsa44)]
        if lengths != [ED25519_BYTES, MLDSA44_BYTES]:
            raise RefusedError("log keys: a file holds a key of another kind")
        return cls(origin, ed25519, mldsa44)

    def signers(self, clock: Callable[[], datetime]) -> tuple[NoteSigner, ...]:
        """What signs the log's checkpoints, in the order of the lines in a note."""

        def posix_seconds() -> int:
            return int(clock().timestamp())

        return (
            Ed25519Signer(self.origin, CheckedSigner.ed25519(self.ed25519)),
            MLDSA44Signer(self.origin, CheckedSigner.mldsa44(self.mldsa44), posix_seconds),
        )

    def cose_signer(self) -> CoseSigner:
        """What signs the log's COSE receipts: the Ed25519 key of its checkpoints."""
        return Ed25519CoseSigner(self.origin, CheckedSigner.ed25519(self.ed25519))

    def cosigners(self, at: int) -> tuple[NoteSigner, ...]:
        """What cosigns other logs' checkpoints as of `at`, in whole seconds since the epoch.

        For a witness: a log never cosigns, and a witness never signs as a log.
        """
        return (
            Ed25519Cosigner(self.origin, CheckedSigner.ed25519(self.ed25519), lambda: at),
            MLDSA44Signer(self.origin, CheckedSigner.mldsa44(self.mldsa44), lambda: at),
        )

    def places(self) -> tuple[str, ...]:
        """Where the private halves are kept: `file`, or the address in a key service."""
        kept = (self.ed25519, self.mldsa44)
        return tuple(each.address if isinstance(each, ServiceSigner) else "file" for each in kept)

    def verifier_keys(self, clock: Callable[[], datetime]) -> tuple[VerifierKey, ...]:
        """The public halves, in the order of :meth:`signers`."""
        return tuple(signer.verifier_key for signer in self.signers(clock))


def change_passphrase(directory: Path, old: bytes | None, new: bytes) -> int:
    """Encrypt the key files of a directory with another passphrase; return how many changed.

    One file after the other, each replaced whole: if this is cut short, do it again.

    Raises:
        RefusedError: a file opens with neither passphrase; those before it are changed.
    """
    changed = 0
    for path in sorted(directory.glob(f"*{_FILE}")):
        pem = _read_file(path)
        if _opens(pem, new) is not None:
            continue  # changed before a crash
        key = _opens(pem, old)
        if key is None:
            raise RefusedError(f"log keys: {path.name} opens with neither passphrase")
        beside = path.with_suffix(".new")
        write_synced(beside, _pem(key, new))
        beside.replace(path)
        sync_directory(directory)
        changed += 1
    return changed


def _pem(key: Ed25519PrivateKey | MLDSA44PrivateKey, passphrase: bytes | None) -> bytes:
    how: KeySerializationEncryption = NoEncryption()
    if passphrase:
        how = BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def _read_key(directory: Path, name: str, passphrase: bytes | None) -> Signer:
    kept, served = directory / f"{name}{_FILE}", directory / f"{name}{_SERVICE}"
    if served.exists():
        if kept.exists():
            raise RefusedError(f"log keys: {kept.name} and {served.name} are for the same key")
        try:
            return ServiceSigner(RemoteKey.parse(_read_file(served).decode()))
        except UnicodeDecodeError as error:
            raise RefusedError(f"log keys: {served.name} is not text") from error
    key = _opens(_read_file(kept), passphrase)
    if key is None:
        raise RefusedError("log keys: not a key, or another passphrase")
    return key


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_FILE_BYTES)
    except FileNotFoundError:
        raise NotFoundError(f"log keys: there is no {path.name}") from None


def _opens(pem: bytes, passphrase: bytes | None) -> Ed25519PrivateKey | MLDSA44PrivateKey | None:
    """The key, None if the passphrase does not open it or it is of another kind."""
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError):  # TypeError: a passphrase too many or too few
        return None
    return key if isinstance(key, Ed25519PrivateKey | MLDSA44PrivateKey) else None
