"""The signing keys of one log, kept as files.

Each log has two keys: Ed25519 (what today's witnesses and verifiers read) and
ML-DSA-44 (so that evidence of ten years' standing survives quantum computers). They
are PKCS#8 PEM files readable by their owner only, encrypted if a passphrase is
given. Whoever owns these files can sign as the log; copies held by others and
witnesses still show what was signed before.
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
from ledger.private_files import sync_directory, write_new
from ledger.tlog.cose import CoseSigner, Ed25519CoseSigner
from ledger.tlog.cosignature import Ed25519Cosigner, MLDSA44Signer
from ledger.tlog.note import Ed25519Signer, NoteSigner, VerifierKey

MAX_KEY_FILE_BYTES: Final = 16_384  # an encrypted ML-DSA-44 key takes 5 kB

_ED25519_FILE: Final = "ed25519.pem"
_MLDSA44_FILE: Final = "mldsa44.pem"


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The two private keys of one log, or of one witness.

    `origin` is the name that they sign under: the log's origin, or the witness's name.
    """

    origin: str
    ed25519: Ed25519PrivateKey
    mldsa44: MLDSA44PrivateKey

    @classmethod
    def generate(cls, directory: Path, origin: str, passphrase: bytes | None = None) -> Self:
        """New keys, written to `directory`: both or, if this is cut short, neither.

        Raises:
            ConflictError: there are keys already; they are never overwritten.
        """
        keys = cls(origin, Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())
        how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        beside = directory.with_name(f"{directory.name}.new")
        shutil.rmtree(beside, ignore_errors=True)  # half made, and never used
        _write_key(beside / _ED25519_FILE, keys.ed25519, how)
        _write_key(beside / _MLDSA44_FILE, keys.mldsa44, how)
        try:
            beside.rename(directory)  # replaces an empty directory, never keys
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise ConflictError("log keys: there are some already") from error
        sync_directory(directory.parent)
        return keys

    @classmethod
    def load(cls, directory: Path, origin: str, passphrase: bytes | None = None) -> Self:
        """The keys that :meth:`generate` wrote.

        Raises:
            NotFoundError: a key file is not there.
            RefusedError: a file is not such a key, or the passphrase is another.
        """
        ed25519 = _read_key(directory / _ED25519_FILE, passphrase)
        mldsa44 = _read_key(directory / _MLDSA44_FILE, passphrase)
        if not isinstance(ed25519, Ed25519PrivateKey) or not isinstance(mldsa44, MLDSA44PrivateKey):
            raise RefusedError("log keys: a file holds a key of another kind")
        return cls(origin, ed25519, mldsa44)

    def signers(self, clock: Callable[[], datetime]) -> tuple[NoteSigner, ...]:
        """What signs the log's checkpoints, in the order of the lines in a note."""

        def posix_seconds() -> int:
            return int(clock().timestamp())

        return (
            Ed25519Signer(self.origin, self.ed25519),
            MLDSA44Signer(self.origin, self.mldsa44, posix_seconds),
        )

    def cose_signer(self) -> CoseSigner:
        """What signs the log's COSE receipts: the Ed25519 key of its checkpoints."""
        return Ed25519CoseSigner(self.origin, self.ed25519)

    def cosigners(self, at: int) -> tuple[NoteSigner, ...]:
        """What cosigns other logs' checkpoints as of `at`, in whole seconds since the epoch.

        For a witness: a log never cosigns, and a witness never signs as a log.
        """
        return (
            Ed25519Cosigner(self.origin, self.ed25519, lambda: at),
            MLDSA44Signer(self.origin, self.mldsa44, lambda: at),
        )

    def verifier_keys(self, clock: Callable[[], datetime]) -> tuple[VerifierKey, ...]:
        """The public halves, in the order of :meth:`signers`."""
        return tuple(signer.verifier_key for signer in self.signers(clock))


def _write_key(
    path: Path, key: Ed25519PrivateKey | MLDSA44PrivateKey, how: KeySerializationEncryption
) -> None:
    write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))


def _read_key(path: Path, passphrase: bytes | None) -> object:
    try:
        with path.open("rb") as file:
            pem = file.read(MAX_KEY_FILE_BYTES)
    except FileNotFoundError:
        raise NotFoundError(f"log keys: there is no {path.name}") from None
    try:
        return load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError) as error:  # TypeError: a passphrase too many or too few
        raise RefusedError("log keys: not a key, or another passphrase") from error
