"""Which predictions never reached the log, as far as the sources' own counters show.

A log proves what it holds; it cannot show by itself what nobody sent. Each source
counts its predictions, so a prediction that was not logged leaves a gap. Gaps are
information, not tampering: a source may have said why (`source_gap`). Pure.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.entries import Body, Decision, SourceGap, SourceRegistered


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


class SourceCounters:
    """Follows the counters of every source through a log, entry by entry."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}

    def add(self, body: Body) -> None:
        """Take note of an entry; kinds that say nothing about a source are ignored."""
        match body:
            case Decision(source=source):
                self._of(source.id).see(source.seq)
            case SourceRegistered(source=name, first=first):
                of = self._of(name)
                of.registered = first if of.registered is None else min(first, of.registered)
            case SourceGap(source=name):
                self._of(name).declared.append(Gap(body.first, body.last, body.reason))
            case _:
                pass

    def reports(self) -> tuple[SourceReport, ...]:
        """One report per source, by id."""
        return tuple(of.report(name) for name, of in sorted(self._sources.items()))

    def _of(self, name: str) -> "_Source":
        return self._sources.setdefault(name, _Source())


class _Source:
    """The counters seen of one source, as rising runs that do not touch."""

    def __init__(self) -> None:
        self.registered: int | None = None
        self.declared: list[Gap] = []
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._repeated = 0

    def see(self, counter: int) -> None:
        at = bisect_right(self._firsts, counter)  # runs before `at` begin at or before it
        if at and counter <= self._lasts[at - 1]:
            self._repeated += 1
            return
        joins_before = at > 0 and self._lasts[at - 1] == counter - 1
        joins_after = at < len(self._firsts) and self._firsts[at] == counter + 1
        if joins_before and joins_after:
            self._lasts[at - 1] = self._lasts.pop(at)
            del self._firsts[at]
        elif joins_before:
            self._lasts[at - 1] = counter
        elif joins_after:
            self._firsts[at] = counter
        else:
            self._firsts.insert(at, counter)
            self._lasts.insert(at, counter)

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
