"""What is kept of a source between two runs, as JSON; moments are microseconds since 1970. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ledger.canonical import JsonValue
from ledger.entries import Kind, SourcePeriodTotal, SourceTotal
from ledger.verify.source_report import Arrivals, Filling, Gap, KeptSource, Run, Stated

__all__ = ["source_from_json", "source_to_json"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TOTALS: Final = {str(kind.kind): kind for kind in (SourceTotal, SourcePeriodTotal)}


def source_to_json(kept: KeptSource) -> JsonValue:
    """The members in the file."""
    how = kept.arrivals
    return {
        "source": kept.source,
        "registered": kept.registered,
        "runs": [[run.first, run.last, _number(run.since)] for run in kept.runs],
        "arrivals": [
            *(how.repeated, how.late, how.out_of_order),
            None if how.longest is None else how.longest // _MICROSECOND,
            *(_optional(how.began), _optional(how.heard)),
        ],
        "fillings": [
            [each.first, each.last, _number(each.since), _number(each.arrived), each.index]
            for each in kept.fillings
        ],
        "declared": [
            [gap.first, gap.last, gap.reason, _optional(gap.stated)] for gap in kept.declared
        ],
        "totals": [
            [str(each.body.kind), each.body.to_json(), _number(each.at), each.index]
            for each in kept.totals
        ],
    }


def source_from_json(document: Any) -> KeptSource:
    """Read the members.

    Raises:
        MalformedError, ValueError, LookupError, TypeError: they are not what was written.
    """
    repeated, late, out_of_order, longest, began, heard = document["arrivals"]
    return KeptSource(
        source=document["source"],
        registered=document["registered"],
        runs=tuple(Run(first, last, _moment(since)) for first, last, since in document["runs"]),
        arrivals=Arrivals(
            *(repeated, late, out_of_order),
            longest=None if longest is None else longest * _MICROSECOND,
            began=None if began is None else _moment(began),
            heard=None if heard is None else _moment(heard),
        ),
        fillings=tuple(
            Filling(first, last, _moment(since), _moment(arrived), index)
            for first, last, since, arrived, index in document["fillings"]
        ),
        declared=tuple(
            Gap(first, last, reason, stated=None if stated is None else _moment(stated))
            for first, last, reason, stated in document["declared"]
        ),
        totals=tuple(
            Stated(_TOTALS[Kind(kind)].from_json(members), _moment(at), index)
            for kind, members, at, index in document["totals"]
        ),
    )


def _number(at: datetime) -> int:
    return (at - EPOCH) // _MICROSECOND


def _optional(at: datetime | None) -> int | None:
    return None if at is None else _number(at)


def _moment(number: int) -> datetime:
    return EPOCH + number * _MICROSECOND
