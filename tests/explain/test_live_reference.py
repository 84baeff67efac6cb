"""Fitted models as they predict: against a reference group, and CatBoost by its own values."""

import copy
from collections.abc import Sequence
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import ensemble
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from explain.errors import ModelUnsupported, SchemaError
from explain.live_models import live_model
from explain.watched import Seen, watched
from tests.explain.shapley_oracle import shapley_by_definition

Table = pd.DataFrame


def feature(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": {"en": name},
        "type": "number",
        "mutability": "any",
        "missing": "allowed",
        "protected": False,
        "unit": "none",
    }


def manifest(space: str, engine: str = "leaf-tables") -> dict[str, Any]:
    return {
        "features": [feature(name) for name in ("income", "debt", "age")],
        "explainer": {"engine": engine, "tolerance": 100},
        "output": {"space": space},
    }


def seen(model: Any, rows: Table, **options: Any) -> Sequence[Seen]:
    return watched(model, **options).predictions(rows, model.predict(rows))


MODELS = {
    "xgboost": (xgboost.XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1), "log-odds"),
    "xgboost, stopped": (
        xgboost.XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1, early_stopping_rounds=2),
        "log-odds",
    ),
    "lightgbm": (
        lightgbm.LGBMClassifier(n_estimators=8, num_leaves=5, n_jobs=1, verbose=-1),
        "log-odds",
    ),
    "forest": (ensemble.RandomForestClassifier(8, max_depth=4, random_state=1), "probability"),
    "histogram": (ensemble.HistGradientBoostingClassifier(max_iter=8), "log-odds"),
    "regression": (ensemble.ExtraTreesRegressor(8, max_depth=4, random_state=1), "response"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_registered_engine_compares_with_the_group_as_the_ledger_does(
    name: str, table: Table, good: Any
) -> None:
    made, space = MODELS[name]
    model = copy.deepcopy(made)
    if "stopped" in name:
        model.fit(table, good, eval_set=[(table, 1 - good)], verbose=False)
    else:
        model.fit(table, good)
    group = table[:40]
    read = seen(model, table[40:46], manifest=manifest(space), background=group)
    live = live_model(model, None, attribute=False)

    def margins(rows: Any) -> Any:
        return live.margins(pd.DataFrame(rows, columns=table.columns))

    for one, row in zip(read, table[40:46].to_numpy(), strict=True):
        assert one.unexplained is None
        assert one.attributions is not None
        assert one.attributions["engine"] == "leaf-tables"
        wanted = shapley_by_definition(margins, row, group.to_numpy()) * 1e6
        got = [one.attributions["values"][column] for column in table.columns]
        np.testing.assert_allclose(got, wanted, atol=30)


def test_a_pipelines_group_goes_through_its_steps(table: Table, good: Any) -> None:
    model = make_pipeline(StandardScaler(), copy.deepcopy(MODELS["forest"][0])).fit(table, good)
    plain = copy.deepcopy(MODELS["forest"][0]).fit(table, good)
    options: Any = {"manifest": manifest("probability"), "background": table[:40]}
    for one, other in zip(
        seen(model, table[40:50], **options), seen(plain, table[40:50], **options), strict=True
    ):
        assert one.attributions is not None
        assert other.attributions is not None
        assert one.attributions["values"] == pytest.approx(other.attributions["values"], abs=40_000)


def test_an_engine_that_compares_needs_somebody_to_compare_with(table: Table, good: Any) -> None:
    model = copy.deepcopy(MODELS["xgboost"][0]).fit(table, good)
    with pytest.raises(SchemaError, match="give its rows"):
        watched(model, manifest=manifest("log-odds"))
    (one,) = seen(model, table[:1], manifest=manifest("log-odds"), attribute=False)
    assert one.attributions is None  # left to the ledger, which has the group


def test_models_that_are_not_read_exactly_cannot_be_compared(table: Table, good: Any) -> None:
    regression = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(table, good)
    coded = table.assign(job=pd.Categorical(np.array(["a", "b", "c"])[np.arange(len(table)) % 3]))
    tabled = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, n_jobs=1, verbose=-1).fit(
        coded, good
    )
    for model, rows, space in ((regression, table, "response"), (tabled, coded, "log-odds")):
        told = manifest(space) | {"features": [feature(name) for name in rows.columns]}
        with pytest.raises(ModelUnsupported):
            watched(model, manifest=told, background=rows)
    trained = catboost.CatBoostClassifier(**CAT).fit(table, good)
    with pytest.raises(ModelUnsupported, match="not a model of trees"):
        watched(trained, manifest=manifest("log-odds"), background=table)


CAT: dict[str, Any] = {
    "iterations": 8,
    "depth": 3,
    "thread_count": 1,
    "verbose": False,
    "allow_writing_files": False,
    "random_seed": 1,
}


def test_catboost_counts_its_categories_itself(table: Table, good: Any) -> None:
    coded = table.assign(job=np.array(["a", "b", "c"])[np.arange(len(table)) % 3])
    model = catboost.CatBoostClassifier(**CAT, cat_features=["job"]).fit(coded, good)
    read = watched(model).predictions(coded, model.predict_proba(coded))
    raw = model.predict(coded, prediction_type="RawFormulaVal") * 1e6
    for one, margin, row in zip(read, raw, coded.to_dict("records"), strict=True):
        assert one.unexplained is None
        assert one.attributions is not None
        assert one.attributions["engine"] == "catboost-contributions"
        assert one.margin == pytest.approx(margin, abs=1)
        assert abs(one.attributions["residual"]) <= 3
        assert dict(one.input) == row
    bare = catboost.CatBoostRegressor(**CAT).fit(table.to_numpy(), good)
    (one,) = watched(bare, names=list(table.columns)).predictions(
        table.to_numpy()[:1], bare.predict(table.to_numpy()[:1])
    )
    assert (one.space, one.unexplained) == ("response", None)


def test_catboost_models_in_no_known_space_are_refused(table: Table, good: Any) -> None:
    poisson = catboost.CatBoostRegressor(**CAT, loss_function="Poisson").fit(table, good)
    many = catboost.CatBoostClassifier(**CAT).fit(table, np.arange(len(table)) % 3)
    for model in (poisson, many):
        with pytest.raises(ModelUnsupported, match="no space known"):
            watched(model)


def test_catboost_models_that_read_texts_are_refused(table: Table, good: Any) -> None:
    told = table.assign(note=np.array(["late again", "paid in time"])[np.arange(len(table)) % 2])
    model = catboost.CatBoostClassifier(**CAT, text_features=["note"]).fit(told, good)
    with pytest.raises(ModelUnsupported, match="text"):
        watched(model)
