"""A library's own contributions as an engine: exact, fast, and without a group of people.

Path-dependent: the base is an average weighted by what the trees saw in training (XGBoost by
the loss's curvature), not of any group of applicants that could be named. Use it to check,
not to give reasons.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from explain.attribution import XGBOOST_TOLERANCE, Attribution, quantise_rows
from explain.predictor import Predictor, Rows

__all__ = ["OWN_ENGINES", "ContributingPredictor", "OwnContributions"]

OWN_ENGINES: Final = ("catboost-contributions", "lightgbm-contributions", "xgboost-contributions")


class ContributingPredictor(Predictor, Protocol):
    """A model whose library takes its outputs apart itself."""

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        """Return path-dependent Shapley values, shape (rows, features + 1); base last."""


class OwnContributions:
    """The engine of the library that made the model."""

    def __init__(
        self,
        engine: str,
        predictor: ContributingPredictor,
        names: tuple[str, ...],
        tolerance: int = XGBOOST_TOLERANCE,
    ) -> None:
        self.engine = engine
        self._predictor = predictor
        self._names = names
        self._tolerance = tolerance

    def attribute(self, rows: Rows) -> Sequence[Attribution]:
        """Return one attribution per row. Raises AdditivityError as the protocol says."""
        contributions = self._predictor.contributions(rows)
        return quantise_rows(
            self.engine,
            self._names,
            base=contributions[:, -1],
            phi=contributions[:, :-1],
            margins=self._predictor.margin(rows),
            tolerance=self._tolerance,
            space=self._predictor.space,
        )
