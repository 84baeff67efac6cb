"""What is asked and answered about sources page by page: ranges, cells of a strip, codes.

Pure: the counters are those of `ledger.verify.completeness`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ledger.entries import MAX_COUNT
from ledger.errors import MalformedError, NotFoundError
from ledger.verify.completeness import Gap, SourceCounters, family_of
from ledger.verify.counted_source import CountedSource

MAX_CURSOR_CHARS: Final = 150  # a source's 128, a colon, a counter's 16
OPERATOR: Final = "operator_"  # begins every reason that is not the source's own word


class OperatorReason(StrEnum):
    """Why counters are missing, as the ledger's operator found out. Codes are never renamed."""

    CANCELLED = "operator_cancelled"  # the counter was given out, and no prediction was made
    ELSEWHERE = "operator_elsewhere"  # recorded in another log
    LOST = "operator_lost"  # made, and lost for good
    OUTAGE = "operator_outage"  # made during an outage, and not sent
    RESET = "operator_reset"  # the counter was set or jumped: nothing was made
    TEST = "operator_test"  # made in a test
    UNKNOWN = "operator_unknown"  # looked into, and nobody knows


def operator_reason(code: str) -> OperatorReason:
    """The reason with this code.

    Raises:
        MalformedError: it is none of the operator's.
    """
    try:
        return OperatorReason(code)
    except ValueError as error:
        codes = ", ".join(OperatorReason)
        raise MalformedError(f"give one of {codes}", member="reason") from error


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a statement stands in the log, and whether it was new."""

    id: str
    seq: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class SourceGapAt:
    """A missing range, and the source whose counters these are."""

    source: str
    gap: Gap


class StripCell(StrEnum):
    """What there is of some neighbouring counters."""

    EXPLAINED = "explained"  # some are missing, all of them with a reason
    OPEN = "open"  # some are missing without a reason
    WHOLE = "whole"  # all are here


@dataclass(frozen=True, slots=True)
class GapPage:
    """Some missing ranges, by source and counter, and where the next page begins."""

    gaps: tuple[SourceGapAt, ...]
    next_cursor: str | None


def lanes_of(counters: SourceCounters, name: str, *, alone: bool = False) -> tuple[str, ...]:
    """The ids that a name stands for: of a source, or of every lane of a family.

    Raises:
        NotFoundError: nothing is known of it.
    """
    if alone:
        return (name,)
    found = tuple(each for each in counters.known() if name in (each, family_of(each)))
    if not found:
        raise NotFoundError("nothing is known of this source")
    return found


def gaps_of(
    counters: SourceCounters, lanes: Collection[str], after: tuple[str, int]
) -> Iterator[SourceGapAt]:
    """What is missing of these lanes, behind a source and a counter, in order."""
    name, counter = after
    for lane in lanes:
        if lane >= name:
            start = counter + 1 if lane == name else 0
            yield from (SourceGapAt(lane, gap) for gap in counters.find(lane).gaps(start))


def cell_of(of: CountedSource, low: int, high: int) -> StripCell:
    """What there is of the counters from `low` to `high`, in one word."""
    if of.held(low, high) == high - low + 1:
        return StripCell.WHOLE
    is_open = any(gap.reason is None for gap in of.absent(low, high))
    return StripCell.OPEN if is_open else StripCell.EXPLAINED


def is_wanted(gap: Gap, explained: bool | None, since: datetime | None) -> bool:  # noqa: FBT001  three answers, not two
    """Whether a gap has a reason, or none, and was first to be seen then or later, as asked."""
    if explained is not None and explained != (gap.reason is not None):
        return False
    return since is None or (gap.since is not None and gap.since >= since)


def parse_cursor(text: str) -> tuple[str, int]:
    """The source and the counter where a page ended.

    Raises:
        MalformedError: not a cursor of ours.
    """
    source, _, counter = text[: MAX_CURSOR_CHARS + 1].rpartition(":")
    plain = counter.isascii() and counter.isdigit() and len(text) <= MAX_CURSOR_CHARS
    if not source or not plain or f"{source}:{int(counter)}" != text or int(counter) > MAX_COUNT:
        raise MalformedError("not a cursor of ours", member="cursor")
    return source, int(counter)
