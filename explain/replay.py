"""Replay: does the archived model still say, for this input, what was recorded?

`reproduced`: the same margin and the same contributions, each within the tolerance of the
engine (`exact` where every number is identical). `drifted`: it ran, and a number moved
further. `impossible`: it could not be run as recorded, and why.
"""

from dataclasses import dataclass
from typing import Literal, Self

from explain.attribution import Attribution, Attributor, to_units
from explain.errors import ExplainError
from explain.plain import JsonValue, to_plain
from explain.predictor import Predictor, Row

__all__ = ["Difference", "Replay", "replay"]

Verdict = Literal["reproduced", "drifted", "impossible"]


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
    """The verdict, and by how much and where it drifted, largest first."""

    verdict: Verdict
    why: str
    exact: bool
    tolerance: int
    recorded_margin: int
    margin: int | None
    differences: tuple[Difference, ...]

    @classmethod
    def impossible(cls, recorded_margin: int, why: str, tolerance: int = 0) -> Self:
        """Return the verdict on a decision that cannot be run again."""
        return cls("impossible", why, False, tolerance, recorded_margin, None, ())

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
) -> Replay:
    """Run the model and the engine on `row` again and compare with what was recorded."""
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
    return Replay(
        "reproduced" if fits else "drifted",
        f"margin off by {off}, contributions by at most {moved} units of 10^-6 "
        f"(tolerance {tolerance})",
        exact,
        tolerance,
        recorded.margin,
        margin,
        differences,
    )


def replay_margin(predictor: Predictor, row: Row, recorded: int, tolerance: int) -> Replay:
    """Run the model on `row` again and compare the margin, where no contributions were recorded."""
    margin = to_units(float(predictor.margin(row[None, :])[0]))
    off = abs(margin - recorded)
    why = (
        f"margin off by {off} units of 10^-6 (tolerance {tolerance}); no contributions were"
        " recorded with the decision to compare with"
    )
    verdict: Verdict = "reproduced" if off <= tolerance else "drifted"
    return Replay(verdict, why, off == 0, tolerance, recorded, margin, ())


def _differences(recorded: Attribution, now: Attribution) -> tuple[Difference, ...]:
    pairs = [Difference("base", recorded.base, now.base)] + [
        Difference(name, before, now.value(name)) for name, before in recorded.values
    ]
    return tuple(sorted((pair for pair in pairs if pair.size), key=lambda pair: -pair.size))
