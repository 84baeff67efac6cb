"""CatBoost as a predictor. The only file that opens a saved model with catboost."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain.catboost_file import SPACES
from explain.errors import ArtefactRefused
from explain.predictor import Rows

__all__ = ["CatBoostBooster", "own_contributions"]


def own_contributions(model: Any, rows: Any) -> NDArray[np.float64]:
    """Return path-dependent Shapley values of a fitted model, shape (rows, columns + 1); base last.

    Rows are as the model takes them, with texts for the categories that it encodes itself.
    """
    import catboost

    pool = catboost.Pool(rows, cat_features=model.get_cat_feature_indices(), thread_count=1)
    found = model.get_feature_importance(pool, type="ShapValues", thread_count=1)
    return np.asarray(found, dtype=np.float64)


class CatBoostBooster:
    """A saved model (`.cbm`) on numbers, opened. Its file is checked by its digest alone."""

    def __init__(self, data: bytes) -> None:
        import catboost

        booster = catboost.CatBoost()
        try:
            booster.load_model(blob=data)
            loss = booster.get_all_params().get("loss_function", "")
            encoded = booster.get_cat_feature_indices() or booster.get_text_feature_indices()
        except (catboost.CatBoostError, ValueError, KeyError) as error:
            raise ArtefactRefused("model file: CatBoost cannot open it") from error
        loss = str(loss).partition(":")[0]
        if loss not in SPACES:
            raise ArtefactRefused(f"model file: its loss is not one of {', '.join(SPACES)}")
        if encoded:
            # It would be asked for the text of a category, and a row holds its position.
            raise ArtefactRefused(
                "model file: features that CatBoost encodes itself; encode them before the model"
            )
        self._booster = booster
        self.space = SPACES[loss]
        self.features = len(booster.feature_names_)

    @property
    def booster(self) -> Any:
        """The library's own object, for the engines that need it."""
        return self._booster

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        """Return the raw value per row, shape (rows,)."""
        single = np.ascontiguousarray(rows, dtype=np.float32)
        raw = self._booster.predict(single, prediction_type="RawFormulaVal", thread_count=1)
        return np.asarray(raw, dtype=np.float64).reshape(len(single))

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        """Return path-dependent Shapley values, shape (rows, features + 1); base last."""
        return own_contributions(self._booster, np.ascontiguousarray(rows, dtype=np.float32))
