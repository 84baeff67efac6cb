"""Which predictions never reached the log, as far as the sources' own counters show.

A log proves what it holds; it cannot show by itself what nobody sent. Each source
counts its predictions, so a prediction that was not logged leaves a gap. Gaps are
information, not tampering: a source may have said why (`source_gap`). Pure.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.entries import Body, Decision, SourceGap, SourceRegistered
from ledger.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Gap:
    """Counters that no entry carries, first and last included.

    `reason` is the code that the source gave, or None if it gave none.
    """

    first: int
    last: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What the log holds of one source.

    Attributes:
        source: its id.
        first: the lowest counter expected: the registered one, or else the lowest seen.
        last: the highest counter seen; None if the source never sent a decision.
        recorded: how many different counters were seen.
        repeated: how many decisions carried a counter that was seen before.
        gaps: what is missing between first and last.
    """

    source: str
    first: int | None
    last: int | None
    recorded: int
    repeated: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class KeptSource:
    """The counters seen of one source, kept to be gone on with.

    Attributes:
        source: its id.
        registered: the count that its first prediction was to carry, if it was registered.
        runs: the counters seen, as first and last of rising runs that do not touch.
        repeated: how many decisions carried a counter that was seen before.
        declared: the gaps that the source gave a reason for.
    """

    source: str
    registered: int | None
    runs: tuple[tuple[int, int], ...]
    repeated: int
    declared: tuple[Gap, ...]

    def __post_init__(self) -> None:
        """Refuse runs that are none, or that touch."""
        ends = [end for run in self.runs for end in run]
        later = zip(self.runs, self.runs[1:], strict=False)
        if ends != sorted(ends) or any(b[0] - a[1] < 2 for a, b in later) or self.repeated < 0:  # noqa: PLR2004  one number between them at least
            raise MalformedError("counters: not rising runs with gaps between them")

    @property
    def seen(self) -> int:
        """How many decisions carried a counter of the source."""
        return sum(last - first + 1 for first, last in self.runs) + self.repeated


class SourceCounters:
    """Follows the counters of every source through a log, entry by entry."""

    def __init__(self, kept: Iterable[KeptSource] = ()) -> None:
        self._sources = {each.source: _Source(each) for each in kept}

    def add(self, body: Body) -> None:
        """Take note of an entry; kinds that say nothing about a source are ignored."""
        match body:
            case Decision(source=source):
                self._of(source.id).see(source.seq, source.seq)
            case SourceRegistered(source=name, first=first):
                of = self._of(name)
                of.registered = first if of.registered is None else min(first, of.registered)
            case SourceGap(source=name):
                self._of(name).declared.append(Gap(body.first, body.last, body.reason))
            case _:
                pass

    def see(self, source: str, first: int, last: int) -> None:
        """Take note of decisions that carry the counters from `first` to `last`, one each."""
        self._of(source).see(first, last)

    def kept(self) -> tuple[KeptSource, ...]:
        """What is needed to go on from here another time, by id."""
        return tuple(of.kept(name) for name, of in sorted(self._sources.items()))

    def reports(self) -> tuple[SourceReport, ...]:
        """One report per source, by id."""
        return tuple(of.report(name) for name, of in sorted(self._sources.items()))

    def _of(self, name: str) -> "_Source":
        if name not in self._sources:
            self._sources[name] = _Source(KeptSource(name, None, (), 0, ()))
        return self._sources[name]


class _Source:
    """The counters seen of one source, as rising runs that do not touch."""

    def __init__(self, kept: KeptSource) -> None:
        self.registered = kept.registered
        self.declared = [*kept.declared]
        self._firsts = [first for first, _ in kept.runs]
        self._lasts = [last for _, last in kept.runs]
        self._repeated = kept.repeated

    def kept(self, name: str) -> KeptSource:
        runs = tuple(zip(self._firsts, self._lasts, strict=True))
        return KeptSource(name, self.registered, runs, self._repeated, tuple(self.declared))

    def see(self, first: int, last: int) -> None:
        """Join counters to the runs they touch; those that were seen before are repeats."""
        # Most runs go on where the newest one ends, and nothing has to be searched.
        low = len(self._firsts)
        if low and first <= self._lasts[-1]:
            low = bisect_left(self._lasts, first - 1)
        elif low and first == self._lasts[-1] + 1:
            self._lasts[-1] = last
            return
        high = bisect_right(self._firsts, last + 1)  # runs from low to high touch or overlap
        for at in range(low, high):
            begin, end = max(self._firsts[at], first), min(self._lasts[at], last)
            self._repeated += max(end - begin + 1, 0)
        spans = [*self._firsts[low:high], first], [*self._lasts[low:high], last]
        self._firsts[low:high] = [min(spans[0])]
        self._lasts[low:high] = [max(spans[1])]

    def report(self, name: str) -> SourceReport:
        runs = list(zip(self._firsts, self._lasts, strict=True))
        if not runs:
            return SourceReport(name, self.registered, None, 0, 0, ())
        first = runs[0][0] if self.registered is None else min(self.registered, runs[0][0])
        missing = _between(first, runs)
        return SourceReport(
            source=name,
            first=first,
            last=runs[-1][1],
            recorded=sum(last - first + 1 for first, last in runs),
            repeated=self._repeated,
            gaps=tuple(_explained(missing, self.declared)),
        )


def _between(first: int, runs: Iterable[tuple[int, int]]) -> Iterator[Gap]:
    """What is missing from `first` on, before and between the runs."""
    for run_first, run_last in runs:
        if run_first > first:
            yield Gap(first, run_first - 1, None)
        first = run_last + 1


def _explained(missing: Iterable[Gap], declared: Iterable[Gap]) -> Iterator[Gap]:
    """The missing ranges, cut where a declared gap gives a reason for a part."""
    reasons = _disjoint(declared)
    reason = next(reasons, None)
    for gap in missing:
        first = gap.first
        while first <= gap.last:
            while reason is not None and reason.last < first:
                reason = next(reasons, None)
            if reason is None or reason.first > gap.last:
                yield Gap(first, gap.last, None)
                break
            if reason.first > first:
                yield Gap(first, reason.first - 1, None)
            last = min(reason.last, gap.last)
            yield Gap(max(first, reason.first), last, reason.reason)
            first = last + 1


def _disjoint(gaps: Iterable[Gap]) -> Iterator[Gap]:
    """The ranges in rising order; where two overlap, the first keeps the overlap."""
    end = -1
    for gap in sorted(gaps, key=lambda gap: (gap.first, gap.last)):
        if gap.last > end:
            yield Gap(max(gap.first, end + 1), gap.last, gap.reason)
            end = gap.last
