"""Approval by group: rates with intervals, measures between groups, and what is not shown.

The measures are fairlearn's, on counts: a group weighs as many cases as it has. Groups that are
small are left out, and so many beside them that nobody can work them out from the total.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from service.over_time.figures import DIGITS, MIN_CASES, Absence, Share, share

__all__ = [
    "NOT_STATED",
    "Errors",
    "GroupErrors",
    "GroupShares",
    "Measures",
    "NoMeasures",
    "Odds",
    "compared",
    "errors_compared",
]

NOT_STATED: Final = "not stated"
TWO: Final = 2  # groups that can be compared; cells that hide each other


class NoMeasures(StrEnum):
    """Why groups are not compared."""

    NOBODY_PASSED = "nobody_passed"
    NOT_INSTALLED = "not_installed"
    ONE_DECISION = "one_decision"  # only passed ones, or only refused ones, have outcomes
    ONE_GROUP = "one_group"


@dataclass(frozen=True, slots=True)
class Measures:
    """How the rates of the groups that are shown compare; `not stated` is no group.

    Attributes:
        ratio: the lowest rate divided by the highest (29 CFR 1607.4(D) regards less than 4/5
            as evidence of adverse impact, and more proves nothing).
        difference: the highest rate less the lowest: demographic parity is 0.
        lowest: the group of the lowest rate.
        highest: the group of the highest.
    """

    ratio: float
    difference: float
    lowest: str
    highest: str


@dataclass(frozen=True, slots=True)
class GroupShares:
    """One trait in one period; an absent share belongs to a group that is not shown."""

    trait: str
    period: str
    shares: tuple[tuple[str, Share | Absence], ...]
    measures: Measures | NoMeasures

    def to_json(self) -> dict[str, Any]:
        """The shares and measures as JSON, rounded."""
        measures = (
            {"absent": self.measures.value}
            if isinstance(self.measures, NoMeasures)
            else {
                "ratio": round(self.measures.ratio, DIGITS),
                "difference": round(self.measures.difference, DIGITS),
                "lowest": self.measures.lowest,
                "highest": self.measures.highest,
            }
        )
        return {
            "trait": self.trait,
            "period": self.period,
            "groups": [
                {"group": name, **_share_json(each), "impact_ratio": self._impact(name, each)}
                for name, each in self.shares
            ],
            "measures": measures,
        }

    def _impact(self, name: str, found: Share | Absence) -> float | None:
        """A group's rate divided by the highest of the groups that are shown."""
        if not isinstance(self.measures, Measures) or isinstance(found, Absence):
            return None
        highest = dict(self.shares)[self.measures.highest]
        if name == NOT_STATED or isinstance(highest, Absence):
            return None
        return round(found.share / highest.share, DIGITS)


@dataclass(frozen=True, slots=True)
class Errors:
    """Decisions of a group by what became of them; good is what the model's output favours.

    Attributes:
        good_passed: they passed, and it was good.
        good_refused: refused, although it was good.
        bad_passed: they passed, although it was bad.
        bad_refused: refused, and it was bad.
    """

    good_passed: int = 0
    good_refused: int = 0
    bad_passed: int = 0
    bad_refused: int = 0

    @property
    def smaller(self) -> int:
        """The smaller of the two numbers that its rates are of."""
        return min(self.good_passed + self.good_refused, self.bad_passed + self.bad_refused)


@dataclass(frozen=True, slots=True)
class Odds:
    """Equalised odds between the groups that are shown: 0 and 1 are equal.

    `ratio` is None where no group has any of one rate, since nothing is no share of nothing.
    """

    difference: float
    ratio: float | None


@dataclass(frozen=True, slots=True)
class GroupErrors:
    """Error rates by group, of one trait in one period; `not stated` is not among them."""

    trait: str
    period: str
    groups: tuple[tuple[str, Errors | Absence], ...]
    odds: Odds | NoMeasures

    def to_json(self) -> dict[str, Any]:
        """The rates and measures as JSON, rounded."""
        return {
            "trait": self.trait,
            "period": self.period,
            "groups": [{"group": name, **_errors_json(each)} for name, each in self.groups],
            "equalised_odds": (
                {"absent": self.odds.value}
                if isinstance(self.odds, NoMeasures)
                else {
                    "difference": round(self.odds.difference, DIGITS),
                    "ratio": None if self.odds.ratio is None else round(self.odds.ratio, DIGITS),
                }
            ),
        }


def errors_compared(trait: str, period: str, counts: Mapping[str, Errors]) -> GroupErrors:
    """Return the error rates of groups, the largest first, and equalised odds by fairlearn."""
    hidden = _hidden({name: each.smaller for name, each in counts.items()})
    ranked = sorted(counts, key=lambda name: (-counts[name].smaller, name))
    groups = tuple((n, Absence.TOO_FEW if n in hidden else counts[n]) for n in ranked)
    shown = {name: counts[name] for name in ranked if name not in hidden}
    return GroupErrors(trait, period, groups, _odds(shown))


def _odds(counts: Mapping[str, Errors]) -> Odds | NoMeasures:
    if len(counts) < TWO:
        return NoMeasures.ONE_GROUP
    passed = any(each.good_passed or each.bad_passed for each in counts.values())
    refused = any(each.good_refused or each.bad_refused for each in counts.values())
    if not passed or not refused:
        return NoMeasures.ONE_DECISION
    if importlib.util.find_spec("fairlearn") is None:
        return NoMeasures.NOT_INSTALLED
    from fairlearn.metrics import equalized_odds_difference, equalized_odds_ratio

    names, good, decided, weights = [], [], [], []
    for name, each in counts.items():
        names += [name] * 4
        good += [1, 1, 0, 0]
        decided += [1, 0, 1, 0]
        weights += [each.good_passed, each.good_refused, each.bad_passed, each.bad_refused]
    both = {"sensitive_features": names, "sample_weight": weights}
    both_rates = any(each.good_passed for each in counts.values()) and any(
        each.bad_passed for each in counts.values()
    )
    return Odds(
        difference=float(equalized_odds_difference(good, decided, **both)),
        ratio=float(equalized_odds_ratio(good, decided, **both)) if both_rates else None,
    )


def _errors_json(found: Errors | Absence) -> dict[str, Any]:
    if isinstance(found, Absence):
        return {"absent": found.value}
    good, bad = found.good_passed + found.good_refused, found.bad_passed + found.bad_refused
    return {
        "refused_of_good": _share_json(share(found.good_refused, good)),
        "passed_of_bad": _share_json(share(found.bad_passed, bad)),
    }


def compared(trait: str, period: str, counts: Mapping[str, tuple[int, int]]) -> GroupShares:
    """Return the shares of groups, from (passed, decided) of each; the largest first."""
    hidden = _hidden({name: decided for name, (_, decided) in counts.items()})
    ranked = sorted(counts, key=lambda name: (name == NOT_STATED, -counts[name][1], name))
    shares = tuple(
        (name, Absence.TOO_FEW if name in hidden else share(*counts[name])) for name in ranked
    )
    shown = {name: counts[name] for name in ranked if name not in hidden and name != NOT_STATED}
    return GroupShares(trait, period, shares, _measures(shown))


def _hidden(sizes: Mapping[str, int]) -> frozenset[str]:
    """The groups that are not shown: the small ones, and more until they hide each other."""
    rising = sorted((name for name in sizes if sizes[name]), key=lambda name: (sizes[name], name))
    hidden = [name for name in rising if sizes[name] < MIN_CASES]
    rest = rising[len(hidden) :]
    while hidden and rest and (len(hidden) < TWO or sum(map(sizes.get, hidden)) < MIN_CASES):  # type: ignore[arg-type]  # each has a size
        hidden.append(rest.pop(0))
    return frozenset(hidden) | {name for name, size in sizes.items() if not size}


def _measures(counts: Mapping[str, tuple[int, int]]) -> Measures | NoMeasures:
    if len(counts) < TWO:
        return NoMeasures.ONE_GROUP
    if not any(passed for passed, _ in counts.values()):
        return NoMeasures.NOBODY_PASSED
    if importlib.util.find_spec("fairlearn") is None:
        return NoMeasures.NOT_INSTALLED
    from fairlearn.metrics import MetricFrame, selection_rate

    names, outcomes, weights = [], [], []
    for name, (passed, decided) in counts.items():
        names += [name, name]
        outcomes += [1, 0]
        weights += [passed, decided - passed]
    frame = MetricFrame(
        metrics=selection_rate,
        y_true=outcomes,  # selection looks at what was decided alone
        y_pred=outcomes,
        sensitive_features=names,
        sample_params={"sample_weight": weights},
    )
    return Measures(
        ratio=float(frame.ratio(method="between_groups")),
        difference=float(frame.difference(method="between_groups")),
        lowest=str(frame.by_group.idxmin()),
        highest=str(frame.by_group.idxmax()),
    )


def _share_json(found: Share | Absence) -> dict[str, Any]:
    if isinstance(found, Absence):
        return {"absent": found.value}
    return {
        "count": found.count,
        "part": found.part,
        "share": round(found.share, DIGITS),
        "low": round(found.low, DIGITS),
        "high": round(found.high, DIGITS),
    }
