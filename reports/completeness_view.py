"""What the report's section on completeness lays out: texts and a chart. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from reports.charts import Bar, bars
from reports.documents.completeness import Completeness, MissingRange, StatedTotal
from reports.formatting import NOTHING, Formatting

__all__ = ["CompletenessView", "GapRow", "SourceRow", "TotalRow", "view_completeness"]

MAX_BARS: Final = 12  # sources in the chart, the worst; the table has all
OPERATOR: Final = "operator_"  # begins the codes that are the operator's word
_WORDS: Final = {
    "agrees": "agrees",
    "more": "more held than stated",
    "short": "short",
    "unknown": "cannot be told: times were erased",
}


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source of the table."""

    source: str
    lanes: str
    received: str
    unexplained: str
    explained: str
    late: str
    duplicates: str
    heard: str


@dataclass(frozen=True, slots=True)
class GapRow:
    """One missing range; `by` says whose word the reason is."""

    lane: str
    numbers: str
    count: str
    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class TotalRow:
    """One stated total and how it compares."""

    source: str
    span: str
    stated: str
    held: str
    verdict: str


@dataclass(frozen=True, slots=True)
class CompletenessView:
    """The section; `chart` is empty where nothing is missing, `more` where all is printed."""

    sources: tuple[SourceRow, ...]
    gaps: tuple[GapRow, ...]
    more: str
    totals: tuple[TotalRow, ...]
    chart: str


def view_completeness(section: Completeness, write: Formatting) -> CompletenessView:
    """Return what the template lays out.

    Raises:
        DocumentError: a figure that cannot be drawn.
    """
    more = section.ranges - len(section.gaps)
    said = f"{write.count(more)} more ranges are not printed here" if more > 0 else ""
    if said and section.attachment:
        said += f"; the attached file {section.attachment} has them"
    return CompletenessView(
        sources=tuple(
            SourceRow(
                source=each.source,
                lanes=write.count(each.lanes),
                received=write.count(each.received),
                unexplained=write.count(each.unexplained),
                explained=write.count(each.explained),
                late=write.count(each.late),
                duplicates=write.count(each.duplicates),
                heard=NOTHING if each.heard is None else write.short_day(each.heard),
            )
            for each in section.sources
        ),
        gaps=tuple(_gap(each, write) for each in section.gaps),
        more=f"{said}." if said else "",
        totals=tuple(_total(each, write) for each in section.totals),
        chart=_chart(section, write),
    )


def _gap(gap: MissingRange, write: Formatting) -> GapRow:
    return GapRow(
        lane=gap.lane,
        numbers=_numbers(gap.first, gap.last, write),
        count=write.count(gap.last - gap.first + 1),
        reason=_reason(gap.reason),
        since=NOTHING if gap.since is None else write.short_day(gap.since),
    )


def _reason(code: str) -> str:
    if not code:
        return "no reason given"
    words = code.removeprefix(OPERATOR).replace("_", " ")
    return f"{words} (operator)" if code.startswith(OPERATOR) else f"{words} (source)"


def _total(total: StatedTotal, write: Formatting) -> TotalRow:
    if total.first is not None and total.last is not None:
        span = f"numbers {_numbers(total.first, total.last, write)}"
    else:
        ends = (NOTHING if at is None else write.moment(at) for at in (total.since, total.until))
        span = " to ".join(ends)
    verdict = _WORDS[total.verdict]
    if total.verdict == "short":
        verdict += f" by {write.count(total.count - total.held)}"
        if total.explained:
            verdict += f", {write.count(total.explained)} missing with a reason"
    return TotalRow(total.source, span, write.count(total.count), write.count(total.held), verdict)


def _numbers(first: int, last: int, write: Formatting) -> str:
    return write.count(first) if first == last else f"{write.count(first)} to {write.count(last)}"


def _chart(section: Completeness, write: Formatting) -> str:
    """The sources with most missing; one alone needs no drawing."""
    worst = sorted((each for each in section.sources if each.missing), key=lambda e: -e.missing)
    if len(worst) <= 1:
        return ""
    shown = [
        Bar(each.source, Decimal(each.missing), write.count(each.missing))
        for each in worst[:MAX_BARS]
    ]
    return bars(shown, chart_id="missing", title="Missing numbers by source")
