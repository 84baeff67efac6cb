"""What is not taken apart exactly, or is not what the model said, is refused."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import ensemble, linear_model, preprocessing
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from explain.errors import ModelMismatch, ModelUnsupported, SchemaError
from explain.watched import Seen, watched

Table = pd.DataFrame
FEW: dict[str, Any] = {"n_estimators": 8, "max_depth": 3, "n_jobs": 1}
FEW_LEAVES: dict[str, Any] = {"n_estimators": 8, "num_leaves": 5, "n_jobs": 1, "verbose": -1}


def seen(model: Any, rows: Any, call: str = "predict", **options: Any) -> Sequence[Seen]:
    return watched(model, **options).predictions(rows, getattr(model, call)(rows))


@pytest.mark.parametrize(
    "step",
    [
        PCA(2),
        preprocessing.PolynomialFeatures(),
        SimpleImputer(add_indicator=True),
        preprocessing.FunctionTransformer(np.log1p),
        preprocessing.OneHotEncoder(max_categories=3),
        make_column_transformer((PCA(1), ["income", "debt"]), remainder="passthrough"),
    ],
    ids=lambda step: type(step).__name__,
)
def test_steps_that_may_mix_features_are_refused(step: Any, table: Table, good: Any) -> None:
    rows = table.round(0).abs().mask(table["income"] > 100)
    rows = rows if isinstance(step, SimpleImputer) else rows.fillna(0)
    if isinstance(step, SimpleImputer):
        last: Any = ensemble.RandomForestClassifier(2)
    else:
        last = linear_model.LogisticRegression(max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(step, last).fit(rows, good)
    with pytest.raises(ModelUnsupported):
        watched(model)


class Strange(preprocessing.StandardScaler):  # type: ignore[misc]  # it ships no types
    """A scaler of somebody's own, which may do anything."""


def test_columns_chosen_in_any_way_are_followed(table: Table, good: Any) -> None:
    scaler = preprocessing.StandardScaler()
    for chosen in ("income", ["debt", "income"], [2], [-1, 0], [True, False, True], "age"):
        if isinstance(chosen, str):
            part: Any = ("passthrough", [chosen])
        else:
            part = (scaler, chosen)
        columns = make_column_transformer(part, remainder="drop")
        model = make_pipeline(columns, "passthrough", linear_model.Ridge()).fit(table, good)
        (one,) = seen(model, table[:1])
        made = columns.fit(table).transform(table[:1])[0] * model[-1].coef_ * 1e6
        assert one.attributions is not None
        used = [value for value in one.attributions["values"].values() if value]
        assert sorted(used) == pytest.approx(sorted(made), abs=1)


def test_columns_that_cannot_be_followed_are_refused(table: Table, good: Any) -> None:
    scaler = preprocessing.StandardScaler()
    by_slice = make_column_transformer((scaler, slice(0, 2)), remainder="passthrough")
    for first in (Strange(), by_slice):
        with pytest.raises(ModelUnsupported):
            watched(make_pipeline(first, linear_model.Ridge()).fit(table, good))
    by_name = make_column_transformer((scaler, ["yearly income"]), remainder="passthrough")
    spaced = table.rename(columns={"income": "yearly income"})
    model = make_pipeline(by_name, linear_model.Ridge()).fit(spaced, good)
    with pytest.raises(ModelUnsupported):
        watched(model, names=["yearly_income", "debt", "age"])
    empty = table.assign(debt=np.nan)
    model = make_pipeline(SimpleImputer(), linear_model.Ridge())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(empty, good)
    with pytest.raises(ModelUnsupported, match="leaves columns out"):
        watched(model)


def three(good: Any) -> Any:
    return good + (np.arange(len(good)) % 3 == 0)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (xgboost.XGBClassifier(**FEW), "one output"),
        (lightgbm.LGBMClassifier(**FEW_LEAVES), "one output"),
        (linear_model.LogisticRegression(max_iter=5_000), "one output"),
        (ensemble.RandomForestClassifier(2), "3 classes"),
        (ensemble.HistGradientBoostingClassifier(max_iter=2), "3 classes"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_models_of_several_classes_are_refused(
    model: Any, why: str, table: Table, good: Any
) -> None:
    with pytest.raises(ModelUnsupported, match=why):
        watched(copy.deepcopy(model).fit(table, three(good)))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lightgbm.LGBMClassifier(**FEW_LEAVES, linear_tree=True), "linear trees"),
        (lightgbm.LGBMRegressor(**FEW_LEAVES, objective="poisson"), "space"),
        (
            lightgbm.LGBMClassifier(
                **FEW_LEAVES, boosting_type="rf", bagging_freq=1, bagging_fraction=0.5
            ),
            "averaged",
        ),
        (xgboost.XGBRegressor(**FEW, objective="count:poisson"), "space"),
        (xgboost.XGBClassifier(**FEW, missing=-1.0), "NaN"),
        (ensemble.GradientBoostingClassifier(n_estimators=2, loss="exponential"), "log loss"),
        (ensemble.HistGradientBoostingRegressor(max_iter=2, loss="poisson"), "link"),
        (ensemble.IsolationForest(n_estimators=2), "not one of"),
        (ensemble.AdaBoostClassifier(n_estimators=2), "not one of"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_come_out_wrong_is_refused(
    model: Any, why: str, table: Table, good: Any
) -> None:
    with pytest.raises(ModelUnsupported, match=why):
        watched(copy.deepcopy(model).fit(table, good))


def test_categorical_columns_are_refused_where_they_come_out_wrong(table: Table, good: Any) -> None:
    rows = table.assign(age=np.arange(len(table)) % 4)
    model = ensemble.HistGradientBoostingClassifier(max_iter=4, categorical_features=["age"])
    model.fit(rows, good)
    with pytest.raises(ModelUnsupported, match="categorical"):
        watched(model)
    assert [one.attributions for one in seen(model, rows[:2], attribute=False)] == [None, None]
    rows["age"] = rows["age"].astype("category")
    with pytest.raises(ModelUnsupported, match="categorical"):
        watched(xgboost.XGBClassifier(**FEW, enable_categorical=True).fit(rows, good))


def test_a_result_of_another_model_is_no_prediction(table: Table, good: Any) -> None:
    mine = linear_model.LogisticRegression().fit(table, good)
    other = linear_model.LogisticRegression(C=1e-4).fit(table, 1 - good)
    read = watched(mine)
    for result in (
        other.predict(table),
        other.predict_proba(table),
        mine.predict_proba(table)[:-1],
        mine.predict_proba(table) + 0.01,
        np.array(["yes"] * len(table)),
        None,
    ):
        with pytest.raises(ModelMismatch):
            read.predictions(table, result)


def test_rows_that_are_not_the_models_are_refused(table: Table, good: Any) -> None:
    model = lightgbm.LGBMClassifier(**FEW_LEAVES).fit(table, good)
    read = watched(model)
    turned = table[["debt", "income", "age"]]
    # LightGBM goes by place, and says nothing.
    with pytest.raises(SchemaError, match="features"):
        read.predictions(turned, model.predict(turned))
    dates = table[:1].assign(age=pd.Timestamp("2026-01-01"))
    with pytest.raises(SchemaError):
        read.predictions(dates, model.predict(table[:1]))
    with pytest.raises(SchemaError):
        read.predictions([[1.0, 2.0]], [0])
    for names in (["income", "debt"], ["a", "b", "c"]):
        with pytest.raises(SchemaError):
            watched(model, names=names)


def test_a_margin_without_an_end_is_no_prediction(table: Table, good: Any) -> None:
    model = linear_model.LinearRegression().fit(table, good)
    model.coef_ = np.full(3, 1e307)
    read = watched(model)
    with pytest.raises(ModelMismatch), np.errstate(all="ignore"):
        read.predictions(table[:1], model.predict(table[:1]))


def test_a_model_that_was_fitted_again_has_to_be_read_again(table: Table, good: Any) -> None:
    boosted = xgboost.XGBClassifier(**FEW).fit(table, good)
    read = watched(boosted)
    boosted.fit(table, 1 - good)
    with pytest.raises(ModelMismatch):
        read.predictions(table, boosted.predict_proba(table))
    linear = linear_model.LogisticRegression().fit(table, good)
    read = watched(linear)
    linear.fit(table, 1 - good)
    told = read.predictions(table, linear.predict_proba(table))
    assert {one.unexplained for one in told} == {"additivity"}
