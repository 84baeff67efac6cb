"""The one form of trees: what it refuses, and the rules that few trees need."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from explain import forest as forest_module
from explain import leaf_paths
from explain.engines import attributor_for, forest_of
from explain.errors import AdditivityError, ArtefactRefused, ModelUnsupported, SchemaError
from explain.forest import ZERO, Forest, Tree, after
from explain.forests import lightgbm_forest
from explain.leaf_paths import leaves
from explain.leaf_tables import LeafTables
from explain.lightgbm_text import LightGBMTree
from explain.shapley import ShapTrees
from tests.explain.shapley_oracle import shapley_by_definition
from tests.explain.test_correctness_matrix import GROUP, NAMES, data, lgb

STUMP = Tree((1, -1, -1), (2, -1, -1), (0, 0, 0), (0.5, -1.0, 2.0), (True, False, False))
LONE = Tree((-1,), (-1,), (0,), (0.25,), (False,))


class Asked:
    """A forest that is asked by walking down its trees, one row after another."""

    space = "log-odds"

    def __init__(self, forest: Forest) -> None:
        self._forest = forest

    def margin(self, rows: Any) -> Any:
        return np.array([self._forest.margin(row) for row in rows.tolist()])


@pytest.mark.parametrize(
    "change",
    [
        {"left": (), "right": (), "feature": (), "threshold": (), "missing_left": ()},
        {"right": (2, -1)},
        {"zero_left": (None,)},
        {"left": (2, -1, -1)},
        {"left": (3, -1, -1)},
        {"left": (0, -1, -1)},
        {"threshold": (0.5, math.nan, 2.0)},
        {"threshold": (0.5, math.inf, 2.0)},
    ],
)
def test_nodes_that_form_no_tree_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ArtefactRefused):
        replace(STUMP, **change)


def test_a_forest_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    unclear = replace(STUMP, threshold=(math.nan, 1.0, 2.0))
    for features, base, tree in ((0, 0.0, STUMP), (1, math.nan, STUMP), (1, 0.0, unclear)):
        with pytest.raises(ArtefactRefused):
            Forest(features, base, (tree,))
    monkeypatch.setattr(forest_module, "MAX_NODES", 5)
    with pytest.raises(ArtefactRefused, match="too many nodes"):
        Forest(1, 0.0, (STUMP, STUMP))
    monkeypatch.setattr(forest_module, "MAX_TREES", 1)
    with pytest.raises(ArtefactRefused, match="too many trees"):
        Forest(1, 0.0, (STUMP, STUMP))


def test_at_most_is_below_the_next_number() -> None:
    limit = 0.1
    tree = replace(STUMP, threshold=(after(limit), -1.0, 2.0))
    assert [tree.goes_left(0, value) for value in (limit, after(limit), -math.inf)] == [
        True,
        False,
        True,
    ]


def test_zeros_and_sets_follow_rules_of_their_own() -> None:
    zeros = replace(STUMP, threshold=(-2.0, -1.0, 2.0), zero_left=(True, None, None))
    coded = replace(STUMP, members=(frozenset({0, 3}), None, None), missing_left=(False,) * 3)
    assert [zeros.goes_left(0, value) for value in (0.0, -ZERO, 2 * ZERO, -3.0)] == [
        True,
        True,
        False,
        True,
    ]
    values = (0.0, -0.5, -1.0, 3.9, 4.0, math.inf, math.nan)
    assert [coded.goes_left(0, value) for value in values] == [
        *(True, True, False, True, False, False, False)
    ]
    forest = Forest(2, 0.5, (zeros, coded, replace(STUMP, feature=(1, 0, 0)), LONE))
    rows = np.array([[value, at % 3] for at, value in enumerate((*values[:5], math.nan, 7, -9))])
    engine = LeafTables(forest, rows[:5], Asked(forest), ("a", "b"))
    for row, phi in zip(rows, engine.values(rows), strict=True):
        wanted = shapley_by_definition(Asked(forest).margin, row, rows[:5])
        np.testing.assert_allclose(phi, wanted, atol=1e-12)


def test_a_feature_that_is_looked_up_too_finely_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaf_paths, "MAX_CUTS", 4)
    tree = replace(STUMP, members=(frozenset({1, 5}), None, None))
    with pytest.raises(ArtefactRefused, match="more than 4 cuts"):
        leaves(Forest(1, 0.0, (tree,)))


def test_a_tree_without_a_split_moves_every_row_alike() -> None:
    lone = LightGBMTree((), (), (), (), (), (0.125,))
    forest = lightgbm_forest(2, (lone, lone))
    assert forest_of(forest) is forest
    engine = attributor_for(
        "leaf-tables", Asked(forest), np.zeros((3, 2)), ("a", "b"), parsed=forest
    )
    (found,) = engine.attribute(np.ones((1, 2)))
    assert (found.base, found.values) == (250_000, (("a", 0), ("b", 0)))


def test_shap_keeps_away_from_a_row_on_a_rounded_threshold() -> None:
    opened = lgb(single=True)
    group, _ = data(single=True)
    engine = attributor_for(
        "shap-interventional", opened.predictor, group[:GROUP], NAMES, parsed=opened.parsed
    )
    fine, _ = data()  # values that 32 bits do not hold
    with pytest.raises(AdditivityError, match="a row lies on one"):
        engine.attribute(fine[:1])


def test_shap_needs_the_library_s_own_object() -> None:
    opened = lgb(single=True)
    rows, _ = data(single=True)
    forest = forest_of(opened.parsed)
    assert forest is not None
    with pytest.raises(ModelUnsupported, match="not in this process"):
        attributor_for("shap-path-dependent", Asked(forest), rows[:9], NAMES, parsed=opened.parsed)
    with pytest.raises(SchemaError):
        ShapTrees(opened.predictor.booster, forest, opened.predictor, None, NAMES[:3])
