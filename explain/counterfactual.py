"""Which small change of the input would have changed this model's outcome?

A fixed search without chance: values that were seen in the reference group among rows on the
favourable side, one feature at a time, then combinations of the most promising. Every
candidate is rounded to what a reader is shown before the model runs on it, so what the letter
says is what was run. "None found within these bounds" is an answer.

Repeated evaluation of the model is the sound basis for such statements (Bilodeau et al., PNAS
2024, https://doi.org/10.1073/pnas.2304406120); the idea of the statement is Wachter et al.
2017 (https://arxiv.org/abs/1711.00399). It is about the model, not advice about life.
"""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explain.attribution import SCALE
from explain.explanation import MAX_COUNTERFACTUALS
from explain.features import Feature
from explain.predictor import FeatureSchema, Predictor, Row, Rows, decode

__all__ = ["MAX_CHANGES", "Alternative", "Limit", "search"]

MAX_CHANGES = 3  # features changed together; more is no longer a small change
MAX_VALUES = 32  # candidate values per feature; bounds the rows scored
BEAM = 8  # combinations carried from one size to the next


@dataclass(frozen=True, slots=True)
class Limit:
    """A cut-off in units of 10^-6; `sign` is +1 where higher is favourable, else -1."""

    cut_off: int
    sign: int

    def passed(self, margins: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which margins are at the limit or on its favourable side.

        In whole units, as recorded margins are, so that no tie is decided twice.
        """
        units = np.rint(margins * 10**SCALE)
        return np.asarray((units - self.cut_off) * self.sign >= 0)


@dataclass(frozen=True, slots=True, eq=False)
class Alternative:
    """A row that the model itself scored on the favourable side.

    `changed` are columns, ascending; `cost` is the sum of the changes, each as a share of
    the reference group's spread.
    """

    changed: tuple[int, ...]
    row: Row
    margin: float
    cost: float


def search(
    schema: FeatureSchema,
    predictor: Predictor,
    row: Row,
    background: Rows,
    limit: Limit,
) -> tuple[Alternative, ...]:
    """Return up to three alternatives that pass, fewest changes first, then smallest.

    No alternative changes all the features of another one that is given: each is a
    different way. Empty if none was found within these bounds.
    """
    favourable = background[limit.passed(predictor.margin(background))]
    moves = {
        column: values
        for column, feature in enumerate(schema.features)
        if len(values := _candidates(feature, float(row[column]), favourable[:, column]))
    }
    grid = _Grid(row, moves, _spread(background))
    found: list[Alternative] = []
    beam = [Alternative((), row, math.nan, 0.0)]
    for _ in range(MAX_CHANGES):
        tried = grid.extend(beam, found)
        if not tried:
            break
        margins = predictor.margin(np.stack([one.row for one in tried]))
        scores = list(zip(tried, margins.tolist(), limit.passed(margins), strict=True))
        passing = [(one, margin) for one, margin, fits in scores if fits]
        found += _cheapest(passing, MAX_COUNTERFACTUALS - len(found))
        if len(found) == MAX_COUNTERFACTUALS:
            break
        beam = _most_promising(
            [(one, margin) for one, margin, fits in scores if not fits], limit.sign
        )
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Where the search may go from `row`: values by column, and each column's spread."""

    row: Row
    moves: dict[int, NDArray[np.float32]]
    spread: NDArray[np.float64]

    def extend(self, beam: list[Alternative], found: list[Alternative]) -> list[Alternative]:
        """Return every row one change further than the beam, not yet scored."""
        taken = [set(one.changed) for one in found]
        steps: dict[bytes, Alternative] = {}
        for start, (column, values) in itertools.product(beam, self.moves.items()):
            changed = tuple(sorted({*start.changed, column}))
            if column in start.changed or any(ways <= set(changed) for ways in taken):
                continue
            costs = start.cost + self.lengths(column, values)
            for value, cost in zip(values, costs, strict=True):
                candidate = start.row.copy()
                candidate[column] = value
                # Two orders of the same changes lead to the same row: score it once.
                one = Alternative(changed, candidate, math.nan, float(cost))
                steps.setdefault(candidate.tobytes(), one)
        return list(steps.values())

    def lengths(self, column: int, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how far each value is from the row's, as a share of the column's spread."""
        steps = np.abs(values.astype(np.float64) - self.row[column]) / self.spread[column]
        # From "not given" to a value has no length: it counts as one spread.
        return np.where(np.isnan(steps), 1.0, steps)


def _candidates(feature: Feature, current: float, seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values this feature may take instead: seen, in bounds, in its direction."""
    values: NDArray[np.float32] = np.unique(seen[~np.isnan(seen)])
    # "If your sex had been another" is not an answer anyone may be given.
    if feature.mutability == "fixed" or feature.protected or len(values) == 0:
        return np.empty(0, dtype=np.float32)
    if len(values) > MAX_VALUES:
        shares = np.linspace(0.0, 1.0, MAX_VALUES)
        # "nearest" keeps to values that were seen; interpolation would invent some.
        values = np.unique(np.quantile(values, shares, method="nearest"))
    if feature.type in {"number", "integer"}:
        values = np.unique(
            np.array([decode(feature, float(value)) for value in values], dtype=np.float32)
        )
        values = values[[_in_bounds(feature, float(value)) for value in values]]
        shown = decode(feature, current)
        # Compared as shown: a change that a reader cannot see is none.
        values = values[values != np.float32(np.nan if shown is None else shown)]
    values = values[values != np.float32(current)]
    if feature.mutability == "increase":
        values = values[values > np.float32(current)]
    if feature.mutability == "decrease":
        values = values[values < np.float32(current)]
    return values


def _in_bounds(feature: Feature, value: float) -> bool:
    return (feature.lower is None or value >= feature.lower) and (
        feature.upper is None or value <= feature.upper
    )


def _spread(background: Rows) -> NDArray[np.float64]:
    """Return each column's distance from its 10th to its 90th percentile, at least tiny."""
    columns = []
    for column in background.T:
        given = column[~np.isnan(column)]
        low, high = np.quantile(given, (0.1, 0.9)) if len(given) else (0.0, 0.0)
        # A column that hardly varies: its full range, so that a rare value is a large step.
        columns.append(high - low or (np.ptp(given) if len(given) else 0.0) or 1.0)
    return np.array(columns, dtype=np.float64)


def _cheapest(passing: list[tuple[Alternative, float]], most: int) -> list[Alternative]:
    """Return the cheapest way per set of features, cheapest first, with its margin."""
    best: dict[tuple[int, ...], Alternative] = {}
    for one, margin in sorted(passing, key=lambda pair: (pair[0].cost, _order(pair[0]))):
        best.setdefault(one.changed, replace(one, margin=margin))
    return list(best.values())[:most]


def _most_promising(failing: list[tuple[Alternative, float]], sign: int) -> list[Alternative]:
    ranked = sorted(failing, key=lambda pair: (-sign * pair[1], _order(pair[0])))
    return [one for one, _ in ranked[:BEAM]]


def _order(one: Alternative) -> tuple[tuple[int, ...], bytes]:
    """The tie-break: by columns, then by the values themselves."""
    return one.changed, one.row.tobytes()
