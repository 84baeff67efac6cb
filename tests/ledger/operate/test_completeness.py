"""Gaps and totals of the sources, as the log grows, and after an erasure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from ledger.errors import MalformedError, NotFoundError
from ledger.operate.completeness import Completeness, OperatorReason
from ledger.storage.models import decision_index
from ledger.verify.completeness import Verdict
from tests.ledger.operate.premises import NOON, Open, Premises

EVER = datetime(2027, 1, 1, tzinfo=UTC)


def completeness(ledger: Open) -> Completeness:
    return Completeness(ledger.log, ledger.writer, ledger.vault)


def record(premises: Premises, ledger: Open, source: str, *counters: int) -> None:
    made = [premises.decision(n, source={"id": source, "seq": n}) for n in counters]
    ledger.decisions.record(made)


def ranges(page: Any) -> list[tuple[str, int, int, str | None]]:
    return [(each.source, each.gap.first, each.gap.last, each.gap.reason) for each in page.gaps]


def test_gaps_open_and_close_as_the_log_grows(premises: Premises, ledger: Open) -> None:
    known = completeness(ledger)
    assert known.report() == ()
    ledger.decisions.record([premises.decision(seq) for seq in (4, 5, 9)])
    (report,) = known.report()
    assert (report.source, report.first, report.last, report.recorded) == ("loan-desk", 4, 9, 3)
    assert [(gap.first, gap.last) for gap in report.gaps] == [(6, 8)]
    ledger.decisions.record([premises.decision(7)])
    (report,) = known.report()
    assert [(gap.first, gap.last) for gap in report.gaps] == [(6, 6), (8, 8)]
    assert known.report() == completeness(ledger).report()
    assert known.open_gaps() == {"loan-desk": 2}


def test_gaps_come_in_pages(premises: Premises, ledger: Open) -> None:
    known = completeness(ledger)
    record(premises, ledger, "desk.aaaaaaaa", 1, 3, 5, 8)
    record(premises, ledger, "desk.bbbbbbbb", 2, 5)
    record(premises, ledger, "other", 1, 3)
    known.state("desk.aaaaaaaa", 4, 4, "outage")
    whole = ranges(known.gaps(None))
    assert whole == [
        ("desk.aaaaaaaa", 2, 2, None),
        ("desk.aaaaaaaa", 4, 4, "outage"),
        ("desk.aaaaaaaa", 6, 7, None),
        ("desk.bbbbbbbb", 3, 4, None),
        ("other", 2, 2, None),
    ]
    assert ranges(known.gaps("desk")) == whole[:4]
    assert ranges(known.gaps("desk.bbbbbbbb")) == [whole[3]]
    assert ranges(known.gaps(None, explained=True)) == [whole[1]]
    assert ranges(known.gaps("desk", explained=False)) == [whole[0], whole[2], whole[3]]
    assert ranges(known.gaps(None, since=EVER)) == []
    found, cursor = [], None
    for _ in whole:
        page = known.gaps(None, cursor=cursor, limit=1)
        found += ranges(page)
        cursor = page.next_cursor
    assert (found, cursor) == (whole, None)
    assert [(each.source, each.missing) for each in known.summaries()] == [
        ("desk.aaaaaaaa", 4),
        ("desk.bbbbbbbb", 2),
        ("other", 1),
    ]
    assert [(each.name, each.lanes, each.missing) for each in known.families()] == [
        ("desk", 2, 6),
        ("other", 1, 1),
    ]
    assert [each.source for each in known.lanes("desk")] == ["desk.aaaaaaaa", "desk.bbbbbbbb"]
    with pytest.raises(NotFoundError):
        known.lanes("nobody")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"limit": 0}, {"limit": 1_001}, {"cursor": ""}, {"cursor": "desk"}, {"cursor": ":1"}),
        *({"cursor": "desk:01"}, {"cursor": "desk:x"}, {"cursor": "desk:٥"}),
        *({"cursor": f"{'x' * 150}:1"}, {"cursor": f"desk:{2**53}"}),
    ],
)
def test_a_page_that_is_none_is_refused(ledger: Open, wrong: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        completeness(ledger).gaps(None, **wrong)


def test_the_operator_explains_what_is_missing_and_nothing_else(
    premises: Premises, ledger: Open
) -> None:
    known = completeness(ledger)
    record(premises, ledger, "desk", 1, 5)
    placed = known.explain("desk", 2, 3, OperatorReason.OUTAGE)
    assert placed.is_new
    again = known.explain("desk", 2, 3, OperatorReason.OUTAGE)
    assert (again.is_new, again.id, again.seq) == (False, placed.id, placed.seq)
    assert ranges(known.gaps("desk")) == [("desk", 2, 3, "operator_outage"), ("desk", 4, 4, None)]
    for name, first, last, error in (
        ("desk", 5, 5, MalformedError),
        ("desk", 4, 6, MalformedError),
        ("desk", 4, 3, MalformedError),
        ("nobody", 1, 1, NotFoundError),
    ):
        with pytest.raises(error):
            known.explain(name, first, last, OperatorReason.LOST)
    with pytest.raises(MalformedError) as caught:
        known.state("desk", 4, 4, "operator_lost")
    assert caught.value.member == "reason"
    assert known.totals() == ()


def test_a_strip_shows_the_worst_of_each_cell(premises: Premises, ledger: Open) -> None:
    known = completeness(ledger)
    record(premises, ledger, "desk", 1, 2, 5, 8)
    known.state("desk", 3, 4, "outage")
    assert "".join(cell[0] for cell in known.strip("desk", 100)) == "wweewoow"
    assert "".join(cell[0] for cell in known.strip("desk", 4)) == "weoo"
    assert known.strip("desk", 1) == ("open",)
    assert known.strip("nobody", 4) == ()
    known.state("desk", 9, 11, "power_cut")
    assert [(each.gap.first, each.gap.last) for each in known.beyond("desk")] == [(9, 11)]
    with pytest.raises(NotFoundError):
        known.beyond("nobody")


def test_a_total_makes_the_end_of_a_lane_explainable(premises: Premises, ledger: Open) -> None:
    known = completeness(ledger)
    record(premises, ledger, "desk", 1, 2)
    assert known.state_total("desk", 1, 4, 4).is_new
    assert not known.state_total("desk", 1, 4, 4).is_new
    (found,) = known.totals("desk")
    assert (found.verdict, found.short, found.held) == (Verdict.SHORT, 2, 2)
    known.explain("desk", 3, 4, OperatorReason.LOST)
    (found,) = known.totals()
    assert (found.explained, found.is_settled) == (2, True)
    (desk,) = known.report()
    assert [(gap.first, gap.last) for gap in desk.beyond] == [(3, 4)]
    record(premises, ledger, "desk", 3, 4)
    assert known.totals()[0].verdict is Verdict.AGREES
    assert known.totals("elsewhere") == ()


def test_a_family_is_counted_by_period_only(premises: Premises, ledger: Open) -> None:
    known = completeness(ledger)
    record(premises, ledger, "desk.aaaaaaaa", 1)
    with pytest.raises(MalformedError):
        known.state_total("desk", 1, 1, 1)
    known.state_total("desk.bbbbbbbb", 1, 3, 3)  # before it has sent anything
    assert [each.stated.body.source for each in known.totals("desk")] == ["desk.bbbbbbbb"]
    assert known.lanes("desk.aaaaaaaa")[0].recorded == 1


def test_a_total_of_a_period_is_held_against_when_decisions_were_made(
    premises: Premises, ledger: Open
) -> None:
    known = completeness(ledger)
    record(premises, ledger, "desk.aaaaaaaa", 0, 1, 2, 3)  # at noon, and each minute after
    record(premises, ledger, "desk.bbbbbbbb", 2)
    record(premises, ledger, "other", 1, 2)
    minutes = [NOON + timedelta(minutes=each) for each in range(5)]
    known.state_period("desk", minutes[1], minutes[3], 3)
    known.state_period("desk.aaaaaaaa", minutes[1], minutes[3], 3)
    known.state_period("desk", minutes[0], minutes[1], 0)
    assert not known.state_period("desk", minutes[0], minutes[1], 0).is_new
    assert [(each.verdict, each.held) for each in known.totals()] == [
        (Verdict.MORE, 1),
        (Verdict.SHORT, 2),
        (Verdict.AGREES, 3),
    ]
    assert len(known.totals(limit=1)) == 1
    late = premises.decision(
        9, source={"id": "desk.aaaaaaaa", "seq": 9}, context={"decided_at": "2026-05-14T12:01:30Z"}
    )
    ledger.decisions.record([late])
    assert known.totals("desk.aaaaaaaa")[0].verdict is Verdict.AGREES


def test_after_an_erasure_counters_still_tell_and_periods_say_that_they_cannot(
    premises: Premises, ledger: Open
) -> None:
    known = completeness(ledger)
    record(premises, ledger, "desk", 0, 1, 2)
    record(premises, ledger, "other", 0)
    later = NOON + timedelta(hours=1)
    known.state_total("desk", 0, 2, 3)
    known.state_period("desk", NOON, later, 3)
    known.state_period("other", NOON, later, 1)
    assert {each.verdict for each in known.totals()} == {Verdict.AGREES}
    first = decision_index.c.decided_us == int(NOON.timestamp()) * 1_000_000
    with premises.vault_engine.begin() as connection:
        erased = delete(decision_index).where(first, decision_index.c.record_id.like("%"))
        connection.execute(erased)  # the first of each source
    found = {(each.stated.body.source, str(each.stated.body.kind)): each for each in known.totals()}
    assert found["desk", "source_total"].verdict is Verdict.AGREES
    period = found["desk", "source_period_total"]
    assert (period.verdict, period.held, period.undatable) == (Verdict.UNKNOWN, 2, 1)
    assert found["other", "source_period_total"].verdict is Verdict.UNKNOWN
    assert known.totals() == completeness(ledger).totals()
    assert known.decided([]) == {}
    with pytest.raises(NotFoundError):
        known.total_at(0)
