"""Which predictions never reached the log, as far as the sources' own counters show.

A log proves what it holds; it cannot show by itself what nobody sent. Each source
counts its predictions, so a prediction that was not logged leaves a gap. Gaps are
information, not tampering: somebody may have said why (`source_gap`), and a source may
have stated how many predictions it made (`source_total`). Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Final

from ledger.entries import (
    Body,
    Decision,
    SourceGap,
    SourcePeriodTotal,
    SourceRegistered,
    SourceTotal,
)
from ledger.verify.counted_source import CountedSource
from ledger.verify.source_report import (
    Arrivals,
    Filling,
    Gap,
    KeptSource,
    Run,
    SourceReport,
    SourceSummary,
    Stated,
)

__all__ = [
    "Arrivals",
    "Family",
    "Filling",
    "Gap",
    "KeptSource",
    "Reconciled",
    "Run",
    "SourceCounters",
    "SourceReport",
    "SourceSummary",
    "Stated",
    "Verdict",
    "families",
    "family_of",
    "is_complete",
]

MAX_RANGES: Final = 100  # named of one total; how many there are is told


class Verdict(StrEnum):
    """How a stated total compares with what the log holds."""

    AGREES = "agrees"
    MORE = "more"  # the log holds more than was stated
    SHORT = "short"  # it holds fewer
    UNKNOWN = "unknown"  # nobody can tell, or not from what is here


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A stated total, held against the log.

    Attributes:
        stated: what was stated.
        held: how many of these predictions are held; None if it cannot be told from here.
        verdict: how that compares.
        missing: the first `MAX_RANGES` ranges that are not held, of a total by counters.
        ranges: how many such ranges there are.
        explained: how many of the missing have a reason.
        undatable: of a period: how many decisions of the source may be of it or not, because
            when they were made was erased.
    """

    stated: Stated
    held: int | None
    verdict: Verdict
    missing: tuple[Gap, ...] = ()
    ranges: int = 0
    explained: int = 0
    undatable: int = 0

    @property
    def short(self) -> int:
        """How many are held less than were stated; below zero if more are."""
        return 0 if self.held is None else self.stated.body.count - self.held

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to ask: as many as stated, or the rest with a reason."""
        if self.verdict is Verdict.SHORT:
            return self.short <= self.explained
        return self.verdict is Verdict.AGREES


def verdict(stated: int, least: int, most: int) -> Verdict:
    """How a stated number compares with one of which only these bounds are known."""
    if stated < least:
        return Verdict.MORE
    if stated > most:
        return Verdict.SHORT
    return Verdict.AGREES if least == most else Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class Family:
    """The lanes that share the name before their last full stop, summed; members as a source's.

    Attributes:
        name: the shared name.
        lanes: how many sources there are of it.
    """

    name: str
    lanes: int
    recorded: int
    unexplained: int
    explained: int
    ranges: int
    outside: int
    arrivals: Arrivals

    @property
    def missing(self) -> int:
        """How many counters are missing."""
        return self.unexplained + self.explained

    @property
    def decisions(self) -> int:
        """How many decisions the log holds of it, those with repeated counters included."""
        return self.recorded + self.arrivals.repeated


def family_of(source: str) -> str:
    """What an operator calls the source: `loan-desk` for the lane `loan-desk.k3vq7m2a`."""
    return source.rpartition(".")[0] or source


def families(sources: Iterable[SourceSummary]) -> tuple[Family, ...]:
    """The sources by family, by name."""
    grouped: dict[str, list[SourceSummary]] = {}
    for source in sources:
        grouped.setdefault(family_of(source.source), []).append(source)
    return tuple(_family(name, lanes) for name, lanes in sorted(grouped.items()))


def _family(name: str, lanes: list[SourceSummary]) -> Family:
    hows = [lane.arrivals for lane in lanes]
    return Family(
        name=name,
        lanes=len(lanes),
        recorded=sum(lane.recorded for lane in lanes),
        unexplained=sum(lane.unexplained for lane in lanes),
        explained=sum(lane.explained for lane in lanes),
        ranges=sum(lane.ranges for lane in lanes),
        outside=sum(lane.outside for lane in lanes),
        arrivals=Arrivals(
            repeated=sum(how.repeated for how in hows),
            late=sum(how.late for how in hows),
            out_of_order=sum(how.out_of_order for how in hows),
            longest=max((how.longest for how in hows if how.longest is not None), default=None),
            began=min((how.began for how in hows if how.began is not None), default=None),
            heard=max((how.heard for how in hows if how.heard is not None), default=None),
        ),
    )


def is_complete(sources: Iterable[SourceSummary], totals: Iterable[Reconciled]) -> bool:
    """Whether nothing is missing without a reason, and every total that can be told is settled."""
    told = (each for each in totals if each.verdict is not Verdict.UNKNOWN)
    return not any(source.unexplained for source in sources) and all(
        each.is_settled for each in told
    )


class SourceCounters:
    """Follows the counters of every source through a log, entry by entry."""

    def __init__(self, kept: Iterable[KeptSource] = ()) -> None:
        self._sources = {each.source: CountedSource(each) for each in kept}

    def add(self, body: Body, at: datetime, index: int) -> None:
        """Take note of the entry at an index; kinds that say nothing about a source are ignored."""
        match body:
            case Decision(source=source):
                self.of(source.id).see(source.seq, at, index)
            case SourceRegistered(source=name, first=first):
                self.of(name).register(first)
            case SourceGap(source=name):
                self.of(name).declare(Gap(body.first, body.last, body.reason, stated=at))
            case SourceTotal(source=name) | SourcePeriodTotal(source=name):
                self.of(name).totals.append(Stated(body, at, index))
            case _:
                pass

    def goes_on(self, runs: Iterable[tuple[str, int, int]]) -> bool:
        """Whether these runs of counters (source, first, last) rise above all before them.

        Then nothing in them is late or repeated, and :meth:`extend` takes them in this order.
        """
        highest: dict[str, int] = {}
        for source, first, last in runs:
            before = highest.get(source)
            if before is not None:
                if first <= before:
                    return False
            elif source in self._sources and not self._sources[source].goes_on(first):
                return False
            highest[source] = last
        return True

    def extend(
        self, source: str, first: int, last: int, *, began: datetime, ended: datetime
    ) -> None:
        """Take note of decisions with the counters from `first` to `last`, one each, in order.

        They were accepted from `began` to `ended`, and are above all that were seen.
        """
        self.of(source).extend(first, last, began, ended)

    def kept(self) -> tuple[KeptSource, ...]:
        """What is needed to go on from here another time, by id."""
        return tuple(of.kept() for _, of in sorted(self._sources.items()))

    def summaries(self) -> tuple[SourceSummary, ...]:
        """Each source in numbers, by id."""
        return tuple(of.summary() for of in self._known())

    def reports(self) -> tuple[SourceReport, ...]:
        """One report per source, by id, with every gap."""
        return tuple(of.report() for of in self._known())

    def totals(self) -> tuple[Reconciled, ...]:
        """Every total that was stated, in the order of the log, held against the counters.

        One of a period is `unknown`: when a decision was made is not in the log.
        """
        return tuple(map(self.reconciled, sorted(self.stated(), key=lambda each: each.index)))

    def stated(self) -> Iterator[Stated]:
        """Every total that was stated, by source."""
        return (each for of in self._sources.values() for each in of.totals)

    def reconciled(self, stated: Stated) -> Reconciled:
        """A total by counters, held against them."""
        body = stated.body
        if isinstance(body, SourcePeriodTotal):
            return Reconciled(stated, None, Verdict.UNKNOWN)
        of = self.find(body.source)
        held = of.held(body.first, body.last)
        absent = of.absent(body.first, body.last)
        named = tuple(islice(absent, MAX_RANGES))
        ranges, explained = len(named), _explained(named)
        for gap in absent:
            ranges, explained = ranges + 1, explained + _explained((gap,))
        how = verdict(body.count, held, held)
        return Reconciled(stated, held, how, named, ranges, explained)

    def known(self) -> tuple[str, ...]:
        """The ids of every source of which more is known than totals of periods, in order."""
        return tuple(of.name for of in self._known())

    def of(self, name: str) -> CountedSource:
        """The counters of one source, which is new if it was not seen before."""
        if name not in self._sources:
            self._sources[name] = CountedSource(KeptSource(name))
        return self._sources[name]

    def find(self, name: str) -> CountedSource:
        """The counters of one source, to be looked at; without any if it was not seen."""
        return self._sources.get(name) or CountedSource(KeptSource(name))

    def _known(self) -> Iterator[CountedSource]:
        return (of for _, of in sorted(self._sources.items()) if of.is_known)


def _explained(gaps: Iterable[Gap]) -> int:
    return sum(gap.size for gap in gaps if gap.reason is not None)
