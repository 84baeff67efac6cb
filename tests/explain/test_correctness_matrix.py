"""Each kind of model that some engine gets wrong somewhere: right here, or refused.

Right means: the exact engine agrees with the definition of a Shapley value, computed from the
real model's own answers, and every row adds up to them. shap is let in only where it agrees.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray
from sklearn import ensemble, tree

from explain import catboost_file, lightgbm_text, trees
from explain.boosters import XGBoostPredictor
from explain.catboost_booster import CatBoostBooster
from explain.catboost_file import CatBoostPredictor
from explain.engines import attributor_for, forest_of
from explain.errors import AdditivityError, ArtefactRefused, ModelUnsupported, SchemaError
from explain.library_versions import installed
from explain.lightgbm_booster import LightGBMPredictor
from explain.live_models import live_model
from tests.explain.shapley_oracle import shapley_by_definition

NAMES = ("a", "b", "c", "d", "e")
ROWS, GROUP, EXPLAINED = 260, 40, 6


@dataclass
class Opened:
    predictor: Any
    parsed: Any
    exact: float  # of one number, in the output space
    shap: str  # "both", "path" (without a reference group only) or "" (refused)


def data(*, missing: bool = False, coded: bool = False, single: bool = False) -> tuple[Any, Any]:
    chance = np.random.default_rng(17)
    rows = chance.normal(size=(ROWS, 5))
    rows[:, 3] = chance.integers(0, 3, ROWS)
    rows[:, 4] = chance.integers(0, 6, ROWS) if coded else rows[:, 4]
    target = rows[:, 0] * rows[:, 1] + rows[:, 2] - 0.4 * (rows[:, 3] == 1)
    target += (rows[:, 4] % 3 == 1) if coded else 0.3 * rows[:, 4]
    rows[::5, 1] = 0.0
    if missing:
        rows[chance.random(rows.shape) < 0.15] = np.nan
    return (rows.astype(np.float32).astype(np.float64) if single else rows), target


def xgb(**more: Any) -> Opened:
    missing = more.pop("missing", False)
    rows, target = data(missing=missing)
    asked = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "verbosity": 0} | more
    matrix = xgboost.DMatrix(rows.astype(np.float32), target > 0)
    return saved_xgb(xgboost.train(asked, matrix, 12))


def saved_xgb(booster: Any) -> Opened:
    saved = bytes(booster.save_raw("json"))
    parsed = trees.parse(saved, binary=False)
    return Opened(XGBoostPredictor(saved), parsed, 2e-5, "both")


def categorical_xgb(to_onehot: int) -> Opened:
    rows, target = data(coded=True, missing=True)
    kinds = ["q", "q", "q", "q", "c"]
    matrix = xgboost.DMatrix(
        rows.astype(np.float32), target > 0, feature_types=kinds, enable_categorical=True
    )
    asked = {"objective": "binary:logistic", "nthread": 1, "verbosity": 0}
    booster = xgboost.train(asked | {"max_cat_to_onehot": to_onehot, "max_depth": 4}, matrix, 12)
    return replace(saved_xgb(booster), shap="")


def multiclass_xgb() -> Opened:
    rows, _ = data()
    asked = {"objective": "multi:softprob", "num_class": 3, "nthread": 1, "verbosity": 0}
    return saved_xgb(xgboost.train(asked, xgboost.DMatrix(rows, rows[:, 3]), 3))


def tweedie_xgb() -> Opened:
    rows, target = data()
    asked = {"objective": "reg:tweedie", "nthread": 1, "verbosity": 0}
    return saved_xgb(xgboost.train(asked, xgboost.DMatrix(rows, np.abs(target)), 3))


def early_stopped_xgb() -> Opened:
    rows, target = data()
    matrix = xgboost.DMatrix(rows, target > 0)
    far = xgboost.DMatrix(rows, target < 0)  # gets worse with each round
    asked = {"objective": "binary:logistic", "nthread": 1, "verbosity": 0}
    return saved_xgb(
        xgboost.train(
            asked, matrix, 20, evals=[(far, "v")], early_stopping_rounds=3, verbose_eval=False
        )
    )


def lgb(*, single: bool = False, shap: str = "path", **more: Any) -> Opened:
    rows, target = data(missing=more.pop("missing", False), coded="coded" in more, single=single)
    kinds = [4] if more.pop("coded", False) else []
    wanted: Any = target > 0
    if more.get("objective") == "multiclass":
        wanted = rows[:, 3]
    asked = {"objective": "binary", "num_leaves": 9, "num_threads": 1, "verbose": -1} | more
    held = lightgbm.Dataset(rows, wanted.astype(float), categorical_feature=kinds)
    booster = lightgbm.train(asked, held, 12)
    text = booster.model_to_string().encode()
    parsed = lightgbm_text.parse(text)
    return Opened(LightGBMPredictor(parsed), parsed, 1e-9, shap)


def cat(*, missing: bool = False, **more: Any) -> Opened:
    rows, target = data(missing=missing)
    asked = {"iterations": 12, "depth": 4, "thread_count": 1, "verbose": False, "random_seed": 1}
    model = catboost.CatBoostClassifier(**(asked | more), allow_writing_files=False)
    model.fit(rows, target > 0)
    with TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model.json", format="json")
        parsed = catboost_file.parse(Path(folder, "model.json").read_bytes())
    return Opened(CatBoostPredictor(parsed), parsed, 1e-9, "")


class Fitted:
    """A model that was fitted in this process, asked as a watched one is."""

    def __init__(self, model: Any) -> None:
        live = live_model(model, None, attribute=False)
        self.space, self.margin = live.space, live.margins


def sk(model: Any, *, shap: str = "both", missing: bool = False, coded: bool = False) -> Opened:
    rows, target = data(missing=missing, coded=coded, single=shap == "both")
    model.fit(rows, target if "Regressor" in type(model).__name__ else target > 0)
    return Opened(Fitted(model), model, 1e-9, shap)


def hist(**more: Any) -> Any:
    return ensemble.HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=9, **more)


def forest(**more: Any) -> Any:
    return ensemble.RandomForestClassifier(n_estimators=12, random_state=1, **more)


RIGHT: dict[str, Callable[[], Opened]] = {
    "xgb plain": xgb,
    "xgb with NaN": lambda: xgb(missing=True),
    "xgb categorical": lambda: categorical_xgb(1),
    "xgb categorical, one by one": lambda: categorical_xgb(100),
    "xgb monotone": lambda: xgb(monotone_constraints="(0,0,1,-1,0)"),
    "xgb exact splits": lambda: xgb(tree_method="exact"),
    "lgb of 32 bits": lambda: lgb(single=True, shap="both"),
    "lgb of 64 bits": lgb,
    "lgb with NaN": lambda: lgb(missing=True),
    "lgb dart": lambda: lgb(boosting="dart", drop_rate=0.5, drop_seed=1),
    "lgb regression": lambda: lgb(objective="regression"),
    "lgb categorical": lambda: lgb(
        coded=True, missing=True, min_data_per_group=5, cat_smooth=1, max_cat_to_onehot=1, shap=""
    ),
    "lgb zero_as_missing": lambda: lgb(zero_as_missing=True, shap=""),
    "catboost": cat,
    "catboost with NaN": lambda: cat(missing=True, nan_mode="Max"),
    "catboost of stumps": lambda: cat(depth=1),
    "hist of 64 bits": lambda: sk(hist(), shap="path"),
    "hist with NaN": lambda: sk(hist(), missing=True, shap="path"),
    "hist regression": lambda: sk(
        ensemble.HistGradientBoostingRegressor(max_iter=12, max_leaf_nodes=9), shap="path"
    ),
    "random forest": lambda: sk(forest(max_depth=5)),
    "random forest with NaN": lambda: sk(forest(max_depth=5), missing=True),
    "random forest to the end": lambda: sk(forest(min_samples_leaf=1)),
    "random forest regression": lambda: sk(
        ensemble.RandomForestRegressor(n_estimators=9, max_depth=5, random_state=1)
    ),
    "extra trees": lambda: sk(
        ensemble.ExtraTreesClassifier(n_estimators=12, max_depth=6, random_state=1)
    ),
    "gradient boosting": lambda: sk(
        ensemble.GradientBoostingClassifier(n_estimators=12, max_depth=4, random_state=1)
    ),
    "gradient boosting regression": lambda: sk(
        ensemble.GradientBoostingRegressor(n_estimators=12, max_depth=4, random_state=1)
    ),
    "one tree": lambda: sk(tree.DecisionTreeClassifier(max_depth=6, random_state=1)),
}

REFUSED: dict[str, Callable[[], Opened]] = {
    "xgb multiclass": multiclass_xgb,
    "xgb tweedie": tweedie_xgb,
    "xgb gblinear": lambda: xgb(booster="gblinear", updater="coord_descent"),
    "xgb with unused rounds": early_stopped_xgb,
    "lgb linear_tree": lambda: lgb(linear_tree=True),
    "lgb multiclass": lambda: lgb(objective="multiclass", num_class=3),
    "lgb random forest": lambda: lgb(
        boosting="rf", bagging_fraction=0.5, bagging_freq=1, bagging_seed=1
    ),
    "hist categorical": lambda: sk(hist(categorical_features=[4]), coded=True),
    "hist poisson": lambda: Opened(
        None,
        ensemble.HistGradientBoostingRegressor(max_iter=4, loss="poisson").fit(
            data()[0], np.abs(data()[1])
        ),
        0,
        "",
    ),
    "exponential loss": lambda: sk(ensemble.GradientBoostingClassifier(loss="exponential")),
    "multiclass forest": lambda: Opened(None, forest().fit(data()[0], data()[0][:, 3]), 0, ""),
    "isolation forest": lambda: Opened(
        None, ensemble.IsolationForest(n_estimators=5, random_state=1).fit(data()[0]), 0, ""
    ),
    "AdaBoost": lambda: Opened(
        None, ensemble.AdaBoostClassifier(n_estimators=4).fit(data()[0], data()[1] > 0), 0, ""
    ),
    "boosted from a model": lambda: Opened(
        None,
        ensemble.GradientBoostingClassifier(
            n_estimators=4, init=tree.DecisionTreeClassifier(max_depth=1)
        ).fit(data()[0], data()[1] > 0),
        0,
        "",
    ),
}

if installed("xgboost-cpu", "xgboost") < (3, 4, 0):
    REFUSED["xgb dart"] = lambda: xgb(booster="dart", rate_drop=0.5)
else:  # saved as any other, with the weights of its trees beside them
    RIGHT["xgb dart"] = lambda: replace(xgb(rate_drop=0.5, seed=1), shap="")


@cache
def right(name: str) -> Opened:
    """Opened once: no engine changes a model."""
    return RIGHT[name]()


def rows_for(name: str) -> Any:
    rows, _ = data(
        missing="NaN" in name or "categorical" in name,
        coded="categorical" in name,
        single="32 bits" in name or name in BOTH,
    )
    return rows.astype(np.float32) if name.startswith("xgb") else rows


BOTH = {
    *{"random forest", "random forest with NaN", "random forest to the end", "one tree"},
    *{"random forest regression", "extra trees", "gradient boosting"},
    "gradient boosting regression",
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_exact_engine_follows_the_definition(name: str) -> None:
    opened = right(name)
    rows = rows_for(name)
    group = rows[:GROUP]
    engine: Any = attributor_for(
        "leaf-tables", opened.predictor, group, NAMES, parsed=opened.parsed
    )
    margin = opened.predictor.margin
    assert engine.base == pytest.approx(margin(group).mean(), abs=opened.exact)
    some = rows[GROUP : GROUP + EXPLAINED]
    for row, phi in zip(some, engine.values(some), strict=True):
        wanted = shapley_by_definition(margin, row, group)
        np.testing.assert_allclose(phi, wanted, rtol=0, atol=opened.exact)
    # Every row is held to the model; the same row gives the same numbers in any batch.
    together = engine.attribute(rows)
    assert [each.margin for each in together] == np.rint(margin(rows) * 1e6).tolist()
    assert [engine.attribute(row[None, :])[0] for row in some] == list(together)[
        GROUP : GROUP + EXPLAINED
    ]
    plain = forest_of(opened.parsed)
    assert plain is not None
    for row, said in zip(some.tolist(), margin(some).tolist(), strict=True):
        assert plain.margin(row) == pytest.approx(said, abs=opened.exact)


def top_four(told: Any) -> list[str]:
    return sorted(NAMES, key=lambda name: (-abs(told.value(name)), name))[:4]


@pytest.mark.parametrize("name", RIGHT)
def test_the_same_row_has_the_same_four_reasons_always(name: str) -> None:
    opened, rows = right(name), rows_for(name)
    first = made("leaf-tables", opened, rows[:GROUP]).attribute(rows)
    again = made("leaf-tables", opened, rows[:GROUP])  # built anew
    order = np.random.default_rng(2).permutation(len(rows))
    told = again.attribute(rows[order])
    assert [top_four(first[at]) for at in order] == [top_four(one) for one in told]
    assert [first[at] for at in order] == list(told)


@pytest.mark.parametrize("name", RIGHT)
def test_ties_and_what_was_never_seen_go_the_library_s_way(name: str) -> None:
    opened = right(name)
    plain = forest_of(opened.parsed)
    assert plain is not None
    rows = np.repeat(rows_for(name)[:1], 400, axis=0)
    at = 0
    for grown in plain.trees:
        for left, feature, threshold in zip(
            grown.left, grown.feature, grown.threshold, strict=True
        ):
            if left == -1 or not np.isfinite(threshold) or at + 3 > len(rows):
                continue
            # The last value that goes left, the first that does not, and one beyond all.
            for value in (np.nextafter(threshold, -np.inf), threshold, 1e15):
                rows[at, feature] = value
                at += 1
    if name.startswith(
        ("xgb", "lgb", "cat", "hist")
    ):  # scikit-learn's forests refuse it themselves
        rows[::7, 1] = np.nan
    for row, said in zip(rows.tolist(), opened.predictor.margin(rows).tolist(), strict=True):
        assert plain.margin(row) == pytest.approx(said, abs=opened.exact)


@pytest.mark.parametrize("name", RIGHT)
def test_shap_is_let_in_only_where_it_is_right(name: str) -> None:
    opened = right(name)
    rows = rows_for(name)
    group, some = rows[:GROUP], rows[GROUP : GROUP + EXPLAINED]
    for kind, allowed in (
        ("shap-path-dependent", opened.shap != ""),
        ("shap-interventional", opened.shap == "both"),
    ):
        if not allowed:
            with pytest.raises(ModelUnsupported):
                made(kind, opened, group)
            continue
        engine = made(kind, opened, group)
        told = engine.attribute(some)
        assert [each.margin for each in told] == np.rint(
            opened.predictor.margin(some) * 1e6
        ).tolist()
        if kind == "shap-interventional":
            ours: Any = made("leaf-tables", opened, group)
            # shap adds up in 32 bits where it cannot be seen in the sum.
            np.testing.assert_allclose(engine.values(some), ours.values(some), atol=2e-6)


def made(kind: str, opened: Opened, group: Any) -> Any:
    return attributor_for(kind, opened.predictor, group, NAMES, parsed=opened.parsed)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_wrong_is_refused(name: str) -> None:
    with pytest.raises((ArtefactRefused, ModelUnsupported)):
        forest_of(REFUSED[name]().parsed)


@pytest.mark.parametrize("kind", ["leaf-tables", "lightgbm-contributions"])
def test_a_row_that_does_not_add_up_is_never_numbers(kind: str) -> None:
    opened = lgb()
    rows, _ = data()

    class Liar:
        """A model that scores one row otherwise than its trees say."""

        space = opened.predictor.space
        contributions = opened.predictor.contributions
        off = 0.0

        def margin(self, rows: Any) -> NDArray[np.float64]:
            margins: NDArray[np.float64] = opened.predictor.margin(rows)
            margins[-1] += self.off
            return margins

    liar = Liar()
    engine = attributor_for(kind, liar, rows[:GROUP], NAMES, parsed=opened.parsed)
    assert len(engine.attribute(rows)) == len(rows)
    liar.off = 1e-5
    with pytest.raises(AdditivityError):
        engine.attribute(rows)


def test_catboost_s_own_file_has_its_own_contributions() -> None:
    rows, target = data()
    model = catboost.CatBoostClassifier(
        iterations=12, depth=4, thread_count=1, verbose=False, allow_writing_files=False
    ).fit(rows, target > 0)
    with TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model.cbm")
        booster = CatBoostBooster(Path(folder, "model.cbm").read_bytes())
    single = rows.astype(np.float32)
    made = attributor_for("catboost-contributions", booster, single[:GROUP], NAMES)
    told = made.attribute(single)
    assert [one.margin for one in told] == np.rint(booster.margin(single) * 1e6).tolist()
    with pytest.raises(SchemaError, match="takes trees apart"):
        attributor_for("leaf-tables", booster, single[:GROUP], NAMES)
