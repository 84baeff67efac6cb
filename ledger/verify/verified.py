"""What an audit without findings leaves behind, so that the next one reads only what is new.

Everything that a later verdict rests on is bound by the kept checkpoint's signature: the
tree's edge and the last entry must give its root. Counts and counters are not signed by
anybody; they are information, and must only add up. Nor are the keys that entries had put in
force, so no key is believed for being among them. Pure.
"""

from dataclasses import dataclass, field
from datetime import datetime

from ledger.entries import Entry, Kind, parse_entry
from ledger.errors import MalformedError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import Frontier, leaf_hash
from ledger.tlog.note import SignedNote
from ledger.verify.completeness import KeptSource
from ledger.verify.key_history import KeptKeys


@dataclass(frozen=True, slots=True)
class Verified:
    """A log up to a signed checkpoint, as an audit found it to be fine.

    Attributes:
        note: the checkpoint as it was signed; who signed it is checked against a policy.
        edge: the tree of all entries but the last.
        last: the bytes of the last entry.
        counts: how many entries of each kind, by kind.
        first_at: when the log says it accepted the first entry.
        sources: what each source's counters had shown.
        keys: which keys the entries had put in force.
        checkpoint: what the note says.
        entry: the last entry, read.
    """

    note: str
    edge: Frontier
    last: bytes
    counts: tuple[tuple[str, int], ...]
    first_at: datetime
    sources: tuple[KeptSource, ...]
    keys: KeptKeys
    checkpoint: Checkpoint = field(init=False)
    entry: Entry = field(init=False)

    def __post_init__(self) -> None:
        """Refuse what the checkpoint does not bear out."""
        checkpoint = Checkpoint.parse(SignedNote.parse(self.note).text)
        entry = parse_entry(self.last)
        tree = self.edge.append(leaf_hash(self.last))
        if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root_hash):
            raise MalformedError("what was kept does not give the root that was signed")
        if entry.seq != self.edge.size or entry.at < self.first_at:
            raise MalformedError("what was kept of the last entry does not fit")
        counts = dict(self.counts)
        decisions = sum(source.seen for source in self.sources)
        if sum(counts.values()) != tree.size or counts.get(Kind.DECISION, 0) != decisions:
            raise MalformedError("what was kept of kinds and sources does not add up")
        rotations = self.keys.rotations
        if counts.get(Kind.LOG_KEY_ROTATED, 0) != len(rotations):
            raise MalformedError("what was kept of keys does not add up")
        if any(each.index >= tree.size for each in rotations):
            raise MalformedError("what was kept of keys is beyond the last entry")
        object.__setattr__(self, "checkpoint", checkpoint)
        object.__setattr__(self, "entry", entry)

    @property
    def size(self) -> int:
        """How many entries there were."""
        return self.edge.size + 1
