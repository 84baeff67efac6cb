"""Counts a log's sources as it grows: each entry is read once, many at a time.

What it knows is a function of the log's entries alone; it can be made anew from them at
any time, and does not depend on how they were cut into batches.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from ledger.entries import Decision, Kind, parse_entry
from ledger.verify.completeness import SourceCounters
from ledger.verify.plain_forms import PlainEntries, read_plain
from ledger.verify.run_check import counted_runs

BATCH: Final = 256  # entries that are read at once
_NONE: Final = 0  # stands for an entry that is no decision


class SourceFold:
    """The counters of a log's first `size` entries, and which source each decision is of.

    Not safe to share between threads.
    """

    def __init__(self) -> None:
        self.counters = SourceCounters()
        # Four bytes an entry, so that who decided when can be counted without reading entries.
        self._lanes = array("I")
        self._numbers: dict[str, int] = {}
        self._decisions = 0

    @property
    def size(self) -> int:
        """How many entries were taken in."""
        return len(self._lanes)

    @property
    def decisions(self) -> int:
        """How many of them are decisions."""
        return self._decisions

    def take(self, entries: Iterable[bytes]) -> None:
        """Go on with the entries that come next, in their order.

        Raises:
            MalformedError: one of them is none.
        """
        remaining = iter(entries)
        while batch := list(islice(remaining, BATCH)):
            plain = read_plain(batch) if self.size else None  # the first one is never plain
            if plain is None:
                for raw in batch:
                    self._one(raw)
            else:
                self._many(plain)

    def count(self, indexes: Iterable[int], sources: Collection[str]) -> int:
        """How many of the entries at these indexes, taken in so far, are decisions of these."""
        wanted = {self._numbers[name] for name in sources if name in self._numbers}
        size, lanes = self.size, self._lanes
        return sum(at < size and lanes[at] in wanted for at in indexes)

    def without(self, indexes: Iterable[int]) -> Mapping[str, int]:
        """How many decisions of each source, taken in so far, are not at these indexes."""
        size, lanes = self.size, self._lanes
        counts = Counter(lanes)
        counts.subtract(lanes[at] for at in indexes if at < size)
        return {name: counts[number] for name, number in self._numbers.items()}

    def _one(self, raw: bytes) -> None:
        entry = parse_entry(raw)
        self.counters.add(entry.body, entry.at, self.size)
        body = entry.body
        self._place([body.source.id] if isinstance(body, Decision) else [None])

    def _many(self, plain: PlainEntries) -> None:
        """Take in entries whose kinds say nothing of sources, but for decisions."""
        runs = tuple(counted_runs(plain.sources, plain.counters, plain.times))
        if self.counters.goes_on(run[:3] for run in runs):
            for source, first, last, began, ended in runs:
                self.counters.extend(
                    source, first, last, began=_moment(began), ended=_moment(ended)
                )
        else:
            places = (at for at, kind in enumerate(plain.kinds, self.size) if kind == Kind.DECISION)
            counted = zip(plain.sources, plain.counters, plain.times, places, strict=True)
            for name, counter, at, index in counted:
                self.counters.of(name.decode()).see(counter, _moment(at), index)
        self._place([*_sources(plain)])

    def _place(self, sources: Sequence[str | None]) -> None:
        for source in sources:
            if source is None:
                self._lanes.append(_NONE)
            else:
                self._lanes.append(self._numbers.setdefault(source, len(self._numbers) + 1))
                self._decisions += 1


def _sources(plain: PlainEntries) -> Iterator[str | None]:
    named = iter(plain.sources)
    for kind in plain.kinds:
        yield next(named).decode() if kind == Kind.DECISION else None


def _moment(at: bytes) -> datetime:
    return datetime.fromisoformat(at.decode())
