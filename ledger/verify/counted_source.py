"""The counters of one source, followed decision by decision. Pure, but for its own state."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Final

from ledger.entries import MAX_COUNT, SourceTotal
from ledger.verify.source_report import (
    MAX_FILLINGS,
    Filling,
    Gap,
    KeptSource,
    Run,
    SourceReport,
    SourceSummary,
    Stated,
)

JITTER: Final = timedelta(minutes=1)  # what parallel deliveries overtake each other by


class CountedSource:
    """One source: the counters seen, as rising runs that do not touch, and what was said of it."""

    def __init__(self, kept: KeptSource) -> None:
        """Go on from what was kept; from nothing, if that is all there is."""
        self.name = kept.source
        self._registered = kept.registered
        self._firsts = [run.first for run in kept.runs]
        self._lasts = [run.last for run in kept.runs]
        self._sinces = [run.since for run in kept.runs]
        self._arrivals = kept.arrivals
        self._fillings = deque(kept.fillings, MAX_FILLINGS)
        self._declared = [*kept.declared]
        self.totals: list[Stated] = [*kept.totals]
        self._reasons: list[Gap] | None = None
        self._summary: SourceSummary | None = None

    def kept(self) -> KeptSource:
        """What is needed to go on from here another time."""
        runs = zip(self._firsts, self._lasts, self._sinces, strict=True)
        return KeptSource(
            source=self.name,
            registered=self._registered,
            runs=tuple(Run(*run) for run in runs),
            arrivals=self._arrivals,
            fillings=tuple(self._fillings),
            declared=tuple(self._declared),
            totals=tuple(self.totals),
        )

    def register(self, first: int) -> None:
        """Take note of the counter that its first prediction carries."""
        self._registered = first if self._registered is None else min(first, self._registered)
        self._summary = None

    def declare(self, gap: Gap) -> None:
        """Take note of why counters are missing."""
        self._declared.append(gap)
        self._reasons = self._summary = None

    def goes_on(self, first: int) -> bool:
        """Whether a counter is higher than all that were seen: neither late nor repeated."""
        return not self._lasts or first > self._lasts[-1]

    def extend(self, first: int, last: int, began: datetime, ended: datetime) -> None:
        """Take note of decisions with rising counters, all higher than those seen, one each."""
        if self._lasts and first == self._lasts[-1] + 1:
            self._lasts[-1] = last
        else:
            self._insert(len(self._firsts), first, last, began)
        how = self._arrivals
        self._arrivals = replace(how, began=how.began or began, heard=ended)
        self._summary = None

    def see(self, counter: int, at: datetime, index: int) -> None:
        """Take note of a decision, whatever its counter; `index` is where it stands."""
        if self.goes_on(counter):
            self.extend(counter, counter, at, at)
            return
        self._summary = None
        run = bisect_left(self._lasts, counter)
        how = self._arrivals
        if self._firsts[run] <= counter:
            self._arrivals = replace(how, repeated=how.repeated + 1, heard=at)
            return
        since = self._sinces[run]
        self._join(run, counter)
        delay = at - since
        if delay <= JITTER:
            self._arrivals = replace(how, out_of_order=how.out_of_order + 1, heard=at)
            return
        longest = delay if how.longest is None else max(delay, how.longest)
        self._arrivals = replace(how, late=how.late + 1, longest=longest, heard=at)
        newest = self._fillings[-1] if self._fillings else None
        if newest is not None and (newest.last, newest.since) == (counter - 1, since):
            self._fillings[-1] = replace(newest, last=counter, arrived=at)
        else:
            self._fillings.append(Filling(counter, counter, since, at, index))

    def _join(self, run: int, counter: int) -> None:
        """Put a counter that is missing before a run where it belongs."""
        below = run > 0 and self._lasts[run - 1] == counter - 1
        above = self._firsts[run] == counter + 1
        if below and above:
            self._lasts[run - 1] = self._lasts[run]
            for column in (self._firsts, self._lasts, self._sinces):
                del column[run]
        elif below:
            self._lasts[run - 1] = counter
        elif above:
            self._firsts[run] = counter
        else:  # both parts of the gap were to be seen since the same moment
            self._insert(run, counter, counter, self._sinces[run])

    def _insert(self, at: int, first: int, last: int, since: datetime) -> None:
        self._firsts.insert(at, first)
        self._lasts.insert(at, last)
        self._sinces.insert(at, since)

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it but totals of periods, which may be of a family."""
        counted = any(isinstance(each.body, SourceTotal) for each in self.totals)
        return bool(self._firsts or self._declared or counted or self._registered is not None)

    @property
    def highest(self) -> int | None:
        """The highest counter seen, or that a total is of; None if there is neither."""
        bodies = (each.body for each in self.totals)
        stated = (body.last for body in bodies if isinstance(body, SourceTotal))
        return max((*self._lasts[-1:], *stated), default=None)

    @property
    def _expected(self) -> int | None:
        """The lowest counter that there should be."""
        lowest = self._firsts[:1]
        return min(
            (*lowest, *(() if self._registered is None else (self._registered,))), default=None
        )

    def gaps(self, start: int = 0) -> Iterator[Gap]:
        """What is missing between the first counter expected and the last seen, from `start` on.

        In rising order; a range is cut where a reason is given for a part of it.
        """
        return self._explained(self._missing(start, MAX_COUNT, within=True))

    def absent(self, first: int, last: int) -> Iterator[Gap]:
        """Which of these counters no decision carries, also where nothing showed them missing."""
        return self._explained(self._missing(first, last, within=False))

    def held(self, first: int, last: int) -> int:
        """How many of these counters a decision carries."""
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        return sum(
            min(self._lasts[run], last) - max(self._firsts[run], first) + 1
            for run in range(low, high)
        )

    def beyond(self) -> Iterator[Gap]:
        """What is stated to be missing below the first counter expected and above the last seen."""
        low, high = self._expected, self._lasts[-1] if self._lasts else None
        for gap in self._stated():
            if low is None or high is None:
                yield gap
                continue
            if gap.first < low:
                yield replace(gap, last=min(gap.last, low - 1))
            if gap.last > high:
                yield replace(gap, first=max(gap.first, high + 1))

    def summary(self) -> SourceSummary:
        """What there is of it in numbers; worked out once after each change."""
        if self._summary is None:
            gaps = [0, 0, 0]
            for gap in self.gaps():
                gaps[gap.reason is not None] += gap.size
                gaps[2] += gap.reason is None
            ends = zip(self._firsts, self._lasts, strict=True)
            self._summary = SourceSummary(
                source=self.name,
                first=self._expected,
                last=self._lasts[-1] if self._lasts else None,
                recorded=sum(last - first + 1 for first, last in ends),
                unexplained=gaps[0],
                explained=gaps[1],
                ranges=gaps[2],
                outside=sum(gap.size for gap in self.beyond()),
                arrivals=self._arrivals,
            )
        return self._summary

    def report(self) -> SourceReport:
        """What there is of it, with every gap."""
        summary = self.summary()
        return SourceReport(
            **{each.name: getattr(summary, each.name) for each in fields(summary)},
            gaps=tuple(self.gaps()),
            beyond=tuple(self.beyond()),
            fillings=self.fillings(),
        )

    def fillings(self) -> tuple[Filling, ...]:
        """The newest ranges that came late, in the order of their arrival."""
        return tuple(self._fillings)

    def _missing(self, start: int, stop: int, *, within: bool) -> Iterator[Gap]:
        """What no decision carries from `start` to `stop`; if `within`, only what is shown so."""
        run = bisect_right(self._firsts, start)  # the first that begins above
        low = max(start, self._lasts[run - 1] + 1) if run else start
        expected = self._expected
        if within and expected is not None:
            low = max(low, expected)
        for at in range(run, len(self._firsts)):
            if self._firsts[at] > stop:
                break
            if low < self._firsts[at]:
                yield Gap(low, self._firsts[at] - 1, since=self._sinces[at])
            low = self._lasts[at] + 1
        else:
            if not within and low <= stop:
                yield Gap(low, stop)
            return
        if low <= stop:
            yield Gap(low, stop, since=self._sinces[at])

    def _stated(self) -> list[Gap]:
        """The ranges that a reason was given for, disjoint and rising."""
        if self._reasons is None:
            self._reasons = [*_disjoint(self._declared)]
        return self._reasons

    def _explained(self, missing: Iterable[Gap]) -> Iterator[Gap]:
        """The missing ranges, cut where a reason is given for a part."""
        stated = self._stated()
        for gap in missing:
            low = gap.first
            for at in range(bisect_left(stated, low, key=_last), len(stated)):
                reason = stated[at]
                if reason.first > gap.last:
                    break
                if reason.first > low:
                    yield replace(gap, first=low, last=reason.first - 1)
                low, high = max(low, reason.first), min(gap.last, reason.last)
                yield replace(reason, first=low, last=high, since=gap.since)
                low = high + 1
            if low <= gap.last:
                yield replace(gap, first=low)


def _last(gap: Gap) -> int:
    return gap.last


def _disjoint(gaps: Iterable[Gap]) -> Iterator[Gap]:
    """The ranges in rising order; where two overlap, the first keeps the overlap."""
    end = -1
    for gap in sorted(gaps, key=lambda gap: (gap.first, gap.last)):
        if gap.last > end:
            yield replace(gap, first=max(gap.first, end + 1))
            end = gap.last
