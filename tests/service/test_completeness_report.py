"""The report's section on completeness, its findings, and the file of all gaps."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from ledger.entries import Body, SourceGap, SourcePeriodTotal, SourceTotal
from ledger.verify.completeness import Reconciled, SourceCounters, Verdict
from service import completeness_report
from service.completeness_report import (
    GAPS_NAME,
    completeness_of,
    gap_findings,
    gaps_csv,
    gaps_files,
)
from tests.ledger.verify.test_completeness import BEGIN, decision, followed

UNTIL = BEGIN + timedelta(days=1)


def counted(*more: Body) -> SourceCounters:
    lanes = {"desk.aaaaaaaa": (1, 3, 6), "desk.bbbbbbbb": (1, 2), "web": (1, 5)}
    made = [decision(n, lane) for lane, counters in lanes.items() for n in counters]
    return followed(*made, SourceGap("web", 2, 3, "operator_outage"), *more)


def test_sources_are_summed_and_the_worst_stand_first() -> None:
    section = completeness_of(counted().reports(), ())
    assert [(each.source, each.lanes, each.received) for each in section.sources] == [
        ("desk", 2, 5),
        ("web", 1, 2),
    ]
    assert [(gap.lane, gap.first, gap.last, gap.reason) for gap in section.gaps] == [
        ("desk.aaaaaaaa", 2, 2, ""),
        ("desk.aaaaaaaa", 4, 5, ""),
        ("web", 4, 4, ""),
        ("web", 2, 3, "operator_outage"),
    ]
    assert (section.ranges, section.attachment) == (4, GAPS_NAME)
    whole = completeness_of(followed(decision(1)).reports(), ())
    assert (whole.gaps, whole.attachment) == ((), "")
    assert gaps_files(followed(decision(1)).reports()) == ()


def test_findings_are_few_however_many_ranges_are_missing() -> None:
    seen = counted(SourceTotal("web", 1, 9, 9), SourceTotal("desk.bbbbbbbb", 1, 2, 2))
    found = {each.code: each.text for each in gap_findings(seen.reports(), seen.totals())}
    texts = [each.text for each in gap_findings(seen.reports(), seen.totals())]
    assert len(texts) == 3
    assert texts[0].startswith("desk: 3 numbers in 2 ranges are missing and nobody said why")
    assert texts[1].startswith("web: 1 numbers in one range")
    assert found["source_total_short"].startswith("web: 9 predictions were stated, 2 are on the")


def test_totals_are_of_numbers_or_of_a_period() -> None:
    seen = counted(SourceTotal("web", 1, 5, 5), SourcePeriodTotal("desk", BEGIN, UNTIL, 5))
    by_counters, period = seen.totals()
    told = Reconciled(period.stated, 4, Verdict.UNKNOWN, undatable=2)
    first, second = completeness_of(seen.reports(), (by_counters, told)).totals
    assert (first.first, first.last, first.since, first.held, first.explained) == (1, 5, None, 2, 2)
    assert (second.first, second.since, second.until) == (None, BEGIN, UNTIL)
    assert (second.verdict, second.held, second.undatable) == ("unknown", 4, 2)


def test_the_file_has_every_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = counted().reports()
    (file,) = gaps_files(reports)
    rows = list(csv.DictReader(io.StringIO(file.content.decode())))
    assert [
        (row["lane"], row["first"], row["last"], row["count"], row["reason"]) for row in rows
    ] == [
        ("desk.aaaaaaaa", "2", "2", "1", ""),
        ("desk.aaaaaaaa", "4", "5", "2", ""),
        ("web", "4", "4", "1", ""),
        ("web", "2", "3", "2", "operator_outage"),
    ]
    assert {row["source"] for row in rows} == {"desk", "web"}
    assert datetime.fromisoformat(rows[3]["stated"]).tzinfo == UTC
    monkeypatch.setattr(completeness_report, "MAX_ROWS", 1)
    *_, last = gaps_csv(reports).decode().splitlines()
    assert last == ",3 more ranges are not in this file,,,,,,"
