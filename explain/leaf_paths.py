"""The way to each leaf of a forest, as one test for each feature on it.

Several splits on one feature make one test, so a row either passes it or does not, and a row
is for one leaf no more than a pattern of bits. Plain tests are intervals; features with a
rule of their own for zeros or for categories are looked up, by the stretch of numbers on
which no split of theirs changes its mind.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explain.errors import ArtefactRefused
from explain.forest import ZERO, Forest, Tree, after

__all__ = ["Leaf", "Paths", "leaves"]

MAX_TESTS = 62  # different features on one path: a pattern is one 64-bit number
MAX_CUTS = 4_096  # stretches of a feature that is looked up; LightGBM's bins are 255

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Span:
    """low <= value < high, or missing where allowed."""

    low: float = -math.inf
    high: float = math.inf
    missing: bool = True

    def below(self, threshold: float, *, missing: bool) -> "_Span":
        return replace(self, high=min(self.high, threshold), missing=self.missing and missing)

    def from_(self, threshold: float, *, missing: bool) -> "_Span":
        return replace(self, low=max(self.low, threshold), missing=self.missing and missing)

    @property
    def empty(self) -> bool:
        return self.low >= self.high and not self.missing


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """What a leaf adds to the margin, and its tests, by feature, ascending."""

    output: float
    tests: tuple[tuple[int, "_Span | Mask"], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """A feature that is looked up: `masks[stretch, at]` says whether test `at` is passed."""

    feature: int
    cuts: NDArray[np.float64]
    tests: NDArray[np.intp]
    masks: Mask

    def stretches(self, values: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return where each value lies; what is missing has the last place."""
        found = np.searchsorted(self.cuts, values, side="right")
        return np.where(np.isnan(values), len(self.cuts) + 1, found)


class Paths:
    """The tests of many leaves side by side, and which of them a row passes."""

    def __init__(self, found: Sequence[Leaf], cuts: Mapping[int, NDArray[np.float64]]) -> None:
        sizes = np.array([len(leaf.tests) for leaf in found], dtype=np.intp)
        tests = [test for leaf in found for test in leaf.tests]
        spans = [test if isinstance(test, _Span) else _Span() for _, test in tests]
        self.output = np.array([leaf.output for leaf in found], dtype=np.float64)
        self.sizes = sizes
        self.feature = np.array([feature for feature, _ in tests], dtype=np.intp)
        self.starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)
        self.leaf = np.repeat(np.arange(len(found)), sizes)
        self.item = np.arange(len(tests)) - self.starts[self.leaf]
        self._bits = np.int64(1) << self.item.astype(np.int64)
        self.full = (np.int64(1) << sizes.astype(np.int64)) - 1  # the pattern of who gets there
        self._low, self._high = _narrowed([each.low for each in spans], [s.high for s in spans])
        self._missing = np.array([each.missing for each in spans], dtype=np.bool_)
        self._coded = [
            _Coded(feature, cuts[feature], np.array(at), np.array([tests[one][1] for one in at]).T)
            for feature in cuts
            if (at := [one for one, (on, _) in enumerate(tests) if on == feature])
        ]

    def __len__(self) -> int:
        """The number of leaves."""
        return len(self.sizes)

    def passed(self, rows: NDArray[np.floating]) -> Mask:
        """Return which tests each row passes, shape (rows, tests)."""
        values = rows.take(self.feature, axis=1)
        passed = values >= self._low
        passed &= values < self._high
        if np.isnan(rows).any():
            passed = np.where(np.isnan(values), self._missing, passed)
        for each in self._coded:
            passed[:, each.tests] = each.masks[each.stretches(rows[:, each.feature])]
        return passed

    def patterns(self, rows: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return for each row and leaf one bit for each test that is passed."""
        bits = np.multiply(self.passed(rows), self._bits)
        return np.asarray(np.add.reduceat(bits, self.starts, axis=1))

    def reached(self, patterns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what the leaves that each row reaches add to its margin."""
        return np.asarray((patterns == self.full) @ self.output)


def leaves(forest: Forest) -> tuple[list[Leaf], dict[int, NDArray[np.float64]]]:
    """Return every leaf that can be reached, and the cuts of the features to look up.

    Raises:
        ArtefactRefused: a path tests too many features, or one too finely.
    """
    cuts = _coded_cuts(forest)
    found = [leaf for tree in forest.trees for leaf in _of_tree(tree, cuts)]
    if max((len(leaf.tests) for leaf in found), default=0) > MAX_TESTS:
        raise ArtefactRefused(f"model file: a path tests more than {MAX_TESTS} different features")
    return found, cuts


def _of_tree(tree: Tree, cuts: Mapping[int, NDArray[np.float64]]) -> Iterator[Leaf]:
    ahead: list[tuple[int, dict[int, _Span | Mask]]] = [(0, {})]
    while ahead:
        node, tests = ahead.pop()
        if tree.left[node] == -1:
            ordered = sorted(tests.items(), key=lambda each: each[0])
            yield Leaf(tree.threshold[node], tuple(ordered))
            continue
        feature = tree.feature[node]
        for child, test in zip(
            (tree.left[node], tree.right[node]),
            _sides(tree, node, tests.get(feature), cuts),
            strict=True,
        ):
            if not (test.empty if isinstance(test, _Span) else not test.any()):
                ahead.append((child, {**tests, feature: test}))


def _sides(
    tree: Tree,
    node: int,
    test: "_Span | Mask | None",
    cuts: Mapping[int, NDArray[np.float64]],
) -> tuple["_Span | Mask", "_Span | Mask"]:
    """Return the test of a node's feature on the way left, and on the way right."""
    missing, threshold = tree.missing_left[node], tree.threshold[node]
    if tree.feature[node] in cuts:
        goes = np.array([tree.goes_left(node, at) for at in _samples(cuts[tree.feature[node]])])
        before = np.ones_like(goes) if test is None or isinstance(test, _Span) else test
        return before & goes, before & ~goes
    span = test if isinstance(test, _Span) else _Span()
    return span.below(threshold, missing=missing), span.from_(threshold, missing=not missing)


def _samples(cuts: NDArray[np.float64]) -> list[float]:
    """Return one value of each stretch: below the first cut, from each cut on, and missing."""
    return [-math.inf, *cuts.tolist(), math.nan]


def _coded_cuts(forest: Forest) -> dict[int, NDArray[np.float64]]:
    """Return for each feature with a rule of its own the values where a split may change."""
    special = {
        tree.feature[node]
        for tree in forest.trees
        for rules in (tree.zero_left, tree.members)
        for node, rule in enumerate(rules)
        if rule is not None and tree.left[node] != -1
    }
    points: dict[int, set[float]] = {
        feature: {-ZERO, after(ZERO), after(-1.0)} for feature in sorted(special)
    }
    for tree in forest.trees:
        for node, feature in enumerate(tree.feature):
            if tree.left[node] == -1 or feature not in points:
                continue
            members = tree.members[node] if tree.members else None
            if members is None:
                points[feature].add(tree.threshold[node])
            else:
                points[feature].update(float(each + up) for each in members for up in (0, 1))
    if any(len(each) > MAX_CUTS for each in points.values()):
        raise ArtefactRefused(f"model file: more than {MAX_CUTS} cuts of one coded feature")
    return {feature: np.array(sorted(each - {math.inf})) for feature, each in points.items()}


def _narrowed(
    low: list[float], high: list[float]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return bounds in 32 bits where that loses nothing: half the memory to go through."""
    lows, highs = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
    with np.errstate(over="ignore"):
        short = lows.astype(np.float32), highs.astype(np.float32)
    if (short[0] == lows).all() and (short[1] == highs).all():
        return short
    return lows, highs
