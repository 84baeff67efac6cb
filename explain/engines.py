"""Which engine takes a model apart, by its name in the manifest: the one place that chooses.

An engine is only given models that it is known to be exact on; a model that it would come out
wrong on is refused here, and every row of what is left is still held to the model's margin.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, cast

from explain.additive import AdditiveModel
from explain.attribution import XGBOOST_TOLERANCE, Attributor, float64_tolerance
from explain.black_box import APPROXIMATE, EXACT, BlackBox, parameters_of
from explain.catboost_file import CatBoostModel
from explain.closed_form import ClosedForm
from explain.contributions import ContributingPredictor, OwnContributions
from explain.errors import ModelUnsupported, SchemaError
from explain.fitted_parts import FittedParts
from explain.forest import Forest
from explain.forests import catboost_forest, lightgbm_forest, sklearn_forest
from explain.leaf_tables import LeafTables
from explain.lightgbm_text import LightGBMModel
from explain.predictor import Predictor, Rows
from explain.shapley import ShapTrees
from explain.trees import TreeEnsemble

__all__ = ["ENGINES", "attributor_for", "check_engine", "forest_of"]

NO_PARAMETERS: Final[Mapping[str, object]] = MappingProxyType({})


_OF_TREES: Final = frozenset({"leaf-tables", "shap-interventional", "shap-path-dependent"})
_CLOSED: Final = frozenset({"ebm", "linear", "scorecard"})
_OWN: Final[Mapping[str, type]] = {
    "lightgbm-contributions": LightGBMModel,
    "xgboost-contributions": TreeEnsemble,
}


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What an engine is made from."""

    engine: str
    predictor: Predictor
    background: Rows
    names: tuple[str, ...]
    parsed: object
    tolerance: int
    parameters: Mapping[str, object]


def attributor_for(
    engine: str,
    predictor: Predictor,
    background: Rows,
    names: tuple[str, ...],
    *,
    parsed: object = None,
    tolerance: int = XGBOOST_TOLERANCE,
    parameters: Mapping[str, object] = NO_PARAMETERS,
) -> Attributor:
    """Return the engine of this name for one model version. Build it once and keep it.

    Args:
        engine: a name of :data:`ENGINES`.
        predictor: the model itself; every row is held to its margin.
        background: the reference group, as the model compares numbers.
        names: the features, in the order of the columns.
        parsed: the model's parts: a `TreeEnsemble`, a `LightGBMModel`, a `CatBoostModel`, an
            `AdditiveModel`, a fitted model of scikit-learn, or None for one that can only be
            asked, unless it has been `fitted` in scikit-learn.
        tolerance: how many units an engine of 32 bits may miss; others are held tighter.
        parameters: `orders` and `seed` of the engine that draws.

    Raises:
        SchemaError: no such engine, or not for this kind of model.
        ModelUnsupported: the engine would be wrong on this model.
        ArtefactRefused: the model's paths are too many or too long for it.
    """
    if engine not in ENGINES:
        raise SchemaError("no such engine", member="explainer.engine")
    if not (isinstance(parsed, TreeEnsemble) or predictor.space == "response"):
        # Log-odds and probabilities of 64 bits; a regression's numbers may be large.
        tolerance = min(tolerance, float64_tolerance(len(names)))
    if parsed is None:
        parsed = getattr(predictor, "fitted", None)  # scikit-learn's models have no other parts
    asked = _Asked(engine, predictor, background, names, parsed, tolerance, parameters)
    return ENGINES[engine](asked)


def check_engine(engine: str, parsed: object) -> None:
    """Return if a model could be taken apart by this engine, as far as its parts say.

    For whoever registers a version without opening it: `parsed` as in :func:`attributor_for`,
    or anything else where the parts are not known yet.

    Raises:
        SchemaError: no such engine, or not for this kind of model.
        ModelUnsupported, ArtefactRefused: the engine would be wrong on this model.
    """
    if engine not in ENGINES:
        raise SchemaError("no such engine", member="explainer.engine")
    known = isinstance(parsed, TreeEnsemble | LightGBMModel | CatBoostModel)
    if engine in _OF_TREES:
        if isinstance(parsed, AdditiveModel):
            raise SchemaError(f"{engine} takes trees apart", member="explainer.engine")
        if known:
            forest_of(parsed)
    elif known or isinstance(parsed, AdditiveModel):
        kind = _OWN.get(engine)
        other = kind is not None and not isinstance(parsed, kind)
        if other or (engine in _CLOSED and getattr(parsed, "kind", None) != engine):
            raise SchemaError("not an engine of this kind of model", member="explainer.engine")


def forest_of(parsed: object) -> Forest | None:
    """Return a model's trees as the exact engines read them, None if it has none.

    Raises:
        ModelUnsupported: a model of trees with a rule that is not known here.
    """
    if isinstance(parsed, Forest):
        return parsed
    if isinstance(parsed, TreeEnsemble):
        return parsed.forest()
    if isinstance(parsed, LightGBMModel):
        return lightgbm_forest(parsed.features, parsed.trees)
    if isinstance(parsed, CatBoostModel):
        return catboost_forest(parsed)
    if _fitted(parsed):
        return sklearn_forest(parsed)
    return None


def _trees(asked: _Asked) -> Forest:
    forest = forest_of(asked.parsed)
    if forest is None:
        raise SchemaError(f"{asked.engine} takes trees apart", member="explainer.engine")
    return forest


def _fitted(parsed: object) -> bool:
    return type(parsed).__module__.partition(".")[0] == "sklearn"


def _fitted_parts(asked: _Asked) -> Attributor:
    return FittedParts(
        asked.engine,
        asked.parsed,
        asked.background,
        asked.predictor,
        asked.names,
        asked.tolerance,
    )


def _leaf_tables(asked: _Asked) -> Attributor:
    if _fitted(asked.parsed):
        return _fitted_parts(asked)
    return LeafTables(
        _trees(asked), asked.background, asked.predictor, asked.names, asked.tolerance
    )


def _shap(asked: _Asked) -> Attributor:
    forest = _trees(asked)
    fitted: Any = getattr(asked.predictor, "booster", None)
    if fitted is None and _fitted(asked.parsed):
        fitted = asked.parsed
    if fitted is None:
        raise ModelUnsupported("shap: the library's own object is not in this process")
    group = asked.background if asked.engine == "shap-interventional" else None
    return ShapTrees(fitted, forest, asked.predictor, group, asked.names, asked.tolerance)


def _own(asked: _Asked) -> Attributor:
    kind = _OWN.get(asked.engine)
    known = TreeEnsemble | LightGBMModel
    fits = isinstance(asked.parsed, kind) if kind else not isinstance(asked.parsed, known)
    if not fits or not hasattr(asked.predictor, "contributions"):
        raise SchemaError("not an engine of this model's library", member="explainer.engine")
    predictor = cast("ContributingPredictor", asked.predictor)
    return OwnContributions(asked.engine, predictor, asked.names, asked.tolerance)


def _closed_form(asked: _Asked) -> Attributor:
    model = asked.parsed
    if asked.engine == "linear" and _fitted(model):
        return _fitted_parts(asked)
    if not isinstance(model, AdditiveModel) or model.kind != asked.engine:
        raise SchemaError(f"not a model of the kind {asked.engine}", member="explainer.engine")
    return ClosedForm(model, asked.background, asked.predictor, asked.names, asked.tolerance)


def _black_box(asked: _Asked) -> Attributor:
    return BlackBox(
        asked.engine,
        asked.predictor,
        asked.background,
        asked.names,
        asked.tolerance,
        **parameters_of(asked.parameters),
    )


ENGINES: Final[Mapping[str, Callable[[_Asked], Attributor]]] = {
    EXACT: _black_box,
    "catboost-contributions": _own,
    "ebm": _closed_form,
    "leaf-tables": _leaf_tables,
    "lightgbm-contributions": _own,
    "linear": _closed_form,
    APPROXIMATE: _black_box,
    "scorecard": _closed_form,
    "shap-interventional": _shap,
    "shap-path-dependent": _shap,
    "xgboost-contributions": _own,
}
