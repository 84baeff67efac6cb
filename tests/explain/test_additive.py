"""Linear models, scorecards and EBMs as JSON of ours: closed form, strict form."""

import copy
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.additive import AdditivePredictor, ebm_document, parse
from explain.artifacts import load_model
from explain.errors import ArtefactRefused, ModelMismatch
from explain.predictor import FeatureSchema
from tests.explain.conftest import FEATURES
from tests.explain.test_artifacts import sha256

JOBS = {"features": ["job"], "cuts": [["employed", "retired", "self_employed"]]}
LINEAR: dict[str, Any] = {
    "v": 1,
    "kind": "linear",
    "space": "log-odds",
    "intercept": 0.25,
    "terms": [
        {"feature": "loan_to_value", "weight": -0.05},
        {"feature": "income", "weight": 0.01, "missing": -0.5},
        {"feature": "bankrupt", "weight": -2},
        JOBS | {"scores": [0, 0.3, 0.1, -0.2]},
    ],
}
SCORECARD: dict[str, Any] = {
    "v": 1,
    "kind": "scorecard",
    "space": "log-odds",
    "intercept": 1.5,
    "terms": [
        {"features": ["loan_to_value"], "cuts": [[60, 80]], "scores": [-9, 0.5, 0.2, -0.7]},
        {"features": ["income"], "cuts": [[40.5]], "scores": [-0.4, -0.3, 0.6]},
    ],
}
ROW = {"loan_to_value": 80, "income": None, "late": 0, "bankrupt": True, "job": "retired"}


@pytest.fixture(scope="module")
def wide() -> FeatureSchema:
    return FeatureSchema.from_manifest(
        {"features": FEATURES, "artefacts": {"model": {"format": "linear-json"}}}
    )


def written(document: object) -> bytes:
    return json.dumps(document).encode()


def opened(document: dict[str, Any], schema: FeatureSchema) -> AdditivePredictor:
    return AdditivePredictor(parse(written(document), document["kind"], schema))


def test_a_linear_margin_is_its_closed_form(wide: FeatureSchema) -> None:
    model = opened(LINEAR, wide)
    assert model.space == "log-odds"
    other = ROW | {"income": 55.5, "bankrupt": False, "job": "self_employed"}
    margins = model.margin(np.stack([wide.row(ROW), wide.row(other)]))
    assert margins.tolist() == [
        0.25 + 80 * -0.05 - 0.5 - 2 + 0.1,
        0.25 + 80 * -0.05 + 55.5 * 0.01 + 0 - 0.2,
    ]
    parts = model.model.contributions(wide.row(ROW)[None, :])
    assert parts.tolist() == [[-4.0, -0.5, -2.0, 0.1]]


def test_rows_of_a_64_bit_model_keep_their_64_bits(wide: FeatureSchema) -> None:
    assert wide.row(ROW | {"loan_to_value": 17.99})[0] == 17.99


@pytest.mark.parametrize(
    ("share", "points"), [(59.999, 0.5), (60, 0.2), (79.999, 0.2), (80, -0.7), (200, -0.7)]
)
def test_a_scorecard_counts_from_its_cuts_on(
    wide: FeatureSchema, share: float, points: float
) -> None:
    model = opened(SCORECARD, wide)
    (margin,) = model.margin(wide.row(ROW | {"loan_to_value": share})[None, :])
    assert margin == 1.5 + points - 0.4


def test_a_registered_file_is_opened(wide: FeatureSchema) -> None:
    data = written(SCORECARD)
    model = load_model(data, sha256(data), "scorecard-json", wide)
    assert model.margin(wide.row(ROW)[None, :]).shape == (1,)
    with pytest.raises(ArtefactRefused, match="kind"):
        load_model(data, sha256(data), "linear-json", wide)
    with pytest.raises(ModelMismatch):
        load_model(data + b" ", sha256(data), "scorecard-json", wide)


def test_a_missing_value_without_a_number_is_no_margin(wide: FeatureSchema) -> None:
    model = opened(LINEAR, wide)
    row = wide.row(ROW)[None, :].copy()
    row[0, 0] = np.nan  # the schema would have refused it
    with pytest.raises(ModelMismatch, match="missing"):
        model.margin(row)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("v",), 2),
        (("v",), True),
        (("more",), 1),
        (("space",), "probability"),
        (("kind",), "scorecard"),
        (("intercept",), "0"),
        (("intercept",), True),
        (("intercept",), float("nan")),
        (("intercept",), 1e300),
        (("intercept",), 10**400),
        (("terms",), []),
        (("terms",), {}),
        (("terms", 0), 5),
        (("terms", 0, "feature"), "postcode"),
        (("terms", 0, "feature"), 5),
        (("terms", 0, "feature"), "job"),
        (("terms", 0, "feature"), "bankrupt"),
        (("terms", 0, "more"), 1),
        (("terms", 1), {"feature": "income", "weight": 1}),
        (("terms", 3, "features"), ["job", "late"]),
        (("terms", 3, "features"), []),
        (("terms", 3, "features"), "job"),
        (("terms", 3, "cuts"), []),
        (("terms", 3, "cuts", 0), ["retired", "employed", "self_employed"]),
        (("terms", 3, "scores"), [0, 1, 2]),
        (("terms", 3, "scores"), {}),
        (("terms", 3), {"features": ["late"], "cuts": [[1, 1]], "scores": [0, 1, 2, 3]}),
        (("terms", 3), {"features": ["late"], "cuts": [5], "scores": [0, 1]}),
    ],
)
def test_what_is_not_in_the_form_is_refused(
    wide: FeatureSchema, path: tuple[Any, ...], value: object
) -> None:
    document = copy.deepcopy(LINEAR)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ArtefactRefused):
        parse(written(document), "linear", wide)


@pytest.mark.parametrize("data", [b"", b"[]", b"[" * 100_000, b"\xff", b'{"v": 1, "v": 1}'])
def test_what_is_no_document_is_refused(wide: FeatureSchema, data: bytes) -> None:
    with pytest.raises(ArtefactRefused):
        parse(data, "linear", wide)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=4), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["feature", "weight", "features", "cuts", "scores"]), inner, max_size=4), max_leaves=8))  # fmt: skip
def test_any_term_is_one_or_our_error(wide: FeatureSchema, term: Any) -> None:
    for kind in ("linear", "ebm"):
        try:
            parse(written(LINEAR | {"kind": kind, "terms": [term]}), kind, wide)
        except ArtefactRefused:
            continue


@pytest.mark.filterwarnings("ignore")
def test_an_ebm_scores_as_interpret_does(applications: list[dict[str, Any]]) -> None:
    glassbox = pytest.importorskip("interpret.glassbox")
    schema = FeatureSchema.from_manifest(
        {"features": FEATURES, "artefacts": {"model": {"format": "ebm-json"}}}
    )
    table = pd.DataFrame(applications)
    good = 90 - table["loan_to_value"] - 12 * table["late"] + 20 * (table["job"] == "employed") > 0
    kinds = ["continuous", "continuous", "continuous", "continuous", "nominal"]
    table["bankrupt"] = table["bankrupt"].astype(float)  # as a row holds it
    model = glassbox.ExplainableBoostingClassifier(
        feature_types=kinds, interactions=[(0, 2), (1, 4)], outer_bags=1, n_jobs=1, max_rounds=30
    )
    model.fit(table, good)
    document = ebm_document(model, schema.names)
    ours = opened(document, schema).margin(np.stack([schema.row(one) for one in applications]))
    theirs = model.predict_proba(table)[:, 1]
    np.testing.assert_allclose(ours, np.log(theirs / (1 - theirs)), atol=1e-9)
