"""COSE receipts: a proof and the signed root that it leads to, in CBOR (RFC 9942).

The structure is a tagged COSE_Sign1 (RFC 9052 §4.2) over the root hash, which is detached:
a reader has to compute it from the proof. It is an export beside `.tlog-proof` files, for
readers who have COSE and not C2SP. Whose signature counts is left to a policy.

The signature of RFC 9942 covers the root and not the tree's size, and the same path can be
read in trees of other sizes. Our protected header therefore has the size as well. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, Self, TypeGuard

from ledger.errors import MalformedError, SignatureError
from ledger.tlog import cbor
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import HASH_BYTES, MAX_SIZE, consistency_root, inclusion_root, leaf_hash
from ledger.tlog.note import ED25519, Signer, VerifierKey, check_name, verify_ed25519
from ledger.tlog.tile import MAX_ENTRY_BYTES

__all__ = [
    "ConsistencyProof",
    "CoseReceipt",
    "CoseSigner",
    "Ed25519CoseSigner",
    "InclusionProof",
    "LogHeader",
    "sign_root",
    "signed_structure",
]

MAX_PATH_HASHES: Final = 64  # a tree of 2^63 leaves needs no more, for either kind of proof
_KEY_ID_BYTES: Final = 4

_TAG: Final = b"\xd2"  # tag 18, COSE_Sign1
_ALG: Final = 1
_KID: Final = 4
_CWT_CLAIMS: Final = 15  # RFC 9597
_ISS: Final = 1  # of the claims, RFC 8392 §3.1.1
_VDS: Final = 395
_VDP: Final = 396
_INCLUSION: Final = -1
_CONSISTENCY: Final = -2
_RFC9162_SHA256: Final = 1
_ED25519: Final = -19  # RFC 9864 §2.2; it deprecates -8, which does not say which curve
# Private use (RFC 9052 §11.1): less than -65536.
_TREE_SIZE: Final = -65_537
_ENTRY: Final = -65_538

# A text of a note is UTF-8, where no character begins with this byte: an array of four.
_NO_NOTE: Final = b"\x84"


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That a leaf stands at `index` in a tree of `size` leaves, with at least one sibling."""

    size: int
    index: int
    path: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuse what no tree has, and an empty path (RFC 9942 §5.2)."""
        if not 0 <= self.index < self.size <= MAX_SIZE:
            raise MalformedError("COSE receipt: the index is not in the tree")
        _check_path(self.path)


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That a tree of `old_size` leaves is the beginning of one of `size` leaves."""

    old_size: int
    size: int
    path: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuse what is no growth, and an empty path (RFC 9942 §5.3)."""
        if not 0 < self.old_size < self.size <= MAX_SIZE:
            raise MalformedError("COSE receipt: not from a smaller tree to a larger one")
        _check_path(self.path)


@dataclass(frozen=True, slots=True)
class LogHeader:
    """The protected header of our receipts: which log, by which key, at which size."""

    origin: str
    key_id: bytes
    size: int

    def __post_init__(self) -> None:
        """Refuse what no log can have signed."""
        check_name(self.origin)
        if len(self.key_id) != _KEY_ID_BYTES or not 0 < self.size <= MAX_SIZE:
            raise MalformedError("COSE receipt: the key ID or the size is out of range")

    def encode(self) -> bytes:
        """Return the header's bytes, its labels in the order of RFC 8949 §4.2.1."""
        return cbor.encode(
            {
                _ALG: _ED25519,
                _KID: self.key_id,
                _CWT_CLAIMS: {_ISS: self.origin},
                _VDS: _RFC9162_SHA256,
                _TREE_SIZE: self.size,
            }
        )

    @classmethod
    def parse(cls, protected: bytes) -> Self:
        """Return the header of these bytes.

        Raises:
            MalformedError: anything :meth:`encode` would not have written.
        """
        match cbor.decode(protected):
            case {4: bytes(key_id), 15: {1: str(origin)}, -65537: size} if _is_count(size):
                parsed = cls(origin, key_id, size)
            case _:
                raise MalformedError("COSE receipt: the protected header is not one of a log's")
        if parsed.encode() != protected:
            raise MalformedError("COSE receipt: the protected header is not as we write it")
        return parsed


@dataclass(frozen=True, slots=True)
class CoseReceipt:
    """One proof, and a signature over the root that it leads to; nothing is verified yet.

    Attributes:
        protected: the header that is signed, as its signer wrote it.
        proof: the one proof.
        signature: by the key that the protected header names.
        entry: the bytes of the entry, where the receipt carries them; they are not signed.
    """

    protected: bytes
    proof: InclusionProof | ConsistencyProof
    signature: bytes
    entry: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what is not RFC9162_SHA256, and an entry that no log takes."""
        header = cbor.decode(self.protected)
        if not isinstance(header, Mapping) or type(header.get(_ALG)) is not int:
            raise MalformedError("COSE receipt: the protected header names no algorithm")
        if not _is_count(header.get(_VDS)) or header[_VDS] != _RFC9162_SHA256:
            raise MalformedError("COSE receipt: not of the structure RFC9162_SHA256")
        carried = b"-" if self.entry is None else self.entry
        if not isinstance(carried, bytes) or not 1 <= len(carried) <= MAX_ENTRY_BYTES:
            raise MalformedError("COSE receipt: the entry is not bytes, empty or too long")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the receipt of these bytes.

        What is not signed has to be in deterministic CBOR. The protected header keeps the
        order of its labels, which its signer chose and signed.

        Raises:
            MalformedError: anything :meth:`encode` would not have written.
        """
        if not data.startswith(_TAG):
            raise MalformedError("COSE receipt: not a tagged COSE_Sign1")
        match cbor.decode(data[len(_TAG) :]):
            case [bytes(protected), dict(unprotected), None, bytes(signature)]:
                receipt = cls(protected, _proof(unprotected), signature, unprotected.get(_ENTRY))
            case _:
                raise MalformedError("COSE receipt: not a COSE_Sign1 with a detached payload")
        if receipt.encode() != data:
            raise MalformedError("COSE receipt: not as we write it")
        return receipt

    def encode(self) -> bytes:
        """Return the receipt's bytes."""
        proof = self.proof
        if isinstance(proof, InclusionProof):
            kind, first, second = _INCLUSION, proof.size, proof.index
        else:
            kind, first, second = _CONSISTENCY, proof.old_size, proof.size
        inner = cbor.encode([first, second, list(proof.path)])
        unprotected: dict[int, object] = {_VDP: {kind: [inner]}}
        if self.entry is not None:
            unprotected[_ENTRY] = self.entry
        return _TAG + cbor.encode([self.protected, unprotected, None, self.signature])

    def root(self, known: bytes) -> bytes:
        """Return the root that the proof leads to.

        Args:
            known: the leaf hash of the entry, or the root of the older tree.

        Raises:
            VerificationError: the proof does not fit its sizes, or the older root.
        """
        proof = self.proof
        if isinstance(proof, InclusionProof):
            return inclusion_root(proof.index, proof.size, known, proof.path)
        return consistency_root(proof.old_size, proof.size, known, proof.path)

    def verify_entry(self, entry: bytes, key: VerifierKey) -> Checkpoint:
        """Return the head under which the entry was signed into the log of `key`.

        Raises:
            MalformedError: the receipt is not one of inclusion, or not one of a log's.
            VerificationError: the proof, the header or the signature does not fit.
        """
        if not isinstance(self.proof, InclusionProof):
            raise MalformedError("COSE receipt: it proves growth, and no entry")
        return self._verified(self.root(leaf_hash(entry)), key)

    def verify_growth(self, older: Checkpoint, key: VerifierKey) -> Checkpoint:
        """Return the head that grew out of `older`, which a policy has accepted.

        Raises:
            MalformedError: the receipt is not one of growth, or not one of a log's.
            VerificationError: the proof, the header or the signature does not fit.
        """
        if not isinstance(self.proof, ConsistencyProof):
            raise MalformedError("COSE receipt: it proves an entry, and no growth")
        if self.proof.old_size != older.size:
            raise MalformedError("COSE receipt: it begins at another size than the checkpoint")
        return self._verified(self.root(older.root_hash), key)

    def _verified(self, root: bytes, key: VerifierKey) -> Checkpoint:
        header = LogHeader.parse(self.protected)
        if (key.kind, key.name, key.key_id) != (ED25519, header.origin, header.key_id):
            raise SignatureError("COSE receipt: signed by another key")
        if header.size != self.proof.size:
            raise SignatureError("COSE receipt: the proof is of another size than was signed")
        verify_ed25519(key.public_key, self.signature, signed_structure(self.protected, root))
        return Checkpoint(header.origin, header.size, root)


class CoseSigner(Protocol):
    """Holds the log's Ed25519 key and signs COSE structures with it."""

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half, the same as signs the log's notes."""

    def sign(self, structure: bytes) -> bytes:
        """Return 64 bytes over a Sig_structure."""


@dataclass(frozen=True, slots=True)
class Ed25519CoseSigner:
    """Signs COSE structures, and nothing that could be a note, with a log's Ed25519 key."""

    name: str
    private_key: Signer = field(repr=False)

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half, the same as signs the log's notes."""
        return VerifierKey(self.name, ED25519, self.private_key.public_key().public_bytes_raw())

    def sign(self, structure: bytes) -> bytes:
        """Return 64 bytes over a Sig_structure.

        Raises:
            MalformedError: it is none: the same key signs notes, and the two may never meet.
        """
        if not structure.startswith(_NO_NOTE):
            raise MalformedError("COSE receipt: this is not a Sig_structure")
        return self.private_key.sign(structure)


def sign_root(
    checkpoint: Checkpoint,
    proof: InclusionProof | ConsistencyProof,
    signer: CoseSigner,
    entry: bytes | None = None,
) -> CoseReceipt:
    """Return the receipt of a proof against the checkpoint's root.

    The caller sees to it that the log has signed this very checkpoint already, and that the
    proof leads to it.

    Raises:
        MalformedError: checkpoint, proof and key are not of one log and size.
    """
    key = signer.verifier_key
    if key.name != checkpoint.origin or key.kind != ED25519 or proof.size != checkpoint.size:
        raise MalformedError("COSE receipt: checkpoint, proof and key are not of one log and size")
    protected = LogHeader(key.name, key.key_id, checkpoint.size).encode()
    signature = signer.sign(signed_structure(protected, checkpoint.root_hash))
    return CoseReceipt(protected, proof, signature, entry)


def signed_structure(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure of a COSE_Sign1 without external data (RFC 9052 §4.4)."""
    return cbor.encode(["Signature1", protected, b"", payload])


def _proof(unprotected: dict[object, object]) -> InclusionProof | ConsistencyProof:
    match unprotected.get(_VDP):
        case {-1: [bytes(inner)]}:
            kind: type[InclusionProof | ConsistencyProof] = InclusionProof
        case {-2: [bytes(inner)]}:
            kind = ConsistencyProof
        case _:
            raise MalformedError("COSE receipt: not exactly one proof")
    match cbor.decode(inner):
        case [first, second, [*path]] if _is_count(first) and _is_count(second):
            return kind(first, second, tuple(each for each in path if isinstance(each, bytes)))
        case _:
            raise MalformedError("COSE receipt: the proof is not two sizes and a path")


def _check_path(path: tuple[bytes, ...]) -> None:
    if not 1 <= len(path) <= MAX_PATH_HASHES:
        raise MalformedError("COSE receipt: the path is empty or too long")
    if not all(len(each) == HASH_BYTES for each in path):
        raise MalformedError("COSE receipt: a hash is not 32 bytes")


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0  # neither a boolean nor a float
