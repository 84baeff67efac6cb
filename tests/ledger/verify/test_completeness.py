"""What sources' counters show, against a naive count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.entries import (
    Body,
    Decision,
    Incident,
    SourceCounter,
    SourceGap,
    SourcePeriodTotal,
    SourceRegistered,
    SourceTotal,
)
from ledger.errors import MalformedError
from ledger.verify import counted_source
from ledger.verify.completeness import (
    Arrivals,
    Filling,
    Gap,
    KeptSource,
    Run,
    SourceCounters,
    SourceReport,
)
from ledger.verify.counted_source import JITTER
from ledger.verify.source_json import source_from_json, source_to_json
from ledger.verify.source_lines import source_lines
from tests.ledger.entries.samples import COMMITMENT, DIGEST, JUNE, MAY

BEGIN = datetime(2026, 5, 14, 9, tzinfo=UTC)
STEP = timedelta(seconds=25)  # so that three steps are more than jitter
Range = tuple[int, int, str | None]


def at(step: int) -> datetime:
    return BEGIN + step * STEP


def decision(counter: int, source: str = "loan-desk") -> Decision:
    commitments = (COMMITMENT, COMMITMENT, COMMITMENT, COMMITMENT)
    return Decision(DIGEST, DIGEST, SourceCounter(source, counter), *commitments)


def followed(*bodies: Body, seen: SourceCounters | None = None, start: int = 0) -> SourceCounters:
    seen = seen or SourceCounters()
    for index, body in enumerate(bodies, start):
        seen.add(body, at(index), index)
    return seen


def report(*counters: int, first: int | None = None, gaps: tuple[Range, ...] = ()) -> SourceReport:
    registered = [] if first is None else [SourceRegistered("loan-desk", first)]
    declared = [SourceGap("loan-desk", low, high, why or "unknown") for low, high, why in gaps]
    (only,) = followed(*registered, *declared, *map(decision, counters)).reports()
    return only


def ranges(source: SourceReport) -> list[Range]:
    return [(gap.first, gap.last, gap.reason) for gap in source.gaps]


def test_a_source_that_sent_everything_has_no_gap() -> None:
    arrivals = Arrivals(began=at(0), heard=at(2))
    assert report(1, 2, 3) == SourceReport(
        "loan-desk", 1, 3, 3, *(0, 0, 0, 0), arrivals, (), (), ()
    )


def test_what_is_missing_is_named_and_since_when() -> None:
    assert report(1, 2, 5, 9).gaps == (Gap(3, 4, since=at(2)), Gap(6, 8, since=at(3)))


def test_late_decisions_close_a_gap() -> None:
    assert report(5, 1, 3, 4, 2).gaps == ()


def test_a_registered_source_is_counted_from_its_first() -> None:
    assert ranges(report(3, first=1)) == [(1, 2, None)]
    assert ranges(report(3, first=5)) == []
    empty = report(first=1)
    assert (empty.first, empty.last, empty.recorded, empty.arrivals.heard) == (1, None, 0, None)


def test_the_lowest_registration_counts() -> None:
    both = (SourceRegistered("loan-desk", 4), SourceRegistered("loan-desk", 2), decision(5))
    (only,) = followed(*both).reports()
    assert (only.first, ranges(only)) == (2, [(2, 4, None)])


def test_repeats_are_counted() -> None:
    assert report(1, 1, 2, 1).repeated == 2


def test_a_declared_gap_gives_its_reason_for_its_part() -> None:
    declared = ((4, 5, "outage"), (5, 6, "test_run"), (30, 40, "outage"))
    found = report(1, 10, gaps=declared)
    assert ranges(found) == [
        (2, 3, None),
        (4, 5, "outage"),
        (6, 6, "test_run"),
        (7, 9, None),
    ]
    assert (found.unexplained, found.explained, found.missing, found.ranges) == (5, 3, 8, 2)
    assert found.gaps[1] == Gap(4, 5, "outage", since=at(4), stated=at(0))


def test_one_declared_gap_may_explain_several() -> None:
    assert ranges(report(1, 3, 5, gaps=((0, 9, "outage"),))) == [(2, 2, "outage"), (4, 4, "outage")]


def test_what_only_a_statement_knows_of_is_shown_apart() -> None:
    found = report(3, 5, gaps=((1, 4, "outage"), (7, 9, "power_cut")))
    assert ranges(found) == [(4, 4, "outage")]
    assert found.beyond == (
        Gap(1, 2, "outage", stated=at(0)),
        Gap(7, 9, "power_cut", stated=at(1)),
    )
    assert (found.outside, found.missing) == (5, 1)
    silent = report(gaps=((1, 4, "outage"),))
    assert (silent.first, silent.last, silent.outside) == (None, None, 4)
    assert [*source_lines([silent])] == ["loan-desk: nothing received, 4 stated to be missing"]


def test_sources_are_apart_and_other_entries_are_ignored() -> None:
    seen = followed(Incident("disk_full", COMMITMENT), decision(1, "b"), decision(2, "a"))
    assert [r.source for r in seen.reports()] == ["a", "b"]
    assert all(not r.gaps for r in seen.reports())
    assert seen.known() == ("a", "b")


def test_what_comes_soon_after_a_higher_counter_is_out_of_order_not_late() -> None:
    found = report(2, 1)
    assert (found.arrivals.out_of_order, found.arrivals.late, found.fillings) == (1, 0, ())


def test_what_fills_a_gap_later_is_shown_with_when() -> None:
    found = report(1, 7, 8, 9, 10, 2, 3, 6)
    assert ranges(found) == [(4, 5, None)]
    assert found.fillings == (
        Filling(2, 3, since=at(1), arrived=at(6), index=5),
        Filling(6, 6, since=at(1), arrived=at(7), index=7),
    )
    how = found.arrivals
    assert (how.late, how.out_of_order, how.longest) == (3, 0, at(7) - at(1))


def test_the_newest_fillings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted_source, "MAX_FILLINGS", 2)
    found = report(1, 20, 20, 20, 2, 5, 8)
    assert [each.first for each in found.fillings] == [5, 8]
    assert found.arrivals.late == 3


steps = st.lists(
    st.one_of(
        st.tuples(st.just("a"), st.integers(0, 12)),
        st.tuples(st.just("b"), st.integers(0, 6)),
        st.tuples(st.just("gap"), st.integers(0, 12), st.integers(0, 4)),
        st.tuples(st.just("total"), st.integers(0, 12), st.integers(0, 4)),
        st.tuples(st.just("period"), st.integers(0, 12)),
        st.tuples(st.just("registered"), st.integers(0, 12)),
    ),
    max_size=40,
)


def bodies(drawn: list[tuple[object, ...]]) -> list[Body]:
    made: list[Body] = []
    for kind, first, *more in drawn:
        assert isinstance(first, int)
        last = first + sum(each for each in more if isinstance(each, int))
        match kind:
            case "gap":
                made.append(SourceGap("a", first, last, "outage"))
            case "total":
                made.append(SourceTotal("a", first, last, last - first))
            case "period":
                made.append(SourcePeriodTotal("a", MAY, JUNE, first))
            case "registered":
                made.append(SourceRegistered("a", first))
            case _:
                made.append(decision(first, str(kind)))
    return made


@given(steps, st.integers(0, 40))
def test_going_on_gives_what_counting_from_the_start_gives(
    drawn: list[tuple[object, ...]], cut: int
) -> None:
    whole = bodies(drawn)
    kept = followed(*whole[:cut]).kept()
    read = [source_from_json(source_to_json(each)) for each in kept]
    assert tuple(read) == kept
    there = followed(*whole[cut:], seen=SourceCounters(read), start=min(cut, len(whole)))
    anew = followed(*whole)
    assert there.kept() == anew.kept()
    assert there.reports() == anew.reports()
    assert there.totals() == anew.totals()
    assert [s.source for s in there.summaries()] == [*there.known()]


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=4),
    st.integers(0, 31),
    st.integers(0, 10),
)
def test_as_a_naive_count_says(
    counters: list[int], spans: list[tuple[int, int]], low: int, width: int
) -> None:
    declared = tuple((first, first + more, "outage") for first, more in spans)
    result = report(*counters, gaps=declared)
    seen: dict[int, int] = {}  # counter → when it came first
    late = out_of_order = 0
    for step, counter in enumerate(counters, len(declared)):
        if counter in seen:
            continue
        higher = min((when for other, when in seen.items() if other > counter), default=None)
        if higher is not None:
            late += (step - higher) * STEP > JITTER
            out_of_order += (step - higher) * STEP <= JITTER
        seen[counter] = step
    missing = set(range(min(counters), max(counters))) - set(counters)
    explained = {n for first, last, _ in declared for n in range(first, last + 1)}
    assert numbers(result.gaps, explained=False) == missing - explained
    assert numbers(result.gaps, explained=True) == missing & explained
    assert (result.unexplained, result.explained) == (
        len(missing - explained),
        len(missing & explained),
    )
    for gap in result.gaps:
        assert gap.since == at(min(when for other, when in seen.items() if other > gap.last))
    assert numbers(result.beyond, explained=True) == explained - set(
        range(min(counters), max(counters) + 1)
    )
    assert result.recorded == len(set(counters))
    assert result.repeated == len(counters) - len(set(counters))
    assert (result.arrivals.late, result.arrivals.out_of_order) == (late, out_of_order)
    assert sum(each.last - each.first + 1 for each in result.fillings) == late
    of = followed(*map(decision, counters)).of("loan-desk")
    wanted = set(range(low, low + width + 1))
    assert of.held(low, low + width) == len(wanted & set(counters))
    assert numbers(of.absent(low, low + width), explained=False) == wanted - set(counters)
    assert numbers(of.gaps(low), explained=False) == {n for n in missing if n >= low}


def numbers(gaps: object, *, explained: bool) -> set[int]:
    found: set[int] = set()
    before = -1
    for gap in gaps:  # type: ignore[attr-defined]
        assert gap.first > before, "ranges rise and do not touch twice"
        before = gap.last
        if (gap.reason is not None) == explained:
            found |= set(range(gap.first, gap.last + 1))
    return found


RUNS = (Run(1, 5, BEGIN), Run(7, 9, BEGIN))
HEARD = Arrivals(began=BEGIN, heard=BEGIN)


@pytest.mark.parametrize(
    "members",
    [
        {"runs": RUNS[::-1]},
        {"runs": (Run(1, 5, BEGIN), Run(6, 9, BEGIN))},
        {"arrivals": Arrivals()},
        {"arrivals": replace(HEARD, heard=None)},
        {"arrivals": replace(HEARD, repeated=-1)},
        {"arrivals": replace(HEARD, late=1)},
        {"arrivals": replace(HEARD, longest=JITTER)},
        {"fillings": (Filling(1, 1, BEGIN, BEGIN, 0),) * 1_001},
        {"runs": ()},
    ],
)
def test_what_cannot_have_been_counted_is_refused(members: dict[str, object]) -> None:
    fine = KeptSource("a", None, RUNS, HEARD)
    assert fine.seen == 8
    with pytest.raises(MalformedError):
        replace(fine, **members)  # type: ignore[arg-type]
