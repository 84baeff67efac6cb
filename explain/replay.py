"""Replay: does the archived model still say, for this input, what was recorded?

`reproduced`: the same margin and the same contributions, each within the tolerance of the
engine, and the same reasons in the same order. `drifted`: it ran, and a number moved
further, or the reasons are others. `impossible`: it could not be run as recorded, and why.

Grades: A, every number is identical; B, reproduced, not identical; C, drifted. Where no
contributions were recorded, the grade is of the margin alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Self

from explain.attribution import XGBOOST_TOLERANCE, Attribution, Attributor, to_units
from explain.errors import ExplainError
from explain.plain import JsonValue, to_plain
from explain.predictor import Predictor, Row

__all__ = ["Difference", "Replay", "replay", "replay_margin"]

Verdict = Literal["reproduced", "drifted", "impossible"]
Grade = Literal["A", "B", "C", ""]
Ranked = Callable[[Attribution], tuple[str, ...]]

_SINGLE = (
    "registered with the model: a library that adds up 32-bit numbers differs by so much"
    " between its versions"
)
_DOUBLE = "registered with the model: 64-bit numbers differ by no more between libraries"


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that is not what was recorded; `part` is a feature's name or `base`."""

    part: str
    recorded: int
    now: int

    @property
    def size(self) -> int:
        """How far it moved, in units of 10^-6."""
        return abs(self.now - self.recorded)


@dataclass(frozen=True, slots=True)
class Replay:
    """The verdict, and by how much and where it drifted, largest first.

    `environment` names libraries that are not of the version the model was registered with.
    """

    verdict: Verdict
    why: str
    exact: bool
    tolerance: int
    recorded_margin: int
    margin: int | None
    differences: tuple[Difference, ...]
    grade: Grade = ""
    tolerance_reason: str = ""
    environment: tuple[str, ...] = ()

    @classmethod
    def impossible(cls, recorded_margin: int, why: str, tolerance: int = 0) -> Self:
        """Return the verdict on a decision that cannot be run again."""
        return cls("impossible", why, False, tolerance, recorded_margin, None, ())

    @property
    def largest(self) -> int:
        """How far the number that moved furthest did, in units of 10^-6."""
        off = 0 if self.margin is None else abs(self.margin - self.recorded_margin)
        return max(off, *(each.size for each in self.differences), 0)

    def within(self, environment: tuple[str, ...]) -> Self:
        """Return it with what is said of the libraries that it was run with."""
        return replace(self, environment=environment)

    def to_json(self) -> JsonValue:
        """Return the replay as plain JSON types."""
        return to_plain(self)


def replay(
    predictor: Predictor,
    attributor: Attributor,
    row: Row,
    recorded: Attribution,
    *,
    tolerance: int,
    ranked: Ranked | None = None,
) -> Replay:
    """Run the model and the engine on `row` again and compare with what was recorded.

    `ranked` tells which groups would be the reasons, strongest first; without it only
    numbers are compared.
    """
    rows = row[None, :]
    try:
        margin = to_units(float(predictor.margin(rows)[0]))
        (now,) = attributor.attribute(rows)
    except ExplainError as error:
        return Replay.impossible(recorded.margin, str(error), tolerance)
    if (now.engine, now.space) != (recorded.engine, recorded.space):
        why = f"recorded with {recorded.engine}, this model is explained with {now.engine}"
        return Replay.impossible(recorded.margin, why, tolerance)
    if [name for name, _ in now.values] != [name for name, _ in recorded.values]:
        why = "recorded with other features than this model has"
        return Replay.impossible(recorded.margin, why, tolerance)
    differences = _differences(recorded, now)
    moved = max((one.size for one in differences), default=0)
    off = abs(margin - recorded.margin)
    exact = moved == 0 and off == 0 and now.residual == recorded.residual
    fits = moved <= tolerance and off <= tolerance
    same = ranked is None or ranked(now) == ranked(recorded)
    why = (
        f"margin off by {off}, contributions by at most {moved} units of 10^-6 "
        f"(tolerance {tolerance})"
    )
    return Replay(
        "reproduced" if fits and same else "drifted",
        why if same else f"{why}; the reasons or their order are others",
        exact,
        tolerance,
        recorded.margin,
        margin,
        differences,
        _grade(exact=exact, fits=fits and same),
        _reason(tolerance),
    )


def replay_margin(predictor: Predictor, row: Row, recorded: int, tolerance: int) -> Replay:
    """Run the model on `row` again and compare the margin, where no contributions were recorded."""
    try:
        margin = to_units(float(predictor.margin(row[None, :])[0]))
    except ExplainError as error:
        return Replay.impossible(recorded, str(error), tolerance)
    off = abs(margin - recorded)
    why = (
        f"margin off by {off} units of 10^-6 (tolerance {tolerance}); no contributions were"
        " recorded with the decision to compare with"
    )
    fits = off <= tolerance
    return Replay(
        "reproduced" if fits else "drifted",
        why,
        off == 0,
        tolerance,
        recorded,
        margin,
        (),
        _grade(exact=off == 0, fits=fits),
        _reason(tolerance),
    )


def _grade(*, exact: bool, fits: bool) -> Grade:
    if not fits:
        return "C"
    return "A" if exact else "B"


def _reason(tolerance: int) -> str:
    return _SINGLE if tolerance >= XGBOOST_TOLERANCE else _DOUBLE


def _differences(recorded: Attribution, now: Attribution) -> tuple[Difference, ...]:
    pairs = [Difference("base", recorded.base, now.base)] + [
        Difference(name, before, now.value(name)) for name, before in recorded.values
    ]
    return tuple(sorted((pair for pair in pairs if pair.size), key=lambda pair: -pair.size))
