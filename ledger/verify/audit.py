"""Re-derives a whole log from the raw bytes of its entries.

Nothing that is stored beside the bytes is trusted: leaf hashes, tiles, ids and
sizes are compared with what the bytes give. What disagrees is a finding, a value
that names the entry. Signatures are checked against the reader's own policy.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.entries import Entry, Kind, LogCreated, parse_entry
from ledger.errors import MalformedError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.policy import Policy
from ledger.tlog.pruning import MinimumIndex
from ledger.verify import pruned
from ledger.verify.completeness import SourceCounters, SourceReport
from ledger.verify.findings import Code, Finding, Findings
from ledger.verify.heads import Head, Heads
from ledger.verify.reader import LogReader, StoredEntry
from ledger.verify.tree_walk import TreeWalk

PROGRESS_EVERY = 256  # entries: one bundle; a reader at a terminal sees about 50 steps a second
MAX_BRIDGED = 65_536  # missing entries in a row whose leaf hashes are looked up in tiles

Progress = Callable[[int, int], None]
"""Told how many entries of how many were read."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit of one log found, and what it covered.

    Attributes:
        origin: the log.
        size: how many entries there are, missing ones included.
        root: the root that the stored bytes give; None if an entry is missing.
        checkpoint: the newest stored checkpoint that the policy accepts, or None.
        findings: everything that does not agree; () is a clean bill.
        omitted: findings beyond those listed.
        located: True if the stored tiles lead to the signed root, so that the entries
            named in the findings are the only ones that differ from what was signed.
        checkpoints: how many signed roots were compared with the entries.
        tiles: how many stored tiles were compared.
        counts: how many entries of each kind, by kind.
        first_at: when the log says it accepted the first entry.
        last_at: when the log says it accepted the last entry.
        sources: what each source's counters show; gaps are information, not findings.
        pruned: what is withheld and was not looked at, or None.
    """

    origin: str
    size: int
    root: bytes | None
    checkpoint: Checkpoint | None
    findings: tuple[Finding, ...]
    omitted: int
    located: bool
    checkpoints: int
    tiles: int
    counts: tuple[tuple[str, int], ...]
    first_at: datetime | None
    last_at: datetime | None
    sources: tuple[SourceReport, ...]
    pruned: MinimumIndex | None = None


def audit(
    reader: LogReader,
    policy: Policy,
    *,
    known: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> AuditResult:
    """What is wrong with a log, entry by entry.

    Args:
        reader: the log.
        policy: whose signatures count; from outside the log, never from its keeper.
        known: signed checkpoints of this log kept elsewhere. Only such a one can show
            that the newest entries were cut off together with their checkpoints.
        on_progress: told now and then how far it is.

    Raises:
        UnreadableError: the log cannot be read.
        MalformedError: a known checkpoint is not one.
        SignatureError: a known checkpoint is not accepted by the policy.
    """
    elsewhere = []
    for note in known:
        checkpoint = policy.check(note)
        if checkpoint.origin != reader.origin:
            raise MalformedError("a checkpoint kept elsewhere is of another log")
        elsewhere.append(Head(checkpoint.size, note, "the checkpoint kept elsewhere"))
    return _Audit(reader, policy, elsewhere).run(on_progress)


@dataclass(frozen=True, slots=True)
class _Before:
    """What an entry is held against: the one before it."""

    leaf: bytes | None = None  # None: it is missing
    at: datetime | None = None
    suspect: bool = False  # True: something beside its bytes says they were changed


class _Audit:
    """One pass over one log."""

    def __init__(self, reader: LogReader, policy: Policy, known: Sequence[Head]) -> None:
        self._reader = reader
        self._vkeys = {log.key.vkey() for log in policy.logs}
        self._findings = Findings()
        self._walk = TreeWalk(reader, self._findings)
        self._heads = Heads(reader, policy, known, self._findings)
        self._sources = SourceCounters()
        self._counts: Counter[str] = Counter()
        self._before = _Before()
        self._first_at: datetime | None = None
        self._pruned: MinimumIndex | None = None

    def run(self, on_progress: Progress | None) -> AuditResult:
        self._pruned = pruned.begin(self._reader, self._walk, self._findings)
        self._heads.compare(self._walk)  # an empty log may be signed too
        for stored in self._reader.entries():
            if stored.index < self._walk.size:
                self._findings.add(Code.SEQ_WRONG, stored.index, "stored twice, or out of order")
                continue
            self._bridge(stored.index)
            self._entry(stored)
            if on_progress is not None and self._walk.size % PROGRESS_EVERY == 0:
                on_progress(self._walk.size, self._reader.size)
        self._walk.finish()
        self._heads.finish(self._reader, self._walk)
        for name in self._reader.strays():
            detail = f"a tile is stored that it cannot have: {name}"
            self._findings.add(Code.TILE_STRAY, None, detail)
        return self._result()

    def _bridge(self, to: int) -> None:
        """Go on after missing entries, with the leaf hashes that tiles state for them."""
        missing = self._walk.size
        if to == missing:
            return
        self._findings.add(Code.ENTRY_MISSING, missing, "missing from the store", to - 1)
        self._before = _Before(at=self._before.at)
        if to - missing > MAX_BRIDGED:
            self._walk.skip(to)
            return
        for _ in range(missing, to):
            self._walk.append(None)
            self._heads.compare(self._walk)

    def _entry(self, stored: StoredEntry) -> None:
        index, leaf = stored.index, leaf_hash(stored.raw)
        suspect = self._claims(stored, leaf)
        at = self._before.at
        try:
            entry = parse_entry(stored.raw)
        except MalformedError as error:
            detail = f"its bytes are not an entry as this software writes it ({error})"
            self._findings.add(Code.ENTRY_MALFORMED, index, detail)
        else:
            self._says(entry, stored)
            self._chain(entry, index, suspect=suspect)
            at = entry.at
        if index == 0 and self._counts[Kind.LOG_CREATED] != 1:
            self._findings.add(Code.GENESIS_WRONG, 0, "it is not the entry that creates a log")
        self._before = _Before(leaf, at, suspect)
        self._walk.append(leaf)
        self._heads.compare(self._walk)

    def _claims(self, stored: StoredEntry, leaf: bytes) -> bool:
        """Say whether anything beside the bytes states another hash; report what does."""
        suspect = self._walk.stated_leaf() not in (None, leaf)
        for claim in stored.claims:
            if claim.leaf_hash != leaf:
                suspect = True
                detail = f"{claim.where} is {claim.leaf_hash.hex()}, its bytes hash to {leaf.hex()}"
                self._findings.add(Code.HASH_DIFFERS, stored.index, detail)
        return suspect

    def _says(self, entry: Entry, stored: StoredEntry) -> None:
        """Hold what an entry says of itself against where and how it is stored."""
        index = stored.index
        self._counts[entry.body.kind] += 1
        self._sources.add(entry.body)
        if entry.seq != index:
            detail = f"its own bytes say that it is entry {entry.seq}"
            self._findings.add(Code.SEQ_WRONG, index, detail)
        if stored.id not in (None, entry.id):
            detail = "it is stored under another id than its bytes have"
            self._findings.add(Code.ID_DIFFERS, index, detail)
        if self._before.at is not None and entry.at < self._before.at:
            detail = "it says it was accepted before the entry that stands before it"
            self._findings.add(Code.TIME_BACKWARDS, index, detail)
        if isinstance(entry.body, LogCreated):
            self._genesis(entry.body, index)
        self._first_at = self._first_at or entry.at

    def _genesis(self, body: LogCreated, index: int) -> None:
        if index != 0:
            detail = "it creates a log, which only the first entry may"
        elif body.origin != self._reader.origin:
            detail = "it creates another log than the one that is stored"
        elif not self._vkeys & set(body.vkeys):
            detail = "it names no key that the policy trusts"
        else:
            return
        self._findings.add(Code.GENESIS_WRONG, index, detail)

    def _chain(self, entry: Entry, index: int, *, suspect: bool) -> None:
        before = self._before
        if index == 0 or before.leaf is None or entry.prev == before.leaf:
            return
        named = "nothing" if entry.prev is None else entry.prev.hex()
        if suspect and not before.suspect:
            detail = f"its member prev is {named}, entry {index - 1} hashes to {before.leaf.hex()}"
            self._findings.add(Code.CHAIN_BROKEN, index, detail)
            return
        detail = f"entry {index} names {named} as its hash, its bytes hash to {before.leaf.hex()}"
        if not before.suspect:
            detail += f" (or it is entry {index} whose member prev was changed)"
        self._findings.add(Code.CHAIN_BROKEN, index - 1, detail)

    def _result(self) -> AuditResult:
        walk, heads = self._walk, self._heads
        return AuditResult(
            origin=self._reader.origin,
            size=walk.size,
            root=None if walk.derived is None else walk.derived.root(),
            checkpoint=heads.newest,
            findings=self._findings.sorted(),
            omitted=self._findings.omitted,
            located=heads.located,
            checkpoints=heads.compared,
            tiles=walk.tiles_compared,
            counts=tuple(sorted(self._counts.items())),
            first_at=self._first_at,
            last_at=self._before.at,
            sources=self._sources.reports(),
            pruned=self._pruned,
        )
