"""How a model moved within a report's period, from cases that were opened."""

from dataclasses import replace
from datetime import UTC, date, datetime

from explain.attribution import Attribution
from ledger.operate.decisions import DecisionView
from reports.documents import Movement
from service.over_time.movement import movement
from tests.service.over_time.conftest import COUNT
from tests.service.ui.lender import Lender

Case = tuple[DecisionView, Attribution | None]


def cases(lender: Lender) -> list[Case]:
    """All decisions, dated anew: 30 in January, 30 in February, the rest in March."""
    made: list[Case] = []
    for at, record in enumerate(lender.ids):
        view = lender.runtime.decisions.read(record)
        attribution = Attribution.from_json(view.payload.to_json()["attributions"])
        decided = datetime(2026, 1 + min(at // 30, 2), 9, tzinfo=UTC)
        context = {**view.payload.context, "decided_at": f"{decided:%Y-%m-%dT%H:%M:%SZ}"}
        made.append((replace(view, payload=replace(view.payload, context=context)), attribution))
    return made


def test_later_months_are_compared_with_the_first_that_has_enough(lender: Lender) -> None:
    found = movement(cases(lender), {"late": "Late payments"})
    assert (found.reference, found.reference_decisions) == (date(2026, 1, 1), 30)
    assert [(each.first.month, each.decisions) for each in found.scores] == [
        (2, 30),
        (3, COUNT - 60),
    ]
    assert (found.last, found.left_out) == (date(2026, 3, 1), 0)
    assert {each.label for each in found.items} == {"loan_to_value", "Late payments", "bankrupt"}
    above = [each.index - each.chance for each in found.items]
    assert above == sorted(above, reverse=True)
    assert all(each.chance > 0 for each in found.scores)
    assert all(each.chance > 0 for each in found.items)


def test_small_months_are_left_out_and_counted(lender: Lender) -> None:
    found = movement(cases(lender)[:35], {})
    assert (found.left_out, found.scores, found.last) == (1, (), None)
    assert movement(cases(lender)[:5], {}) == Movement(20, 1)


def test_without_contributions_only_scores_are_compared(lender: Lender) -> None:
    found = movement([(view, None) for view, _ in cases(lender)], {})
    assert (len(found.scores), found.items) == (2, ())
