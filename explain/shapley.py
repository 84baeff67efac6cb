"""TreeExplainer of shap, with its traps closed. The only file that imports shap.

Three traps (measured, shap 0.54): an array passed as background is silently cut to 100 rows,
so the masker is built here; the additivity check compares with shap's copy of the model, so
every row is checked against the model's own margin instead; and the explainer changes its
own state while it works, so one is not shared between threads. Imported only when built:
shap costs 1.7 seconds and 190 MB.
"""

import math
import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain.attribution import SCALE, XGBOOST_TOLERANCE, Attribution, quantise_rows
from explain.errors import AdditivityError, ModelUnsupported, SchemaError
from explain.forest import Forest
from explain.predictor import Predictor, Rows

__all__ = ["PathDependentTrees", "ShapTrees"]


class ShapTrees:
    """shap's exact engine: interventional with a reference group, path-dependent without.

    Only for trees that were read here too: shap takes some rules of the libraries for others
    and notices nothing, and narrows thresholds to 32 bits where a reference group is given.

    Raises:
        ModelUnsupported: shap would be wrong on this model, or on this reference group.
        SchemaError: model, reference group and features differ in number.
    """

    def __init__(
        self,
        fitted: Any,
        forest: Forest,
        predictor: Predictor,
        background: Rows | None,
        names: tuple[str, ...],
        tolerance: int = XGBOOST_TOLERANCE,
    ) -> None:
        import shap

        if len(names) != forest.features:
            raise SchemaError("model and features differ in number")
        if forest.weighted:
            raise ModelUnsupported("shap: it leaves out the weights of this model's trees")
        if any(tree.zero_left or tree.members for tree in forest.trees):
            raise ModelUnsupported("shap: it reads zeros and categories of this model wrongly")
        self._average: float | None = None
        self._ties = _rounded_up(forest)
        self._narrow = forest.narrow
        masker: Any = None
        kind = "tree_path_dependent"
        if background is not None:
            if not self._kept(background):
                raise ModelUnsupported("shap: it rounds thresholds, and this group lies on one")
            self._average = float(predictor.margin(background).mean())
            masker = shap.maskers.Independent(background, max_samples=len(background))
            kind = "interventional"
        self.engine = "shap-interventional" if background is not None else "shap-path-dependent"
        self._explainer = shap.TreeExplainer(
            fitted, masker, feature_perturbation=kind, model_output="raw"
        )
        # It changes its own state while it works, and this engine may be shared.
        self._alone = threading.Lock()
        self._predictor = predictor
        self._names = names
        self._tolerance = tolerance

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """Return the Shapley values, shape (rows, features), in the output space."""
        return self._parts(rows)[1]

    def attribute(self, rows: Rows) -> Sequence[Attribution]:
        """Return one attribution per row. Raises AdditivityError as the protocol says."""
        if self.engine == "shap-interventional" and not self._kept(rows):
            raise AdditivityError("shap: it rounds thresholds, and a row lies on one")
        base, values = self._parts(rows)
        return quantise_rows(
            self.engine,
            self._names,
            base=base,
            phi=values,
            margins=self._predictor.margin(rows),
            tolerance=self._tolerance,
            space=self._predictor.space,
        )

    def _parts(self, rows: Rows) -> tuple[float, NDArray[np.float64]]:
        with self._alone:
            with warnings.catch_warnings():  # of LightGBM it says which of its forms this is
                warnings.filterwarnings("ignore", "LightGBM binary classifier", UserWarning)
                phi = np.asarray(self._explainer.shap_values(rows, check_additivity=False))
            # Read after the values: shap settles the base only while it computes them.
            base = float(np.ravel(self._explainer.expected_value)[-1])
        # A row's own gate would not see it: base and contributions would be wrong together.
        if self._average is not None:
            off = abs(base - self._average) * 10**SCALE
            if not off <= max(self._tolerance, 1):
                raise AdditivityError("shap: its base is not the reference group's average")
        # Of two classes: the second.
        return base, np.asarray(phi[..., -1] if phi.ndim == 3 else phi, dtype=np.float64)  # noqa: PLR2004

    def _kept(self, rows: Rows) -> bool:
        """Tell whether rounding thresholds to 32 bits leaves every value on its side."""
        short = rows.astype(np.float32)
        if not self._narrow and not np.array_equal(short, rows, equal_nan=True):
            return False
        return not any(np.isin(short[:, at], ties).any() for at, ties in self._ties.items())


def _rounded_up(forest: Forest) -> dict[int, NDArray[np.float32]]:
    """Return by feature the 32-bit values that lie above a threshold, but not above it rounded."""
    found: dict[int, set[float]] = {}
    for tree in forest.trees:
        for left, feature, threshold in zip(tree.left, tree.feature, tree.threshold, strict=True):
            # A value goes left below `threshold`: of 64 bits, the last one that does is before it.
            last = math.nextafter(threshold, -math.inf)
            with np.errstate(over="ignore"):
                rounded = float(np.float32(last))
            if left != -1 and last < rounded and float(np.float32(threshold)) != threshold:
                found.setdefault(feature, set()).add(rounded)
    return {feature: np.array(sorted(ties), np.float32) for feature, ties in found.items()}


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
