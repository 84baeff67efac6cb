"""How a model moved within the period of an audit report, from the cases that it opened."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ledger.operate.decisions import DecisionView
from reports.distributions import cell, shift
from reports.documents import ItemMoved, Movement, ScoresMoved
from service.over_time.counting import month_of
from service.over_time.figures import MIN_CASES
from service.over_time.tally import SCORE_STEPS, Tally

if TYPE_CHECKING:
    from explain.attribution import Attribution

__all__ = ["movement"]

PLACES: Final = Decimal("0.001")  # of an index, printed


def movement(
    cases: Iterable[tuple[DecisionView, "Attribution | None"]], labels: Mapping[str, str]
) -> Movement:
    """How scores and contributions moved from the first month with enough decisions on."""
    months: dict[str, Tally] = {}
    for view, attribution in cases:
        tally = months.setdefault(month_of(view.payload.decided_at), Tally())
        tally.decided += 1
        tally.scores[cell(view.payload.margin, SCORE_STEPS)] += 1
        for name, amount in attribution.values if attribution else ():
            tally.contribute(name, amount)
    enough = [month for month in sorted(months) if months[month].decided >= MIN_CASES]
    left_out = len(months) - len(enough)
    if not enough:
        return Movement(MIN_CASES, left_out)
    reference, *later = enough
    base = months[reference]
    items = _items(base, months[later[-1]], labels) if later else ()
    return Movement(
        fewest=MIN_CASES,
        left_out=left_out,
        reference=_first(reference),
        reference_decisions=base.decided,
        scores=tuple(_scores(month, base, months[month]) for month in later),
        last=_first(later[-1]) if later else None,
        items=items,
    )


def _scores(month: str, base: Tally, tally: Tally) -> ScoresMoved:
    index, chance = _moved(base.scores, tally.scores)
    return ScoresMoved(_first(month), tally.decided, index, chance)


def _items(base: Tally, tally: Tally, labels: Mapping[str, str]) -> tuple[ItemMoved, ...]:
    found = []
    for name, spread in tally.features.items():
        before = base.features.get(name)
        if before is not None and min(before.count, spread.count) >= MIN_CASES:
            index, chance = _moved(before.cells, spread.cells)
            found.append(ItemMoved(labels.get(name, name), spread.count, index, chance))
    return tuple(sorted(found, key=lambda each: (each.chance - each.index, each.label)))


def _moved(before: Mapping[int, int], now: Mapping[int, int]) -> tuple[Decimal, Decimal]:
    found = shift(before, now)
    if found is None:
        raise TypeError("nothing was counted")  # every caller counted enough
    index, chance = (Decimal(each).quantize(PLACES) for each in (found.psi, found.psi_chance))
    return index, chance


def _first(month: str) -> date:
    return date.fromisoformat(f"{month}-01")
