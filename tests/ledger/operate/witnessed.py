"""A log of bare leaves with real keys, and requests about it, for tests of witnesses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger.operate.keys import LogKeys
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import consistency_proof, leaf_hash, node_hash, tree_root
from ledger.tlog.note import NoteSigner, SignedNote, sign_note
from ledger.tlog.policy import Log
from ledger.tlog.witness_request import AddCheckpoint

ORIGIN = "log.example/log/decisions"
NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)


def new_keys(name: str) -> LogKeys:
    return LogKeys(name, Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())


@dataclass
class Leaves:
    """A history of one log: what its first entries say, signed with its keys."""

    keys: LogKeys
    history: str = "true"

    @property
    def logs(self) -> tuple[Log, ...]:
        return tuple(Log(key) for key in self.keys.verifier_keys(lambda: NOON))

    def node(self, level: int, index: int) -> bytes:
        if level == 0:
            return leaf_hash(f"{self.history} {index}".encode())
        return node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))

    def text(self, size: int) -> str:
        return Checkpoint(self.keys.origin, size, tree_root(size, self.node)).format()

    def note(self, size: int, signers: Sequence[NoteSigner] | None = None) -> str:
        return sign_note(self.text(size), signers or self.keys.signers(lambda: NOON))

    def request(self, old: int, size: int) -> bytes:
        proof = consistency_proof(old, size, self.node)
        return AddCheckpoint(old, proof, SignedNote.parse(self.note(size))).format()
