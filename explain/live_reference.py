"""A fitted model taken apart against a reference group, in the process that predicts.

The same engine, and so the same numbers, as the ledger has for the registered file.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain import lightgbm_text, trees
from explain.errors import ArtefactRefused, ModelUnsupported
from explain.forest import Forest
from explain.forests import lightgbm_forest, sklearn_forest
from explain.leaf_tables import LeafTables
from explain.live_models import LiveModel, double_rows

__all__ = ["against"]

ENGINE = LeafTables.engine


class _Asked:
    """A live model as its tables ask it while they are built: what it makes of the group."""

    def __init__(self, live: LiveModel, group: Any) -> None:
        self.space = live.space
        self._live, self._group = live, group

    def margin(self, _: Any) -> NDArray[np.float64]:
        # The rows as they were given: the model may want a table's names.
        return self._live.margins(self._group)


def against(live: LiveModel, model: Any, rows: Any) -> LiveModel:
    """Return a model of trees whose contributions count from the average of these rows.

    Args:
        live: the model, as :func:`explain.live_models.live_model` reads it.
        model: the fitted model itself.
        rows: the reference group, as the model's own columns.

    Raises:
        ModelMismatch: the trees as they are read score the group otherwise than the model.
        ModelUnsupported: not trees that are read exactly here, or too deep for the group.
    """
    try:
        forest = _forest(model)
        # Whoever uses the parts holds them to the margin; names are of no matter here.
        names = tuple(f"{at:03d}" for at in range(forest.features))
        tables = LeafTables(forest, double_rows(rows), _Asked(live, rows), names)
    except ArtefactRefused as error:
        raise ModelUnsupported(str(error)) from error

    def parts(asked: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        phi = tables.values(double_rows(asked))
        return np.full(len(phi), tables.base), phi

    return replace(live, engine=ENGINE, parts=parts)


def _forest(model: Any) -> Forest:
    library = type(model).__module__.partition(".")[0]
    if library == "sklearn":
        return sklearn_forest(model)
    if library == "xgboost":
        booster = model.get_booster() if type(model).__name__ != "Booster" else model
        if type(model).__name__ != "Booster" and booster.attr("best_iteration") is not None:
            booster = booster[: int(booster.attr("best_iteration")) + 1]
            booster.set_attr(best_iteration=None)  # all that is left is used
        return trees.parse(bytes(booster.save_raw("json")), binary=False).forest()
    if library == "lightgbm":
        booster = model.booster_ if type(model).__name__ != "Booster" else model
        if booster.pandas_categorical:
            raise ModelUnsupported("LightGBM: a table's categories; encode them before the model")
        parsed = lightgbm_text.parse(booster.model_to_string().encode())
        return lightgbm_forest(parsed.features, parsed.trees)
    raise ModelUnsupported(f"{library}: not a model of trees")
