"""LightGBM's text: what holds together is scored as the library scores it, the rest refused."""

import math
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from explain import lightgbm_text
from explain.artifacts import load_model
from explain.errors import ArtefactRefused, ModelMismatch
from explain.lightgbm_booster import LightGBMPredictor
from explain.lightgbm_text import LightGBMTree
from explain.predictor import FeatureSchema
from tests.explain.test_artifacts import sha256


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float64]:
    chance = np.random.default_rng(5)
    made = chance.normal(size=(300, 5))
    made[:, 4] = chance.integers(0, 40, 300)
    made[::9, 0] = np.nan
    made[::7, 1] = 0.0
    return made


def trained(rows: NDArray[np.float64], **more: Any) -> bytes:
    target = np.nan_to_num(rows[:, 0]) + rows[:, 1] + (rows[:, 4] % 3 == 0) > 0.4
    asked = {"objective": "binary", "num_leaves": 7, "num_threads": 1, "verbose": -1} | more
    data = lightgbm.Dataset(rows, target.astype(float), categorical_feature=[4])
    text: str = lightgbm.train(asked, data, 12).model_to_string()
    return text.encode()


@pytest.fixture(scope="module")
def text(rows: NDArray[np.float64]) -> bytes:
    return trained(rows, min_data_per_group=5, cat_smooth=1, max_cat_to_onehot=1)


def by_hand(tree: LightGBMTree, row: NDArray[np.float64]) -> float:
    """LightGBM's own rule, as its documentation says it."""
    node = 0 if tree.left else ~0
    while node >= 0:
        value, decision = float(row[tree.feature[node]]), tree.decision[node]
        missing = {0: False, 1: math.isnan(value) or abs(value) <= 1e-35, 2: math.isnan(value)}
        if decision & 1:
            held = tree.categories[int(tree.threshold[node])]
            left = not math.isnan(value) and int(value) in held
        elif missing[decision >> 2]:
            left = bool(decision & 2)
        else:
            left = (0.0 if math.isnan(value) else value) <= tree.threshold[node]
        node = tree.left[node] if left else tree.right[node]
    return tree.leaf[~node]


@pytest.mark.parametrize(
    "more", [{}, {"zero_as_missing": True}, {"objective": "regression"}, {"num_leaves": 2}]
)
def test_the_parsed_trees_score_as_the_library_does(
    rows: NDArray[np.float64], more: dict[str, Any]
) -> None:
    data = trained(rows, **more)
    model = lightgbm_text.parse(data)
    assert model.features == 5
    opened = LightGBMPredictor(model)
    assert opened.space == ("response" if "objective" in more else "log-odds")
    summed = [math.fsum(by_hand(tree, row) for tree in model.trees) for row in rows]
    np.testing.assert_allclose(opened.margin(rows), summed, atol=1e-12)
    # Its own contributions add up to it, for the engine that takes them.
    np.testing.assert_allclose(opened.contributions(rows).sum(axis=1), summed, atol=1e-9)


def test_a_registered_file_is_opened_and_another_is_not(
    rows: NDArray[np.float64], schema: FeatureSchema, text: bytes
) -> None:
    assert any(tree.categories for tree in lightgbm_text.parse(text).trees)
    opened = load_model(text, sha256(text), "lightgbm-text", schema)
    again = opened.margin(rows[:1]), opened.margin(rows)[:1]
    np.testing.assert_array_equal(*again)
    with pytest.raises(ModelMismatch):
        load_model(text + b"\n", sha256(text), "lightgbm-text", schema)


def line(text: bytes, name: bytes, tree: int = 0) -> tuple[int, int]:
    start = text.index(b"\n" + name + b"=", text.index(b"Tree=%d" % tree) if tree >= 0 else 0) + 1
    return start, text.index(b"\n", start)


@pytest.mark.parametrize(
    ("name", "value", "tree"),
    [
        (b"version", b"v5", -1),
        (b"num_class", b"3", -1),
        (b"num_tree_per_iteration", b"3", -1),
        (b"objective", b"multiclass num_class:3", -1),
        (b"objective", b"poisson", -1),
        (b"max_feature_idx", b"3", -1),
        (b"max_feature_idx", b"-1", -1),
        (b"tree_sizes", b"5", -1),
        (b"tree_sizes", b"", -1),
        (b"num_leaves", b"8", 0),
        (b"num_leaves", b"0", 0),
        (b"num_leaves", b"99999999999", 0),
        (b"num_cat", b"7", 1),
        (b"split_feature", b"0 1 2 3 4 5", 0),
        (b"split_feature", b"0 1 2 3 -1 4", 0),
        (b"threshold", b"0 0 0 nan 0 0", 0),
        (b"threshold", b"0 0 0 1e999 0 0", 0),
        (b"threshold", b"0 0 0 0x1 0 0", 0),
        (b"decision_type", b"16 2 2 2 2 2", 0),
        (b"decision_type", b"1 1 1 1 1 1", 0),
        (b"left_child", b"1 2 3 4 5 9", 0),
        (b"left_child", b"1 1 1 1 1 1", 0),
        (b"left_child", b"0 0 0 0 0 0", 0),
        (b"right_child", b"-1 -1 -1 -1 -1 -1", 0),
        (b"right_child", b"-99 -2 -3 -4 -5 -6", 0),
        (b"leaf_value", b"1 2 3", 0),
        (b"leaf_count", b"1", 0),
        (b"internal_weight", b"", 0),
        (b"is_linear", b"1", 0),
        (b"shrinkage", b"inf", 0),
        (b"shrinkage", b"1\nleaf_features=5", 0),
    ],
)
def test_a_structure_that_does_not_hold_is_refused(
    text: bytes, name: bytes, value: bytes, tree: int
) -> None:
    start, end = line(text, name, tree)
    damaged = text[:start] + name + b"=" + value + text[end:]
    with pytest.raises(ArtefactRefused):
        lightgbm_text.parse(damaged)


def sized(text: bytes) -> bytes:
    """The same text with sizes that are right again, so that they are not what is refused."""
    head, found, rest = text.partition(b"\nTree=0\n")
    body, ended, tail = (b"Tree=0\n" + rest).partition(b"end of trees\n")
    parts = body.split(b"Tree=")[1:]
    start, end = line(text, b"tree_sizes", -1)
    sizes = b"tree_sizes=" + b" ".join(b"%d" % (len(part) + 5) for part in parts)
    return head[:start] + sizes + head[end:] + found[:1] + body + ended + tail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"left_child", b"1 1 1 1 1 1"),
        (b"right_child", b"-99 -2 -3 -4 -5 -6"),
        (b"split_feature", b"0 1 2 3 -1 4"),
        (b"threshold", b"0 0 0 nan 0 0"),
        (b"decision_type", b"16 2 2 2 2 2"),
        (b"leaf_value", b"1 2 3"),
        (b"shrinkage", b"1\nleaf_features=5"),
    ],
)
def test_right_sizes_do_not_help_it(text: bytes, name: bytes, value: bytes) -> None:
    assert sized(text) == text
    start, end = line(text, name)
    with pytest.raises(ArtefactRefused, match=r"tree|split|threshold|leaf|line"):
        lightgbm_text.parse(sized(text[:start] + name + b"=" + value + text[end:]))


@pytest.mark.parametrize("data", [b"", b"tree\n", b"\xff", b"tree\nTree=0\nend of trees\n", b"\0"])
def test_what_is_no_model_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(ArtefactRefused):
        lightgbm_text.parse(data)


def test_a_forest_and_a_newer_form_are_refused(rows: NDArray[np.float64], text: bytes) -> None:
    forest = trained(rows, boosting="rf", bagging_freq=1, bagging_fraction=0.7)
    with pytest.raises(ArtefactRefused, match="averaged"):
        lightgbm_text.parse(forest)
    with pytest.raises(ArtefactRefused, match="update the reader"):
        lightgbm_text.parse(text.replace(b"version=v4", b"version=v5"))
    with pytest.raises(ArtefactRefused, match="pandas_categorical"):
        lightgbm_text.parse(text.replace(b"pandas_categorical:null", b"pandas_categorical:{"))


@settings(max_examples=300)
@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=3))
def test_a_damaged_file_is_a_model_or_our_error(text: bytes, position: int, put: bytes) -> None:
    at = position % min(len(text), 6_000)
    try:
        lightgbm_text.parse(text[:at] + put + text[at + len(put) :])
    except ArtefactRefused:
        return
