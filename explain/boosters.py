"""XGBoost as a predictor.

The only file that imports xgboost, and only once a model is opened: the import takes a
second, and most of what this package does needs no model. Rows go in as plain float32
arrays on one thread, which keeps margins bit-identical whatever the batch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain.errors import ArtefactRefused
from explain.predictor import Rows

__all__ = ["XGBoostPredictor"]


class XGBoostPredictor:
    """A saved model, opened. Give it only bytes that :mod:`explain.trees` accepted."""

    space = "log-odds"

    def __init__(self, data: bytes) -> None:
        import xgboost

        booster = xgboost.Booster(params={"nthread": 1, "verbosity": 0})
        try:
            # The library tells JSON from UBJSON by the bytes themselves.
            booster.load_model(bytearray(data))
        except xgboost.core.XGBoostError as error:
            raise ArtefactRefused("model file: XGBoost cannot open it") from error
        booster.set_param({"nthread": 1})
        # Names would be compared with those of the rows, which are bare arrays.
        booster.feature_names = None
        booster.feature_types = None
        self._booster = booster

    @property
    def booster(self) -> Any:
        """The library's own object, for the engines that need it."""
        return self._booster

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        """Return the log-odds per row, shape (rows,)."""
        margins = self._booster.inplace_predict(
            np.ascontiguousarray(rows, dtype=np.float32), predict_type="margin"
        )
        return np.asarray(margins, dtype=np.float64)

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        """Return path-dependent Shapley values, shape (rows, features + 1); base last."""
        import xgboost

        matrix = xgboost.DMatrix(np.ascontiguousarray(rows, dtype=np.float32), nthread=1)
        return np.asarray(self._booster.predict(matrix, pred_contribs=True), dtype=np.float64)
