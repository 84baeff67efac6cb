"""A log of eleven entries, and every COSE receipt of it."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cose import (
    ConsistencyProof,
    CoseReceipt,
    Ed25519CoseSigner,
    InclusionProof,
    sign_root,
)
from ledger.tlog.merkle import Frontier, consistency_proof, inclusion_proof, leaf_hash

ORIGIN = "ledger.example/test/log/decisions"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Ed25519CoseSigner(ORIGIN, PRIVATE)
KEY = SIGNER.verifier_key
ENTRIES = [f"entry {n}".encode() for n in range(11)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def nodes(level: int, index: int) -> bytes:
    return Frontier.empty().extend(LEAVES[index << level : (index + 1) << level]).root()


def head(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, Frontier.empty().extend(LEAVES[:size]).root())


@cache
def inclusion(index: int = 6, size: int = 11, *, carried: bool = True) -> CoseReceipt:
    proof = InclusionProof(size, index, inclusion_proof(index, size, nodes))
    return sign_root(head(size), proof, SIGNER, ENTRIES[index] if carried else None)


@cache
def growth(old: int = 6, new: int = 11) -> CoseReceipt:
    return sign_root(
        head(new), ConsistencyProof(old, new, consistency_proof(old, new, nodes)), SIGNER
    )


SIX = InclusionProof(11, 6, inclusion_proof(6, 11, nodes))
