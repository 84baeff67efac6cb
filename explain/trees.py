"""Gradient-boosted trees as XGBoost saves them: parsed and checked in pure Python.

A damaged model file crashes the library that loads it (one in five damaged JSON files
ends the process), and a few load and score as a silently different model. So a file is
parsed here first, and reaches the library only if its structure holds: children in range,
every node reached once, thresholds finite, features of the schema.

Form: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
"""

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explain import forest, ubjson
from explain.errors import ArtefactRefused

__all__ = ["Tree", "TreeEnsemble", "parse"]

MAX_TREES = 10_000
MAX_NODES = 1_000_000  # of all trees together; explaining takes time in proportion
MAX_CATEGORY = 32_000  # code of a category; a feature of more is no category
MAX_MAGNITUDE = float(np.finfo(np.float32).max)  # the largest number that float32 holds
OBJECTIVE = "binary:logistic"
_NO_PARENT = 2**31 - 1  # as XGBoost writes the parent of a root
# XGBoost up to 3.2 writes "2.4E-1"; later ones write "[2.4E-1]", which an older reader
# takes for zero without a word.
_BASE_SCORE = re.compile(r"(?P<number>-?\d(\.\d+)?([eE][+-]?\d{1,3})?)|\[(?P<listed>[^\[\],]+)\]")


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree. Node 0 is the root; `left` is -1 at a leaf, whose output is `threshold`.

    A row goes left if its feature is below the threshold; a missing value goes left where
    `missing_left`. Thresholds and outputs are float32 values. `categories`, empty where no node
    has any: where not None, exactly what is in the set goes right, whatever the threshold.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    missing_left: tuple[bool, ...]
    categories: tuple[frozenset[int] | None, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeEnsemble:
    """A whole model: its margin is `base_margin` plus one leaf of every tree, in log-odds.

    `weights`: what each tree counts for, where some were dropped out in training (dart); empty
    where each counts for one.
    """

    version: tuple[int, int, int]
    features: int
    base_margin: float
    trees: tuple[Tree, ...]
    weights: tuple[float, ...] = ()

    def forest(self) -> forest.Forest:
        """Return the same trees as the exact engines read them."""
        return forest.Forest(
            self.features,
            self.base_margin,
            tuple(
                _plain(tree, weight)
                for tree, weight in zip(
                    self.trees, self.weights or (1.0,) * len(self.trees), strict=True
                )
            ),
            narrow=True,
            weighted=bool(self.weights),
        )


def _plain(tree: Tree, weight: float) -> forest.Tree:
    """Return a tree under its weight; where a set goes right, the sides change places."""
    numbers = tuple(
        number * weight if left == -1 else number
        for left, number in zip(tree.left, tree.threshold, strict=True)
    )
    if not tree.categories:
        return forest.Tree(tree.left, tree.right, tree.feature, numbers, tree.missing_left)
    turned = [each is not None for each in tree.categories]
    sides = [
        (right, left) if turn else (left, right)
        for left, right, turn in zip(tree.left, tree.right, turned, strict=True)
    ]
    return forest.Tree(
        tuple(left for left, _ in sides),
        tuple(right for _, right in sides),
        tree.feature,
        numbers,
        tuple(missing != turn for missing, turn in zip(tree.missing_left, turned, strict=True)),
        members=tree.categories,
    )


def parse(data: bytes, *, binary: bool) -> TreeEnsemble:
    """Return the model saved in `data`, JSON or (`binary`) UBJSON.

    Raises:
        ArtefactRefused: not a model of this kind, or its structure does not hold.
    """
    document = ubjson.decode(data) if binary else _load_json(data)
    version = _member(document, "version")
    learner = _member(document, "learner")
    objective = _member(_member(learner, "objective"), "name")
    if objective != OBJECTIVE:
        raise ArtefactRefused(f"model file: its objective is not {OBJECTIVE}")
    parameters = _member(learner, "learner_model_param")
    if _number(parameters, "num_class") > 1 or _number(parameters, "num_target") > 1:
        raise ArtefactRefused("model file: more than one output per row")
    booster = _member(learner, "gradient_booster")
    if _member(booster, "name") != "gbtree":
        raise ArtefactRefused("model file: only boosted trees (gbtree) can be explained exactly")
    features = _number(parameters, "num_feature")
    entries = _list(_member(booster, "model"), "trees")
    if len(entries) > MAX_TREES:
        raise ArtefactRefused("model file: too many trees")
    _refuse_unused_rounds(learner, len(entries))
    trees = tuple(_tree(entry, features) for entry in entries)
    if sum(len(tree.left) for tree in trees) > MAX_NODES:
        raise ArtefactRefused("model file: too many nodes")
    weights = _weights(_member(booster, "model"), len(trees))
    return TreeEnsemble(_version(version), features, _base_margin(parameters), trees, weights)


def _weights(model: object, trees: int) -> tuple[float, ...]:
    """Return what each tree counts for. Since 3.4 dart is saved as gbtree with this list."""
    if not isinstance(model, Mapping) or "weight_drop" not in model:
        return ()
    weights = tuple(_threshold(number) for number in _list(model, "weight_drop"))
    if len(weights) not in {0, trees}:
        raise ArtefactRefused("model file: not one weight for each tree")
    return weights


def _load_json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtefactRefused("model file: not JSON") from error


def _member(value: object, name: str) -> object:
    if not isinstance(value, Mapping) or name not in value:
        raise ArtefactRefused(f"model file: no member {name!r} where XGBoost writes one")
    member: object = value[name]
    return member


def _list(value: object, name: str) -> Sequence[object]:
    member = _member(value, name)
    if not isinstance(member, list):
        raise ArtefactRefused(f"model file: {name!r} is not a list")
    return member


def _number(value: object, name: str) -> int:
    member = _member(value, name)
    if not isinstance(member, str) or not re.fullmatch(r"\d{1,6}", member):
        raise ArtefactRefused(f"model file: {name!r} is not a small whole number")
    return int(member)


def _version(value: object) -> tuple[int, int, int]:
    parts = value if isinstance(value, list) else []
    if [type(part) for part in parts] != [int, int, int]:
        raise ArtefactRefused("model file: no version of the library that wrote it")
    major, minor, patch = parts
    return major, minor, patch


def _base_margin(parameters: object) -> float:
    """Return the margin before any tree, from either form of `base_score`."""
    text = _member(parameters, "base_score")
    match = _BASE_SCORE.fullmatch(text) if isinstance(text, str) else None
    try:
        probability = float(match["number"] or match["listed"]) if match else math.nan
    except ValueError as error:
        raise ArtefactRefused("model file: base_score is not a number") from error
    # Narrowed as the library holds it, but only once it is known to fit.
    probability = float(np.float32(probability)) if 0 < probability < 1 else math.nan
    if not 0 < probability < 1:
        raise ArtefactRefused("model file: base_score is not a probability")
    return math.log(probability / (1 - probability))


def _refuse_unused_rounds(learner: object, trees: int) -> None:
    """Refuse a file with trees after the best round: readers differ on whether they count."""
    attributes = _member(learner, "attributes")
    if not isinstance(attributes, Mapping):
        raise ArtefactRefused("model file: its attributes are not an object")
    best = attributes.get("best_iteration")
    if best is not None and best != str(trees - 1):
        raise ArtefactRefused(
            "model file: holds rounds after the best one, which some readers use and some do "
            "not; save booster[: best_iteration + 1] instead"
        )


def _tree(entry: object, features: int) -> Tree:
    left = _whole(entry, "left_children")
    size = len(left)
    right = _whole(entry, "right_children")
    feature = _whole(entry, "split_indices")
    threshold = _list(entry, "split_conditions")
    missing_left = _whole(entry, "default_left")
    kinds = _whole(entry, "split_type")
    if size == 0 or {len(right), len(feature), len(threshold), len(missing_left)} != {size}:
        raise ArtefactRefused("model file: a tree's lists differ in length")
    if len(kinds) not in {0, size}:
        raise ArtefactRefused("model file: a tree's lists differ in length")
    numbers = tuple(_threshold(number) for number in threshold)
    tree = Tree(
        left,
        right,
        feature,
        numbers,
        tuple(bool(flag) for flag in missing_left),
        _categories(entry, kinds),
    )
    _check_shape(tree, features)
    _check_rest(entry, tree)
    return tree


def _categories(entry: object, kinds: Sequence[int]) -> tuple[frozenset[int] | None, ...]:
    """Return by node the set that goes right, from the lists that lie end to end."""
    nodes, starts = _whole(entry, "categories_nodes"), _whole(entry, "categories_segments")
    sizes, listed = _whole(entry, "categories_sizes"), _whole(entry, "categories")
    ends = list(itertools.accumulate(sizes))
    coded = [node for node, kind in enumerate(kinds) if kind]
    if list(nodes) != coded or list(starts) != [0, *ends][:-1] or len(listed) != sum(sizes):
        raise ArtefactRefused("model file: sets of categories do not fit their nodes")
    if not all(size > 0 for size in sizes) or not all(0 <= one < MAX_CATEGORY for one in listed):
        raise ArtefactRefused("model file: a set of categories is empty, or one is too large")
    if not coded:
        return ()
    found: list[frozenset[int] | None] = [None] * len(kinds)
    for node, start, end in zip(nodes, starts, ends, strict=True):
        found[node] = frozenset(listed[start:end])
    return tuple(found)


def _check_rest(entry: object, tree: Tree) -> None:
    """Hold what scores nothing, but is read by the library without a question."""
    size = len(tree.left)
    parents = _whole(entry, "parents")
    # Nodes that were pruned stay in the lists, out of reach of the root.
    if len(parents) != size or not all(0 <= one < size or one == _NO_PARENT for one in parents):
        raise ArtefactRefused("model file: a tree's parents are not nodes of it")
    for node, children in enumerate(zip(tree.left, tree.right, strict=True)):
        for child in children:
            if child != -1 and not (0 < child < size and parents[child] == node):
                raise ArtefactRefused("model file: a tree's parents are not those of its children")
    if parents[0] != _NO_PARENT:
        raise ArtefactRefused("model file: a tree's root has a parent")
    for name in ("base_weights", "loss_changes", "sum_hessian"):
        numbers = _list(entry, name)
        if len(numbers) != size:
            raise ArtefactRefused("model file: a tree's lists differ in length")
        for number in numbers:
            _threshold(number)


def _whole(entry: object, name: str) -> tuple[int, ...]:
    items = _list(entry, name)
    # Older versions write flags as true and false.
    if not all(isinstance(item, int) for item in items):
        raise ArtefactRefused(f"model file: {name!r} holds more than whole numbers")
    return tuple(int(item) for item in items)  # type: ignore[call-overload] # checked above


def _threshold(number: object) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ArtefactRefused("model file: a threshold is not a number")
    # Compared before it is narrowed: NaN fails, and so does what float32 cannot hold.
    if not -MAX_MAGNITUDE <= number <= MAX_MAGNITUDE:
        raise ArtefactRefused("model file: a threshold is not a finite number")
    return float(np.float32(number))


def _check_shape(tree: Tree, features: int) -> None:
    """Walk from the root: every child in range, no node met twice, features known."""
    size = len(tree.left)
    seen = {0}
    ahead = [0]
    while ahead:
        node = ahead.pop()
        children = (tree.left[node], tree.right[node])
        if children == (-1, -1):
            continue
        if not 0 <= tree.feature[node] < features:
            raise ArtefactRefused("model file: a split on a feature that does not exist")
        for child in children:
            if not 0 < child < size or child in seen:
                raise ArtefactRefused("model file: a tree's nodes do not form a tree")
            seen.add(child)
            ahead.append(child)
