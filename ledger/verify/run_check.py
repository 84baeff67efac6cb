"""Decides whether a run of entries is fine by itself, all at once and cheaply.

It says yes or nothing: whatever it does not take is looked at entry by entry by
`ledger.verify.audit`, which names what is wrong. Nothing here needs what stands before the
run, so that runs can be checked by several processes. Pure.
"""

from binascii import b2a_base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from ledger.entries import MAX_ENTRY_BYTES
from ledger.tlog.merkle import HASH_BYTES, Frontier
from ledger.tlog.tile import TILE_HEIGHT, TILE_WIDTH
from ledger.verify.plain_forms import read_plain
from ledger.verify.reader import StoredRun


class CountedRun(NamedTuple):
    """Decisions of one source whose counters rise by one; when the first and last were accepted."""

    source: str
    first: int
    last: int
    first_at: bytes
    last_at: bytes


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """Entries that are well formed, follow one another, and are stored under their own ids.

    Attributes:
        first: the index of the first.
        leaves: their leaf hashes, joined.
        above: if they are a whole tile, the hashes of its complete subtrees, joined, from
            those of two leaves to that of all; else ().
        prev: what the first names as the hash before it, in base64.
        first_at: when the first was accepted, as it is written.
        last_at: when the last was.
        last: the bytes of the last.
        counts: how many there are of each kind.
        counters: the sources' counters as runs that rise by one.
    """

    first: int
    leaves: bytes
    above: tuple[bytes, ...]
    prev: bytes
    first_at: bytes
    last_at: bytes
    last: bytes
    counts: tuple[tuple[str, int], ...]
    counters: tuple[CountedRun, ...]

    @property
    def end(self) -> int:
        """The index after the last."""
        return self.first + len(self.leaves) // HASH_BYTES

    def frontier(self, base: Frontier, size: int) -> Frontier:
        """The tree of the log's first `size` entries; `base` is that of those before the run."""
        count = size - self.first
        if not self.above:
            leaves = range(0, count * HASH_BYTES, HASH_BYTES)
            return base.extend(self.leaves[at : at + HASH_BYTES] for at in leaves)
        rows = (self.leaves, *self.above)
        if count == TILE_WIDTH:
            return base.extend((rows[TILE_HEIGHT],), TILE_HEIGHT)
        hashes = []
        for level in reversed(range(TILE_HEIGHT)):
            if count >> level & 1:
                at = ((count >> level) - 1) * HASH_BYTES
                hashes.append(rows[level][at : at + HASH_BYTES])
        return Frontier(size, (*base.hashes, *hashes))


def check_run(run: StoredRun) -> CheckedRun | None:
    """The run as a checked one, or None if anything in it needs a closer look."""
    raws = run.raws
    first = run.indexes[0]
    indexes = list(range(first, first + len(raws)))
    if run.claims or list(run.indexes) != indexes or max(map(len, raws)) > MAX_ENTRY_BYTES:
        return None
    leaves = [sha256(b"\x00" + raw).digest() for raw in raws]  # leaf_hash, without its call
    if run.hashes is not None and list(run.hashes) != leaves:
        return None
    plain = read_plain(raws)
    if plain is None or plain.seqs != indexes:
        return None
    if run.ids is not None and [*run.ids] != [*plain.ids]:
        return None
    if [*plain.prevs[1:]] != [b2a_base64(leaf, newline=False) for leaf in leaves[:-1]]:
        return None
    whole = len(leaves) == TILE_WIDTH and first % TILE_WIDTH == 0
    return CheckedRun(
        first=first,
        leaves=b"".join(leaves),
        above=_subtrees(leaves) if whole else (),
        prev=plain.prevs[0],
        first_at=plain.ats[0],
        last_at=plain.ats[-1],
        last=raws[-1],
        counts=tuple(Counter(plain.kinds).items()),
        counters=tuple(counted_runs(plain.sources, plain.counters, plain.times)),
    )


def _subtrees(hashes: list[bytes]) -> tuple[bytes, ...]:
    """The complete subtrees over a tile's hashes, level by level, each joined."""
    rows = []
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        rows.append(b"".join(hashes))
    return tuple(rows)


def counted_runs(
    sources: Sequence[bytes], counters: Sequence[int], times: Sequence[bytes]
) -> Iterator[CountedRun]:
    """The counters of each source, joined where one is one more than that source's last."""
    if sources and sources.count(sources[0]) == len(sources):  # most often there is only one
        first, last = counters[0], counters[-1]
        if [*counters] == [*range(first, last + 1)]:
            yield CountedRun(sources[0].decode(), first, last, times[0], times[-1])
            return
    # Tuples, made into runs at the end: this is done for each decision of a log.
    open_runs: dict[bytes, tuple[int, int, bytes, bytes]] = {}
    for source, counter, at in zip(sources, counters, times, strict=True):
        run = open_runs.get(source)
        if run is not None and counter == run[1] + 1:
            open_runs[source] = (run[0], counter, run[2], at)
            continue
        if run is not None:
            yield CountedRun(source.decode(), *run)
        open_runs[source] = (counter, counter, at, at)
    for source, run in open_runs.items():
        yield CountedRun(source.decode(), *run)
