"""TreeExplainer of shap, with its traps closed. The only file that imports shap.

Three traps (measured, shap 0.54): an array passed as background is silently cut to 100 rows,
so the masker is built here; the additivity check compares with shap's copy of the model, so
every row is checked against the model's own margin instead; and the explainer changes its
own state while it works, so one is not shared between threads. Imported only when built:
shap costs 1.7 seconds and 190 MB.
"""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain.attribution import XGBOOST_TOLERANCE, Attribution, quantise
from explain.boosters import XGBoostPredictor
from explain.predictor import Rows

__all__ = ["PathDependentTrees", "ShapTrees"]


class ShapTrees:
    """shap's exact engine: interventional with a reference group, path-dependent without."""

    def __init__(
        self,
        predictor: XGBoostPredictor,
        background: Rows | None,
        names: tuple[str, ...],
        tolerance: int = XGBOOST_TOLERANCE,
    ) -> None:
        import shap

        masker: Any = None
        kind = "tree_path_dependent"
        if background is not None:
            masker = shap.maskers.Independent(background, max_samples=len(background))
            kind = "interventional"
        self.engine = "shap-interventional" if background is not None else "shap-path-dependent"
        self._explainer = shap.TreeExplainer(
            predictor.booster, masker, feature_perturbation=kind, model_output="raw"
        )
        self._predictor = predictor
        self._names = names
        self._tolerance = tolerance

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """Return the Shapley values, shape (rows, features), in log-odds."""
        phi = self._explainer.shap_values(rows, check_additivity=False)
        return np.asarray(phi, dtype=np.float64)

    def attribute(self, rows: Rows) -> tuple[Attribution, ...]:
        """Return one attribution per row. Raises AdditivityError as the protocol says."""
        values = self.values(rows)
        # Read after the values: shap settles the base only while it computes them.
        base = float(np.ravel(self._explainer.expected_value)[0])
        margins = self._predictor.margin(rows)
        return tuple(
            quantise(
                self.engine,
                self._names,
                base=base,
                phi=phi,
                margin=float(margin),
                tolerance=self._tolerance,
            )
            for phi, margin in zip(values, margins, strict=True)
        )


class PathDependentTrees:
    """shap's path-dependent values of a fitted scikit-learn tree ensemble with one output.

    Whoever uses them holds each row to the model's own output: nothing is checked here.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._mine = threading.local()
        self._explainer()  # what shap cannot read is said now

    def parts(self, rows: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return bases, shape (rows,), and values, shape (rows, columns), of the last class."""
        explainer = self._explainer()
        values = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=np.float64)
        base = float(np.ravel(explainer.expected_value)[-1])
        phi = values[..., -1] if values.ndim == 3 else values  # noqa: PLR2004  # one per class
        return np.full(len(phi), base), phi

    def _explainer(self) -> Any:
        """Return this thread's explainer: one that is at work changes its own state."""
        found = getattr(self._mine, "explainer", None)
        if found is None:
            import shap

            found = self._mine.explainer = shap.TreeExplainer(
                self._model, feature_perturbation="tree_path_dependent", model_output="raw"
            )
        return found
