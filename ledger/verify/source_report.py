"""What a log shows of its sources' counters, as values: gaps, arrivals, stated totals. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ledger.entries import SourcePeriodTotal, SourceTotal
from ledger.errors import MalformedError

MAX_FILLINGS: Final = 1_000  # of one source, the newest; how many there were is counted in full
_BETWEEN: Final = 2  # two runs that do not touch have at least one counter between them


@dataclass(frozen=True, slots=True)
class Gap:
    """Counters that no entry carries, first and last included.

    Attributes:
        reason: the code that was given for it, or None if none was.
        since: when the log accepted the first decision that showed it to be missing; None
            where nothing shows it, because the range is only stated.
        stated: when the log accepted the reason.
    """

    first: int
    last: int
    reason: str | None = None
    since: datetime | None = None
    stated: datetime | None = None

    @property
    def size(self) -> int:
        """How many counters it has."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Filling:
    """Counters that were missing, and arrived after all, one after the other.

    Attributes:
        first: the lowest.
        last: the highest.
        since: when they were first to be seen as missing.
        arrived: when the log accepted the last of them.
        index: where the first of them stands in the log.
    """

    first: int
    last: int
    since: datetime
    arrived: datetime
    index: int


@dataclass(frozen=True, slots=True)
class Stated:
    """A total that a source stated, when the log accepted it, and where it stands."""

    body: SourceTotal | SourcePeriodTotal
    at: datetime
    index: int


@dataclass(frozen=True, slots=True)
class Run:
    """Counters that rise by one, all of them seen.

    `since` is when the log accepted the first decision that showed what is missing before it.
    """

    first: int
    last: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How a source's decisions arrived.

    Attributes:
        repeated: how many carried a counter that was seen before.
        late: how many came more than `JITTER` after a higher counter had shown them to be
            missing.
        out_of_order: how many came after a higher counter, but sooner than that.
        longest: the longest that one came late; None if none did.
        began: when the log accepted the first; None if it never did.
        heard: when it accepted the newest.
    """

    repeated: int = 0
    late: int = 0
    out_of_order: int = 0
    longest: timedelta | None = None
    began: datetime | None = None
    heard: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeptSource:
    """What was seen of one source, kept to be gone on with.

    Attributes:
        source: its id.
        registered: the count that its first prediction was to carry, if it was registered.
        runs: the counters seen, as rising runs that do not touch.
        arrivals: how they arrived.
        fillings: the newest that came late, in the order of their arrival.
        declared: the gaps that a reason was given for, in the order of the log.
        totals: the totals that were stated, in the order of the log.
    """

    source: str
    registered: int | None = None
    runs: tuple[Run, ...] = ()
    arrivals: Arrivals = Arrivals()
    fillings: tuple[Filling, ...] = ()
    declared: tuple[Gap, ...] = ()
    totals: tuple[Stated, ...] = ()

    def __post_init__(self) -> None:
        """Refuse runs that are none, or that touch, and what cannot have been counted."""
        ends = [end for run in self.runs for end in (run.first, run.last)]
        later = zip(self.runs, self.runs[1:], strict=False)
        if ends != sorted(ends) or any(b.first - a.last < _BETWEEN for a, b in later):
            raise MalformedError("counters: not rising runs with gaps between them")
        how = self.arrivals
        heard = (how.began is None, how.heard is None)
        if min(how.repeated, how.late, how.out_of_order) < 0 or heard != (not self.runs,) * 2:
            raise MalformedError("counters: not what can have been counted")
        if (how.late == 0) != (how.longest is None) or len(self.fillings) > MAX_FILLINGS:
            raise MalformedError("counters: not what can have come late")

    @property
    def seen(self) -> int:
        """How many decisions carried a counter of the source."""
        return sum(run.last - run.first + 1 for run in self.runs) + self.arrivals.repeated


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """What the log holds of one source, in numbers.

    Attributes:
        source: its id.
        first: the lowest counter expected: the registered one, or else the lowest seen.
        last: the highest counter seen; None if the source never sent a decision.
        recorded: how many different counters were seen.
        unexplained: how many are missing between first and last, and nobody said why.
        explained: how many are missing there with a reason.
        ranges: how many ranges are missing there for which nobody said why.
        outside: how many below first or above last are stated to be missing; nothing else
            shows that they ever were.
        arrivals: how the decisions arrived.
    """

    source: str
    first: int | None
    last: int | None
    recorded: int
    unexplained: int
    explained: int
    ranges: int
    outside: int
    arrivals: Arrivals

    @property
    def repeated(self) -> int:
        """How many decisions carried a counter that was seen before."""
        return self.arrivals.repeated

    @property
    def missing(self) -> int:
        """How many counters are missing between first and last."""
        return self.unexplained + self.explained


@dataclass(frozen=True, slots=True)
class SourceReport(SourceSummary):
    """What the log holds of one source, and each range that it does not hold.

    Attributes:
        gaps: what is missing between first and last.
        beyond: what is stated to be missing outside of that.
        fillings: the newest ranges that came late.
    """

    gaps: tuple[Gap, ...]
    beyond: tuple[Gap, ...]
    fillings: tuple[Filling, ...]
