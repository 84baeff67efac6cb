"""A fitted CatBoost model in the process that predicts: its margins and its own contributions.

A model with categories is taken apart by the library alone: it counts them while it trains and
scores, so its trees cannot be read as thresholds on a row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain.catboost_booster import own_contributions
from explain.catboost_file import SPACES
from explain.errors import ModelUnsupported

__all__ = ["CatBoostValues"]


class CatBoostValues:
    """One fitted model with one output; whoever has one has the library.

    Raises:
        ModelUnsupported: its margins are in no space known here, or its columns are texts.
    """

    def __init__(self, model: Any) -> None:
        loss = str(model.get_all_params().get("loss_function", "")).partition(":")[0]
        if loss not in SPACES:
            raise ModelUnsupported(f"CatBoost: margins of {loss} are in no space known here")
        if model.get_text_feature_indices() or model.get_embedding_feature_indices():
            raise ModelUnsupported("CatBoost: columns of text have no contributions")
        self.space = SPACES[loss]
        self.names = tuple(map(str, model.feature_names_))
        self._model = model

    def margin(self, rows: Any) -> NDArray[np.float64]:
        """Return the raw output per row, shape (rows,)."""
        said = self._model.predict(rows, prediction_type="RawFormulaVal", thread_count=1)
        return np.asarray(said, dtype=np.float64)

    def contributions(self, rows: Any) -> NDArray[np.float64]:
        """Return path-dependent Shapley values, shape (rows, columns + 1); base last."""
        return own_contributions(self._model, rows)
