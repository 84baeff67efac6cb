"""Additive models: contributions in closed form, against the definition and plain arithmetic."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explain.additive import AdditivePredictor, parse
from explain.engines import attributor_for
from explain.errors import ModelMismatch, SchemaError
from explain.predictor import FeatureSchema
from tests.explain.conftest import FEATURES
from tests.explain.shapley_oracle import shapley_by_definition
from tests.explain.test_additive import LINEAR, SCORECARD, wide

__all__ = ["wide"]

EBM: dict[str, Any] = {
    "v": 1,
    "kind": "ebm",
    "space": "log-odds",
    "intercept": -0.125,
    "terms": [
        {"features": ["income"], "cuts": [[40.5, 90]], "scores": [-0.4, -0.3, 0.6, 1.1]},
        {
            "features": ["loan_to_value", "job"],
            "cuts": [[60, 80], ["employed", "retired", "self_employed"]],
            "scores": [
                [0, 0, 0, 0],
                [0.1, 0.9, 0.2, -0.3],
                [0.3, 0.4, -0.8, 0.5],
                [-0.2, -1.7, 0.6, 0.7],
            ],
        },
        {"features": ["loan_to_value"], "cuts": [[75]], "scores": [0, 0.25, -0.75]},
    ],
}


def engine_of(document: dict[str, Any], schema: FeatureSchema, group: NDArray[Any]) -> Any:
    model = parse(json.dumps(document).encode(), document["kind"], schema)
    return attributor_for(
        document["kind"], AdditivePredictor(model), group, schema.names, parsed=model
    )


@pytest.fixture(scope="module")
def rows(wide: FeatureSchema, applications: list[dict[str, Any]]) -> NDArray[np.float64]:
    return np.stack([wide.row(one) for one in applications[:60]])


@pytest.mark.parametrize("document", [LINEAR, SCORECARD, EBM], ids=lambda one: one["kind"])
def test_contributions_follow_the_definition(
    document: dict[str, Any], wide: FeatureSchema, rows: NDArray[np.float64]
) -> None:
    model = AdditivePredictor(parse(json.dumps(document).encode(), document["kind"], wide))
    group = rows[:40]
    engine = engine_of(document, wide, group)
    assert engine.base == pytest.approx(model.margin(group).mean(), abs=1e-12)
    for row, phi in zip(rows[40:48], engine.values(rows[40:48]), strict=True):
        wanted = shapley_by_definition(model.margin, row, group)
        np.testing.assert_allclose(phi, wanted, rtol=0, atol=1e-12)
    together = engine.attribute(rows)
    assert [each.margin for each in together] == np.rint(model.margin(rows) * 1e6).tolist()
    assert {each.engine for each in together} == {document["kind"]}
    assert [engine.attribute(row[None, :])[0] for row in rows[:9]] == list(together)[:9]


def test_a_weight_gives_its_distance_from_the_group_s_average(
    wide: FeatureSchema, rows: NDArray[np.float64]
) -> None:
    (found,) = engine_of(LINEAR, wide, rows[:40]).attribute(rows[50:51])
    expected = -0.05 * (rows[50, 0] - rows[:40, 0].mean())
    assert found.value("loan_to_value") == round(expected * 1e6)
    assert found.value("late") == 0  # the model has no term of it


def test_an_engine_is_of_its_own_kind_of_model(
    wide: FeatureSchema, rows: NDArray[np.float64]
) -> None:
    model = parse(json.dumps(LINEAR).encode(), "linear", wide)
    predictor = AdditivePredictor(model)
    for engine in ("scorecard", "leaf-tables", "xgboost-contributions", "lime"):
        with pytest.raises(SchemaError):
            attributor_for(engine, predictor, rows, wide.names, parsed=model)
    for group, names in ((rows[:0], wide.names), (rows, wide.names[:4])):
        with pytest.raises(SchemaError):
            attributor_for("linear", predictor, group, names, parsed=model)


def test_a_group_with_a_missing_value_that_the_model_has_no_number_for_is_refused() -> None:
    features = [dict(one, missing="allowed") for one in FEATURES]
    schema = FeatureSchema.from_manifest({"features": features})
    document = LINEAR | {
        "terms": [{"feature": one, "weight": 1, "missing": 0} for one in ("income", "late")]
    }
    model = parse(json.dumps(document).encode(), "linear", schema)
    object.__setattr__(model.terms[1], "missing", float("nan"))
    group = np.full((2, 5), np.nan)
    with pytest.raises(ModelMismatch):
        attributor_for("linear", AdditivePredictor(model), group, schema.names, parsed=model)
