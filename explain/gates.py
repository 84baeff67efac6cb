"""Checks of an explanation against the model itself, before anyone is told anything.

One failed gate means: no automatic letter, a person writes it. The gates ask the model, not
the engine that made the numbers: an engine that misread the model agrees with itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain.attribution import Attribution, to_units
from explain.catalogue import Catalogue
from explain.errors import ExplainError
from explain.explanation import MAX_REASONS, Gate, Trial
from explain.model import Model
from explain.policy import Policy
from explain.predictor import Row
from explain.reason_codes import Push, Ranking
from explain.rules import Rule
from explain.stability import AGREED_PERCENT, DRAWS, Stability

__all__ = ["Case", "Perturbation", "check", "perturb"]

MAX_COMPARED = 1_000  # rows of the reference group that a reason is tried against


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One decision as it was recorded, and the reasons that would be given for it.

    `fired` are the knock-out rules that hold of its input, `stated` the rule that the source
    said decided, if any. `ranking` is of the score alone, as far as its groups are reasons.
    """

    model: Model
    policy: Policy
    row: Row
    attribution: Attribution
    ranking: Ranking
    outcome: str
    fired: tuple[Rule, ...] = ()
    stated: str = ""

    @property
    def follows(self) -> bool:
        """Whether score, limit and rules lead to the recorded outcome, and to no other rule."""
        named = not self.stated or self.stated in {rule.id for rule in self.fired}
        return named and self.outcome == self.policy.outcome(self.attribution.margin, self.fired)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that are reasons: the stated one first, the others in the policy's order."""
        against = self.fired if self.outcome == self.policy.failed else ()
        return tuple(sorted(against, key=lambda rule: rule.id != self.stated))


@dataclass(frozen=True, slots=True)
class Perturbation:
    """What the model says once the reasons' items have the reference group's values.

    `trials`: one for each reason, changed by itself. `together`: whether changing all of
    them at once improved the score.
    """

    trials: tuple[Trial, ...]
    together: bool

    @property
    def alone(self) -> frozenset[str]:
        """The groups whose change by itself improved the score."""
        return frozenset(trial.group for trial in self.trials if trial.change > 0)


def perturb(case: Case) -> Perturbation:
    """Ask the model again with the reasons' items taken from the reference group.

    The average over the group's own values, rather than its medians: a typical value of
    each item need not be a combination that anyone had. A reason that does not stand alone
    is told as one that counted together with other details, which is what is true of it.
    """
    reasons = case.ranking.reasons
    if not reasons:
        return Perturbation((), together=True)
    background = case.model.background[:MAX_COMPARED]
    trials = [_columns(case, [push]) for push in reasons] + [_columns(case, reasons)]
    rows = np.repeat(case.row[None, :], len(trials) * len(background), axis=0)
    for at, columns in enumerate(trials):
        part = slice(at * len(background), (at + 1) * len(background))
        rows[part, columns] = background[:, columns]
    before = float(case.model.predictor.margin(case.row[None, :])[0])
    after = case.model.predictor.margin(rows).reshape(len(trials), -1).mean(axis=1)
    sign = case.policy.sign
    *alone, together = [to_units(margin) for margin in after.tolist()]
    recorded = to_units(before)
    return Perturbation(
        tuple(
            Trial(push.group, (margin - recorded) * sign, case.policy.passes(margin))
            for push, margin in zip(reasons, alone, strict=True)
        ),
        (together - recorded) * sign > 0,
    )


def _columns(case: Case, pushes: Sequence[Push]) -> list[int]:
    return [case.model.schema.index(name) for push in pushes for name in push.features]


def check(
    case: Case, trial: Perturbation, firm: Stability, catalogue: Catalogue
) -> tuple[Gate, ...]:
    """Return every gate's result, with a sentence on what was found."""
    return (
        _additivity(case, catalogue),
        _rerun(case, catalogue),
        _reference_group(case, catalogue),
        _rank_stability(firm, catalogue),
        _perturbation(case, trial, catalogue),
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


def _rank_stability(firm: Stability, catalogue: Catalogue) -> Gate:
    if firm.agreed is None:
        return Gate("rank_stability", False, catalogue.say("gate-rank-stability-unknown"))
    detail = catalogue.say(
        "gate-rank-stability",
        agreed=str(firm.agreed),
        draws=str(DRAWS),
        needed=str(AGREED_PERCENT),
        count=len(firm.doubtful),
        groups=catalogue.listed(firm.doubtful),
    )
    return Gate("rank_stability", firm.firm, detail)


def _perturbation(case: Case, trial: Perturbation, catalogue: Catalogue) -> Gate:
    reasons = case.ranking.reasons
    strongest = not reasons or reasons[0].group in trial.alone
    detail = catalogue.say(
        "gate-perturbation",
        together="yes" if trial.together else "no",
        right=str(len(trial.alone)),
        count=str(len(reasons)),
    )
    return Gate("perturbation", trial.together and strongest, detail)


def _reasons_scored(case: Case, catalogue: Catalogue) -> Gate:
    # A refusal that gives no reason is none that anyone can answer. Where something else
    # decided, the outcome's own gate says so.
    refused = case.follows and case.outcome == case.policy.failed
    if refused and not case.rules and not case.ranking.reasons:
        return Gate("reasons_scored", False, catalogue.say("gate-reasons-none"))
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
    groups = catalogue.listed(list(dict.fromkeys(block.group for block in blocks)))
    found = []
    if beyond := [rule.id for rule in case.rules[MAX_REASONS:]]:
        named = catalogue.listed(beyond)
        found.append(catalogue.say("gate-rules-beyond", most=str(MAX_REASONS), groups=named))
    if guarded := _guarded_helps(case):
        found.append(catalogue.say("gate-helped-guarded", groups=catalogue.listed(guarded)))
    allowed = not blocks and not found
    if blocks or allowed:
        found.insert(0, catalogue.say("gate-reasons-allowed", count=len(blocks), groups=groups))
    return Gate("reasons_allowed", allowed, " ".join(found))


def _guarded_helps(case: Case) -> list[str]:
    """Return the groups that helped, which a text names, with a protected item or a proxy."""
    features = {feature.name: feature for feature in case.model.schema.features}
    return [
        push.group
        for push in case.ranking.helped
        if any(features[name].protected or features[name].proxy for name in push.features)
    ]


def _outcome(case: Case, catalogue: Catalogue) -> Gate:
    detail = catalogue.say("gate-outcome", follows="yes" if case.follows else "no")
    return Gate("outcome", case.follows, detail)
