"""CatBoost, skops and ONNX: what is sound is scored as its library does, the rest refused."""

import copy
import functools
import io
import json
import zipfile
from typing import Any

import catboost
import numpy as np
import onnx
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from explain import catboost_file, library_versions, onnx_file, skops_file
from explain.artifacts import load_model
from explain.errors import ArtefactRefused, ModelMismatch
from explain.library_versions import installed, parsed, refuse_newer
from explain.predictor import FeatureSchema, Predictor
from tests.explain.test_artifacts import sha256

Table = NDArray[np.float64]


def schema_of(form: str, columns: int = 3) -> FeatureSchema:
    feature = {"label": {"en": "x"}, "type": "number", "mutability": "any", "missing": "allowed"}
    features = [feature | {"name": f"x{at}", "protected": False} for at in range(columns)]
    return FeatureSchema.from_manifest(
        {"features": features, "artefacts": {"model": {"format": form}}}
    )


def opened(data: bytes, form: str, columns: int = 3) -> Predictor:
    return load_model(data, sha256(data), form, schema_of(form, columns))


@pytest.fixture(scope="module")
def rows() -> Table:
    # Numbers that 32 bits hold: each library compares what it was trained on.
    made = np.random.default_rng(2).normal(size=(120, 3)).astype(np.float32).astype(np.float64)
    made[::7, 1] = np.nan
    return made


@pytest.fixture(scope="module")
def good(rows: Table) -> NDArray[np.int64]:
    return (rows[:, 0] + np.nan_to_num(rows[:, 1]) > rows[:, 2]).astype(np.int64)


# CatBoost


def boosted(rows: Table, target: Any, **more: Any) -> Any:
    asked = {"iterations": 8, "depth": 3, "thread_count": 1, "allow_writing_files": False}
    kind = catboost.CatBoostRegressor if "loss_function" in more else catboost.CatBoostClassifier
    return kind(verbose=0, **asked, **more).fit(rows, target)


def as_json(model: Any, path: Any) -> bytes:
    model.save_model(str(path), format="json")
    return bytes(path.read_bytes())


@pytest.fixture(scope="module")
def cat(rows: Table, good: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, bytes]:
    model = boosted(rows, good)
    return model, as_json(model, tmp_path_factory.mktemp("cat") / "model.json")


@pytest.mark.parametrize("more", [{}, {"nan_mode": "Max"}, {"loss_function": "RMSE"}])
def test_catboost_trees_score_as_the_library_does(
    rows: Table, good: Any, more: dict[str, Any], tmp_path: Any
) -> None:
    model = boosted(rows, good, **more)
    raw = model.predict(rows, prediction_type="RawFormulaVal")
    ours = opened(as_json(model, tmp_path / "model.json"), "catboost-json")
    assert ours.space == ("response" if "loss_function" in more else "log-odds")
    np.testing.assert_allclose(ours.margin(rows), raw, atol=1e-12)
    np.testing.assert_array_equal(ours.margin(rows[:1]), ours.margin(rows)[:1])
    binary = opened(bytes(model._serialize_model()), "catboost-cbm")
    assert binary.space == ours.space
    np.testing.assert_allclose(binary.margin(rows), raw, atol=1e-12)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("oblivious_trees",), []),
        (("oblivious_trees",), None),
        (("oblivious_trees", 0), 5),
        (("oblivious_trees", 0, "leaf_values"), [1.0]),
        (("oblivious_trees", 0, "leaf_values", 0), float("nan")),
        (("oblivious_trees", 0, "leaf_values", 0), 10**400),
        (("oblivious_trees", 0, "splits", 0, "border"), "1"),
        (("oblivious_trees", 0, "splits", 0, "float_feature_index"), 3),
        (("oblivious_trees", 0, "splits", 0, "float_feature_index"), -1),
        (("oblivious_trees", 0, "splits", 0, "split_type"), "OneHotFeature"),
        (("oblivious_trees", 0, "splits"), [{}] * 17),
        (("scale_and_bias",), [1]),
        (("scale_and_bias",), [1, [0, 0]]),
        (("scale_and_bias",), [True, [0]]),
        (("features_info", "categorical_features"), []),
        (("features_info", "float_features", 0, "flat_feature_index"), 1),
        (("features_info", "float_features", 0, "nan_value_treatment"), "Guess"),
        (("model_info", "params", "loss_function", "type"), "MultiClass"),
        (("model_info", "params"), None),
        (("model_info", "catboost_version_info"), "none"),
    ],
)
def test_a_catboost_structure_that_does_not_hold_is_refused(
    cat: tuple[Any, bytes], path: tuple[Any, ...], value: object
) -> None:
    document = json.loads(cat[1])
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ArtefactRefused):
        catboost_file.parse(json.dumps(document).encode())


@given(st.integers(0, 10**9), st.binary(max_size=3))
def test_a_damaged_catboost_file_is_a_model_or_our_error(
    cat: tuple[Any, bytes], position: int, put: bytes
) -> None:
    at = position % len(cat[1])
    try:
        catboost_file.parse(cat[1][:at] + put + cat[1][at + len(put) :])
    except ArtefactRefused:
        return


def test_a_catboost_file_of_a_newer_release_or_of_none_is_refused(cat: tuple[Any, bytes]) -> None:
    binary = bytes(cat[0]._serialize_model())
    with pytest.raises(ArtefactRefused, match="newer than"):
        opened(binary.replace(b"tags/v1.2.10", b"tags/v9.2.10"), "catboost-cbm")
    newer = cat[1].replace(b"tags/v1.2.10", b"tags/v9.2.10")
    assert opened(newer, "catboost-json").space == "log-odds"  # no library reads it
    for data in (binary[:40], binary.replace(b"tags/v1.2.10", b"trunk/......"), b"CBM1"):
        with pytest.raises(ArtefactRefused):
            catboost_file.check_binary(data)


def test_catboost_models_that_would_be_asked_otherwise_are_refused(rows: Table, good: Any) -> None:
    table = [[f"kind {int(row[0] > 0)}", row[2]] for row in rows.tolist()]
    coded = catboost.CatBoostClassifier(
        iterations=2, depth=2, verbose=0, allow_writing_files=False, cat_features=[0]
    ).fit(table, good)
    with pytest.raises(ArtefactRefused, match="encodes itself"):
        opened(bytes(coded._serialize_model()), "catboost-cbm", 2)
    several = boosted(rows, np.arange(len(rows)) % 3)
    with pytest.raises(ArtefactRefused, match="loss"):
        opened(bytes(several._serialize_model()), "catboost-cbm")
    whole = bytes(boosted(rows, good)._serialize_model())
    with pytest.raises(ArtefactRefused, match="cannot open it"):
        opened(whole[:200] + bytes(40) + whole[240:], "catboost-cbm")


# skops


@pytest.mark.parametrize(
    ("model", "space"),
    [
        (RandomForestClassifier(5, max_depth=3, random_state=1), "probability"),
        (GradientBoostingClassifier(n_estimators=4, random_state=1), "log-odds"),
        (HistGradientBoostingClassifier(max_iter=4), "log-odds"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "log-odds"),
        (LinearRegression(), "response"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_skops_file_scores_as_the_model_in_it(
    rows: Table, good: Any, model: Any, space: str
) -> None:
    whole = np.nan_to_num(rows)
    fitted = model.fit(whole, good)
    ours = opened(skops.io.dumps(fitted), "skops")
    assert ours.space == space
    ask = {"probability": "predict_proba", "log-odds": "decision_function"}.get(space, "predict")
    theirs = getattr(fitted, ask)(whole)
    theirs = theirs[:, 1] if space == "probability" else theirs
    np.testing.assert_allclose(ours.margin(whole), theirs, atol=1e-12)
    np.testing.assert_array_equal(ours.margin(whole[:1]), ours.margin(whole)[:1])


def test_a_pipeline_fills_in_what_is_missing(rows: Table, good: Any) -> None:
    fitted = make_pipeline(SimpleImputer(), RandomForestClassifier(3, random_state=1))
    ours = opened(skops.io.dumps(fitted.fit(rows, good)), "skops")
    np.testing.assert_allclose(ours.margin(rows), fitted.predict_proba(rows)[:, 1], atol=1e-12)


def test_what_is_not_on_the_list_is_not_built(rows: Table, good: Any) -> None:
    whole = np.nan_to_num(rows)
    for model in (
        KNeighborsClassifier().fit(whole, good),
        make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(abs(whole), good),
        {"call": functools.partial(print, "x")},
    ):
        with pytest.raises(ArtefactRefused, match="not on the list"):
            skops_file.check(skops.io.dumps(model))


def rewritten(data: bytes, change: Any) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(held, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "schema.json":
                document = json.loads(content)
                change(document)
                content = json.dumps(document).encode()
            after.writestr(name, content)
    return held.getvalue()


def test_a_schema_that_says_otherwise_is_refused(rows: Table, good: Any) -> None:
    data = skops.io.dumps(LogisticRegression().fit(np.nan_to_num(rows), good))
    deep: dict[str, Any] = {}
    for _ in range(skops_file.MAX_DEPTH):
        deep = {"in": deep}
    changes: tuple[dict[str, Any], ...] = (
        {"__loader__": "FunctionNode"},
        {"__loader__": []},
        {"__class__": []},
        {"__class__": "system", "__module__": "os"},
        {"__module__": ["os"]},
        {"protocol": 3},
        {"protocol": None},
        {"more": deep},
    )
    for change in changes:
        changed = rewritten(data, lambda one, change=change: one.update(change))
        with pytest.raises(ArtefactRefused):
            skops_file.check(changed)
    newer = rewritten(
        data, lambda one: one["content"]["content"]["_sklearn_version"].update(content='"9.0"')
    )
    with pytest.raises(ArtefactRefused, match="newer than"):
        opened(newer, "skops")
    for bad in (b"", b"PK\x03\x04", zipped_without_schema()):
        with pytest.raises(ArtefactRefused):
            skops_file.check(bad)
    unfit = rewritten(data, lambda one: one["content"]["content"].pop("coef_"))
    with pytest.raises(ArtefactRefused, match="cannot open it"):
        opened(unfit, "skops")


def zipped_without_schema() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("other", "{}")
    return held.getvalue()


# ONNX


@pytest.fixture(scope="module")
def graph(rows: Table, good: Any) -> tuple[Any, Any]:
    whole = np.nan_to_num(rows).astype(np.float32)
    model = GradientBoostingClassifier(n_estimators=4, random_state=1).fit(whole, good)
    return model, to_onnx(model, whole[:1], options={"zipmap": False})


def test_an_onnx_model_is_scored(rows: Table, good: Any, graph: tuple[Any, Any]) -> None:
    whole = np.nan_to_num(rows).astype(np.float32)
    ours = opened(graph[1].SerializeToString(), "onnx")
    assert ours.space == "probability"
    np.testing.assert_allclose(ours.margin(whole), graph[0].predict_proba(whole)[:, 1], atol=1e-5)
    np.testing.assert_array_equal(ours.margin(whole[:1]), ours.margin(whole)[:1])
    line = LinearRegression().fit(whole, good)
    value = opened(to_onnx(line, whole[:1]).SerializeToString(), "onnx")
    assert value.space == "response"
    np.testing.assert_allclose(value.margin(whole), line.predict(whole), atol=1e-5)


def test_an_onnx_model_of_other_features_is_another(graph: tuple[Any, Any]) -> None:
    with pytest.raises((ModelMismatch, ArtefactRefused)):
        opened(graph[1].SerializeToString(), "onnx", 5)


def changed(graph: tuple[Any, Any], change: Any) -> bytes:
    model = copy.deepcopy(graph[1])
    change(model)
    return bytes(model.SerializeToString())


def external(model: Any) -> None:
    tensor = model.graph.initializer.add(name="far", data_type=1, data_location=1)
    tensor.external_data.add(key="location", value="/etc/passwd")


def looping(model: Any) -> None:
    node = onnx.helper.make_node("Loop", [], ["y"], body=copy.deepcopy(model.graph))
    model.graph.node.append(node)


def sparse(model: Any) -> None:
    # Its values could lie in another file.
    model.graph.sparse_initializer.add().values.name = "far"


def holding_sparse(name: str) -> Any:
    def change(model: Any) -> None:
        held = model.graph.node[0].attribute.add(name="value")
        tensor = onnx.SparseTensorProto(dims=[2])
        if name == "sparse_tensors":
            held.sparse_tensors.append(tensor)
        else:
            held.sparse_tensor.CopyFrom(tensor)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: setattr(model, "ir_version", 99), "newer"),
        (lambda model: setattr(model, "ir_version", 0), "not as ONNX"),
        (lambda model: setattr(model.opset_import[-1], "version", 99), "newer"),
        (lambda model: setattr(model.opset_import[0], "domain", "com.microsoft"), "standard"),
        (lambda model: setattr(model.graph.node[0], "domain", "my.own"), "standard"),
        (lambda model: model.functions.add(name="f"), "standard"),
        (lambda model: model.training_info.add(), "standard"),
        (lambda model: model.graph.ClearField("node"), "no operators"),
        (lambda model: model.ClearField("graph"), "not as ONNX"),
        (external, "another file"),
        (sparse, "sparse"),
        (holding_sparse("sparse_tensor"), "sparse"),
        (holding_sparse("sparse_tensors"), "sparse"),
        (looping, "loop"),
    ],
)
def test_an_onnx_file_that_asks_for_more_is_refused(
    graph: tuple[Any, Any], change: Any, said: str
) -> None:
    with pytest.raises(ArtefactRefused, match=said):
        onnx_file.check(changed(graph, change))


def test_a_field_whose_number_a_reader_might_cut_short_is_refused(graph: tuple[Any, Any]) -> None:
    # 35 bits: the lower 32 say "training information", a message of no bytes.
    tag = bytes([0x80 | (20 << 3 | 2) & 0x7F, 0x81, 0x80, 0x80, 0x10, 0])
    with pytest.raises(ArtefactRefused, match="not as ONNX"):
        onnx_file.check(graph[1].SerializeToString() + tag)


def test_outputs_that_are_no_table_are_refused(rows: Table, good: Any) -> None:
    whole = np.nan_to_num(rows).astype(np.float32)
    mapped = to_onnx(LogisticRegression().fit(whole, good), whole[:1])
    with pytest.raises(ArtefactRefused, match="zipmap"):
        opened(mapped.SerializeToString(), "onnx")


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_onnx_or_our_error(data: bytes) -> None:
    for each in (data, b"\x08\x0a\x42\x02\x10\x0d\x3a" + data):
        try:
            onnx_file.check(each)
        except ArtefactRefused:
            continue


# Versions


def test_versions_are_compared_as_numbers() -> None:
    assert parsed("3.10.0rc1") == (3, 10, 0) > parsed("3.9")
    refuse_newer("X", (3, 9, 9), (3, 10, 0))
    with pytest.raises(ArtefactRefused, match=r"written by X 3\.10\.0, newer than the 3\.9\.0"):
        refuse_newer("X", (3, 10, 0), (3, 9, 0))
    with pytest.raises(ArtefactRefused, match="no version"):
        parsed("new")


def test_a_library_that_is_absent_is_named() -> None:
    assert installed("no-such-library-here", "numpy") == parsed(np.__version__)
    with pytest.raises(ArtefactRefused, match="install no-such-library-here"):
        library_versions.installed("no-such-library-here")
