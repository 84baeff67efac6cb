"""What sources' counters show, in words for people and as JSON for programs. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from ledger.canonical import JsonValue
from ledger.entries import SourceTotal
from ledger.verify.completeness import (
    Arrivals,
    Family,
    Gap,
    Reconciled,
    SourceReport,
    Verdict,
    families,
    family_of,
)

__all__ = ["family_json", "source_json", "source_lines", "total_json", "total_lines"]

MAX_GAPS: Final = 20  # of one source, shown one by one to a person; JSON has them all


def source_lines(sources: Sequence[SourceReport]) -> Iterator[str]:
    """A line for each source, behind a line for its family where that has several lanes."""
    members: dict[str, list[SourceReport]] = {}
    for source in sources:
        members.setdefault(family_of(source.source), []).append(source)
    for family in families(sources):
        lanes = members[family.name]
        if len(lanes) > 1:
            yield _family(family)
        yield from map(_source, lanes)


def total_lines(totals: Iterable[Reconciled]) -> Iterator[str]:
    """A line for each total by counters that a source stated."""
    for each in totals:
        if isinstance(each.stated.body, SourceTotal):
            yield _total(each, each.stated.body)


def family_json(family: Family) -> dict[str, JsonValue]:
    """The lanes of one name, summed."""
    return {
        "family": family.name,
        "lanes": family.lanes,
        "recorded": family.recorded,
        "unexplained": family.unexplained,
        "explained": family.explained,
        "outside": family.outside,
        **_arrivals_json(family.arrivals),
    }


def source_json(source: SourceReport) -> dict[str, JsonValue]:
    """One source with every gap; moments in RFC 3339."""
    return {
        "source": source.source,
        "family": family_of(source.source),
        "first": source.first,
        "last": source.last,
        "recorded": source.recorded,
        "unexplained": source.unexplained,
        "explained": source.explained,
        "outside": source.outside,
        **_arrivals_json(source.arrivals),
        "gaps": [gap_json(gap) for gap in source.gaps],
        "beyond": [gap_json(gap) for gap in source.beyond],
        "filled": [
            {
                "first": each.first,
                "last": each.last,
                "since": each.since.isoformat(),
                "arrived": each.arrived.isoformat(),
                "index": each.index,
            }
            for each in source.fillings
        ],
    }


def total_json(total: Reconciled) -> dict[str, JsonValue]:
    """One stated total, held against the log."""
    stated = total.stated
    return {
        **stated.body.to_json(),
        "kind": str(stated.body.kind),
        "index": stated.index,
        "stated": stated.at.isoformat(),
        "held": total.held,
        "verdict": str(total.verdict),
        "short": total.short,
        "explained": total.explained,
        "undatable": total.undatable,
        "missing": [gap_json(gap) for gap in total.missing],
        "ranges": total.ranges,
    }


def gap_json(gap: Gap) -> dict[str, JsonValue]:
    """One missing range."""
    return {
        "first": gap.first,
        "last": gap.last,
        "reason": gap.reason,
        "since": _iso(gap.since),
        "stated": _iso(gap.stated),
    }


def _arrivals_json(how: Arrivals) -> dict[str, JsonValue]:
    return {
        "repeated": how.repeated,
        "late": how.late,
        "out_of_order": how.out_of_order,
        "longest_late_seconds": None if how.longest is None else round(how.longest.total_seconds()),
        "began": _iso(how.began),
        "heard": _iso(how.heard),
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _family(family: Family) -> str:
    text = f"{family.name}, {family.lanes:,} lanes: {family.recorded:,} recorded"
    return f"{text}{_arrived(family.arrivals)}, {_missing(family.unexplained, family.explained)}"


def _source(source: SourceReport) -> str:
    if source.last is None:
        stated = f", {source.outside:,} stated to be missing" if source.outside else ""
        registered = "" if source.first is None else "registered, "
        return f"{source.source}: {registered}nothing received{stated}"
    text = f"{source.source}: {source.first:,} to {source.last:,}, {source.recorded:,} recorded"
    text += f"{_arrived(source.arrivals)}, {_missing(source.unexplained, source.explained)}"
    if source.gaps:
        text += f": {_ranges(source.gaps, len(source.gaps))}"
    if source.beyond:
        text += f"; stated besides: {_ranges(source.beyond, len(source.beyond))}"
    return text


def _arrived(how: Arrivals) -> str:
    text = f", {how.repeated:,} repeated" if how.repeated else ""
    if how.late and how.longest is not None:
        text += f", {how.late:,} late by up to {_span(how.longest)}"
    return text + (f", {how.out_of_order:,} out of order" if how.out_of_order else "")


def _missing(unexplained: int, explained: int) -> str:
    if not unexplained + explained:
        return "none missing"
    without = f", {unexplained:,} of them without a reason" if unexplained else ""
    return f"{unexplained + explained:,} missing{without}"


def _total(total: Reconciled, body: SourceTotal) -> str:
    text = f"{body.source} stated {body.count:,} from {body.first:,} to {body.last:,}"
    match total.verdict:
        case Verdict.AGREES:
            return f"{text}: as many are here"
        case Verdict.MORE:
            return f"{text}: {-total.short:,} more are here"
        case _:
            ranges = _ranges(total.missing, total.ranges)
            return f"{text}: SHORT by {total.short:,}, not here: {ranges}"


def _ranges(gaps: Sequence[Gap], count: int) -> str:
    shown = "; ".join(map(_gap, gaps[:MAX_GAPS]))
    return shown + (f"; and {count - MAX_GAPS:,} more gaps" if count > MAX_GAPS else "")


def _gap(gap: Gap) -> str:
    span = f"{gap.first:,}" if gap.first == gap.last else f"{gap.first:,} to {gap.last:,}"
    return f"{span} ({gap.reason or 'no reason given'})"


def _span(delay: timedelta) -> str:
    """A delay in the largest unit of which there are at least two."""
    seconds = int(delay.total_seconds())
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds:,} seconds"
