"""What is known of sources, as JSON: moments are RFC 3339 in UTC, spans whole seconds."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ledger.entries import SourceTotal
from ledger.operate.completeness import GapPage
from ledger.verify.completeness import (
    Arrivals,
    Family,
    Filling,
    Gap,
    Reconciled,
    SourceSummary,
    family_of,
)

__all__ = ["family_value", "filling_value", "gap_value", "source_value", "total_value"]


def family_value(family: Family, now: datetime) -> dict[str, Any]:
    """The lanes of one name, summed."""
    return {
        "family": family.name,
        "lanes": family.lanes,
        "decisions": family.decisions,
        **_counted(family, now),
    }


def source_value(source: SourceSummary, gaps: GapPage, now: datetime) -> dict[str, Any]:
    """One source, with its first gaps."""
    return {
        "source": source.source,
        "family": family_of(source.source),
        "first": source.first,
        "last": source.last,
        **_counted(source, now),
        "gaps": [gap_value(each.gap) for each in gaps.gaps],
        "more_gaps": gaps.next_cursor is not None,
    }


def gap_value(gap: Gap) -> dict[str, Any]:
    """One missing range."""
    return {
        "first": gap.first,
        "last": gap.last,
        "reason": gap.reason,
        "since": _written(gap.since),
        "stated": _written(gap.stated),
    }


def filling_value(source: str, filling: Filling, decided: Mapping[int, datetime]) -> dict[str, Any]:
    """One range that came late; `decided` says when decisions were made, by index in the log."""
    return {
        "source": source,
        "first": filling.first,
        "last": filling.last,
        "since": _written(filling.since),
        "arrived": _written(filling.arrived),
        "index": filling.index,
        "decided_at": _written(decided.get(filling.index)),
    }


def total_value(total: Reconciled) -> dict[str, Any]:
    """One stated total, and how it compares."""
    body = total.stated.body
    if isinstance(body, SourceTotal):
        span: dict[str, Any] = {"first": body.first, "last": body.last}
    else:
        span = {"since": _written(body.since), "until": _written(body.until)}
    return {
        "kind": str(body.kind),
        "source": body.source,
        **span,
        "count": body.count,
        "index": total.stated.index,
        "stated": _written(total.stated.at),
        "held": total.held,
        "verdict": str(total.verdict),
        "short": total.short,
        "explained": total.explained,
        "undatable": total.undatable,
        "missing": [gap_value(gap) for gap in total.missing],
        "ranges": total.ranges,
    }


def _counted(of: Family | SourceSummary, now: datetime) -> dict[str, Any]:
    how: Arrivals = of.arrivals
    return {
        "recorded": of.recorded,
        "unexplained": of.unexplained,
        "explained": of.explained,
        "ranges": of.ranges,
        "outside": of.outside,
        "repeated": how.repeated,
        "late": how.late,
        "out_of_order": how.out_of_order,
        "longest_late_seconds": _seconds(how.longest),
        "began": _written(how.began),
        "heard": _written(how.heard),
        "silent_seconds": None
        if how.heard is None
        else _seconds(max(now - how.heard, timedelta())),
    }


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())
