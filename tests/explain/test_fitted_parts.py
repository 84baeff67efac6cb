"""Saved models of scikit-learn, alone and at the end of a pipeline, against the definition."""

from typing import Any

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn import ensemble
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from explain.engines import attributor_for
from explain.errors import ModelUnsupported, SchemaError
from explain.skops_model import SkopsPredictor
from tests.explain.shapley_oracle import shapley_by_definition
from tests.explain.test_correctness_matrix import (
    EXPLAINED,
    GROUP,
    NAMES,
    Fitted,
    data,
    forest,
)


def test_a_saved_scikit_learn_model_is_read_as_a_fitted_one() -> None:
    rows, target = data(single=True)
    model = forest(max_depth=4).fit(rows, target > 0)
    saved = SkopsPredictor(skops.io.dumps(model))
    group, some = rows[:GROUP], rows[GROUP : GROUP + EXPLAINED]
    for engine in ("leaf-tables", "shap-interventional"):
        read = attributor_for(engine, saved, group, NAMES).attribute(some)
        assert read == attributor_for(engine, Fitted(model), group, NAMES, parsed=model).attribute(
            some
        )


PIPED: dict[str, tuple[str, Any]] = {
    "scaled forest": (
        "leaf-tables",
        make_pipeline(SimpleImputer(), StandardScaler(), forest(max_depth=4)),
    ),
    "turned columns": (
        "leaf-tables",
        make_pipeline(
            make_column_transformer((StandardScaler(), [3, 1]), remainder="passthrough"),
            ensemble.GradientBoostingClassifier(n_estimators=8, random_state=1),
        ),
    ),
    "scaled logistic": ("linear", make_pipeline(StandardScaler(), LogisticRegression())),
    "ridge": ("linear", Ridge()),
}


@pytest.mark.parametrize("name", PIPED)
def test_a_saved_pipeline_is_taken_apart_behind_its_steps(name: str) -> None:
    engine, model = PIPED[name]
    rows, target = data()
    saved = SkopsPredictor(skops.io.dumps(clone(model).fit(rows, target > 0)))
    group, some = rows[:GROUP], rows[GROUP : GROUP + EXPLAINED]
    made: Any = attributor_for(engine, saved, group, NAMES)
    assert made.base == pytest.approx(saved.margin(group).mean(), abs=1e-9)
    for row, phi in zip(some, made.values(some), strict=True):
        wanted = shapley_by_definition(saved.margin, row, group)
        np.testing.assert_allclose(phi, wanted, rtol=0, atol=1e-9)
    assert [one.margin for one in made.attribute(rows)] == np.rint(
        saved.margin(rows) * 1e6
    ).tolist()


def test_steps_and_ends_that_do_not_fit_are_refused() -> None:
    rows, target = data(coded=True)
    encoded = make_column_transformer((OneHotEncoder(), [3]), remainder="passthrough")
    wide = make_pipeline(encoded, LogisticRegression()).fit(rows, target > 0)
    mixed = make_pipeline(PCA(5), forest(max_depth=2)).fit(rows, target > 0)
    many = LogisticRegression().fit(rows, rows[:, 3])
    for engine, model in (("linear", wide), ("leaf-tables", mixed), ("linear", many)):
        with pytest.raises(ModelUnsupported):
            attributor_for(engine, Logit(), rows[:GROUP], NAMES, parsed=model)
    with pytest.raises(SchemaError, match="takes linear models apart"):
        attributor_for("linear", Logit(), rows[:GROUP], NAMES, parsed=mixed[-1:])


class Logit:
    """A stand-in whose answers do not matter."""

    space = "log-odds"

    def margin(self, rows: Any) -> NDArray[np.float64]:
        return np.zeros(len(rows))
