"""Stated totals, held against the counters; families of lanes; and both in words."""

from datetime import timedelta

import pytest

from ledger.entries import SourceGap, SourcePeriodTotal, SourceTotal
from ledger.verify import completeness
from ledger.verify.completeness import Gap, Reconciled, Verdict, families, verdict
from ledger.verify.source_lines import source_json, source_lines, total_json, total_lines
from tests.ledger.entries.samples import JUNE, MAY
from tests.ledger.verify.test_completeness import at, decision, followed, report


def total(*found: int, first: int = 1, last: int = 10, count: int = 10) -> Reconciled:
    seen = followed(*map(decision, found), SourceTotal("loan-desk", first, last, count))
    (only,) = seen.totals()
    return only


def test_a_total_agrees() -> None:
    found = total(*range(1, 11))
    assert (found.verdict, found.held, found.missing, found.is_settled) == (
        *(Verdict.AGREES, 10),
        *((), True),
    )
    assert [*total_lines([found])] == ["loan-desk stated 10 from 1 to 10: as many are here"]


def test_a_total_shows_what_is_missing_at_the_end_of_a_lane() -> None:
    found = total(1, 2, 4, 5)
    assert (found.verdict, found.short, found.ranges, found.is_settled) == (
        *(Verdict.SHORT, 6),
        *(2, False),
    )
    assert found.missing == (Gap(3, 3, since=at(2)), Gap(6, 10))
    (line,) = total_lines([found])
    assert line.endswith("SHORT by 6, not here: 3 (no reason given); 6 to 10 (no reason given)")
    nothing = total()
    assert (nothing.held, nothing.missing) == (0, (Gap(1, 10),))
    assert source_json(report(3, 5))["gaps"] != []
    assert total_json(found)["missing"] != []


def test_a_source_that_only_stated_a_total_is_shown_and_a_family_is_not() -> None:
    seen = followed(SourceTotal("a.b", 1, 3, 3), SourcePeriodTotal("a", MAY, JUNE, 3))
    assert seen.known() == ("a.b",)
    (only,) = seen.reports()
    assert (only.first, only.last, only.recorded, only.missing) == (None, None, 0, 0)
    assert [*source_lines(seen.reports())] == ["a.b: nothing received"]


def test_a_total_may_be_less_than_is_held() -> None:
    found = total(1, 2, 3, count=2, last=3)
    assert (found.verdict, found.short, found.is_settled) == (Verdict.MORE, -1, False)
    assert [*total_lines([found])] == ["loan-desk stated 2 from 1 to 3: 1 more are here"]


def test_late_decisions_settle_a_total() -> None:
    stated = SourceTotal("loan-desk", 1, 3, 3)
    seen = followed(decision(1), stated)
    assert seen.totals()[0].verdict is Verdict.SHORT
    followed(decision(2), decision(3), seen=seen, start=2)
    assert seen.totals()[0].verdict is Verdict.AGREES


def test_a_reason_for_the_rest_settles_a_total() -> None:
    seen = followed(SourceTotal("loan-desk", 1, 3, 3), decision(1), decision(2))
    assert not seen.totals()[0].is_settled
    followed(SourceGap("loan-desk", 3, 3, "power_cut"), seen=seen, start=3)
    (found,) = seen.totals()
    assert (found.verdict, found.explained, found.is_settled) == (Verdict.SHORT, 1, True)


def test_ranges_beyond_the_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completeness, "MAX_RANGES", 2)
    found = total(2, 4, 6, 8, 10)
    assert (len(found.missing), found.ranges, found.explained) == (2, 5, 0)


def test_a_total_of_a_period_cannot_be_told_from_the_log() -> None:
    (found,) = followed(SourcePeriodTotal("loan-desk", MAY, JUNE, 3)).totals()
    assert (found.verdict, found.held, found.short, found.is_settled) == (
        *(Verdict.UNKNOWN, None),
        *(0, False),
    )
    assert [*total_lines([found])] == []


@pytest.mark.parametrize(
    ("stated", "least", "most", "expected"),
    [
        (5, 5, 5, Verdict.AGREES),
        (5, 6, 9, Verdict.MORE),
        (5, 1, 4, Verdict.SHORT),
        (5, 4, 6, Verdict.UNKNOWN),
        (5, 5, 6, Verdict.UNKNOWN),
    ],
)
def test_a_verdict_between_bounds(stated: int, least: int, most: int, expected: Verdict) -> None:
    assert verdict(stated, least, most) is expected


def test_lanes_are_summed_by_family() -> None:
    lanes = ("desk.aaaaaaaa", "desk.bbbbbbbb", "desk", "other")
    numbers_of = {"desk.aaaaaaaa": (1, 5, 5, 5, 2), "desk.bbbbbbbb": (1, 2), "desk": (7,)}
    seen = followed(
        *(decision(n, lane) for lane in lanes for n in numbers_of.get(lane, (1,))),
        SourceGap("desk.aaaaaaaa", 3, 3, "outage"),
    )
    desk, other = families(seen.summaries())
    assert (desk.name, desk.lanes, desk.decisions, desk.recorded) == ("desk", 3, 8, 6)
    assert (desk.missing, desk.unexplained, desk.explained, desk.ranges) == (2, 1, 1, 1)
    assert (desk.arrivals.repeated, desk.arrivals.late, desk.arrivals.longest) == (
        *(2, 1),
        at(4) - at(1),
    )
    assert (desk.arrivals.began, desk.arrivals.heard) == (at(0), at(7))
    assert (other.lanes, other.arrivals.longest) == (1, None)
    arrived = "2 repeated, 1 late by up to 75 seconds"
    missing = "2 missing, 1 of them without a reason"
    assert [*source_lines(seen.reports())] == [
        f"desk, 3 lanes: 6 recorded, {arrived}, {missing}",
        "desk: 7 to 7, 1 recorded, none missing",
        f"desk.aaaaaaaa: 1 to 5, 3 recorded, {arrived}, {missing}: 3 (outage); 4 (no reason given)",
        "desk.bbbbbbbb: 1 to 2, 2 recorded, none missing",
        "other: 1 to 1, 1 recorded, none missing",
    ]


@pytest.mark.parametrize(
    ("delay", "words"),
    [
        (timedelta(minutes=2), "late by up to 2 minutes"),
        (timedelta(hours=30), "late by up to 30 hours"),
        (timedelta(days=3), "late by up to 3 days"),
    ],
)
def test_a_delay_in_words(delay: timedelta, words: str) -> None:
    seen = followed(decision(1), decision(3))
    seen.add(decision(2), at(1) + delay, 2)
    seen.add(SourceGap("loan-desk", 1_000, 1_998, "outage"), at(9), 3)
    seen.add(decision(2_000), at(9), 4)
    seen.add(decision(1_999), at(9), 5)
    (line,) = source_lines(seen.reports())
    assert f"1 {words}, 1 out of order" in line
    assert line.endswith("4 to 999 (no reason given); 1,000 to 1,998 (outage)")
    followed(SourceGap("loan-desk", 3_000, 3_000, "outage"), seen=seen)
    (line,) = source_lines(seen.reports())
    assert line.endswith("; stated besides: 3,000 (outage)")


def test_runs_are_taken_only_if_they_rise() -> None:
    seen = followed(decision(5, "a"))
    assert seen.goes_on([("a", 6, 7), ("b", 1, 3), ("a", 9, 9), ("b", 4, 4)])
    assert not seen.goes_on([("a", 5, 6)])
    assert not seen.goes_on([("a", 6, 8), ("a", 8, 9)])
