"""What an audit report says about completeness, and the file of all gaps that goes with it."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final

from ledger.entries import SourceTotal
from ledger.verify.completeness import Gap, Reconciled, SourceReport, families, family_of
from reports import documents
from reports.documents.completeness import MAX_GAPS, MAX_TOTALS

__all__ = ["GAPS_NAME", "completeness_of", "gap_findings", "gaps_csv", "gaps_files"]

GAPS_NAME: Final = "missing-numbers.csv"
MAX_ROWS: Final = 100_000  # of the file: with the longest names 16 MiB, what an attachment may have
COLUMNS: Final = ("source", "lane", "first", "last", "count", "reason", "since", "stated")


def completeness_of(
    sources: Sequence[SourceReport], totals: Sequence[Reconciled]
) -> documents.Completeness:
    """The section: every source, those with most missing first, and the first of the gaps."""
    found = sorted(families(sources), key=lambda each: (-each.unexplained, each.name))
    gaps = sum(len(each.gaps) for each in sources)
    return documents.Completeness(
        sources=tuple(
            documents.SourceCompleteness(
                source=each.name,
                lanes=each.lanes,
                received=each.decisions,
                unexplained=each.unexplained,
                explained=each.explained,
                duplicates=each.arrivals.repeated,
                late=each.arrivals.late,
                heard=each.arrivals.heard,
            )
            for each in found
        ),
        gaps=tuple(
            documents.MissingRange(
                lane, gap.first, gap.last, gap.reason or "", gap.since, gap.stated
            )
            for lane, gap in islice(_listed(sources), MAX_GAPS)
        ),
        ranges=gaps,
        totals=tuple(map(_total, totals[:MAX_TOTALS])),
        attachment=GAPS_NAME if gaps else "",
    )


def gap_findings(
    sources: Sequence[SourceReport], totals: Sequence[Reconciled]
) -> Iterator[documents.Finding]:
    """One finding for each source with numbers missing without a reason, or a total that fails."""
    for each in families(sources):
        if each.unexplained:
            ranges = "one range" if each.ranges == 1 else f"{each.ranges:,} ranges"
            yield documents.Finding(
                "source_gap",
                f"{each.name}: {each.unexplained:,} numbers in {ranges} are missing and nobody "
                "said why; see section 5.",
                owner="Owner of the source",
            )
    for total in totals[:MAX_TOTALS]:
        if not total.is_settled:
            yield documents.Finding(
                f"source_total_{total.verdict}",
                f"{total.stated.body.source}: {total.stated.body.count:,} predictions were stated, "
                f"{total.held:,} are on the log; see section 5.",
                owner="Owner of the source",
            )


def gaps_files(sources: Sequence[SourceReport]) -> tuple[documents.Attachment, ...]:
    """The file of all missing ranges, if there are any."""
    if not any(each.gaps for each in sources):
        return ()
    description = "Every missing number, with the reason that was given for it"
    content = gaps_csv(sources)
    return (documents.Attachment(GAPS_NAME, description, content, documents.Relationship.DATA),)


def gaps_csv(sources: Sequence[SourceReport]) -> bytes:
    """Every missing range as CSV, in UTF-8 with a header, those without a reason first.

    Codes, counters and times only; at most `MAX_ROWS`, with a last row that says so.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    listed = _listed(sources)
    for lane, gap in islice(listed, MAX_ROWS):
        times = ("" if at is None else at.isoformat() for at in (gap.since, gap.stated))
        span = (gap.first, gap.last, gap.size)
        rows.writerow((family_of(lane), lane, *span, gap.reason or "", *times))
    left = sum(1 for _ in listed)
    if left:
        rows.writerow(("", f"{left} more ranges are not in this file", *[""] * 6))
    return text.getvalue().encode()


def _listed(sources: Sequence[SourceReport]) -> Iterator[tuple[str, Gap]]:
    """Each gap with its lane; those without a reason first, then by lane and counter."""

    def of(*, explained: bool) -> Iterator[tuple[str, Gap]]:
        for each in sources:
            for gap in each.gaps:
                if (gap.reason is not None) == explained:
                    yield each.source, gap

    return chain(of(explained=False), of(explained=True))


def _total(total: Reconciled) -> documents.StatedTotal:
    body = total.stated.body
    counted = isinstance(body, SourceTotal)
    return documents.StatedTotal(
        source=body.source,
        first=body.first if isinstance(body, SourceTotal) else None,
        last=body.last if isinstance(body, SourceTotal) else None,
        since=None if isinstance(body, SourceTotal) else body.since,
        until=None if isinstance(body, SourceTotal) else body.until,
        count=body.count,
        held=total.held or 0,
        verdict=str(total.verdict),
        explained=total.explained if counted else 0,
        undatable=total.undatable,
    )
