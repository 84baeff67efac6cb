"""Decision trees in one form, whatever library grew them: what the exact engines read.

Each library has its own rule for a tie, a missing value and a zero. A reader turns them into
the one rule here, in 64 bits, so that an engine has one rule to follow and no library's
rounding is lost: `value <= t` is written as `value < the next number after t`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain.errors import ArtefactRefused

__all__ = ["Forest", "Tree", "after"]

MAX_TREES = 10_000
MAX_NODES = 1_000_000  # of all trees together; explaining takes time in proportion
ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold: nearer to zero counts as missing


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree. Node 0 is the root; `left` is -1 at a leaf, whose output is `threshold`.

    A row goes left if its feature is below `threshold`, a missing value where `missing_left`.
    Two rules that few trees need are empty where no node has them. `zero_left`: where not
    None, a zero goes left or right as it says. `members`: where not None, exactly the values
    whose whole part is one of these go left, and the threshold says nothing.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    missing_left: tuple[bool, ...]
    zero_left: tuple[bool | None, ...] = ()
    members: tuple[frozenset[int] | None, ...] = ()

    def __post_init__(self) -> None:
        """Hold that the nodes form one tree of finite outputs."""
        size = len(self.left)
        lists = (self.right, self.feature, self.threshold, self.missing_left)
        rules = (self.zero_left, self.members)
        if not size or any(len(each) != size for each in lists):
            raise ArtefactRefused("model file: a tree's lists differ in length")
        if any(len(each) not in {0, size} for each in rules):
            raise ArtefactRefused("model file: a tree's lists differ in length")
        seen, ahead = {0}, [0]
        while ahead:
            node = ahead.pop()
            children = (self.left[node], self.right[node])
            if children == (-1, -1):
                if not math.isfinite(self.threshold[node]):
                    raise ArtefactRefused("model file: a leaf's output is not a finite number")
                continue
            for child in children:
                if not 0 < child < size or child in seen:
                    raise ArtefactRefused("model file: a tree's nodes do not form a tree")
                seen.add(child)
                ahead.append(child)

    def goes_left(self, node: int, value: float) -> bool:
        """Tell where a value goes at a node that is no leaf."""
        if math.isnan(value):
            return self.missing_left[node]
        members = self.members[node] if self.members else None
        if members is not None:
            # The library cuts the fraction off, so -0.5 is the category 0 as well.
            return value > -1 and math.isfinite(value) and int(value) in members
        zero = self.zero_left[node] if self.zero_left else None
        if zero is not None and -ZERO <= value <= ZERO:
            return zero
        return value < self.threshold[node]


@dataclass(frozen=True, slots=True)
class Forest:
    """A whole model: its margin is `base` plus one leaf of every tree.

    `narrow`: its library compares 32-bit floats, so rows are narrowed before they are compared.
    `weighted`: its library keeps weights of the trees beside them; here they are multiplied in.
    """

    features: int
    base: float
    trees: tuple[Tree, ...]
    narrow: bool = False
    weighted: bool = False

    def __post_init__(self) -> None:
        """Hold sizes, and that every split is on a feature that there is."""
        if len(self.trees) > MAX_TREES:
            raise ArtefactRefused("model file: too many trees")
        if sum(len(tree.left) for tree in self.trees) > MAX_NODES:
            raise ArtefactRefused("model file: too many nodes")
        if not math.isfinite(self.base):
            raise ArtefactRefused("model file: its starting margin is not a finite number")
        for tree in self.trees:
            for left, feature, threshold in zip(
                tree.left, tree.feature, tree.threshold, strict=True
            ):
                if left != -1 and not 0 <= feature < self.features:
                    raise ArtefactRefused("model file: a split on a feature that does not exist")
                if math.isnan(threshold):
                    raise ArtefactRefused("model file: a threshold is not a number")

    def margin(self, row: Sequence[float]) -> float:
        """Return the margin of one row, by walking down every tree: slow, and plain to check."""
        values = np.asarray(row, dtype=np.float32 if self.narrow else np.float64).tolist()
        outputs = [self.base]
        for tree in self.trees:
            node = 0
            while tree.left[node] != -1:
                left = tree.goes_left(node, values[tree.feature[node]])
                node = tree.left[node] if left else tree.right[node]
            outputs.append(tree.threshold[node])
        return math.fsum(outputs)


def after(threshold: float) -> float:
    """Return the number that `value < it` means the same as `value <= threshold` with."""
    return math.nextafter(threshold, math.inf)
