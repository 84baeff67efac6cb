"""A small real log in memory: a decision among other entries, its receipt and its openings."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger import entries
from ledger.canonical import JsonValue
from ledger.commitments import SECTIONS, Opening, open_section
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import MLDSA44Signer
from ledger.tlog.merkle import inclusion_proof, leaf_hash, node_hash, tree_root
from ledger.tlog.note import Ed25519Signer, VerifierKey, sign_note
from ledger.tlog.proof import Receipt

ORIGIN = "ledger.example/demo/log/decisions"
ID = "0196ceb1-7f4a-7c31-9d2e-8a51c0f361f2"
INDEX, SIZE = 4, 11
PAYLOAD: dict[str, dict[str, JsonValue]] = {
    "input": {"loan_to_value": 92.5, "bankruptcy_on_file": True, "net_worth": None, "é": "ü\n\"'"},
    "output": {"margin": -413207, "scale": 6, "space": "log-odds", "outcome": "declined"},
    "attributions": {"base": 1733001, "loan_to_value": -2146208},
    "context": {"decided_at": "2026-05-14T09:31:07Z"},
}


@dataclass(frozen=True, slots=True)
class Proved:
    receipt: Receipt
    keys: tuple[VerifierKey, ...]
    openings: tuple[Opening, ...]


def proved() -> Proved:
    openings = tuple(open_section(bytes(32), name, PAYLOAD[name]) for name in SECTIONS)
    decision = entries.Decision(
        "ab" * 32,
        "cd" * 32,
        entries.SourceCounter("loan-desk", 1214),
        *(opening.commitment() for opening in openings),
    )
    at = datetime(2026, 5, 14, 9, 31, 8, tzinfo=UTC)
    entry = entries.Entry(ID, INDEX, at, bytes(32), decision).format()
    leaves = [leaf_hash(entry if n == INDEX else b"entry %d" % n) for n in range(SIZE)]

    def node(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    signers = (
        Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32)))),
        MLDSA44Signer(ORIGIN, MLDSA44PrivateKey.from_seed_bytes(bytes(32)), lambda: 1_778_751_068),
    )
    note = sign_note(Checkpoint(ORIGIN, SIZE, tree_root(SIZE, node)).format(), signers)
    receipt = Receipt(entry, INDEX, inclusion_proof(INDEX, SIZE, node), note)
    return Proved(receipt, tuple(signer.verifier_key for signer in signers), openings)
