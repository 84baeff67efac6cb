"""The engines against the definition of a Shapley value, and against each other."""

import itertools
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from explain import trees
from explain.attribution import Attributor
from explain.boosters import BoosterContributions, XGBoostPredictor
from explain.errors import AdditivityError, ArtefactRefused, SchemaError
from explain.leaf_tables import LeafTables
from explain.model import Model
from explain.predictor import Predictor, Row, Rows
from explain.shapley import ShapTrees

NAMES = ("a", "b", "c", "d")


def shapley_by_definition(predictor: Predictor, row: Row, background: Rows) -> NDArray[np.float64]:
    """The textbook sum over all subsets; the value of a subset is the average over the
    reference group with that subset's columns taken from the row."""
    width = len(row)

    def value(columns: tuple[int, ...]) -> float:
        mixed = background.copy()
        mixed[:, list(columns)] = row[list(columns)]
        return float(predictor.margin(mixed).mean())

    phi = np.zeros(width)
    for column in range(width):
        others = [other for other in range(width) if other != column]
        for size in range(width):
            weight = math.factorial(size) * math.factorial(width - size - 1)
            for subset in itertools.combinations(others, size):
                gain = value((*subset, column)) - value(subset)
                phi[column] += weight / math.factorial(width) * gain
    return phi


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


@pytest.mark.parametrize(("depth", "missing"), [(1, 0.0), (3, 0.0), (6, 0.0), (4, 0.2)])
def test_leaf_tables_follow_the_definition(depth: int, missing: float) -> None:
    data, rows = trained(depth, missing=missing)
    predictor = XGBoostPredictor(data)
    background = rows[:50]
    engine = LeafTables(trees.parse(data, binary=False), background, predictor, NAMES)
    assert engine.base == pytest.approx(predictor.margin(background).mean(), abs=2e-5)
    for row, phi in zip(rows[50:56], engine.values(rows[50:56]), strict=True):
        np.testing.assert_allclose(
            phi, shapley_by_definition(predictor, row, background), atol=2e-5
        )


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_leaf_tables_agree_with_shap(missing: float) -> None:
    data, rows = trained(5, missing=missing)
    predictor = XGBoostPredictor(data)
    # More than 100 rows: shap would cut a bare array to 100 without a word.
    background = rows[:250]
    ours = LeafTables(trees.parse(data, binary=False), background, predictor, NAMES)
    theirs = ShapTrees(predictor, background, NAMES)
    np.testing.assert_allclose(ours.values(rows[250:]), theirs.values(rows[250:]), atol=1e-6)
    for own, other in zip(
        ours.attribute(rows[250:260]), theirs.attribute(rows[250:260]), strict=True
    ):
        assert abs(own.base - other.base) <= 1
        assert own.margin == other.margin


def test_path_dependent_engines_agree_and_add_up() -> None:
    data, rows = trained(4, missing=0.1)
    predictor = XGBoostPredictor(data)
    native = BoosterContributions(predictor, NAMES).attribute(rows[:20])
    shap_own = ShapTrees(predictor, None, NAMES).attribute(rows[:20])
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
        self.booster = honest.booster

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        return self._honest.margin(rows) + 0.001

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        return self._honest.contributions(rows)


def test_every_engine_is_held_to_the_model_s_own_margin() -> None:
    data, rows = trained(3, missing=0.0)
    liar: Any = Liar(XGBoostPredictor(data))
    engines: list[Attributor] = [
        LeafTables(trees.parse(data, binary=False), rows, liar, NAMES),
        BoosterContributions(liar, NAMES),
        ShapTrees(liar, rows, NAMES),
        ShapTrees(liar, None, NAMES),
    ]
    for engine in engines:
        with pytest.raises(AdditivityError):
            engine.attribute(rows[:1])


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
    chance = np.random.default_rng(1)
    wide = chance.normal(size=(3000, 12)).astype(np.float32)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 11, "min_child_weight": 0},
        xgboost.DMatrix(wide, wide.sum(axis=1) > 0),
        3,
    )
    deep = trees.parse(bytes(booster.save_raw("json")), binary=False)
    with pytest.raises(ArtefactRefused, match="more than 9 different features"):
        LeafTables(deep, wide, predictor, tuple("abcdefghijkl"))


def test_explaining_does_not_load_shap_or_numba() -> None:
    check = (
        "import explain.narrative, explain.artifacts, sys;"
        "print([name for name in ('shap', 'numba', 'xgboost', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
