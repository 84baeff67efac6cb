"""The engines against the definition of a Shapley value, and against each other."""

import json
import subprocess
import sys
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from explain import additive, deep_leaves, leaf_tables, narrative, trees
from explain.artifacts import open_model
from explain.attribution import Attributor
from explain.boosters import XGBoostPredictor
from explain.contributions import OwnContributions
from explain.engines import ENGINES, check_engine
from explain.errors import (
    AdditivityError,
    ArtefactRefused,
    ModelMismatch,
    NotReproduced,
    SchemaError,
)
from explain.forest import Forest, Tree
from explain.leaf_paths import MAX_TESTS, leaves
from explain.leaf_tables import MAX_TABLE_FEATURES, LeafTables
from explain.model import Model
from explain.predictor import FeatureSchema, Rows
from explain.shapley import ShapTrees
from tests.explain.shapley_oracle import shapley_by_definition
from tests.explain.test_additive import SCORECARD
from tests.explain.test_artifacts import sha256

NAMES = ("a", "b", "c", "d")


def trained(depth: int, *, missing: float, rounds: int = 40) -> tuple[bytes, Rows]:
    chance = np.random.default_rng(depth)
    rows = chance.normal(size=(300, 4)).astype(np.float32)
    rows[:, 3] = chance.integers(0, 3, 300)
    rows[chance.random(rows.shape) < missing] = np.nan
    filled = np.nan_to_num(rows, nan=0.3)
    labels = filled[:, 0] * filled[:, 1] + filled[:, 2] - 0.4 * filled[:, 3] > 0
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": depth, "nthread": 1},
        xgboost.DMatrix(rows, labels),
        rounds,
    )
    return bytes(booster.save_raw("json")), rows


def shap_trees(data: bytes, background: Rows | None) -> ShapTrees:
    predictor, forest = XGBoostPredictor(data), trees.parse(data, binary=False).forest()
    return ShapTrees(predictor.booster, forest, predictor, background, NAMES)


@pytest.mark.parametrize(("depth", "missing"), [(1, 0.0), (3, 0.0), (6, 0.0), (4, 0.2)])
def test_leaf_tables_follow_the_definition(depth: int, missing: float) -> None:
    data, rows = trained(depth, missing=missing)
    predictor = XGBoostPredictor(data)
    background = rows[:50]
    engine = LeafTables(trees.parse(data, binary=False), background, predictor, NAMES)
    assert engine.base == pytest.approx(predictor.margin(background).mean(), abs=2e-5)
    for row, phi in zip(rows[50:56], engine.values(rows[50:56]), strict=True):
        np.testing.assert_allclose(
            phi, shapley_by_definition(predictor.margin, row, background), atol=2e-5
        )


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_leaf_tables_agree_with_shap(missing: float) -> None:
    data, rows = trained(5, missing=missing)
    predictor = XGBoostPredictor(data)
    # More than 100 rows: shap would cut a bare array to 100 without a word.
    background = rows[:250]
    ours = LeafTables(trees.parse(data, binary=False), background, predictor, NAMES)
    theirs = shap_trees(data, background)
    np.testing.assert_allclose(ours.values(rows[250:]), theirs.values(rows[250:]), atol=1e-6)
    for own, other in zip(
        ours.attribute(rows[250:260]), theirs.attribute(rows[250:260]), strict=True
    ):
        assert abs(own.base - other.base) <= 1
        assert own.margin == other.margin


def test_path_dependent_engines_agree_and_add_up() -> None:
    data, rows = trained(4, missing=0.1)
    predictor = XGBoostPredictor(data)
    native = OwnContributions("xgboost-contributions", predictor, NAMES).attribute(rows[:20])
    shap_own = shap_trees(data, None).attribute(rows[:20])
    margins = predictor.margin(rows[:20])
    for ours, theirs, margin in zip(native, shap_own, margins, strict=True):
        assert ours.margin == theirs.margin == round(float(margin) * 1e6)
        assert abs(ours.residual) <= 100
        for (_, left), (_, right) in zip(ours.values, theirs.values, strict=True):
            assert abs(left - right) <= 20


def test_the_same_row_gives_the_same_numbers_in_any_batch(model: Model) -> None:
    rows = model.background[:9]
    together = model.attributor.attribute(rows)
    assert tuple(model.attributor.attribute(row[None, :])[0] for row in rows) == together
    assert model.attributor.attribute(rows) == together


class Liar:
    """A model that scores otherwise than its trees say."""

    def __init__(self, honest: XGBoostPredictor) -> None:
        self._honest = honest
        self.off = 0.0
        self.booster = honest.booster
        self.space = honest.space

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        return self._honest.margin(rows) + self.off

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        return self._honest.contributions(rows)


def test_every_engine_is_held_to_the_model_s_own_margin() -> None:
    data, rows = trained(3, missing=0.0)
    liar: Any = Liar(XGBoostPredictor(data))
    forest = trees.parse(data, binary=False).forest()
    engines: list[Attributor] = [
        LeafTables(trees.parse(data, binary=False), rows, liar, NAMES),
        OwnContributions("xgboost-contributions", liar, NAMES),
        ShapTrees(liar.booster, forest, liar, rows, NAMES),
        ShapTrees(liar.booster, forest, liar, None, NAMES),
    ]
    liar.off = 0.001
    for engine in engines:
        with pytest.raises(AdditivityError):
            engine.attribute(rows[:1])


def test_the_reference_group_is_held_to_the_model_s_own_margins() -> None:
    """A group that is misread moves base and contributions together: no row would show it."""
    data, rows = trained(3, missing=0.0)
    liar: Any = Liar(XGBoostPredictor(data))
    forest = trees.parse(data, binary=False).forest()
    liar.off = 0.001
    with pytest.raises(NotReproduced, match="score the reference group otherwise"):
        LeafTables(forest, rows, liar, NAMES)
    theirs = ShapTrees(liar.booster, forest, liar, rows, NAMES)
    liar.off = 0.0
    with pytest.raises(AdditivityError, match="not the reference group's average"):
        theirs.attribute(rows[:1])
    infinite = rows.copy()
    infinite[0, 0] = np.inf  # passes no test that is open upwards
    with pytest.raises(ModelMismatch):
        LeafTables(forest, infinite, liar, NAMES)


def test_a_model_of_constant_trees_has_only_a_base() -> None:
    rows = np.zeros((10, 4), dtype=np.float32)
    booster = xgboost.train(
        {"objective": "binary:logistic", "base_score": 0.3}, xgboost.DMatrix(rows, [0] * 10), 2
    )
    data = bytes(booster.save_raw("json"))
    predictor = XGBoostPredictor(data)
    engine = LeafTables(trees.parse(data, binary=False), rows, predictor, NAMES)
    (attribution,) = engine.attribute(rows[:1])
    assert [value for _, value in attribution.values] == [0, 0, 0, 0]


def test_tables_refuse_what_they_are_not_meant_for() -> None:
    data, rows = trained(3, missing=0.0)
    ensemble, predictor = trees.parse(data, binary=False), XGBoostPredictor(data)
    for background, names in ((rows[:0], NAMES), (rows[:, :3], NAMES), (rows, NAMES[:3])):
        with pytest.raises(SchemaError):
            LeafTables(ensemble, background, predictor, names)


def test_weights_of_trees_are_read_one_for_each() -> None:
    data, _ = trained(2, missing=0.0, rounds=3)
    document = json.loads(data)
    held = document["learner"]["gradient_booster"]["model"]
    plain = trees.parse(data, binary=False).forest()
    held["weight_drop"] = [0.5, 1, 0.25]
    weighted = trees.parse(json.dumps(document).encode(), binary=False).forest()
    assert weighted.weighted
    for tree, other, weight in zip(plain.trees, weighted.trees, (0.5, 1, 0.25), strict=True):
        for left, number, now in zip(tree.left, tree.threshold, other.threshold, strict=True):
            assert now == (number * weight if left == -1 else number)
    for wrong in ([0.5, 1], [0.5, 1, "1"], [0.5, 1, 1e300], 3):
        held["weight_drop"] = wrong
        with pytest.raises(ArtefactRefused):
            trees.parse(json.dumps(document).encode(), binary=False)


def test_sets_of_categories_lie_end_to_end() -> None:
    data, _ = trained(2, missing=0.0, rounds=1)
    document = json.loads(data)
    (tree,) = document["learner"]["gradient_booster"]["model"]["trees"]
    last = max(at for at, left in enumerate(tree["left_children"]) if left != -1)
    tree["split_type"][0] = tree["split_type"][last] = 1
    good = {
        "categories": [0, 2, 31_999],
        "categories_nodes": [0, last],
        "categories_segments": [0, 2],
        "categories_sizes": [2, 1],
    }
    tree.update(good)
    (read,) = trees.parse(json.dumps(document).encode(), binary=False).trees
    assert read.categories[0] == frozenset({0, 2})
    assert read.categories[last] == frozenset({31_999})
    for wrong in (
        {"categories": [0, 2]},
        {"categories": [0, 2, -1]},
        {"categories": [0, 2, 32_000]},
        {"categories_nodes": [0]},
        {"categories_nodes": [last, 0]},
        {"categories_segments": [0, 1]},
        {"categories_sizes": [3, 0]},
        {"categories_sizes": [2, "1"]},
        {"categories_segments": None},
    ):
        tree.update(good | wrong)
        with pytest.raises(ArtefactRefused):
            trees.parse(json.dumps(document).encode(), binary=False)


WIDE = tuple("abcdefghijkl")


@pytest.fixture(scope="module")
def deep() -> tuple[XGBoostPredictor, Forest, Rows]:
    """Three trees with leaves behind up to eleven features, too many for a table."""
    chance = np.random.default_rng(1)
    wide = chance.normal(size=(1500, 12)).astype(np.float32)
    wide[chance.random(wide.shape) < 0.05] = np.nan
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 11, "min_child_weight": 0, "nthread": 1},
        xgboost.DMatrix(wide, np.nansum(wide, axis=1) > 0),
        3,
    )
    data = bytes(booster.save_raw("json"))
    forest = trees.parse(data, binary=False).forest()
    assert max(len(leaf.tests) for leaf in leaves(forest)[0]) > MAX_TABLE_FEATURES
    return XGBoostPredictor(data), forest, wide


def test_leaves_of_any_depth_follow_the_definition(
    deep: tuple[XGBoostPredictor, Forest, Rows],
) -> None:
    predictor, forest, rows = deep
    engine = LeafTables(forest, rows[:8], predictor, WIDE)
    for row, phi in zip(rows[8:11], engine.values(rows[8:11]), strict=True):
        wanted = shapley_by_definition(predictor.margin, row, rows[:8])
        np.testing.assert_allclose(phi, wanted, atol=2e-5)


def test_leaves_of_any_depth_agree_with_shap(
    deep: tuple[XGBoostPredictor, Forest, Rows],
) -> None:
    predictor, forest, rows = deep
    ours = LeafTables(forest, rows[:250], predictor, WIDE)
    theirs = ShapTrees(predictor.booster, forest, predictor, rows[:250], WIDE)
    some = rows[250:280]
    np.testing.assert_allclose(ours.values(some), theirs.values(some), atol=1e-6)
    together = ours.attribute(some)
    assert [ours.attribute(row[None, :])[0] for row in some] == list(together)


def test_a_model_too_deep_for_its_group_is_refused(
    deep: tuple[XGBoostPredictor, Forest, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, forest, rows = deep
    monkeypatch.setattr(deep_leaves, "MAX_PATTERNS", 100)
    with pytest.raises(ArtefactRefused, match="take fewer rows"):
        LeafTables(forest, rows[:250], predictor, WIDE)


def test_tables_that_would_not_fit_are_left_to_the_patterns(
    deep: tuple[XGBoostPredictor, Forest, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, forest, rows = deep
    whole = LeafTables(forest, rows[:50], predictor, WIDE).values(rows[50:60])
    monkeypatch.setattr(leaf_tables, "MAX_TABLE_BYTES", 10_000)
    small = LeafTables(forest, rows[:50], predictor, WIDE).values(rows[50:60])
    np.testing.assert_allclose(whole, small, atol=1e-12)


def test_a_path_of_more_features_than_a_pattern_has_bits_is_refused() -> None:
    nodes = MAX_TESTS + 1
    chain = Tree(
        left=(*range(1, nodes + 1), *(-1,) * (nodes + 1)),
        right=(*range(nodes + 1, 2 * nodes + 1), *(-1,) * (nodes + 1)),
        feature=(*range(nodes), *(0,) * (nodes + 1)),
        threshold=(0.5,) * (2 * nodes + 1),
        missing_left=(False,) * (2 * nodes + 1),
    )
    with pytest.raises(ArtefactRefused, match="more than 62 different features"):
        leaves(Forest(nodes, 0.0, (chain,)))


def test_what_an_engine_takes_is_known_from_the_parts_alone(schema: FeatureSchema) -> None:
    data, _ = trained(2, missing=0.0, rounds=2)
    boosted = trees.parse(data, binary=False)
    card = additive.parse(json.dumps(SCORECARD).encode(), "scorecard", schema)
    for engine, parts in (
        ("leaf-tables", boosted),
        ("xgboost-contributions", boosted),
        ("scorecard", card),
        ("all-subsets", card),
        ("leaf-tables", None),
        ("linear", None),
    ):
        check_engine(engine, parts)
    for engine, parts in (
        ("lime", None),
        ("lightgbm-contributions", boosted),
        ("linear", boosted),
        ("linear", card),
        ("leaf-tables", card),
        ("xgboost-contributions", card),
    ):
        with pytest.raises(SchemaError):
            check_engine(engine, parts)


def test_only_what_is_approximate_is_not_said_to_be_exact() -> None:
    assert ENGINES.keys() - narrative._METHODS.keys() == {"permutation-approximate"}
    assert narrative._METHODS.keys() <= ENGINES.keys()


def test_explaining_does_not_load_shap_or_numba() -> None:
    check = (
        "import explain.narrative, explain.artifacts, sys;"
        "print([name for name in ('shap', 'numba', 'xgboost', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def registered(
    manifest: dict[str, Any],
    background: list[Any],
    data: bytes,
    model_format: str,
    explainer: dict[str, Any],
) -> Model:
    files = {"model": data, "background": json.dumps(background).encode()}
    listed = {name: {"sha256": sha256(held)} for name, held in files.items()}
    listed["model"]["format"] = model_format
    return open_model(manifest | {"artefacts": listed, "explainer": explainer}, files)


def test_a_registered_lightgbm_model_is_taken_apart_by_every_engine_of_trees(
    bare_manifest: dict[str, Any], applications: list[Any], schema: FeatureSchema
) -> None:
    rows = np.stack([schema.row(one) for one in applications]).astype(np.float64)
    good = rows[:, 0] + 12 * rows[:, 2] < 90
    asked = {"objective": "binary", "num_leaves": 9, "num_threads": 1, "verbose": -1}
    data = lightgbm.train(asked, lightgbm.Dataset(rows, good.astype(float)), 12)
    text = data.model_to_string().encode()
    found = {}
    for engine in ("leaf-tables", "lightgbm-contributions", "permutation-approximate"):
        explainer = {"engine": engine, "tolerance": 10, "parameters": {"orders": 4, "seed": 3}}
        model = registered(bare_manifest, applications[:60], text, "lightgbm-text", explainer)
        (found[engine],) = model.attributor.attribute(model.schema.row(applications[70])[None, :])
        assert found[engine].engine == engine
    assert len({one.margin for one in found.values()}) == 1
    assert found["leaf-tables"].base == found["permutation-approximate"].base
    with pytest.raises(SchemaError, match="not an engine of this model's library"):
        registered(bare_manifest, applications[:60], text, "lightgbm-text",
                   {"engine": "xgboost-contributions"})  # fmt: skip


def test_a_registered_scorecard_is_taken_apart_in_closed_form(
    bare_manifest: dict[str, Any], applications: list[Any]
) -> None:
    model = registered(bare_manifest, applications[:60], json.dumps(SCORECARD).encode(),
                       "scorecard-json", {"engine": "scorecard", "tolerance": 10})  # fmt: skip
    (found,) = model.attributor.attribute(model.schema.row(applications[70])[None, :])
    assert found.engine == "scorecard"
    assert abs(found.residual) <= 4
