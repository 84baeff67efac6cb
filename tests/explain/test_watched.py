"""Fitted models as their calls are read: exact, held to the model, or refused."""

import copy
import pickle
import threading
from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import ensemble, linear_model, preprocessing
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from explain.errors import ModelMismatch, SchemaError
from explain.model import Model
from explain.shapley import PathDependentTrees
from explain.watched import Seen, WatchedPredictor, watched

Table = pd.DataFrame
FEW: dict[str, Any] = {"n_estimators": 8, "max_depth": 3, "n_jobs": 1}
FEW_LEAVES: dict[str, Any] = {"n_estimators": 8, "num_leaves": 5, "n_jobs": 1, "verbose": -1}


def seen(model: Any, rows: Any, call: str = "predict", **options: Any) -> Sequence[Seen]:
    return watched(model, **options).predictions(rows, getattr(model, call)(rows))


EXACT = {
    "logistic": (linear_model.LogisticRegression(), "linear", "log-odds"),
    "ridge": (linear_model.Ridge(), "linear", "response"),
    "tree": (DecisionTreeClassifier(max_depth=3), "shap-path-dependent", "probability"),
    "forest": (
        ensemble.RandomForestClassifier(8, max_depth=4, random_state=1),
        "shap-path-dependent",
        "probability",
    ),
    "extra": (
        ensemble.ExtraTreesRegressor(8, max_depth=4, random_state=1),
        "shap-path-dependent",
        "response",
    ),
    "boosted": (
        ensemble.GradientBoostingClassifier(n_estimators=8),
        "shap-path-dependent",
        "log-odds",
    ),
    "histogram": (
        ensemble.HistGradientBoostingClassifier(max_iter=8),
        "shap-path-dependent",
        "log-odds",
    ),
    "xgboost": (xgboost.XGBClassifier(**FEW), "xgboost-contributions", "log-odds"),
    "xgboost-dart": (
        xgboost.XGBClassifier(**FEW, booster="dart", rate_drop=0.5),
        "xgboost-contributions",
        "log-odds",
    ),
    "xgboost-regression": (xgboost.XGBRegressor(**FEW), "xgboost-contributions", "response"),
    "lightgbm": (lightgbm.LGBMClassifier(**FEW_LEAVES), "lightgbm-contributions", "log-odds"),
    "lightgbm-zeros": (
        lightgbm.LGBMClassifier(**FEW_LEAVES, zero_as_missing=True),
        "lightgbm-contributions",
        "log-odds",
    ),
    "lightgbm-regression": (
        lightgbm.LGBMRegressor(**FEW_LEAVES),
        "lightgbm-contributions",
        "response",
    ),
}


def margins(model: Any, rows: Table, space: str) -> Any:
    """What the library itself says, asked in another way than the code under test does."""
    if space == "response":
        return model.predict(rows)
    chance = model.predict_proba(rows)[:, 1].astype(np.float64)
    return chance if space == "probability" else np.log(chance / (1 - chance))


@pytest.mark.parametrize("name", EXACT)
def test_each_row_adds_up_to_the_models_own_margin(name: str, table: Table, good: Any) -> None:
    model, engine, space = EXACT[name]
    model = copy.deepcopy(model).fit(table, good)
    for call in ("predict", "predict_proba"):
        if not hasattr(model, call):
            continue
        read = seen(model, table, call)
        assert len(read) == len(table)
        own = margins(model, table, space) * 1e6
        for row, (one, margin) in enumerate(zip(read, own, strict=True)):
            assert one.unexplained is None
            assert one.attributions is not None
            assert one.margin == pytest.approx(margin, abs=100)
            parts = one.attributions
            assert parts["base"] + sum(parts["values"].values()) + parts["residual"] == one.margin
            assert (parts["engine"], parts["space"], one.space) == (engine, space, space)
            assert abs(parts["residual"]) <= 100
            assert dict(one.input) == table.iloc[row].to_dict()
    assert any(one.attributions["values"]["income"] for one in read if one.attributions)


def test_a_linear_models_contributions_count_from_its_reference(table: Table, good: Any) -> None:
    model = linear_model.LogisticRegression().fit(table, good)
    (one,) = seen(model, table[:1], background=table)
    assert one.attributions is not None
    expected = (table.iloc[0] - table.mean()) * model.coef_[0] * 1e6
    assert one.attributions["values"] == {
        name: pytest.approx(value, abs=1) for name, value in expected.items()
    }


def test_what_a_pipeline_makes_of_a_feature_is_added_up(coded: Table, good: Any) -> None:
    columns = make_column_transformer(
        (preprocessing.OneHotEncoder(drop="first"), ["job"]),
        (make_pipeline(SimpleImputer(), preprocessing.StandardScaler()), [0, "debt"][:1]),
        remainder="passthrough",
    )
    model = make_pipeline(columns, linear_model.LogisticRegression()).fit(coded, good)
    read = seen(model, coded, "predict_proba")
    made = np.asarray(columns.transform(coded)) * model[-1].coef_[0] * 1e6
    for one, parts in zip(read, made, strict=True):
        assert one.attributions is not None
        assert one.attributions["values"] == {
            "income": pytest.approx(parts[2], abs=1),
            "debt": pytest.approx(parts[3], abs=1),
            "age": pytest.approx(parts[4], abs=1),
            "job": pytest.approx(parts[0] + parts[1], abs=1),
        }
    assert read[5].input["income"] is None
    assert read[1].input["job"] == "retired"


def test_a_pipeline_of_one_step_and_one_of_trees(table: Table, good: Any) -> None:
    for steps in ([], [preprocessing.MinMaxScaler()]):
        model = make_pipeline(*steps, xgboost.XGBClassifier(**FEW)).fit(table, good)
        names = None if steps else list(table.columns)
        assert all(one.attributions for one in seen(model, table, names=names))


def test_lightgbm_takes_its_own_categories(coded: Table, good: Any) -> None:
    rows = coded.assign(job=coded["job"].astype("category"))
    model = lightgbm.LGBMClassifier(**FEW_LEAVES).fit(rows, good)
    read = seen(model, rows, "predict_proba")
    assert all(one.attributions for one in read)
    assert read[1].input["job"] == "retired"


def test_a_model_that_stopped_early_is_read_as_it_predicts(table: Table, good: Any) -> None:
    model = xgboost.XGBClassifier(
        n_estimators=60, learning_rate=1.0, early_stopping_rounds=2, n_jobs=1
    )
    model.fit(table[:160], good[:160], eval_set=[(table[160:], good[160:])], verbose=False)
    assert model.best_iteration < model.get_booster().num_boosted_rounds() - 1
    assert all(one.attributions for one in seen(model, table, "predict_proba"))


def test_boosters_of_their_own(table: Table, good: Any) -> None:
    booster = xgboost.train(
        {"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(table, good), 4
    )
    rows = table[:3].mask(table[:3] > 90)
    matrix = xgboost.DMatrix(rows)
    read = watched(booster).predictions(matrix, booster.predict(matrix))
    plain = watched(booster).predictions(rows, booster.inplace_predict(rows))
    assert [one.attributions for one in read] == [one.attributions for one in plain]
    assert [one.input["income"] is None for one in read] == [
        one.input["income"] is None for one in plain
    ]
    # Fewer rounds than the model has: that margin is not the model's.
    with pytest.raises(ModelMismatch):
        watched(booster).predictions(matrix, booster.predict(matrix, iteration_range=(0, 1)))
    trained = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(table, good), 4
    )
    for raw in (False, True):
        assert all(
            one.attributions
            for one in watched(trained).predictions(table, trained.predict(table, raw_score=raw))
        )


def test_margins_far_out_have_probabilities_too(table: Table, good: Any) -> None:
    model = linear_model.LogisticRegression().fit(table, good)
    model.coef_ = model.coef_ * 1e3
    assert all(one.attributions for one in seen(model, table, "predict_proba"))


def test_labels_of_any_kind_belong(table: Table, good: Any) -> None:
    labels = np.where(good, "good", "bad")
    model = linear_model.LogisticRegression().fit(table, labels)
    assert len(seen(model, table)) == len(table)


def test_an_attribution_that_misses_the_margin_is_left_out(
    table: Table, good: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ensemble.RandomForestClassifier(4, max_depth=3).fit(table, good)
    read = watched(model)
    result = model.predict_proba(table[:3])
    true = PathDependentTrees.parts

    def off(self: Any, rows: Any) -> Any:
        bases, phi = true(self, rows)
        phi[1, 0] += 0.01  # as shap was measured to be, without a word
        return bases, phi

    monkeypatch.setattr(PathDependentTrees, "parts", off)
    told = read.predictions(table[:3], result)
    assert [one.unexplained for one in told] == [None, "additivity", None]
    assert told[1].attributions is None
    assert told[1].margin == round(result[1, 1] * 1e6)

    def fails(self: Any, rows: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(PathDependentTrees, "parts", fails)
    told = read.predictions(table[:3], result)
    assert {one.unexplained for one in told} == {"engine_failed"}


@pytest.mark.parametrize("form", ["array", "float32", "list", "integers"])
def test_rows_of_any_form_are_written_as_they_are(form: str, table: Table, good: Any) -> None:
    bare = table.round(0).to_numpy()
    model = linear_model.LogisticRegression().fit(bare, good)
    rows: Any = {
        "array": bare[:2],
        "float32": bare[:2].astype(np.float32),
        "list": bare[:2].tolist(),
        "integers": bare[:2].astype(int),
    }[form]
    with pytest.raises(SchemaError, match="give them"):
        watched(model)
    read = seen(model, rows, names=["income", "debt", "age"])
    assert [dict(one.input) for one in read] == table[:2].round(0).to_dict("records")
    assert all(one.attributions for one in read)


def test_lightgbm_keeps_names_without_blanks(table: Table, good: Any) -> None:
    rows = table.rename(columns={"income": "yearly income"})
    model = lightgbm.LGBMClassifier(**FEW_LEAVES).fit(rows, good)
    (one,) = seen(model, rows[:1])
    assert "yearly_income" in one.input
    (one,) = seen(model, rows[:1], names=list(rows.columns))
    assert "yearly income" in one.input


def test_a_manifest_says_how_values_are_written_and_what_fits(
    booster: Any, bare_manifest: dict[str, Any], applications: list[Any], model: Model
) -> None:
    engine = {"engine": "xgboost-contributions", "tolerance": 100}
    manifest = bare_manifest | {"explainer": engine}
    rows = np.stack([model.schema.row(one) for one in applications[:20]])
    read = watched(booster, manifest=manifest)
    told = read.predictions(rows, booster.inplace_predict(rows))
    assert (read.engine, read.space) == ("xgboost-contributions", "log-odds")
    assert read.names == model.schema.names
    for one, application, row in zip(told, applications, rows, strict=False):
        assert one.input["job"] == application["job"]
        assert one.input["bankrupt"] is application["bankrupt"]
        assert one.attributions is not None
        np.testing.assert_array_equal(model.schema.row(application), row)
        assert abs(one.margin - model.predictor.margin(row[None, :])[0] * 1e6) <= 1
    wrong = rows.copy()
    wrong[0, 4] = -1  # the last category, if one counted from behind
    with pytest.raises(SchemaError, match="code"):
        read.predictions(wrong, booster.inplace_predict(wrong))
    for member, value in (
        ("explainer", {"engine": "leaf-tables", "tolerance": 100}),
        ("explainer", engine | {"tolerance": 101}),
        ("output", {"space": "probability"}),
    ):
        with pytest.raises(SchemaError):
            watched(booster, manifest=manifest | {member: value})


def test_threads_get_the_same(table: Table, good: Any) -> None:
    model = ensemble.RandomForestClassifier(8, max_depth=4).fit(table, good)
    read: WatchedPredictor = watched(model)
    result = model.predict_proba(table)
    alone = read.predictions(table, result)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(read.predictions(table, result)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [alone] * 3


def test_what_is_seen_can_be_sent_elsewhere(table: Table, good: Any) -> None:
    (one,) = seen(linear_model.Ridge().fit(table, good), table[:1])
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301  # our own
