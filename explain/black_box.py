"""A model that can only be asked: approximate contributions, with how far they may be off.

Interventional against the whole reference group, as the exact engines are, but from a number
of seeded orders in which features take the row's values. It runs the model some ten thousand
times a row: compute it later (`attributions_attached`), not while somebody waits. The same
row gives the same numbers, in any batch and version: seed and number of orders belong to the
model version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from explain.attribution import SCALE, XGBOOST_TOLERANCE, Attribution, quantise
from explain.coalitions import (
    MAX_EXACT_PLAYERS,
    MAX_ORDERS,
    MIN_ORDERS,
    Split,
    by_orders,
    by_subsets,
)
from explain.errors import SchemaError
from explain.predictor import Predictor, Rows

__all__ = ["APPROXIMATE", "EXACT", "Approximate", "BlackBox", "parameters_of"]

APPROXIMATE: Final = "permutation-approximate"
EXACT: Final = "all-subsets"
ORDERS = 32  # tried, each forwards and backwards, where the manifest says nothing
SEED = 0
MAX_BACKGROUND = 10_000  # rows; each is run for every set of features that is tried
MAX_SEED = 2**31 - 1
MAX_ASKED = 20_000_000  # rows that the model is run on to explain one: a minute of a fast model
_AT_ONCE = 65_536  # rows that the model is asked for together; bounds memory


@dataclass(frozen=True, slots=True)
class Approximate:
    """An attribution, and the standard error of each value in units, in the same order.

    All zero: exact, every set of features was tried.
    """

    attribution: Attribution
    errors: tuple[tuple[str, int], ...]

    @property
    def largest_error(self) -> int:
        """The standard error of the least certain value, in units."""
        return max(error for _, error in self.errors)


class BlackBox:
    """The engine `permutation-approximate`, or `all-subsets` if every set is tried: exact.

    The first says what it is wherever its name goes: in the record, on a screen, in a report.

    Raises:
        SchemaError: a parameter or the reference group is not one that it takes.
    """

    def __init__(
        self,
        engine: str,
        predictor: Predictor,
        background: Rows,
        names: tuple[str, ...],
        tolerance: int = XGBOOST_TOLERANCE,
        *,
        orders: int = ORDERS,
        seed: int = SEED,
    ) -> None:
        if background.shape[1:] != (len(names),):
            raise SchemaError("reference group and features differ in number")
        if not 1 <= len(background) <= MAX_BACKGROUND:
            raise SchemaError(f"the reference group needs 1 to {MAX_BACKGROUND:,} rows")
        self._exact = engine == EXACT
        if self._exact and len(names) > MAX_EXACT_PLAYERS:
            raise SchemaError(
                f"{EXACT} takes up to {MAX_EXACT_PLAYERS} features; use {APPROXIMATE}"
            )
        sets = 1 << len(names) if self._exact else 2 * orders * (len(names) + 1)
        if sets * len(background) > MAX_ASKED:
            raise SchemaError(
                f"would run the model more than {MAX_ASKED:,} times to explain one row; take "
                "fewer rows of reference, or fewer orders"
            )
        self.engine = engine
        self._predictor = predictor
        self._background = background
        self._names = names
        self._tolerance = tolerance
        self._orders, self._seed = orders, seed

    def attribute(self, rows: Rows) -> Sequence[Attribution]:
        """Return one attribution per row. Raises AdditivityError as the protocol says."""
        return tuple(each.attribution for each in self.approximate(rows))

    def approximate(self, rows: Rows) -> tuple[Approximate, ...]:
        """Return one attribution per row, with the standard error of each value.

        Raises:
            AdditivityError: the model answered the same row differently.
        """
        margins = self._predictor.margin(rows)
        return tuple(
            self._one(row, float(margin)) for row, margin in zip(rows, margins, strict=True)
        )

    def _one(self, row: Rows, margin: float) -> Approximate:
        split = self._split(row)
        attribution = quantise(
            self.engine,
            self._names,
            base=split.base,
            phi=split.values,
            margin=margin,
            tolerance=self._tolerance,
            space=self._predictor.space,
        )
        units = np.ceil(split.error * 10**SCALE).astype(np.int64).tolist()
        return Approximate(attribution, tuple(sorted(zip(self._names, units, strict=True))))

    def _split(self, row: Rows) -> Split:
        def game(sets: NDArray[np.bool_]) -> NDArray[np.float64]:
            return self._averages(row, sets)

        if self._exact:
            return by_subsets(len(self._names), game)
        return by_orders(len(self._names), game, orders=self._orders, seed=self._seed)

    def _averages(self, row: Rows, sets: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the group's average margin when the set's features have the row's values."""
        size = len(self._background)
        step = max(1, _AT_ONCE // size)
        found = np.empty(len(sets))
        for start in range(0, len(sets), step):
            some = sets[start : start + step]
            mixed = np.where(some[:, None, :], row, self._background[None, :, :])
            margins = self._predictor.margin(mixed.reshape(-1, len(row)))
            found[start : start + step] = margins.reshape(len(some), size).mean(axis=1)
        return found


def parameters_of(given: Mapping[str, object]) -> dict[str, int]:
    """Return `orders` and `seed` of a manifest's `explainer.parameters`, as they are given.

    Raises:
        SchemaError: one is not a whole number of a sensible size.
    """
    found: dict[str, int] = {}
    for name, lowest, highest in (("orders", MIN_ORDERS, MAX_ORDERS), ("seed", 0, MAX_SEED)):
        value = given.get(name)
        if value is None:
            continue
        if type(value) is not int or not lowest <= value <= highest:
            raise SchemaError(
                f"must be a whole number from {lowest} to {highest:,}",
                member=f"explainer.parameters.{name}",
            )
        found[name] = value
    return found
