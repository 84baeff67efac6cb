"""Re-derives a log from the raw bytes of its entries: all of it, or what is new.

Nothing that is stored beside the bytes is trusted: leaf hashes, tiles, ids and
sizes are compared with what the bytes give. What disagrees is a finding, a value
that names the entry. Signatures are checked against the reader's own policy.
"""

from binascii import a2b_base64
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

from ledger.entries import Entry, Kind, LogCreated, LogKeyRotated, parse_entry
from ledger.errors import MalformedError, SignatureError
from ledger.tlog.merkle import HASH_BYTES, leaf_hash
from ledger.tlog.policy import Policy
from ledger.tlog.pruning import MinimumIndex
from ledger.tlog.tile import TILE_WIDTH
from ledger.verify import pruned
from ledger.verify.audit_result import AuditResult
from ledger.verify.completeness import SourceCounters
from ledger.verify.findings import Code, Findings
from ledger.verify.heads import Head, Heads, kept_elsewhere, names_its_key
from ledger.verify.reader import LogReader, StoredCheckpoint, StoredEntry, StoredRun
from ledger.verify.run_check import CheckedRun, check_run
from ledger.verify.tree_walk import TreeWalk
from ledger.verify.verified import Verified

PROGRESS_EVERY = 256  # entries: one bundle; a reader at a terminal sees about 50 steps a second
MAX_BRIDGED = 65_536  # missing entries in a row whose leaf hashes are looked up in tiles

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many entries of how many were read."""

CheckedTiles: TypeAlias = Callable[[int, int], Iterator[CheckedRun | None]]
"""The checked entries of each full tile from one index to another, in order; None: look closer."""


def audit(
    reader: LogReader,
    policy: Policy,
    *,
    known: Sequence[str] = (),
    since: Verified | None = None,
    stamped: Callable[[], Iterable[StoredCheckpoint]] = tuple,
    on_progress: Progress | None = None,
    checked: CheckedTiles | None = None,
) -> AuditResult:
    """What is wrong with a log, entry by entry.

    Args:
        reader: the log.
        policy: whose signatures count; from outside the log, never from its keeper.
        known: signed checkpoints of this log kept elsewhere. Only such a one can show
            that the newest entries were cut off together with their checkpoints.
        since: what an earlier audit found to be fine. Only what is new is read; but if
            anything at all does not fit, the whole log is, so that findings name entries.
        stamped: gives the checkpoints of this log that have timestamps, by rising size.
        on_progress: told now and then how far it is.
        checked: full tiles that were checked elsewhere, as other processes do.

    Raises:
        UnreadableError: the log cannot be read.
        MalformedError: a known checkpoint is not one.
        SignatureError: a known checkpoint is not accepted by the policy, nor signed by keys
            that the log's rotations tie to the policy's.
    """
    heads = [_elsewhere(note, reader, policy) for note in known]
    if since is not None:
        kept = _elsewhere(since.note, reader, policy)
        # An older one cannot be compared with a tree that is only followed from here on; and
        # what was kept of keys is nobody's word but the state's: a key of the policy has to
        # have signed, not one that rotations led to.
        fit = all(head.size >= since.size for head in heads) and reader.size >= since.size
        if fit and names_its_key(since.note, policy):
            newer = (head for head in _dated(stamped()) if head.size >= since.size)
            rest = _Audit(_From(reader, since.size), policy, [*heads, kept], newer)
            result = rest.resumed(since, on_progress, checked)
            if result is not None:
                return result
        heads.append(kept)
    return _Audit(reader, policy, heads, _dated(stamped())).run(on_progress, checked)


def _elsewhere(note: str, reader: LogReader, policy: Policy) -> Head:
    checkpoint = kept_elsewhere(note, policy)
    if checkpoint.origin != reader.origin:
        raise MalformedError("a checkpoint kept elsewhere is of another log")
    return Head(checkpoint.size, note, "the checkpoint kept elsewhere", kept=True)


def _dated(stamped: Iterable[StoredCheckpoint]) -> Iterator[Head]:
    for each in stamped:
        yield Head(each.size, each.note, "the timestamped checkpoint", dated=True)


class _From:
    """A log from an index on: what was stored before it is not read."""

    def __init__(self, reader: LogReader, start: int) -> None:
        self._reader = reader
        self._start = start
        self.origin, self.size = reader.origin, reader.size
        self.runs, self.tiles, self.strays = reader.runs, reader.tiles, reader.strays

    def checkpoints(self, least: int = 0) -> Iterator[StoredCheckpoint]:
        return self._reader.checkpoints(max(least, self._start))


@dataclass(frozen=True, slots=True)
class _Before:
    """What an entry is held against: the one before it."""

    leaf: bytes | None = None  # None: it is missing
    at: datetime | None = None
    suspect: bool = False  # True: something beside its bytes says they were changed


class _Audit:
    """One pass over one log."""

    def __init__(
        self, reader: LogReader, policy: Policy, known: Sequence[Head], stamped: Iterable[Head]
    ) -> None:
        self._reader = reader
        self._findings = Findings()
        self._walk = TreeWalk(reader, self._findings)
        self._heads = Heads(reader, policy, known, self._findings, stamped)
        self._sources = SourceCounters()
        self._counts: Counter[str] = Counter()
        self._before = _Before()
        self._first_at: datetime | None = None
        self._last = b""
        self._pruned: MinimumIndex | None = None

    def resumed(
        self, since: Verified, on_progress: Progress | None, checked: CheckedTiles | None
    ) -> AuditResult | None:
        """What is new since an earlier audit, or None if only the whole log can tell."""
        if not self._resume(since):
            return None
        try:
            result = self.run(on_progress, checked)
        except SignatureError:
            return None
        return None if result.findings else replace(result, since=since)

    def _resume(self, since: Verified) -> bool:
        """Go on where an earlier audit ended; False if that is not what is stored here."""
        self._heads.keys.resume(since.keys)
        leaf = leaf_hash(since.last)
        self._before = _Before(leaf, since.entry.at)
        self._counts = Counter(dict(since.counts))
        self._first_at = since.first_at
        self._sources = SourceCounters(since.sources)
        self._last = since.last
        # The entry that it ended with must still be there: nothing was cut off.
        runs = self._reader.runs(since.size - 1, since.size)
        there = [raw for run in runs for raw in run.raws]
        return there == [since.last] and self._walk.resume(since.edge, leaf)

    def run(self, on_progress: Progress | None, checked: CheckedTiles | None) -> AuditResult:
        self._pruned = pruned.begin(self._reader, self._walk, self._findings)
        self._heads.compare(self._walk)  # an empty log may be signed too
        start = self._walk.size
        if checked is not None:
            start = self._tiles(checked, start, on_progress)
        for run in self._reader.runs(start):
            self._run(run, check_run(run), on_progress)
        self._walk.finish()
        self._heads.finish(self._reader, self._walk)
        for name in self._reader.strays():
            detail = f"a tile is stored that it cannot have: {name}"
            self._findings.add(Code.TILE_STRAY, None, detail)
        return self._result()

    def _tiles(self, checked: CheckedTiles, start: int, on_progress: Progress | None) -> int:
        """Take the full tiles that were checked elsewhere, and say from where on to read here."""
        begin = (start // TILE_WIDTH + 1) * TILE_WIDTH
        end = max(self._reader.size // TILE_WIDTH * TILE_WIDTH, begin)
        for run in self._reader.runs(start, begin):
            self._run(run, check_run(run), on_progress)
        for at, tile in zip(range(begin, end, TILE_WIDTH), checked(begin, end), strict=False):
            if tile is not None and self._fits(tile):
                self._told(on_progress)
                continue
            runs = list(self._reader.runs(at, at + TILE_WIDTH))
            if not runs:  # the size that is stated may be any number: do not count up to it
                return at
            for run in runs:
                self._run(run, None, on_progress)
        return end

    def _run(
        self, run: StoredRun, checked: CheckedRun | None, on_progress: Progress | None
    ) -> None:
        if checked is not None and self._fits(checked):
            self._told(on_progress)
            return
        for stored in run.entries():
            if stored.index < self._walk.size:
                self._findings.add(Code.SEQ_WRONG, stored.index, "stored twice, or out of order")
                continue
            self._bridge(stored.index)
            self._entry(stored)
            self._told(on_progress)

    def _told(self, on_progress: Progress | None) -> None:
        if on_progress is not None and self._walk.size % PROGRESS_EVERY == 0:
            on_progress(self._walk.size, self._reader.size)

    def _fits(self, run: CheckedRun) -> bool:
        """Take a run that is fine by itself, if it is so behind what was read before it."""
        before = self._before
        if before.leaf is None or before.at is None:
            return False
        first_at = _moment(run.first_at)
        named = a2b_base64(run.prev)
        if named != before.leaf or first_at < before.at:
            return False
        # What is late or repeated counts by the moment of each entry.
        if not self._sources.goes_on(each[:3] for each in run.counters):
            return False
        compare = partial(self._heads.compare, self._walk)
        if not self._walk.take(run, lambda: self._heads.due, compare):
            return False
        compare()
        self._counts.update(dict(run.counts))
        for source, first, last, began, ended in run.counters:
            self._sources.extend(source, first, last, began=_moment(began), ended=_moment(ended))
        self._before = _Before(run.leaves[-HASH_BYTES:], _moment(run.last_at))
        self._last = run.last
        return True

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
        self._last = stored.raw
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
        self._sources.add(entry.body, entry.at, index)
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
        elif isinstance(entry.body, LogKeyRotated):
            self._heads.keys.rotated(entry.body, index)
        self._first_at = self._first_at or entry.at

    def _genesis(self, body: LogCreated, index: int) -> None:
        if index != 0:
            detail = "it creates a log, which only the first entry may"
        elif body.origin != self._reader.origin:
            detail = "it creates another log than the one that is stored"
        else:
            self._heads.keys.created(body)
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
        rotations = heads.keys.finish()
        if heads.strange:
            if not self._findings.sorted():
                raise SignatureError(heads.strange)
            self._findings.add(Code.CHECKPOINT_REFUSED, None, heads.strange)
        findings = self._findings.sorted()
        return AuditResult(
            origin=self._reader.origin,
            size=walk.size,
            root=None if walk.derived is None else walk.derived.root(),
            checkpoint=heads.newest,
            findings=findings,
            omitted=self._findings.omitted,
            located=heads.located,
            checkpoints=heads.compared,
            tiles=walk.tiles_compared,
            counts=tuple(sorted(self._counts.items())),
            first_at=self._first_at,
            last_at=self._before.at,
            sources=self._sources.reports(),
            totals=self._sources.totals(),
            pruned=self._pruned,
            rotations=rotations,
            unverified=heads.unverified,
            verified=None if findings or self._pruned else self._verified(),
        )

    def _verified(self) -> Verified | None:
        head, edge = self._heads.newest_note, self._walk.edge
        if head is None or edge is None or self._first_at is None:
            return None  # a log without entries
        return Verified(
            note=head,
            edge=edge,
            last=self._last,
            counts=tuple(sorted(self._counts.items())),
            first_at=self._first_at,
            sources=self._sources.kept(),
            keys=self._heads.keys.kept(),
        )


def _moment(at: bytes) -> datetime:
    return datetime.fromisoformat(at.decode())
