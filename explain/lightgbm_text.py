"""Trees as LightGBM saves them as text: parsed and checked in pure Python.

LightGBM trusts its files: of 150 damaged ones 107 took the process down, two ran without
end, and 25 loaded and scored as another model. So a file is parsed here first, and reaches
the library only if its structure holds: as many numbers as are announced, children in range,
every node and leaf reached once, thresholds finite, features of the schema, and the sizes by
which the library finds its trees those of the trees.

Form: `src/io/gbdt_model_text.cpp` and `src/io/tree.cpp` of LightGBM, version line `v4`.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from explain.errors import ArtefactRefused

__all__ = ["LightGBMModel", "LightGBMTree", "parse"]

VERSIONS: Final = ("v3", "v4")  # of the file's form; a later one is not known to this reader
MAX_TREES: Final = 10_000
MAX_LEAVES: Final = 1_000_000  # of all trees together; explaining takes time in proportion
MAX_CATEGORY_WORDS: Final = 1_000  # 32-bit words of one set of categories

# Raw scores of other objectives are behind a link that nothing here knows.
SPACES: Final = {
    "binary sigmoid:1": "log-odds",
    "regression": "response",
    "regression_l1": "response",
    "huber": "response",
    "fair": "response",
    "quantile": "response",
}
_NUMBER: Final = re.compile(r"-?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?", re.ASCII)
_WHOLE: Final = re.compile(r"-?\d{1,10}", re.ASCII)
_COUNT: Final = re.compile(r"\d{1,7}", re.ASCII)
_KINDS_OF_SPLIT: Final = frozenset({0, 2, 4, 6, 8, 10})  # left if missing, and what is missing
_OF_TREES: Final = frozenset(
    {
        *("num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type"),
        *("left_child", "right_child", "leaf_value", "leaf_weight", "leaf_count"),
        *("internal_value", "internal_weight", "internal_count", "cat_boundaries"),
        *("cat_threshold", "is_linear", "shrinkage"),
    }
)


@dataclass(frozen=True, slots=True)
class LightGBMTree:
    """One tree. `left` and `right` are a node, or the complement of a leaf (~leaf) below zero.

    A row goes left if its feature is at most the threshold, in float64. `decision` has bit 0
    for a categorical split (then `threshold` is the index of its set in `categories`), bit 1
    if a missing value goes left, and in bits 2 and 3 what counts as missing: 0 nothing (NaN is
    taken for zero), 1 zero, 2 NaN.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    decision: tuple[int, ...]
    leaf: tuple[float, ...]
    categories: tuple[frozenset[int], ...] = ()


@dataclass(frozen=True, slots=True)
class LightGBMModel:
    """A whole model: its margin is the sum of one leaf of every tree, in `space`.

    `text` is what of the file the library is to read: a head written anew, and the trees as they
    were checked.
    """

    features: int
    space: str
    trees: tuple[LightGBMTree, ...]
    text: str


def parse(data: bytes) -> LightGBMModel:
    """Return the model saved in `data`.

    Raises:
        ArtefactRefused: not a model of this kind, or its structure does not hold.
    """
    try:
        text = data.decode("ascii" if data.isascii() else "utf-8")
    except UnicodeDecodeError as error:
        raise ArtefactRefused("model file: not text as LightGBM writes it") from error
    if "\r" in text or "\0" in text:
        raise ArtefactRefused("model file: not text as LightGBM writes it")
    head, found, rest = text.partition("\nTree=0\n")
    body, ended, tail = (f"Tree=0\n{rest}" if found else "").partition("end of trees\n")
    if not ended:
        raise ArtefactRefused("model file: its trees do not begin or end as LightGBM writes them")
    members = _head(head)
    features = _count(members, "max_feature_idx") + 1
    space = _space(members)
    sizes = _counts(members, "tree_sizes")
    if not 1 <= len(sizes) <= MAX_TREES:
        raise ArtefactRefused("model file: no trees, or too many")
    _check_tail(tail)
    trees: list[LightGBMTree] = []
    at, leaves = 0, 0
    for number, size in enumerate(sizes):
        # The library jumps by these sizes, whatever stands there.
        tree = _tree(body[at : at + size], number, features)
        leaves += len(tree.leaf)
        if leaves > MAX_LEAVES:
            raise ArtefactRefused("model file: too many leaves")
        trees.append(tree)
        at += size
    if body[at:].strip("\n") or not body.isascii():
        raise ArtefactRefused("model file: its trees are not as long as it says")
    text = _head_text(members, features) + body + "end of trees\n"
    return LightGBMModel(features, space, tuple(trees), text)


def _head_text(members: Mapping[str, str], features: int) -> str:
    """What the library needs to know besides the trees.

    The rest of a file, names and the parameters of the training, scores nothing; yet a damaged
    line among the parameters takes the library down, so none reaches it.
    """
    lines = {
        "version": members["version"],
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "label_index": "0",
        "max_feature_idx": str(features - 1),
        "objective": members["objective"],
        "feature_names": " ".join(f"Column_{at}" for at in range(features)),
        "feature_infos": " ".join("none" for _ in range(features)),
        "tree_sizes": members["tree_sizes"],
    }
    return "\n".join(("tree", *(f"{name}={value}" for name, value in lines.items()), "", ""))


def _head(text: str) -> Mapping[str, str]:
    first, *lines = text.rstrip("\n").split("\n")
    if first != "tree":
        raise ArtefactRefused("model file: not text as LightGBM writes it")
    members = _members(line for line in lines if line != "average_output")
    version = members.get("version")
    if version not in VERSIONS:
        raise ArtefactRefused(
            f"model file: its form is not one of {', '.join(VERSIONS)}; a newer LightGBM wrote "
            "it than the one that would read it: update the reader"
        )
    if "average_output" in lines:
        raise ArtefactRefused("model file: a forest's margins are averaged after the link")
    for name in ("num_class", "num_tree_per_iteration"):
        if members.get(name) != "1":
            raise ArtefactRefused("model file: more than one output per row")
    return members


def _members(lines: Iterable[str]) -> dict[str, str]:
    members: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or name in members:
            raise ArtefactRefused("model file: a line that LightGBM does not write")
        members[name] = value
    return members


def _space(members: Mapping[str, str]) -> str:
    objective = members.get("objective")
    if objective not in SPACES:
        raise ArtefactRefused(
            f"model file: its objective is not one of {', '.join(sorted(SPACES))}"
        )
    return SPACES[objective]


def _check_tail(tail: str) -> None:
    """What follows the trees is for people, but for the codes of a table's categories."""
    last = tail.rstrip("\n").rpartition("\n")[2]
    name, _, codes = last.partition(":")
    if name == "pandas_categorical":
        try:
            listed = json.loads(codes)
        except (ValueError, RecursionError) as error:
            raise ArtefactRefused("model file: pandas_categorical is not JSON") from error
        if listed is not None and not isinstance(listed, list):
            raise ArtefactRefused("model file: pandas_categorical is not a list")


def _tree(text: str, number: int, features: int) -> LightGBMTree:
    first, *lines = text.rstrip("\n").split("\n")
    if first != f"Tree={number}" or not text.endswith("\n"):
        raise ArtefactRefused("model file: its trees are not as long as it says")
    members = _members(lines)
    if not members.keys() <= _OF_TREES:
        raise ArtefactRefused("model file: a line that LightGBM does not write")
    leaves = _count(members, "num_leaves")
    if not 1 <= leaves <= MAX_LEAVES:
        raise ArtefactRefused("model file: a tree without leaves, or with too many")
    _numbers(members, "shrinkage", 1)
    if members.get("is_linear", "0") != "0":
        raise ArtefactRefused("model file: linear trees are not supported")
    if leaves == 1:  # LightGBM writes such a tree without its nodes
        return LightGBMTree((), (), (), (), (), _numbers(members, "leaf_value", 1))
    nodes = leaves - 1
    tree = LightGBMTree(
        left=_wholes(members, "left_child", nodes),
        right=_wholes(members, "right_child", nodes),
        feature=_wholes(members, "split_feature", nodes),
        threshold=_numbers(members, "threshold", nodes),
        decision=_wholes(members, "decision_type", nodes),
        leaf=_numbers(members, "leaf_value", leaves),
        categories=_categories(members),
    )
    # Not needed to score, but the library reads as many as there must be.
    for name, size in (("leaf_count", leaves), ("internal_count", nodes)):
        _wholes(members, name, size)
    for name, size in (("split_gain", nodes), ("internal_value", nodes), ("leaf_weight", leaves),
                       ("internal_weight", nodes)):  # fmt: skip
        _numbers(members, name, size)
    _check_shape(tree, features)
    return tree


def _categories(members: Mapping[str, str]) -> tuple[frozenset[int], ...]:
    count = _count(members, "num_cat")
    if count == 0:
        return ()
    bounds = _counts(members, "cat_boundaries")
    words = _counts(members, "cat_threshold", _WHOLE)
    rising = all(0 < after - before <= MAX_CATEGORY_WORDS for before, after in pairwise(bounds))
    if len(bounds) != count + 1 or bounds[0] != 0 or not rising or bounds[-1] != len(words):
        raise ArtefactRefused("model file: sets of categories do not fit their bounds")
    if not all(0 <= word < 2**32 for word in words):
        raise ArtefactRefused("model file: a set of categories is not in 32-bit words")
    return tuple(
        frozenset(
            32 * place + bit
            for place, word in enumerate(words[start:end])
            for bit in range(32)
            if word >> bit & 1
        )
        for start, end in pairwise(bounds)
    )


def _check_shape(tree: LightGBMTree, features: int) -> None:
    """Walk from the root: every node and leaf reached exactly once, features known."""
    nodes, leaves = len(tree.left), len(tree.leaf)
    seen, ended = {0}, set[int]()
    ahead = [0]
    while ahead:
        node = ahead.pop()
        if not 0 <= tree.feature[node] < features:
            raise ArtefactRefused("model file: a split on a feature that does not exist")
        if tree.decision[node] & ~1 not in _KINDS_OF_SPLIT:
            raise ArtefactRefused("model file: a kind of split that LightGBM does not write")
        if tree.decision[node] & 1 and tree.threshold[node] not in range(len(tree.categories)):
            raise ArtefactRefused("model file: a split by a set of categories that is not there")
        for child in (tree.left[node], tree.right[node]):
            reached, at, size = (seen, child, nodes) if child >= 0 else (ended, ~child, leaves)
            if not 0 <= at < size or at in reached:
                raise ArtefactRefused("model file: a tree's nodes do not form a tree")
            reached.add(at)
            if child >= 0:
                ahead.append(child)
    if len(seen) != nodes or len(ended) != leaves:
        raise ArtefactRefused("model file: a tree's nodes do not form a tree")


def _count(members: Mapping[str, str], name: str) -> int:
    text = members.get(name, "")
    if not _COUNT.fullmatch(text):
        raise ArtefactRefused(f"model file: {name} is not a count")
    return int(text)


def _counts(
    members: Mapping[str, str], name: str, form: "re.Pattern[str]" = _COUNT
) -> tuple[int, ...]:
    parts = members.get(name, "").split(" ")
    if not all(form.fullmatch(part) for part in parts):
        raise ArtefactRefused(f"model file: {name} is not a list of counts")
    return tuple(map(int, parts))


def _wholes(members: Mapping[str, str], name: str, size: int) -> tuple[int, ...]:
    found = _counts(members, name, _WHOLE)
    if len(found) != size:
        raise ArtefactRefused(f"model file: {name} has not as many numbers as the tree")
    return found


def _numbers(members: Mapping[str, str], name: str, size: int) -> tuple[float, ...]:
    parts = members.get(name, "").split(" ")
    if len(parts) != size or not all(_NUMBER.fullmatch(part) for part in parts):
        raise ArtefactRefused(f"model file: {name} has not as many numbers as the tree")
    numbers = tuple(map(float, parts))
    if not all(map(math.isfinite, numbers)):
        raise ArtefactRefused(f"model file: {name} holds a number that is not finite")
    return numbers
