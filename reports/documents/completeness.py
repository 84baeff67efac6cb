"""Whether everything that was decided is on the log, as far as the sources' counters tell."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reports.errors import DocumentError

__all__ = ["MAX_GAPS", "Completeness", "MissingRange", "SourceCompleteness", "StatedTotal"]

MAX_GAPS: Final = 40  # ranges printed, a page of them; an attached file has the rest
MAX_TOTALS: Final = 100
VERDICTS: Final = ("agrees", "more", "short", "unknown")


@dataclass(frozen=True, slots=True)
class SourceCompleteness:
    """One source with all its lanes.

    Attributes:
        source: the name that its lanes share.
        lanes: how many there are.
        received: decisions that are on the log.
        unexplained: numbers missing without a reason.
        explained: numbers missing with a reason.
        duplicates: decisions with a number that was there before.
        late: decisions that filled a gap later.
        heard: when the newest one was accepted; None if none ever was.
    """

    source: str
    lanes: int
    received: int
    unexplained: int
    explained: int
    duplicates: int
    late: int
    heard: datetime | None

    @property
    def missing(self) -> int:
        """How many numbers are missing."""
        return self.unexplained + self.explained


@dataclass(frozen=True, slots=True)
class MissingRange:
    """Numbers of one lane that are not on the log; `reason` is a code, or empty."""

    lane: str
    first: int
    last: int
    reason: str
    since: datetime | None
    stated: datetime | None


@dataclass(frozen=True, slots=True)
class StatedTotal:
    """A total that a source stated: by numbers (`first`, `last`), or in a period, and its verdict.

    Attributes:
        held: how many of these decisions the ledger holds.
        undatable: how many may be of the period or not, because the time was erased.
    """

    source: str
    first: int | None
    last: int | None
    since: datetime | None
    until: datetime | None
    count: int
    held: int
    verdict: str
    explained: int
    undatable: int

    def __post_init__(self) -> None:
        """Hold that it is of numbers or of a period, and that the verdict is one."""
        numbers, period = (self.first, self.last), (self.since, self.until)
        if (None in numbers) == (None in period):
            raise DocumentError("neither of numbers nor of a period", member="first")
        if self.verdict not in VERDICTS:
            raise DocumentError("is not a verdict", member="verdict")


@dataclass(frozen=True, slots=True)
class Completeness:
    """The sources, the first missing ranges with how many there are, and the newest totals.

    `attachment` is the name of the file with all ranges, or empty if there is none.
    """

    sources: tuple[SourceCompleteness, ...]
    gaps: tuple[MissingRange, ...] = ()
    ranges: int = 0
    totals: tuple[StatedTotal, ...] = ()
    attachment: str = ""

    def __post_init__(self) -> None:
        """Hold that what is printed is no more than a reader can take in."""
        if not len(self.gaps) <= min(self.ranges, MAX_GAPS):
            raise DocumentError("more ranges than there are, or than fit", member="gaps")
        if len(self.totals) > MAX_TOTALS:
            raise DocumentError("too many totals to print", member="totals")
