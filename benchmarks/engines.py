"""Every engine, for one row, a hundred and ten thousand, beside the library's own call.

The own call is its contributions where it has some, else the model's bare predictions. What
is ours is rounded to units, held to the model's margin and, of one row, made into a value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import catboost
import lightgbm
import numpy as np
import xgboost
from sklearn import ensemble, linear_model

from benchmarks.measuring import Measured, at_most, time_ratios, timed
from explain import lightgbm_text, trees
from explain.additive import AdditivePredictor, parse
from explain.boosters import XGBoostPredictor
from explain.catboost_values import CatBoostValues
from explain.engines import attributor_for
from explain.lightgbm_booster import LightGBMPredictor
from explain.live_models import live_model
from explain.predictor import FeatureSchema
from explain.shapley import PathDependentTrees

FEATURES, ROWS, GROUP, TREES = 15, 4_000, 1_000, 80
NAMES = tuple(f"feature_{at:02d}" for at in range(FEATURES))
SINGLE, BATCH = 1.5, 1.11  # 0.9 of the own call's speed
SIZES = {1: (20, 7), 100: (2, 5), 10_000: (1, 3)}  # rows: calls of one figure, and runs
FEW = {size: SIZES[size] for size in (1, 100)}  # where ten thousand rows would take minutes
Work = Callable[[Any], object]


def measure() -> Iterator[Measured]:
    rows, good = _data()
    for name, (ours, theirs, sizes) in _engines(rows, good):
        for size, (times, runs) in sizes.items():
            some = np.tile(rows, (size // ROWS + 1, 1))[:size]
            figures = [timed(partial(work, some), times) for work in (ours, theirs)]
            for figure in figures:
                figure()  # engines build what they keep on the first call
            goal = at_most(SINGLE if size == 1 else BATCH)
            yield Measured(f"{name}_{size}", goal, time_ratios(figures[0], figures[1], runs))


def _data() -> tuple[Any, Any]:
    chance = np.random.default_rng(3)
    rows = chance.normal(size=(ROWS, FEATURES)).astype(np.float32)
    good = rows[:, 0] * rows[:, 1] + rows[:, 2] + chance.normal(size=ROWS) > 0
    return rows, good


class _Fitted:
    def __init__(self, model: Any) -> None:
        live = live_model(model, None, attribute=False)
        self.space, self.margin = live.space, live.margins


def _engines(
    rows: Any, good: Any
) -> Iterator[tuple[str, tuple[Work, Work, Mapping[int, tuple[int, int]]]]]:
    wide = rows.astype(np.float64)
    group = wide[:GROUP]

    matrix = xgboost.DMatrix(rows, good)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}, matrix, TREES
    )
    saved = bytes(booster.save_raw("json"))
    xgb, ensemble_of = XGBoostPredictor(saved), trees.parse(saved, binary=False)
    for engine in ("leaf-tables", "xgboost-contributions"):
        made = attributor_for(engine, xgb, rows[:GROUP], NAMES, parsed=ensemble_of)
        yield f"xgboost_{engine}", (made.attribute, xgb.contributions, SIZES)
    interventional: Any = attributor_for(
        "shap-interventional", xgb, rows[:100], NAMES, parsed=ensemble_of
    )
    yield "shap-interventional", (interventional.attribute, interventional.values, FEW)

    asked = {"objective": "binary", "num_leaves": 31, "num_threads": 1, "verbose": -1}
    text = lightgbm.train(asked, lightgbm.Dataset(wide, good.astype(float)), TREES)
    told = text.model_to_string().encode()
    leaves = lightgbm_text.parse(told)
    lgb = LightGBMPredictor(leaves)
    for engine in ("leaf-tables", "lightgbm-contributions"):
        made = attributor_for(engine, lgb, group, NAMES, parsed=leaves)
        yield f"lightgbm_{engine}", (made.attribute, lgb.contributions, SIZES)

    for name, model in (
        ("forest", ensemble.RandomForestClassifier(50, max_depth=6, random_state=1)),
        ("histogram", ensemble.HistGradientBoostingClassifier(max_iter=TREES)),
    ):
        model.fit(wide, good)
        made = attributor_for("leaf-tables", _Fitted(model), group, NAMES, parsed=model)
        yield f"{name}_leaf-tables", (made.attribute, PathDependentTrees(model).parts, SIZES)

    cat = CatBoostValues(
        catboost.CatBoostClassifier(
            iterations=TREES, thread_count=1, verbose=False, allow_writing_files=False
        ).fit(wide, good)
    )
    made = attributor_for("catboost-contributions", cat, group, NAMES)
    yield "catboost-contributions", (made.attribute, cat.contributions, SIZES)
    yield from _of_others(wide, good)


def _of_others(
    rows: Any, good: Any
) -> Iterator[tuple[str, tuple[Work, Work, Mapping[int, tuple[int, int]]]]]:
    linear = linear_model.LogisticRegression().fit(rows, good)
    names = [
        {"name": name, "label": {"en": name}, "type": "number", "unit": "none"}
        | {"mutability": "any", "missing": "refused", "protected": False}
        for name in NAMES
    ]
    document = {
        "v": 1,
        "kind": "linear",
        "space": "log-odds",
        "intercept": float(linear.intercept_[0]),
        "terms": [
            {"feature": name, "weight": float(weight)}
            for name, weight in zip(NAMES, linear.coef_[0], strict=True)
        ],
    }
    schema = FeatureSchema.from_manifest({"features": names})
    model = parse(json.dumps(document).encode(), "linear", schema)
    predictor = AdditivePredictor(model)
    made = attributor_for("linear", predictor, rows[:GROUP], NAMES, parsed=model)
    yield "linear", (made.attribute, linear.decision_function, SIZES)

    orders = 4
    asked = 2 * orders * (FEATURES + 1)  # sets of features for each row, each with the group
    drawn = attributor_for(
        "permutation-approximate", predictor, rows[:100], NAMES, parameters={"orders": orders}
    )
    many = np.tile(rows, (asked * 100 // ROWS + 1, 1))[: asked * 100]

    def bare(some: Any) -> None:
        for _ in some:
            predictor.margin(many)

    yield "permutation-approximate", (drawn.attribute, bare, {1: SIZES[1]})
