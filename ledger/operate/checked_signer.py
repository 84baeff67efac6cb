"""A signer whose every signature is verified with its public key before it leaves.

A wrong signature is worse than none: every reader refuses the checkpoint, and one made by
a fault while signing can give the private key away. So it ends the writing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ledger.errors import SignatureError, StoppedError
from ledger.tlog.cosignature import verify_mldsa44
from ledger.tlog.note import PublicKey, Signer, verify_ed25519

__all__ = ["CheckedSigner"]

Verify = Callable[[bytes, bytes, bytes], None]
"""(public key, signature, message); raises SignatureError."""


@dataclass(frozen=True, slots=True)
class CheckedSigner:
    """A signer as :class:`ledger.tlog.note.Signer` demands it, whatever is behind it."""

    signer: Signer
    verify: Verify

    @classmethod
    def ed25519(cls, signer: Signer) -> Self:
        """One that signs with Ed25519."""
        return cls(signer, verify_ed25519)

    @classmethod
    def mldsa44(cls, signer: Signer) -> Self:
        """One that signs with ML-DSA-44."""
        return cls(signer, verify_mldsa44)

    def public_key(self) -> PublicKey:
        """The public half."""
        return self.signer.public_key()

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature, which verifies.

        Raises:
            PushbackError: whoever holds the key does not sign now.
            StoppedError: what it answered is no signature of this key.
        """
        signature = self.signer.sign(data)
        try:
            self.verify(self.public_key().public_bytes_raw(), signature, data)
        except SignatureError as error:
            raise StoppedError(
                "signing: the signer's signature does not verify with its public key;"
                " nothing was signed"
            ) from error
        return signature
