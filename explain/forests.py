"""Forests read from the models of each library, without importing the library.

Read exactly or refused: a rule that a reader here does not know would come out as wrong
attributions that add up. Whoever uses a forest still holds every row to the model's margin.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from explain.catboost_file import CatBoostModel, SymmetricTree
from explain.errors import ArtefactRefused, ModelUnsupported
from explain.forest import MAX_NODES, Forest, Tree, after
from explain.lightgbm_text import LightGBMTree

__all__ = ["catboost_forest", "lightgbm_forest", "sklearn_forest"]

_AVERAGED: Final = frozenset(
    {
        *{"RandomForestClassifier", "ExtraTreesClassifier"},
        *{"RandomForestRegressor", "ExtraTreesRegressor"},
    }
)
_SINGLE: Final = frozenset(
    {
        *{"DecisionTreeClassifier", "ExtraTreeClassifier"},
        *{"DecisionTreeRegressor", "ExtraTreeRegressor"},
    }
)
_BOOSTED: Final = frozenset({"GradientBoostingClassifier", "GradientBoostingRegressor"})
_HISTOGRAMS: Final = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})
_SAME_SPACE: Final = frozenset(
    {"log_loss", "squared_error", "absolute_error", "quantile"}
)  # losses whose trees add up to what the model is asked for
_CONSTANT_STARTS: Final = frozenset({"DummyClassifier", "DummyRegressor", "str"})  # "zero"

# LightGBM's decision_type: what a split is, and what it takes for missing.
_CATEGORICAL, _DEFAULT_LEFT, _MISSING_ZERO, _MISSING_NAN = 1, 2, 4, 8


def lightgbm_forest(features: int, trees: Sequence[LightGBMTree]) -> Forest:
    """Return the forest of a LightGBM model without linear leaves.

    Raises:
        ArtefactRefused: its nodes do not form trees.
    """
    return Forest(features, 0.0, tuple(_lightgbm_tree(tree) for tree in trees))


def _lightgbm_tree(tree: LightGBMTree) -> Tree:
    nodes, leaves = len(tree.left), len(tree.leaf)
    if not nodes:
        return Tree((-1,), (-1,), (0,), (float(tree.leaf[0]),), (False,))
    zeros: list[bool | None] = []
    members: list[frozenset[int] | None] = []
    missing: list[bool] = []
    thresholds: list[float] = []
    for threshold, decision in zip(tree.threshold, tree.decision, strict=True):
        left = bool(decision & _DEFAULT_LEFT)
        if decision & _CATEGORICAL:
            members.append(tree.categories[int(threshold)])
            zeros.append(None)
            missing.append(False)  # the library sends what is no category to the right
            thresholds.append(0.0)
            continue
        members.append(None)
        zeros.append(left if decision & _MISSING_ZERO else None)
        known = decision & (_MISSING_ZERO | _MISSING_NAN)
        missing.append(left if known else threshold >= 0)  # else NaN is taken for zero
        thresholds.append(after(float(threshold)))
    ends = [None] * leaves

    def place(child: int) -> int:
        return child if child >= 0 else nodes + ~child

    return Tree(
        (*map(place, tree.left), *(-1 for _ in ends)),
        (*map(place, tree.right), *(-1 for _ in ends)),
        (*tree.feature, *(0 for _ in ends)),
        (*thresholds, *map(float, tree.leaf)),
        (*missing, *(False for _ in ends)),
        (*zeros, *ends) if any(each is not None for each in zeros) else (),
        (*members, *ends) if any(each is not None for each in members) else (),
    )


def catboost_forest(model: CatBoostModel) -> Forest:
    """Return the forest of a CatBoost model on numbers, read from its JSON.

    Raises:
        ArtefactRefused: its trees have too many leaves together.
    """
    if sum(2 * len(tree.leaves) for tree in model.trees) > MAX_NODES:
        raise ArtefactRefused("model file: too many nodes")
    trees = tuple(_symmetric_tree(tree, model.scale) for tree in model.trees)
    return Forest(model.features, model.bias, trees, narrow=True)


def _symmetric_tree(tree: SymmetricTree, scale: float) -> Tree:
    """Return a tree whose levels ask one question each, with every leaf written out.

    Node n at a level has the children 2n + 1 and 2n + 2; the answer is the level's bit.
    """
    depth = len(tree.features)
    inner = (1 << depth) - 1
    level = np.array([(node + 1).bit_length() - 1 for node in range(inner)], dtype=np.intp)
    # Of the way to a leaf the first answer is the lowest bit of its number.
    way = np.arange(1 << depth)
    number = np.zeros_like(way)
    for at in range(depth):
        number |= ((way >> (depth - 1 - at)) & 1) << at
    ends = [-1] * (inner + 1)
    limits = np.nextafter(tree.borders.astype(np.float64), np.inf)
    return Tree(
        (*(2 * node + 1 for node in range(inner)), *ends),
        (*(2 * node + 2 for node in range(inner)), *ends),
        (*tree.features[level].tolist(), *(0 for _ in ends)),
        (*limits[level].tolist(), *(tree.leaves[number] * scale).tolist()),
        (*(~tree.missing[level]).tolist(), *(False for _ in ends)),
    )


def sklearn_forest(model: Any) -> Forest:
    """Return the forest of a fitted scikit-learn model of trees with one output.

    Of a classifier with two classes: the second's. Averages are in probability, boosted
    classifiers in log-odds, regressions in what they predict.

    Raises:
        ModelUnsupported: no model of trees that is read exactly here.
    """
    kind = type(model).__name__
    if getattr(model, "n_outputs_", 1) != 1:
        raise ModelUnsupported(f"{kind}: more than one output per row")
    if len(getattr(model, "classes_", (0, 1))) != 2:  # noqa: PLR2004  # a margin lies between two
        raise ModelUnsupported(f"{kind}: not two classes")
    features = int(model.n_features_in_)
    if kind in _SINGLE:
        return Forest(features, 0.0, (_sklearn_tree(model.tree_, 1.0),), narrow=True)
    if kind in _AVERAGED:
        share = 1 / len(model.estimators_)
        trees = tuple(_sklearn_tree(each.tree_, share) for each in model.estimators_)
        return Forest(features, 0.0, trees, narrow=True)
    if kind in _BOOSTED:
        if type(model.init_).__name__ not in _CONSTANT_STARTS:
            raise ModelUnsupported(f"{kind}: it starts from another model")
        rate = float(model.learning_rate)
        trees = tuple(_sklearn_tree(each.tree_, rate) for each in model.estimators_[:, 0])
        start = model._raw_predict_init(np.zeros((1, features), np.float32))  # noqa: SLF001  # a constant
        return Forest(features, float(np.ravel(start)[0]), trees, narrow=True)
    if kind in _HISTOGRAMS:
        if model.loss not in _SAME_SPACE:
            raise ModelUnsupported(f"{kind}: what it predicts is behind a link")
        coded = model.is_categorical_
        if coded is not None and coded.any():
            raise ModelUnsupported(f"{kind}: categorical columns; encode them before the model")
        trees = tuple(_histogram_tree(each.nodes) for (each,) in model._predictors)  # noqa: SLF001  # kept nowhere else
        start = model._baseline_prediction  # noqa: SLF001  # kept nowhere else either
        return Forest(features, float(np.ravel(start)[0]), trees)
    raise ModelUnsupported(f"{kind}: not one of the models of trees that are read exactly")


def _sklearn_tree(tree: Any, weight: float) -> Tree:
    values = np.asarray(tree.value, dtype=np.float64)[:, 0, :]
    outputs = values[:, 0]
    if values.shape[1] > 1:
        outputs = values[:, 1] / values.sum(axis=1)  # counts in older versions, shares since 1.3
    ends = np.asarray(tree.children_left) == -1
    thresholds = np.where(ends, outputs * weight, np.nextafter(tree.threshold, math.inf))
    missing = np.asarray(tree.missing_go_to_left, dtype=np.bool_)
    return Tree(
        tuple(tree.children_left.tolist()),
        tuple(tree.children_right.tolist()),
        tuple(np.where(ends, 0, tree.feature).tolist()),
        tuple(thresholds.tolist()),
        tuple(missing.tolist()),
    )


def _histogram_tree(nodes: Any) -> Tree:
    ends = nodes["is_leaf"].astype(np.bool_)
    limits = np.nextafter(nodes["num_threshold"], math.inf)
    return Tree(
        tuple(np.where(ends, -1, nodes["left"].astype(np.int64)).tolist()),
        tuple(np.where(ends, -1, nodes["right"].astype(np.int64)).tolist()),
        tuple(np.where(ends, 0, nodes["feature_idx"]).tolist()),
        tuple(np.where(ends, nodes["value"], limits).tolist()),
        tuple(nodes["missing_go_to_left"].astype(np.bool_).tolist()),
    )
