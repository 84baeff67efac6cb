"""Models as they were fitted in this process, and what takes each exactly apart.

Nothing is guessed: a kind of model that is not named here is refused, and so is every setting
of one that is known to come out wrong. What is left is still held to the model's own margin,
row by row, by whoever uses it. The libraries are not imported: who has a model has them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from explain.boosters import XGBoostPredictor
from explain.catboost_values import CatBoostValues
from explain.errors import ModelUnsupported
from explain.shapley import PathDependentTrees

__all__ = [
    "LOG_ODDS",
    "PROBABILITY",
    "RESPONSE",
    "LiveModel",
    "Margins",
    "double_rows",
    "live_model",
]

LOG_ODDS: Final = "log-odds"
PROBABILITY: Final = "probability"
RESPONSE: Final = "response"
"""The space of a regression: what it predicts, as it is."""

Margins = Callable[[Any], NDArray[np.float64]]
Parts = Callable[[Any], tuple[NDArray[np.float64], NDArray[np.float64]]]

_XGBOOST: Final = {
    "binary:logistic": LOG_ODDS,
    "binary:logitraw": LOG_ODDS,
    "reg:logistic": LOG_ODDS,
    "reg:squarederror": RESPONSE,
    "reg:absoluteerror": RESPONSE,
}
_LIGHTGBM: Final = {
    "binary sigmoid:1": LOG_ODDS,
    "regression": RESPONSE,
    "regression_l1": RESPONSE,
}
_LOGISTIC: Final = frozenset({"LogisticRegression", "LogisticRegressionCV"})
_LINEAR: Final = frozenset(
    {
        *{"LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV"},
        *{"ElasticNet", "ElasticNetCV"},
    }
)
_AVERAGED: Final = frozenset(
    {"RandomForestClassifier", "ExtraTreesClassifier", "DecisionTreeClassifier"}
)
_BOOSTED: Final = frozenset({"GradientBoostingClassifier", "HistGradientBoostingClassifier"})
_REGRESSION_TREES: Final = frozenset(
    {
        *{"RandomForestRegressor", "ExtraTreesRegressor", "DecisionTreeRegressor"},
        *{"GradientBoostingRegressor", "HistGradientBoostingRegressor"},
    }
)
_IDENTITY_LOSSES: Final = frozenset({"squared_error", "absolute_error", "huber", "quantile"})


@dataclass(frozen=True, slots=True, eq=False)
class LiveModel:
    """One fitted model with one output.

    Attributes:
        engine: what takes its output apart.
        space: in which margins and contributions lie.
        columns: how many columns it sees.
        names: what it calls them; empty if it was not told.
        classes: what it calls the two classes; the margin is the second one's. Empty: none.
        margins: asks the model itself; shape (rows,).
        parts: bases, shape (rows,), and contributions, shape (rows, columns).
    """

    engine: str
    space: str
    columns: int
    names: tuple[str, ...]
    classes: tuple[Any, ...]
    margins: Margins
    parts: Parts


def live_model(model: Any, reference: NDArray[np.float64] | None, *, attribute: bool) -> LiveModel:
    """Return how a fitted model is asked and taken apart.

    Args:
        model: of XGBoost, LightGBM, CatBoost or scikit-learn.
        reference: of a linear model: the row that contributions count from; None: zeros.
        attribute: refuse a model whose margin is known and whose contributions are not.

    Raises:
        ModelUnsupported: no kind of model that is known here, or in a setting that is not.
    """
    kind, library = type(model).__name__, type(model).__module__.partition(".")[0]
    if library == "xgboost" and kind in ("Booster", "XGBClassifier", "XGBRegressor"):
        return _xgboost(model)
    if library == "lightgbm" and kind in ("Booster", "LGBMClassifier", "LGBMRegressor"):
        return _lightgbm(model, attribute=attribute)
    if library == "catboost" and kind in ("CatBoost", "CatBoostClassifier", "CatBoostRegressor"):
        return _catboost(model)
    if library == "sklearn" and kind in _LOGISTIC | _LINEAR:
        return _linear(model, kind, reference)
    if library == "sklearn" and kind in _AVERAGED | _BOOSTED | _REGRESSION_TREES:
        return _trees(model, kind, attribute=attribute)
    raise ModelUnsupported(
        f"{library} {kind}: not one of the models that are taken apart exactly; state its"
        " predictions yourself"
    )


def _xgboost(model: Any) -> LiveModel:
    wrapped = type(model).__name__ != "Booster"
    booster = model.get_booster() if wrapped else model
    learner = json.loads(booster.save_config())["learner"]
    parameters = learner["learner_model_param"]
    if int(parameters["num_class"]) > 1 or int(parameters["num_target"]) > 1:
        raise ModelUnsupported("XGBoost: more than one output per row")
    objective = learner["learner_train_param"]["objective"]
    if objective not in _XGBOOST:
        raise ModelUnsupported(f"XGBoost: margins of {objective} are in no space known here")
    if "c" in (booster.feature_types or ()):
        raise ModelUnsupported("XGBoost: categorical columns; encode them before the model")
    if wrapped and not np.isnan(model.missing):
        raise ModelUnsupported("XGBoost: a missing value that is not NaN")
    if wrapped and booster.attr("best_iteration") is not None:
        # The wrapper stops where validation said; the bare booster goes on to the end.
        booster = booster[: int(booster.attr("best_iteration")) + 1]
    predictor = XGBoostPredictor(bytes(booster.save_raw("ubj")))

    def parts(rows: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        found = predictor.contributions(_single(rows))
        return found[:, -1], found[:, :-1]

    return LiveModel(
        engine="xgboost-contributions",
        space=_XGBOOST[objective],
        columns=booster.num_features(),
        names=tuple(booster.feature_names or ()),
        classes=(0, 1) if _XGBOOST[objective] == LOG_ODDS else (),
        margins=lambda rows: predictor.margin(_single(rows)),
        parts=parts,
    )


def _lightgbm(model: Any, *, attribute: bool) -> LiveModel:
    wrapped = type(model).__name__ != "Booster"
    booster = model.booster_ if wrapped else model
    if booster.num_model_per_iteration() != 1:
        raise ModelUnsupported("LightGBM: more than one output per row")
    text = booster.model_to_string()
    objective = _line(text, "objective")
    if objective not in _LIGHTGBM:
        raise ModelUnsupported(f"LightGBM: margins of {objective!r} are in no space known here")
    if attribute and "is_linear=1" in text:
        raise ModelUnsupported("LightGBM: linear trees have no exact contributions")
    if "average_output" in text.split("\n\n", 1)[0].splitlines():
        raise ModelUnsupported("LightGBM: a forest's margins are averaged after the link")
    names = tuple(booster.feature_name())
    if names == tuple(f"Column_{at}" for at in range(len(names))):
        names = ()  # the library's own, where it was not told any

    coded = bool(booster.pandas_categorical)  # then the library has to see the table itself

    def ask(rows: Any, **what: bool) -> NDArray[np.float64]:
        if not coded:
            rows = double_rows(rows)  # a table of one row would take longer than its prediction
        return np.asarray(booster.predict(rows, num_threads=1, **what), dtype=np.float64)

    def parts(rows: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        found = ask(rows, pred_contrib=True)
        return found[:, -1], found[:, :-1]

    return LiveModel(
        engine="lightgbm-contributions",
        space=_LIGHTGBM[objective],
        columns=booster.num_feature(),
        names=names,
        classes=_classes(model) if hasattr(model, "classes_") else (),
        margins=lambda rows: ask(rows, raw_score=True),
        parts=parts,
    )


def _catboost(model: Any) -> LiveModel:
    values = CatBoostValues(model)
    names = values.names
    if names == tuple(map(str, range(len(names)))):
        names = ()  # the library's own, where it was not told any

    def parts(rows: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        found = values.contributions(rows)
        return found[:, -1], found[:, :-1]

    return LiveModel(
        engine="catboost-contributions",
        space=values.space,
        columns=len(values.names),
        names=names,
        classes=_classes(model) if values.space == LOG_ODDS else (),
        margins=values.margin,
        parts=parts,
    )


def _linear(model: Any, kind: str, reference: NDArray[np.float64] | None) -> LiveModel:
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
    if len(weights) != 1:
        raise ModelUnsupported(f"{kind}: more than one output per row")
    (weight,) = weights
    start = np.zeros(len(weight)) if reference is None else reference
    logistic = kind in _LOGISTIC
    base = float(np.ravel(model.intercept_)[0]) + float(start @ weight)
    ask = model.decision_function if logistic else model.predict

    def parts(rows: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        phi = (double_rows(rows) - start) * weight
        return np.full(len(phi), base), phi

    return LiveModel(
        engine="linear",
        space=LOG_ODDS if logistic else RESPONSE,
        columns=len(weight),
        names=tuple(getattr(model, "feature_names_in_", ())),
        classes=_classes(model) if logistic else (),
        margins=lambda rows: np.asarray(ask(rows), dtype=np.float64).reshape(len(rows)),
        parts=parts,
    )


def _trees(model: Any, kind: str, *, attribute: bool) -> LiveModel:
    if getattr(model, "n_outputs_", 1) != 1:
        raise ModelUnsupported(f"{kind}: more than one output per row")
    loss = getattr(model, "loss", None)
    if kind in _BOOSTED and loss != "log_loss":
        raise ModelUnsupported(f"{kind}: its margins are log-odds with the log loss only")
    if kind == "HistGradientBoostingRegressor" and loss not in _IDENTITY_LOSSES:
        raise ModelUnsupported(f"{kind}: its margins are behind a link")
    coded = getattr(model, "is_categorical_", None)
    if attribute and coded is not None and coded.any():
        raise ModelUnsupported(f"{kind}: contributions of categorical columns come out wrong")
    classes = () if kind in _REGRESSION_TREES else _classes(model)
    trees = PathDependentTrees(model) if attribute else None

    def margins(rows: Any) -> NDArray[np.float64]:
        if kind in _AVERAGED:
            return np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)
        ask = model.decision_function if kind in _BOOSTED else model.predict
        return np.asarray(ask(rows), dtype=np.float64)

    def parts(rows: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if trees is None:
            raise ModelUnsupported(f"{kind}: not taken apart")
        return trees.parts(np.asarray(rows))

    return LiveModel(
        engine="shap-path-dependent",
        space={**dict.fromkeys(_AVERAGED, PROBABILITY), **dict.fromkeys(_BOOSTED, LOG_ODDS)}.get(
            kind, RESPONSE
        ),
        columns=model.n_features_in_,
        names=tuple(getattr(model, "feature_names_in_", ())),
        classes=classes,
        margins=margins,
        parts=parts,
    )


def _classes(model: Any) -> tuple[Any, ...]:
    classes = tuple(np.asarray(model.classes_).tolist())
    if len(classes) != 2:  # noqa: PLR2004  # a margin lies between two
        raise ModelUnsupported(f"{type(model).__name__}: {len(classes)} classes, not two")
    return classes


def _single(rows: Any) -> NDArray[np.float32]:
    """Return rows as the library narrows them itself."""
    if hasattr(rows, "to_numpy"):
        return np.asarray(rows.to_numpy(dtype=np.float32, na_value=np.nan))
    return np.asarray(rows, dtype=np.float32)


def double_rows(rows: Any) -> NDArray[np.float64]:
    """Return rows, a table or an array, as 64-bit numbers; what is missing is NaN."""
    if hasattr(rows, "to_numpy"):
        return np.asarray(rows.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(rows, dtype=np.float64)


def _line(text: str, name: str) -> str:
    found = next((line for line in text.splitlines() if line.startswith(f"{name}=")), "")
    return found.partition("=")[2]
