"""LightGBM as a predictor. The only file that opens a saved model with lightgbm."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain.errors import ArtefactRefused
from explain.lightgbm_text import LightGBMModel
from explain.predictor import Rows

__all__ = ["LightGBMPredictor"]


class LightGBMPredictor:
    """A saved model, opened: of its file, what :mod:`explain.lightgbm_text` checked."""

    def __init__(self, model: LightGBMModel) -> None:
        import lightgbm

        try:
            booster = lightgbm.Booster(model_str=model.text)
        except (lightgbm.basic.LightGBMError, ValueError, KeyError, IndexError) as error:
            raise ArtefactRefused("model file: LightGBM cannot open it") from error
        # A table's categories would be looked for in the rows, which are bare arrays.
        booster.pandas_categorical = None
        self._booster = booster
        self.space = model.space

    @property
    def booster(self) -> Any:
        """The library's own object, for the engines that need it."""
        return self._booster

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        """Return the raw score per row, shape (rows,)."""
        return self._asked(rows, raw_score=True)

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        """Return path-dependent Shapley values, shape (rows, features + 1); base last."""
        return self._asked(rows, pred_contrib=True)

    def _asked(self, rows: Rows, **what: bool) -> NDArray[np.float64]:
        double = np.ascontiguousarray(rows, dtype=np.float64)
        return np.asarray(self._booster.predict(double, num_threads=1, **what), dtype=np.float64)
