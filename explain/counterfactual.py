"""Which small change of the input would have changed this model's outcome?

A fixed search without chance: values that were seen in the reference group among rows on the
favourable side, one feature at a time, then combinations of the most promising; then each
change is made as small as it still passes. Every candidate is rounded to what a reader is
shown before the model runs on it, so what the letter says is what was run. A candidate that a
knock-out rule of the policy would stop is none. "None found within these bounds" is an answer.

Repeated evaluation of the model is the sound basis for such statements (Bilodeau et al., PNAS
2024, https://doi.org/10.1073/pnas.2304406120); the idea of the statement is Wachter et al.
2017 (https://arxiv.org/abs/1711.00399). It is about the model, not advice about life.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain.attribution import SCALE
from explain.explanation import MAX_COUNTERFACTUALS
from explain.features import Feature
from explain.predictor import FeatureSchema, Predictor, Row, Rows, Scalar, decode
from explain.rules import Rule, fired

__all__ = ["MAX_CHANGES", "Alternative", "Knockouts", "Limit", "search"]

MAX_CHANGES = 3  # features changed together; more is no longer a small change
MAX_VALUES = 32  # candidate values per feature; bounds the rows scored
BEAM = 8  # combinations carried from one size to the next
CLOSER = 2  # times that each change is made smaller
STEPS = 16  # values tried each time: together a 289th of the way is seen


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
class Knockouts:
    """The policy's knock-out rules, and the recorded input that a search starts from.

    They are asked about values as a reader is shown them, and as they were recorded where
    nothing was changed: never about the numbers of a row.
    """

    rules: tuple[Rule, ...] = ()
    given: Mapping[str, Scalar] = field(default_factory=dict)
    _known: dict[tuple[tuple[int, ...], bytes], int] = field(default_factory=dict)

    def hits(self, schema: FeatureSchema, changed: tuple[int, ...], row: Row) -> int:
        """Return how many rules would fire with these columns taken from `row`."""
        watched = {name for rule in self.rules for name in rule.features}
        columns = tuple(at for at in changed if schema.features[at].name in watched)
        key = columns, row[list(columns)].tobytes()
        if key not in self._known:
            shown = {
                schema.features[at].name: decode(schema.features[at], float(row[at]))
                for at in columns
            }
            self._known[key] = len(fired(self.rules, {**self.given, **shown}))
        return self._known[key]


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
    knockouts: Knockouts | None = None,
) -> tuple[Alternative, ...]:
    """Return up to three alternatives that pass, fewest changes first, then smallest.

    No alternative changes all the features of another one that is given: each is a
    different way. Empty if none was found within these bounds. Without `knockouts` the
    policy has no rules.
    """
    model = _Asked(schema, predictor, limit, knockouts or Knockouts())
    favourable = background[limit.passed(predictor.margin(background))]
    moves = {
        column: values
        for column, feature in enumerate(schema.features)
        if len(values := _candidates(feature, row[column], favourable[:, column]))
    }
    grid = _Grid(row, moves, _spread(background))
    found: list[Alternative] = []
    beam = [Alternative((), row, math.nan, 0.0)]
    for size in range(1, MAX_CHANGES + 1):
        tried = grid.extend(beam, found)
        if tried is None:
            break
        answers = model.ask(tried)
        found += answers.cheapest()[: MAX_COUNTERFACTUALS - len(found)]
        if len(found) == MAX_COUNTERFACTUALS or size == MAX_CHANGES:
            break
        beam = answers.most_promising(limit.sign)
    for place in range(MAX_CHANGES):
        found = _closer(found, place, model, grid)
    return tuple(sorted(found, key=lambda one: (len(one.changed), one.cost, one.changed)))


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """Candidates, one a row: which of `sets` each changes, and how far it goes."""

    sets: list[tuple[int, ...]]
    of: NDArray[np.intp]
    rows: Rows
    costs: NDArray[np.float64]

    @classmethod
    def of_blocks(
        cls, blocks: list[tuple[tuple[int, ...], Rows, NDArray[np.float64]]]
    ) -> "_Tried | None":
        """Return them gathered, equal sets as one; None if there are none."""
        if not blocks:
            return None
        places: dict[tuple[int, ...], int] = {}
        for changed, _, _ in blocks:
            places.setdefault(changed, len(places))
        return cls(
            list(places),
            np.concatenate([np.full(len(rows), places[changed]) for changed, rows, _ in blocks]),
            np.concatenate([rows for _, rows, _ in blocks]),
            np.concatenate([costs for _, _, costs in blocks]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """What the model and the rules say of each candidate, in the order of `tried`."""

    tried: _Tried
    margins: NDArray[np.float64]
    hits: NDArray[np.intp]
    passes: NDArray[np.bool_]

    def cheapest(self) -> list[Alternative]:
        """Return the cheapest that passes of each set of features, cheapest first."""
        best = self._best(self.passes, self.tried.costs)
        return sorted(best, key=lambda one: (one.cost, one.changed))

    def most_promising(self, sign: int) -> list[Alternative]:
        """Return those that came closest without passing, closest first.

        One of each set of features: eight values of one item would all lead the same way.
        """
        # A rule that fires decides whatever the score, so it has to be got rid of first.
        short = -sign * self.margins
        best = self._best(~self.passes, short, self.hits)
        return best[:BEAM]

    def _best(self, among: NDArray[np.bool_], *keys: NDArray[Any]) -> list[Alternative]:
        """Return the first of each set by these keys, the last key first; in that order.

        Where all keys are equal the one that was tried first: by column, by value.
        """
        places = np.flatnonzero(among)
        order = places[np.lexsort([key[places] for key in keys])]
        _, first = np.unique(self.tried.of[order], return_index=True)
        return [
            Alternative(
                self.tried.sets[self.tried.of[at]],
                self.tried.rows[at],
                float(self.margins[at]),
                float(self.tried.costs[at]),
            )
            for at in order[np.sort(first)]
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """The model, the limit and the rules, asked together."""

    schema: FeatureSchema
    predictor: Predictor
    limit: Limit
    knockouts: Knockouts

    def ask(self, tried: _Tried) -> _Answers:
        """Return what is said of each candidate, with one call of the model."""
        margins = self.predictor.margin(tried.rows)
        hits = np.zeros(len(tried.rows), dtype=np.intp)
        if self.knockouts.rules:
            hits[:] = [
                self.knockouts.hits(self.schema, tried.sets[of], row)
                for of, row in zip(tried.of.tolist(), tried.rows, strict=True)
            ]
        return _Answers(tried, margins, hits, self.limit.passed(margins) & (hits == 0))


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Where the search may go from `row`: values by column, and each column's spread."""

    row: Row
    moves: dict[int, NDArray[Any]]
    spread: NDArray[np.float64]

    def extend(self, beam: list[Alternative], found: list[Alternative]) -> _Tried | None:
        """Return every row one change further than the beam, not yet scored; None if none is."""
        taken = [set(one.changed) for one in found]
        lengths = {column: self.lengths(column, values) for column, values in self.moves.items()}
        blocks = []
        for start, (column, values) in itertools.product(beam, self.moves.items()):
            changed = tuple(sorted({*start.changed, column}))
            if column in start.changed or any(ways <= set(changed) for ways in taken):
                continue
            rows = np.repeat(start.row[None, :], len(values), axis=0)
            rows[:, column] = values
            blocks.append((changed, rows, start.cost + lengths[column]))
        return _Tried.of_blocks(blocks)

    def lengths(self, column: int, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return how far each value is from the row's, as a share of the column's spread."""
        steps = np.abs(values.astype(np.float64) - self.row[column]) / self.spread[column]
        # From "not given" to a value has no length: it counts as one spread.
        return np.where(np.isnan(steps), 1.0, steps)


def _candidates(feature: Feature, current: Any, seen: NDArray[Any]) -> NDArray[Any]:
    """Return the values this feature may take instead: seen, in bounds, in its direction.

    `current` and `seen` are numbers as the model's rows have them, and so are the values.
    """
    values: NDArray[Any] = np.unique(seen[~np.isnan(seen)])
    # "If your sex had been another" is not an answer anyone may be given, nor is "if you had
    # another postcode" where it stands for something protected.
    guarded = feature.protected or feature.proxy
    if feature.mutability == "fixed" or guarded or len(values) == 0:
        return values[:0]
    if len(values) > MAX_VALUES:
        # Places, not quantiles between them: interpolation would invent values.
        values = values[np.rint(np.linspace(0, len(values) - 1, MAX_VALUES)).astype(np.intp)]
    if feature.type in {"number", "integer"}:
        values = _settled(feature, values)
        # Compared as shown: a change that a reader cannot see is none.
        values = values[values != _shown(feature, current)]
    values = values[values != current]
    if feature.mutability == "increase":
        values = values[values > current]
    if feature.mutability == "decrease":
        values = values[values < current]
    return values


def _closer(found: list[Alternative], place: int, model: _Asked, grid: _Grid) -> list[Alternative]:
    """Return the alternatives with the change at `place` made as small as each still passes.

    Between the value that passed and the recorded one, some values are tried, then as many
    again in what is left. A model that passes here and there in between is not promised to
    be asked everywhere; whatever is returned did pass.
    """
    closest = {one.changed: one for one in found}
    columns = {one.changed: one.changed[place] for one in found if len(one.changed) > place}
    failed = {changed: float(grid.row[column]) for changed, column in columns.items()}
    for _ in range(CLOSER):
        blocks = []
        for changed, column in columns.items():
            feature, found_one = model.schema.features[column], closest[changed]
            values = _between(feature, failed[changed], found_one, column, grid.row)
            rows = np.repeat(closest[changed].row[None, :], len(values), axis=0)
            spent = closest[changed].cost - grid.lengths(column, rows[:1, column]).sum()
            rows[:, column] = values
            if len(values):
                blocks.append((changed, rows, spent + grid.lengths(column, values)))
        tried = _Tried.of_blocks(blocks)
        if tried is None:
            break
        answers = model.ask(tried)
        closest |= {one.changed: one for one in answers.cheapest()}
        for at, changed in enumerate(tried.sets):
            column = columns[changed]
            start, end = float(grid.row[column]), float(closest[changed].row[column])
            missed = tried.rows[(tried.of == at) & ~answers.passes, column].astype(np.float64)
            away = np.abs(missed - start)
            nearer = missed[away < abs(end - start)]
            if len(nearer):
                failed[changed] = float(nearer[np.abs(nearer - start).argmax()])
    return [closest[one.changed] for one in found]


def _between(
    feature: Feature, failed: float, found: Alternative, column: int, recorded: Row
) -> NDArray[Any]:
    """Return values that are nearer to the recorded one than the one found, as shown."""
    start, end = recorded[column], found.row[column]
    if feature.type not in {"number", "integer"} or math.isnan(start):
        return recorded[:0]
    tried = np.linspace(failed, float(end), STEPS + 2)[1:-1].astype(recorded.dtype)
    values = _settled(feature, tried)
    # Compared as shown, too: a change that a reader cannot see is none.
    inside = (values > min(start, end)) & (values < max(start, end))
    return np.asarray(values[inside & (values != _shown(feature, start))])


def _settled(feature: Feature, values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as they are shown, in whole steps and within bounds, each once."""
    shown = values.astype(np.float64)
    if feature.step is not None:
        shown = np.rint(shown / feature.step) * feature.step
    settled = np.unique(
        np.array([decode(feature, float(value)) for value in shown], dtype=values.dtype)
    )
    return settled[[_in_bounds(feature, float(value)) for value in settled]]


def _shown(feature: Feature, number: Any) -> Any:
    """Return a number of a row as a reader is shown it, as a number of that row again."""
    value = decode(feature, float(number))
    return number.dtype.type(math.nan if value is None else value)


def _in_bounds(feature: Feature, value: float) -> bool:
    return (feature.lower is None or value >= feature.lower) and (
        feature.upper is None or value <= feature.upper
    )


def _spread(background: Rows) -> NDArray[np.float64]:
    """Return each column's distance from its 10th to its 90th percentile, at least tiny."""
    columns = []
    for column in np.sort(background, axis=0).T:
        given = column[: len(column) - np.count_nonzero(np.isnan(column))]  # NaN sorts last
        low, high = (
            (given[at * (len(given) - 1) // 10] for at in (1, 9)) if len(given) else (0.0, 0.0)
        )
        # A column that hardly varies: its full range, so that a rare value is a large step.
        columns.append(high - low or (np.ptp(given) if len(given) else 0.0) or 1.0)
    return np.array(columns, dtype=np.float64)
