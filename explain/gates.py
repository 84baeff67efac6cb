"""Checks of an explanation against the model itself, before anyone is told anything.

One failed gate means: no automatic letter, a person writes it. The gates ask the model, not
the engine that made the numbers: an engine that misread the model agrees with itself.
"""

from dataclasses import dataclass

import numpy as np

from explain.attribution import Attribution, to_units
from explain.catalogue import Catalogue
from explain.errors import ExplainError
from explain.explanation import Gate
from explain.model import Model
from explain.policy import Policy
from explain.predictor import Row
from explain.reason_codes import Push, Ranking

__all__ = ["Case", "check"]

MAX_COMPARED = 1_000  # rows of the reference group that a reason is tried against


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One decision as it was recorded, and the reasons that would be given for it."""

    model: Model
    policy: Policy
    row: Row
    attribution: Attribution
    ranking: Ranking
    outcome: str


def check(case: Case, catalogue: Catalogue) -> tuple[Gate, ...]:
    """Return every gate's result, with a sentence on what was found."""
    return (
        _additivity(case, catalogue),
        _rerun(case, catalogue),
        _reference_group(case, catalogue),
        _perturbation(case, catalogue),
        _reasons_scored(case, catalogue),
        _reasons_allowed(case, catalogue),
        _outcome(case, catalogue),
    )


def _within(name: str, off: int, case: Case, catalogue: Catalogue) -> Gate:
    detail = catalogue.say(f"gate-{name}", off=str(off), tolerance=str(case.model.tolerance))
    return Gate(name.replace("-", "_"), off <= case.model.tolerance, detail)


def _additivity(case: Case, catalogue: Catalogue) -> Gate:
    margin = to_units(float(case.model.predictor.margin(case.row[None, :])[0]))
    off = max(abs(margin - case.attribution.margin), abs(case.attribution.residual))
    return _within("additivity", off, case, catalogue)


def _rerun(case: Case, catalogue: Catalogue) -> Gate:
    try:
        (again,) = case.model.attributor.attribute(case.row[None, :])
        moved = [abs(value - case.attribution.value(name)) for name, value in again.values]
    except ExplainError:
        return Gate("rerun", False, catalogue.say("gate-rerun-impossible"))
    if again.engine != case.attribution.engine or len(moved) != len(case.attribution.values):
        return Gate("rerun", False, catalogue.say("gate-rerun-impossible"))
    off = max(*moved, abs(again.base - case.attribution.base))
    return _within("rerun", off, case, catalogue)


def _reference_group(case: Case, catalogue: Catalogue) -> Gate:
    """The text says "compared with this group": so the base must be this group's average."""
    average = to_units(float(case.model.predictor.margin(case.model.background).mean()))
    return _within("reference-group", abs(average - case.attribution.base), case, catalogue)


def _perturbation(case: Case, catalogue: Catalogue) -> Gate:
    right = sum(_moves_right(case, push) for push in case.ranking.reasons)
    count = len(case.ranking.reasons)
    detail = catalogue.say("gate-perturbation", right=str(right), count=str(count))
    return Gate("perturbation", right == count, detail)


def _moves_right(case: Case, push: Push) -> bool:
    """Tell whether the average over the reference group's values of these items is better.

    The group's own values, together, rather than its medians: a typical value of each item
    need not be a combination that anyone had.
    """
    columns = [case.model.schema.index(name) for name in push.features]
    background = case.model.background[:MAX_COMPARED]
    rows = np.repeat(case.row[None, :], len(background), axis=0)
    rows[:, columns] = background[:, columns]
    before = float(case.model.predictor.margin(case.row[None, :])[0])
    after = float(case.model.predictor.margin(rows).mean())
    return (after - before) * case.policy.sign > 0


def _reasons_scored(case: Case, catalogue: Catalogue) -> Gate:
    scored = {name for name, value in case.attribution.values if value}
    right = sum(
        push.leading in scored and push.amount * case.policy.sign < 0
        for push in case.ranking.reasons
    )
    count = len(case.ranking.reasons)
    detail = catalogue.say("gate-reasons-scored", right=str(right), count=str(count))
    return Gate("reasons_scored", right == count, detail)


def _reasons_allowed(case: Case, catalogue: Catalogue) -> Gate:
    blocks = case.ranking.blocks
    groups = catalogue.listed([block.group for block in blocks])
    detail = catalogue.say("gate-reasons-allowed", count=len(blocks), groups=groups)
    return Gate("reasons_allowed", not blocks, detail)


def _outcome(case: Case, catalogue: Catalogue) -> Gate:
    follows = case.outcome == case.policy.outcome(case.attribution.margin)
    detail = catalogue.say("gate-outcome", follows="yes" if follows else "no")
    return Gate("outcome", follows, detail)
