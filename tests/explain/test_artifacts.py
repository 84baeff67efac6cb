"""Model files: what is not the registered, sound file never reaches the library."""

import copy
import hashlib
import json
import pickle
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from explain import trees, ubjson
from explain.artifacts import load_model, open_model, read_background
from explain.errors import (
    ArtefactRefused,
    ExplainError,
    ModelMismatch,
    ModelUnsupported,
    NotReproduced,
    SchemaError,
)
from explain.library_versions import installed
from explain.model import Model
from explain.predictor import FeatureSchema


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_both_forms_hold_the_same_model(
    model_json: bytes, model_ubj: bytes, model: Model, schema: FeatureSchema
) -> None:
    assert trees.parse(model_json, binary=False) == trees.parse(model_ubj, binary=True)
    opened = load_model(model_ubj, sha256(model_ubj), "xgboost-ubj", schema)
    np.testing.assert_array_equal(
        opened.margin(model.background), model.predictor.margin(model.background)
    )


@pytest.mark.parametrize("position", [0, 100, 5_000, -1])
def test_a_changed_byte_is_refused_by_digest(
    model_json: bytes, position: int, schema: FeatureSchema
) -> None:
    damaged = bytearray(model_json)
    damaged[position] ^= 1
    with pytest.raises(ModelMismatch) as refused:
        load_model(bytes(damaged), sha256(model_json), "xgboost-json", schema)
    assert refused.value.member == "model"


@pytest.mark.parametrize(
    "data", [pickle.dumps({}), b"PK\x03\x04", b"\x1f\x8b\x08", b"x\x9c\x00", b"BZh9", b"\x89HDF"]
)
def test_files_that_run_code_are_refused_with_the_way_out(
    data: bytes, schema: FeatureSchema
) -> None:
    with pytest.raises(ArtefactRefused, match="save_model"):
        load_model(data, sha256(data), "xgboost-json", schema)


def test_an_unknown_format_is_refused(model_json: bytes, schema: FeatureSchema) -> None:
    with pytest.raises(ArtefactRefused, match="format"):
        load_model(model_json, sha256(model_json), "onyx", schema)


def test_a_file_of_a_newer_library_is_refused(model_json: bytes, schema: FeatureSchema) -> None:
    document = json.loads(model_json)
    major, minor, patch = installed("xgboost-cpu", "xgboost")[:3]
    document["version"] = [major, minor, patch + 1]
    newer = json.dumps(document).encode()
    with pytest.raises(ArtefactRefused, match="newer than"):
        load_model(newer, sha256(newer), "xgboost-json", schema)


@pytest.mark.parametrize("form", ["2.4E-1", "[2.4E-1]", "0.24", "[0.24]"])
def test_both_forms_of_base_score_mean_the_same(
    model_json: bytes, form: str, model: Model, schema: FeatureSchema
) -> None:
    document = json.loads(model_json)
    document["learner"]["learner_model_param"]["base_score"] = form
    data = json.dumps(document).encode()
    ensemble = trees.parse(data, binary=False)
    assert ensemble.base_margin == pytest.approx(np.log(0.24 / 0.76), abs=1e-6)
    # The library that reads here agrees: only the base moved.
    before = trees.parse(model_json, binary=False).base_margin
    moved = load_model(data, sha256(data), "xgboost-json", schema).margin(model.background)
    np.testing.assert_allclose(
        moved - model.predictor.margin(model.background), ensemble.base_margin - before, atol=1e-5
    )


def document_with(model_json: bytes, path: tuple[Any, ...], value: object) -> bytes:
    document = json.loads(model_json)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(document).encode()


LEARNER = ("learner",)
PARAMETERS = (*LEARNER, "learner_model_param")
TREES = (*LEARNER, "gradient_booster", "model", "trees")
FIRST = (*TREES, 0)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), "3.4"),
        (("version",), [3, 4]),
        ((*LEARNER, "objective", "name"), "reg:squarederror"),
        ((*LEARNER, "gradient_booster", "name"), "dart"),
        ((*LEARNER, "attributes"), None),
        ((*LEARNER, "attributes"), {"best_iteration": "12"}),
        ((*PARAMETERS, "num_class"), "3"),
        ((*PARAMETERS, "num_target"), "2"),
        ((*PARAMETERS, "num_feature"), "two"),
        ((*PARAMETERS, "base_score"), "[0.2,0.3]"),
        ((*PARAMETERS, "base_score"), "[x]"),
        ((*PARAMETERS, "base_score"), "1.5"),
        ((*PARAMETERS, "base_score"), "1E-99"),
        ((*PARAMETERS, "base_score"), "[1E999]"),
        ((*PARAMETERS, "base_score"), 0.5),
        (TREES, {}),
        (TREES, [{}] * 10_001),
        (FIRST, 5),
        ((*FIRST, "left_children"), []),
        ((*FIRST, "left_children", 0), 10_000),
        ((*FIRST, "left_children", 0), 0),
        ((*FIRST, "left_children", 0), -7),
        ((*FIRST, "left_children", 0), -1),
        ((*FIRST, "left_children", 0), 1.5),
        ((*FIRST, "right_children", 0), 1),
        ((*FIRST, "split_indices", 0), 5),
        ((*FIRST, "split_indices", 0), -1),
        ((*FIRST, "split_conditions", 0), "1"),
        ((*FIRST, "split_conditions", 0), 1e39),
        ((*FIRST, "split_conditions", 0), float("nan")),
        ((*FIRST, "split_conditions", 0), 10**400),
        ((*FIRST, "split_type", 0), 1),
        ((*FIRST, "categories"), [1]),
        ((*FIRST, "parents"), []),
        ((*FIRST, "parents", 0), 0),
        ((*FIRST, "parents", 1), 10_000),
        ((*FIRST, "parents", 2), 1),
        ((*FIRST, "base_weights"), []),
        ((*FIRST, "sum_hessian", 0), "1"),
        ((*FIRST, "loss_changes", 0), 1e300),
    ],
)
def test_a_structure_that_does_not_hold_is_refused(
    model_json: bytes, path: tuple[Any, ...], value: object
) -> None:
    with pytest.raises(ArtefactRefused):
        trees.parse(document_with(model_json, path, value), binary=False)


def test_trees_that_were_pruned_are_accepted() -> None:
    chance = np.random.default_rng(8)
    data = xgboost.DMatrix(chance.uniform(size=(200, 3)), chance.uniform(size=200) > 0.5)
    asked = {"objective": "binary:logistic", "tree_method": "exact", "gamma": 1.5, "nthread": 1}
    written = bytes(xgboost.train(asked, data, 3).save_raw("json"))
    assert b'"num_deleted":"0"' not in written.replace(b" ", b"")
    assert len(trees.parse(written, binary=False).trees) == 3


def test_a_file_cut_to_its_best_round_is_accepted(model_json: bytes) -> None:
    best = document_with(model_json, (*LEARNER, "attributes"), {"best_iteration": "39"})
    assert len(trees.parse(best, binary=False).trees) == 40


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b"\xff", b"[]", b"null"])
def test_what_is_no_model_at_all_is_refused(data: bytes) -> None:
    for binary in (False, True):
        with pytest.raises(ArtefactRefused):
            trees.parse(data, binary=binary)


@settings(max_examples=300)
@given(st.integers(0, 10**9), st.integers(0, 255))
def test_a_damaged_ubjson_file_is_a_model_or_our_error(
    model_ubj: bytes, position: int, byte: int
) -> None:
    damaged = bytearray(model_ubj)
    damaged[position % min(len(damaged), 4_000)] = byte
    try:
        trees.parse(bytes(damaged), binary=True)
    except ArtefactRefused:
        return


@given(st.binary(max_size=60))
def test_any_bytes_are_ubjson_or_our_error(data: bytes) -> None:
    try:
        ubjson.decode(data)
    except ArtefactRefused:
        return


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"{U\x01ai\x05}", {"a": 5}),
        (b"[#U\x02TF", [True, False]),
        (b"[$l#U\x02\x00\x00\x00\x01\xff\xff\xff\xff", [1, -1]),
        (b"[ZSU\x02hi]", [None, "hi"]),
        (b"D\x3f\xf8\x00\x00\x00\x00\x00\x00", 1.5),
    ],
)
def test_ubjson_values(data: bytes, value: object) -> None:
    assert ubjson.decode(data) == value
    with pytest.raises(ArtefactRefused):
        ubjson.decode(data + b"Z")
    with pytest.raises(ArtefactRefused):
        ubjson.decode(data[:-1])


@pytest.mark.parametrize(
    "data",
    [
        b"{U\x01aTU\x01aT}",
        b"SU\x01\xff",
        b"SS",
        b"[$T#U\x01",
        b"[$U#i\xff",
        b"[#L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"[" * 40,
        b"N",
    ],
)
def test_ubjson_that_xgboost_does_not_write_is_refused(data: bytes) -> None:
    with pytest.raises(ArtefactRefused):
        ubjson.decode(data)


def test_a_model_the_library_cannot_read_is_our_error() -> None:
    from explain.boosters import XGBoostPredictor

    with pytest.raises(ArtefactRefused):
        XGBoostPredictor(b'{"learner": {}}')


def test_golden_rows_are_reproduced_or_the_model_stays_closed(
    manifest: dict[str, Any], artefacts: dict[str, bytes]
) -> None:
    open_model(manifest, artefacts)
    for change in ("margin", "values"):
        other = copy.deepcopy(manifest)
        if change == "margin":
            other["golden_rows"][3]["margin"] += 1_000
        else:
            other["golden_rows"][3]["values"]["income"] += 1_000
        with pytest.raises(ModelMismatch) as refused:
            open_model(other, artefacts)
        assert refused.value.member == "golden_rows[3]"


@pytest.mark.parametrize(
    "engine", ["leaf-tables", "shap-interventional", "shap-path-dependent", "xgboost-contributions"]
)
def test_each_engine_opens_by_its_name(
    bare_manifest: dict[str, Any], artefacts: dict[str, bytes], engine: str
) -> None:
    model = open_model(bare_manifest | {"explainer": {"engine": engine}}, artefacts)
    (attribution,) = model.attributor.attribute(model.background[:1])
    assert attribution.engine == engine


@pytest.mark.parametrize(
    "change",
    [
        {"explainer": {"engine": "oracle"}},
        {"explainer": {"engine": "leaf-tables", "tolerance": 101}},
        {"explainer": None},
        {"artefacts": {}},
        {"artefacts": {"model": {"format": "xgboost-json"}, "background": {}}},
        {"golden_rows": 5},
        {"golden_rows": [{"input": {}}]},
        {"golden_rows": [{"input": {}, "values": {"x": 1.5}}]},
    ],
)
def test_a_manifest_that_lacks_something_is_refused(
    bare_manifest: dict[str, Any], artefacts: dict[str, bytes], change: dict[str, Any]
) -> None:
    with pytest.raises(SchemaError):
        open_model(bare_manifest | change, artefacts)


def test_a_missing_file_is_named(
    bare_manifest: dict[str, Any], artefacts: dict[str, bytes]
) -> None:
    with pytest.raises(ExplainError) as refused:
        open_model(bare_manifest, {"model": artefacts["model"]})
    assert refused.value.member == "artefacts.background"


def test_model_and_feature_list_must_agree_in_number(
    bare_manifest: dict[str, Any], artefacts: dict[str, bytes]
) -> None:
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(np.eye(2), [0, 1]), 1)
    data = bytes(booster.save_raw("json"))
    entry = {"sha256": sha256(data), "format": "xgboost-json"}
    other = bare_manifest | {"artefacts": bare_manifest["artefacts"] | {"model": entry}}
    with pytest.raises(ModelMismatch, match="number"):
        open_model(other, artefacts | {"model": data})


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"[1]", b'[{"late": 1}]'])
def test_a_background_that_is_no_list_of_rows_is_refused(
    schema: FeatureSchema, data: bytes
) -> None:
    with pytest.raises(SchemaError):
        read_background(data, sha256(data), schema)
    with pytest.raises(ModelMismatch):
        read_background(data, sha256(b"other"), schema)


# For scoring only


def scoring_only(manifest: dict[str, Any], **more: Any) -> dict[str, Any]:
    return manifest | {"explainer": {"engine": "none", "tolerance": 100}} | more


def test_a_model_for_scoring_only_needs_no_background_and_gives_no_contributions(
    bare_manifest: dict[str, Any], artefacts: dict[str, bytes], model: Model
) -> None:
    listed = {"model": bare_manifest["artefacts"]["model"]}
    bare = scoring_only(bare_manifest, artefacts=listed)
    opened = open_model(bare, {"model": artefacts["model"]})
    assert opened.background.shape == (0, 5)
    np.testing.assert_array_equal(
        opened.predictor.margin(model.background), model.predictor.margin(model.background)
    )
    with pytest.raises(ModelUnsupported, match="scoring only"):
        opened.attributor.attribute(model.background)


def test_its_golden_rows_are_their_margins(
    manifest: dict[str, Any], artefacts: dict[str, bytes]
) -> None:
    golden = [{"input": one["input"], "margin": one["margin"]} for one in manifest["golden_rows"]]
    open_model(scoring_only(manifest, golden_rows=golden), artefacts)
    golden[2]["margin"] += 101
    with pytest.raises(NotReproduced, match="golden row 2: drifted"):
        open_model(scoring_only(manifest, golden_rows=golden), artefacts)
    golden[2]["margin"] = "0"
    with pytest.raises(SchemaError) as refused:
        open_model(scoring_only(manifest, golden_rows=golden), artefacts)
    assert refused.value.member == "golden_rows[2].margin"


def test_a_space_that_is_not_the_models_is_refused(
    bare_manifest: dict[str, Any], artefacts: dict[str, bytes]
) -> None:
    with pytest.raises(SchemaError, match="margins are in log-odds"):
        open_model(bare_manifest | {"output": {"space": "probability"}}, artefacts)
