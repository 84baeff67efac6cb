"""Writes merkle.json and checkpoints.json again, byte for byte: `python tests/vectors/make_tlog.py`.

The keys are made from fixed seeds, so that everybody can make them; they protect nothing.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import Ed25519Cosigner, MLDSA44Signer
from ledger.tlog.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
)
from ledger.tlog.note import Ed25519Signer, sign_note

SIZES = 131
ORIGIN = "vectors.example/log/decisions"
WITNESS = "witness.example/w1"
TIMESTAMP = 1_796_040_000
HERE = Path(__file__).parent


def merkle() -> dict[str, Any]:
    """Every proof of every pair of sizes up to 131, folded into one hash."""
    levels = [[leaf_hash(bytes([index]) * (index % 7)) for index in range(SIZES)]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(*below[at : at + 2]) for at in range(0, len(below) - 1, 2)])

    def nodes(level: int, index: int) -> bytes:
        return levels[level][index]

    folded = sha256()
    for size in range(SIZES + 1):
        for index in range(size):
            folded.update(b"".join(inclusion_proof(index, size, nodes)))
        for old in range(size + 1):
            folded.update(b"".join(consistency_proof(old, size, nodes)))
    return {
        "about": "Leaf i is byte i repeated (i mod 7) times. For each size 0 to 131: the inclusion "
        "proofs of all leaves in order, then the consistency proofs from all sizes 0 to it in "
        "order; all their hashes, one after the other, in one SHA-256.",
        "accumulated_proofs_sizes_0_to_131": folded.hexdigest(),
        "root_of_131_leaves": tree_root(SIZES, nodes).hex(),
    }


def checkpoints() -> dict[str, Any]:
    """One checkpoint under a log's two signatures and two cosignatures."""
    ed25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    mldsa44 = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32, 64)))
    signers = (
        Ed25519Signer(ORIGIN, ed25519),
        MLDSA44Signer(ORIGIN, mldsa44, lambda: TIMESTAMP),
        Ed25519Cosigner(WITNESS, Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96))),
                        lambda: TIMESTAMP),
    )  # fmt: skip
    text = Checkpoint(ORIGIN, 131, bytes.fromhex(merkle()["root_of_131_leaves"])).format()
    previous = HERE / "checkpoints.json"
    note = sign_note(text, signers)
    if previous.exists():  # ML-DSA signs with fresh randomness: a signature that verifies stays
        note = json.loads(previous.read_text())["note"]
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT).format()
    return {
        "about": "Types 0x01 (Ed25519), 0x06 (ML-DSA-44, FIPS 204, empty context) and 0x04 over "
        "one checkpoint. Seeds: bytes 0-31, 32-63 and 64-95.",
        "empty_checkpoint": empty,
        "note": note,
        "timestamp": TIMESTAMP,
        "vkeys": [signer.verifier_key.vkey() for signer in signers],
    }


def text_of(value: dict[str, Any]) -> str:
    """The file's text."""
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write both files."""
    (HERE / "merkle.json").write_text(text_of(merkle()))
    (HERE / "checkpoints.json").write_text(text_of(checkpoints()))


if __name__ == "__main__":
    main()
