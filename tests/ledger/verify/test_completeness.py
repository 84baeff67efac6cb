"""Gaps per source, against a naive count."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.entries import Decision, Incident, SourceCounter, SourceGap, SourceRegistered
from ledger.verify.completeness import Gap, SourceCounters, SourceReport
from tests.ledger.entries.samples import COMMITMENT, DIGEST


def decision(counter: int, source: str = "loan-desk") -> Decision:
    commitments = (COMMITMENT, COMMITMENT, COMMITMENT, COMMITMENT)
    return Decision(DIGEST, DIGEST, SourceCounter(source, counter), *commitments)


def report(*counters: int, first: int | None = None, gaps: tuple[Gap, ...] = ()) -> SourceReport:
    seen = SourceCounters()
    if first is not None:
        seen.add(SourceRegistered("loan-desk", first))
    for gap in gaps:
        seen.add(SourceGap("loan-desk", gap.first, gap.last, gap.reason or "unknown"))
    for counter in counters:
        seen.add(decision(counter))
    (only,) = seen.reports()
    return only


def test_a_source_that_sent_everything_has_no_gap() -> None:
    assert report(1, 2, 3) == SourceReport("loan-desk", 1, 3, 3, 0, ())


def test_what_is_missing_is_named() -> None:
    assert report(1, 2, 5, 9).gaps == (Gap(3, 4, None), Gap(6, 8, None))


def test_late_decisions_close_a_gap() -> None:
    assert report(5, 1, 3, 4, 2).gaps == ()


def test_a_registered_source_is_counted_from_its_first() -> None:
    assert report(3, first=1).gaps == (Gap(1, 2, None),)
    assert report(3, first=5).first == 3


def test_the_lowest_registration_counts() -> None:
    seen = SourceCounters()
    seen.add(SourceRegistered("loan-desk", 4))
    seen.add(SourceRegistered("loan-desk", 2))
    assert seen.reports() == (SourceReport("loan-desk", 2, None, 0, 0, ()),)


def test_repeats_are_counted() -> None:
    assert report(1, 2, 2, 1).repeated == 2
    assert report(1, 2, 2, 1).recorded == 2


def test_a_declared_gap_gives_its_reason_for_its_part() -> None:
    declared = (Gap(4, 5, "outage"), Gap(5, 6, "test_run"), Gap(30, 40, "outage"))
    assert report(1, 10, gaps=declared).gaps == (
        Gap(2, 3, None),
        Gap(4, 5, "outage"),
        Gap(6, 6, "test_run"),
        Gap(7, 9, None),
    )


def test_one_declared_gap_may_explain_several() -> None:
    assert report(1, 3, 5, gaps=(Gap(0, 9, "outage"),)).gaps == (
        Gap(2, 2, "outage"),
        Gap(4, 4, "outage"),
    )


def test_sources_are_apart_and_other_entries_are_ignored() -> None:
    seen = SourceCounters()
    seen.add(Incident("disk_full", COMMITMENT))
    seen.add(decision(1, "b"))
    seen.add(decision(2, "a"))
    assert [r.source for r in seen.reports()] == ["a", "b"]
    assert all(not r.gaps for r in seen.reports())


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=4),
)
def test_as_a_naive_count_says(counters: list[int], spans: list[tuple[int, int]]) -> None:
    declared = tuple(Gap(first, first + more, "outage") for first, more in spans)
    result = report(*counters, gaps=declared)
    missing = set(range(min(counters), max(counters))) - set(counters)
    explained = {n for gap in declared for n in range(gap.first, gap.last + 1)}
    assert {n for g in result.gaps if g.reason is None for n in range(g.first, g.last + 1)} == (
        missing - explained
    )
    assert {n for g in result.gaps if g.reason for n in range(g.first, g.last + 1)} == (
        missing & explained
    )
    assert result.recorded == len(set(counters))
    assert result.repeated == len(counters) - len(set(counters))
