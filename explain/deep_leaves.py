"""Leaves behind too many tests for a table: the patterns that the reference group has.

A table has a place for each of the 2^k patterns a row may have; a reference group of a
thousand people has at most a thousand. So what is kept for each leaf is which patterns the
group has and how often, and a row is compared with those. Exact as the tables are; it takes
time in proportion to the patterns.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from explain.errors import ArtefactRefused
from explain.leaf_paths import Leaf, Paths

__all__ = ["DeepLeaves", "shapley_weights"]

MAX_PATTERNS = 16_000_000  # kept of one model; 24 bytes each
_BLOCK = 500_000  # patterns looked at together while they are counted; bounds memory


def shapley_weights(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (a-1)! b! / (a+b)! and a! (b-1)! / (a+b)! by a and b, zero where undefined."""
    gain = np.zeros((size + 1, size + 1))
    loss = np.zeros((size + 1, size + 1))
    for a in range(size + 1):
        for b in range(size + 1 - a):
            ways = math.comb(a + b, a)
            if a:
                gain[a, b] = 1 / (a * ways)
            if b:
                loss[a, b] = 1 / (b * ways)
    return gain, loss


class DeepLeaves:
    """Some leaves of a model against one reference group. Built once; then read-only."""

    def __init__(
        self,
        found: Sequence[Leaf],
        cuts: Mapping[int, NDArray[np.float64]],
        background: NDArray[np.floating],
    ) -> None:
        step = max(1, _BLOCK // len(background))
        self._blocks: list[_Block] = []
        kept = 0
        for start in range(0, len(found), step):
            block = _Block(Paths(found[start : start + step], cuts), background)
            self._blocks.append(block)
            kept += block.kept
            if kept > MAX_PATTERNS:
                raise ArtefactRefused(
                    "model file: too deep for its reference group; take fewer rows"
                )
        self.base = math.fsum(block.base for block in self._blocks)
        self.margins = sum((block.margins for block in self._blocks), np.zeros(len(background)))

    def values(self, row: NDArray[np.floating], width: int) -> NDArray[np.float64]:
        """Return what these leaves add to each feature's value; `row` has shape (1, width)."""
        phi = np.zeros(width)
        for block in self._blocks:
            phi += block.values(row, width)
        return phi


class _Block:
    def __init__(self, paths: Paths, background: NDArray[np.floating]) -> None:
        self._paths = paths
        self._full = paths.full
        patterns = paths.patterns(background)
        self.margins = paths.reached(patterns)
        ordered = np.sort(patterns, axis=0).T  # by leaf, then by pattern
        first = np.ones(ordered.shape, dtype=np.bool_)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        places = np.flatnonzero(first)
        self._of = places // len(background)
        share = np.diff(np.append(places, first.size)) / len(background)
        self._worth = share * paths.output[self._of]
        self._needed = self._full[self._of] & ~ordered.ravel()[places]  # what the row must pass
        self._gain, self._loss = shapley_weights(int(paths.sizes.max(initial=0)))
        whole = self._needed == 0
        self.base = math.fsum(self._worth[whole].tolist())
        self.kept = len(places)

    def values(self, row: NDArray[np.floating], width: int) -> NDArray[np.float64]:
        """Return what the block adds to each feature's value."""
        passed = self._paths.patterns(row)[0]
        near = np.flatnonzero((self._needed & ~passed[self._of]) == 0)
        of, needed = self._of[near], self._needed[near]
        lacking = self._full[of] & ~passed[of]
        alone = np.bitwise_count(needed), np.bitwise_count(lacking)
        up = self._worth[near] * self._gain[alone]
        down = np.bincount(of, self._worth[near] * self._loss[alone], len(self._paths))
        # A test that the row alone passes gains; one that the reference alone passes loses.
        missed = ~self._paths.passed(row)[0]
        parts = np.where(missed, -down[self._paths.leaf], 0.0)
        for item in range(int(self._paths.sizes.max(initial=0))):
            has = (needed >> item) & 1 != 0
            gains = np.bincount(of[has], up[has], len(self._paths))
            at = self._paths.starts[self._paths.sizes > item] + item
            parts[at] += gains[self._paths.leaf[at]]
        return np.bincount(self._paths.feature, parts, width)
