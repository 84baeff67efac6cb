"""Saved models of scikit-learn, taken apart behind the steps that come before them.

A step that turns each feature into one column changes no game: whoever joins, joins with that
column. So the model behind such steps is taken apart on its own columns, exactly, and every
row is held to the margin of the whole. Steps that make several columns of a feature are not
followed here: their columns' values, added up, are not what the feature would have got.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from explain.additive import AdditiveModel, AdditivePredictor, Term
from explain.attribution import Attribution, quantise_rows
from explain.closed_form import ClosedForm
from explain.errors import ModelUnsupported, SchemaError
from explain.forests import sklearn_forest
from explain.leaf_tables import LeafTables
from explain.lineage import lineage
from explain.predictor import Predictor, Rows

__all__ = ["FittedParts"]

_LOGISTIC: Final = frozenset({"LogisticRegression", "LogisticRegressionCV"})
_LINEAR: Final = _LOGISTIC | {
    *{"LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"}
}


class FittedParts:
    """The engine `leaf-tables` or `linear` for a fitted model, alone or at the end of a pipeline.

    Raises:
        ModelUnsupported: a model or a step that is not known to come out exactly.
        SchemaError: the engine is not one of this kind of model.
    """

    def __init__(
        self,
        engine: str,
        fitted: Any,
        background: Rows,
        predictor: Predictor,
        names: tuple[str, ...],
        tolerance: int,
    ) -> None:
        piped = type(fitted).__name__ == "Pipeline"
        self._before = fitted[:-1] if piped and len(fitted.steps) > 1 else None
        last = fitted.steps[-1][1] if piped else fitted
        origin = tuple(range(len(names)))
        if self._before is not None:
            origin = lineage(self._before, origin, names)
        if sorted(origin) != list(range(len(names))):
            raise ModelUnsupported("Pipeline: not one column for each feature")
        self._origin = np.array(origin, dtype=np.intp)
        self.engine = engine
        self._predictor = predictor
        self._names = names
        self._tolerance = tolerance
        called = tuple(names[at] for at in origin)
        group = _Group(predictor.space, predictor.margin(background))
        self._inner = _inner(engine, last, self._inside(background), group, called)

    @property
    def base(self) -> float:
        """The reference group's average margin: where every explanation starts."""
        return self._inner.base

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """Return the Shapley values, shape (rows, features), in the output space."""
        columns = self._inner.values(self._inside(rows))
        phi = np.empty_like(columns)
        phi[:, self._origin] = columns
        return phi

    def attribute(self, rows: Rows) -> Sequence[Attribution]:
        """Return one attribution per row. Raises AdditivityError as the protocol says."""
        return quantise_rows(
            self.engine,
            self._names,
            base=self.base,
            phi=self.values(rows),
            margins=self._predictor.margin(rows),
            tolerance=self._tolerance,
            space=self._predictor.space,
        )

    def _inside(self, rows: Rows) -> Rows:
        """Return rows as the model at the end sees them."""
        double = np.asarray(rows, dtype=np.float64)
        if self._before is None:
            return double
        return np.asarray(self._before.transform(double), dtype=np.float64)


class _Group:
    """What the whole model makes of the group, for an engine that asks while it is built."""

    def __init__(self, space: str, margins: NDArray[np.float64]) -> None:
        self.space = space
        self._margins = margins

    def margin(self, _: Rows) -> NDArray[np.float64]:
        return self._margins


def _inner(
    engine: str, last: Any, rows: Rows, group: Predictor, names: tuple[str, ...]
) -> ClosedForm | LeafTables:
    if engine == LeafTables.engine:
        return LeafTables(sklearn_forest(last), rows, group, names)
    kind = type(last).__name__
    if kind not in _LINEAR:
        raise SchemaError(f"{engine} takes linear models apart", member="explainer.engine")
    weights = np.atleast_2d(np.asarray(last.coef_, dtype=np.float64))
    if weights.shape != (1, len(names)):
        raise ModelUnsupported(f"{kind}: more than one output per row")
    terms = tuple(
        Term((at,), float(weight), np.nan, (), None) for at, weight in enumerate(weights[0])
    )
    intercept = float(np.ravel(last.intercept_)[0])
    model = AdditiveModel("linear", len(names), group.space, intercept, terms)
    return ClosedForm(model, rows, AdditivePredictor(model), names)
