"""From counts to figures: what a model did in each period, and how that moved.

Pure. A figure of fewer than `MIN_CASES` decisions is left out and its absence explained: it
would say more about persons than about the model, and less about the model than it seems. Every
figure carries how many decisions it is of.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from reports.distributions import CLASSES, Mean, Shift, mean_of, shift
from reports.proportions import wilson_interval
from service.over_time.kept import Unseen
from service.over_time.tally import Spread, Tally

if TYPE_CHECKING:
    # It is worked out from these figures, and stands beside them.
    from service.over_time.following import Followed

__all__ = [
    "MIN_CASES",
    "Absence",
    "Feature",
    "Figures",
    "OverTime",
    "Period",
    "Share",
    "by_period",
    "figures",
    "first_reference",
    "share",
]

MIN_CASES: Final = 20  # decisions that a figure is of; also the fewest that an interval is good for
MIN_REFERENCE: Final = 4 * CLASSES  # decisions to compare with: below, what is chance is not known
UNIT: Final = 1_000_000  # integers of a record are millionths of the output space
DIGITS: Final = 6  # after the point, in JSON and CSV


class Period(StrEnum):
    """How long a period is."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    def of(self, month: str) -> str:
        """The period that a month such as `2026-05` lies in: that, `2026-Q2` or `2026`."""
        if self is Period.YEAR:
            return month[:4]
        if self is Period.QUARTER:
            return f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}"
        return month


class Absence(StrEnum):
    """Why a figure is not there."""

    NO_CONTRIBUTIONS = "no_contributions"
    NO_REFERENCE = "no_reference"
    NOT_A_PROBABILITY = "not_a_probability"
    REFERENCE = "reference"  # it is the period that others are compared with
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `count` cases with its 95 % interval (Wilson)."""

    count: int
    part: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature in one period.

    Attributes:
        name: as the manifest has it.
        importance: mean absolute contribution in the model's output space; None of too few.
        drift: how its contributions moved against the reference, or why that is not said.
    """

    name: str
    importance: Mean | None
    drift: Shift | Absence


@dataclass(frozen=True, slots=True)
class Figures:
    """One period.

    Attributes:
        period: as :meth:`Period.of` names it.
        decided: how many decisions are counted in it.
        passed: how many of them passed; shown with `approval` alone.
        attributed: how many of them have contributions.
        approval: share that passed.
        score: how the margins moved against the reference.
        features: the most important first; () of too few.
        explained: how many refusals have reasons.
        reasons: share of those that have each code among their principal reasons, largest first.
    """

    period: str
    decided: int
    passed: int
    attributed: int
    approval: Share | Absence
    score: Shift | Absence
    features: tuple[Feature, ...]
    explained: int
    reasons: tuple[tuple[str, Share], ...]


@dataclass(frozen=True, slots=True)
class OverTime:
    """A model version over time.

    Attributes:
        model: `name@version`.
        digest: of its manifest.
        space: what its output is in.
        computed_at: RFC 3339, UTC.
        size: how many entries of the log were looked at.
        decisions: how many of them are by the model.
        unseen: which are in no figure, by why.
        by: how long a period is.
        reference: the period that the others are compared with; None: none has enough.
        periods: oldest first.
        followed: what became of the decisions; None: no outcome is on record.
    """

    model: str
    digest: str
    space: str
    computed_at: str
    size: int
    decisions: int
    unseen: Unseen
    by: Period
    reference: str | None
    periods: tuple[Figures, ...]
    followed: "Followed | None" = None

    def to_json(self) -> dict[str, Any]:
        """The whole as JSON: what is printed, served and kept."""
        unseen = {name: getattr(self.unseen, name) for name in Unseen.__dataclass_fields__}
        return {
            "model": self.model,
            "digest": self.digest,
            "space": self.space,
            "computed_at": self.computed_at,
            "log_size": self.size,
            "decisions": self.decisions,
            "not_counted": {name: unseen[name] for name in ("erased", "restricted", "undated")},
            "no_contributions": {name: unseen[name] for name in ("without", "pending")},
            "min_cases": MIN_CASES,
            "by": self.by.value,
            "reference": self.reference,
            "periods": [_period_json(each) for each in self.periods],
            "outcomes": self.followed.to_json() if self.followed else None,
        }


def by_period(months: Mapping[str, Tally], by: Period) -> dict[str, Tally]:
    """Return the tallies of months added up by period, oldest first."""
    found: dict[str, Tally] = {}
    for month in sorted(months):
        found.setdefault(by.of(month), Tally()).join(months[month])
    return found


def first_reference(periods: Mapping[str, Tally]) -> str | None:
    """Return the oldest period with enough decisions to compare with, or None."""
    return next((at for at, each in periods.items() if each.decided >= MIN_REFERENCE), None)


def figures(periods: Mapping[str, Tally], reference: str | None) -> Iterator[Figures]:
    """Return the figures of each period; `reference` is one of them, or None."""
    base = periods[reference] if reference is not None else None
    for name, tally in periods.items():
        yield _figures(name, tally, base, is_reference=name == reference)


def share(part: int, count: int) -> Share | Absence:
    """Return the share of `part` in `count` with its interval, unless of too few."""
    interval = wilson_interval(part, count)
    if count < MIN_CASES or interval is None:
        return Absence.TOO_FEW
    return Share(count, part, part / count, interval.low, interval.high)


def _figures(name: str, tally: Tally, base: Tally | None, *, is_reference: bool) -> Figures:
    attributed = max((each.count for each in tally.features.values()), default=0)
    enough = attributed >= MIN_CASES
    return Figures(
        period=name,
        decided=tally.decided,
        passed=tally.passed,
        attributed=attributed,
        approval=share(tally.passed, tally.decided),
        score=_moved(base.scores if base else None, tally.scores, is_reference=is_reference),
        features=_features(tally, base, is_reference=is_reference) if enough else (),
        explained=tally.explained,
        reasons=_reasons(tally),
    )


def _features(tally: Tally, base: Tally | None, *, is_reference: bool) -> tuple[Feature, ...]:
    found = []
    for name, spread in sorted(tally.features.items(), key=lambda each: (-each[1].total, each[0])):
        before = base.features.get(name, Spread()).cells if base is not None else None
        drift = _moved(before, spread.cells, is_reference=is_reference)
        found.append(Feature(name, _importance(spread), drift))
    return tuple(found)


def _importance(spread: Spread) -> Mean | None:
    mean = mean_of(spread.count, spread.total, spread.squares)
    if mean is None or spread.count < MIN_CASES:
        return None
    low = max(0.0, mean.low)  # a size is not negative
    return Mean(mean.count, mean.mean / UNIT, low / UNIT, mean.high / UNIT)


def _reasons(tally: Tally) -> tuple[tuple[str, Share], ...]:
    ranked = sorted(tally.reasons.items(), key=lambda each: (-each[1], each[0]))
    shares = ((code, share(count, tally.explained)) for code, count in ranked)
    return tuple((code, each) for code, each in shares if isinstance(each, Share))


def _moved(
    before: Mapping[int, int] | None, now: Mapping[int, int], *, is_reference: bool
) -> Shift | Absence:
    if is_reference:
        return Absence.REFERENCE
    if before is None:
        return Absence.NO_REFERENCE
    if not sum(before.values()) or not sum(now.values()):
        return Absence.NO_CONTRIBUTIONS
    if sum(before.values()) < MIN_REFERENCE or sum(now.values()) < MIN_CASES:
        return Absence.TOO_FEW
    return shift(before, now) or Absence.TOO_FEW


def _period_json(each: Figures) -> dict[str, Any]:
    no_features = Absence.TOO_FEW if each.attributed else Absence.NO_CONTRIBUTIONS
    return {
        "period": each.period,
        "decided": each.decided,
        "attributed": each.attributed,
        "approval": _value_json(each.approval),
        "score_drift": _value_json(each.score),
        "features_absent": None if each.features else no_features.value,
        "features": [
            {
                "name": feature.name,
                "importance": _value_json(feature.importance or Absence.TOO_FEW),
                "drift": _value_json(feature.drift),
            }
            for feature in each.features
        ],
        "refusals_with_reasons": each.explained,
        "reasons_absent": None if each.reasons else Absence.TOO_FEW.value,
        "reasons": [{"code": code, **_value_json(found)} for code, found in each.reasons],
    }


def _value_json(value: Share | Mean | Shift | Absence) -> dict[str, Any]:
    """The members of a figure, rounded; of one that is not there, why."""
    if isinstance(value, Absence):
        return {"absent": value.value}
    members = {name: getattr(value, name) for name in type(value).__dataclass_fields__}
    return {
        name: round(each, DIGITS) if isinstance(each, float) else each
        for name, each in members.items()
    }
