"""Exact interventional Shapley values of trees, from tables built once per model.

For a leaf whose path tests k different features, a row is described by which of the k
tests it passes: one of 2^k patterns. The reference group is a histogram over the same
patterns. The Shapley values of "reach this leaf" depend on the two patterns alone, so they
are summed over the group once, into a table of 2^k rows; explaining a decision is then a
comparison, a look-up and a sum, whatever the size of the group. Leaves with more tests than
tables are worth are compared with the group's own patterns (`explain.deep_leaves`).

Ideas: leaf tables of Fast TreeSHAP v2 (Yang 2021, https://arxiv.org/abs/2109.09847) and
pattern tables of WOODELF (AAAI 2026); interventional value function of Janzing et al. 2020
(https://arxiv.org/abs/1910.13413). Independent of shap, which tests use as the second
opinion.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explain.attribution import SCALE, XGBOOST_TOLERANCE, Attribution, quantise_rows
from explain.deep_leaves import DeepLeaves, shapley_weights
from explain.errors import NotReproduced, SchemaError
from explain.forest import Forest
from explain.leaf_paths import Paths, leaves
from explain.predictor import Predictor, Rows
from explain.trees import TreeEnsemble

__all__ = ["LeafTables"]

MAX_TABLE_FEATURES = 9  # different features on the path of a leaf with a table; it has 2^9 rows
MAX_BACKGROUND = 100_000  # rows of a reference group
MAX_TABLE_BYTES = 256 * 2**20  # of one model's tables; 300 trees of depth 6 take 60 MiB at most
_AT_ONCE = 32_768  # tests looked at together: what they take stays in a processor's cache


class LeafTables:
    """The engine. Built once per model version and reference group; then read-only.

    Raises:
        ArtefactRefused: the paths are too many or too long.
        NotReproduced: the trees score one of the reference group otherwise than the model does.
        SchemaError: model, reference group and features differ in number.
    """

    engine = "leaf-tables"

    def __init__(
        self,
        model: Forest | TreeEnsemble,
        background: Rows,
        predictor: Predictor,
        names: tuple[str, ...],
        tolerance: int = XGBOOST_TOLERANCE,
    ) -> None:
        forest = model.forest() if isinstance(model, TreeEnsemble) else model
        if len(names) != forest.features or background.shape[1:] != (len(names),):
            raise SchemaError("model, reference group and features differ in number")
        if not 1 <= len(background) <= MAX_BACKGROUND:
            raise SchemaError(f"the reference group needs 1 to {MAX_BACKGROUND} rows")
        self._predictor = predictor
        self._names = names
        self._tolerance = tolerance
        self._narrow = forest.narrow
        found, cuts = leaves(forest)
        widest = _widest_table([len(leaf.tests) for leaf in found])
        # A tree without a split moves every row alike.
        self._base = forest.base + math.fsum(leaf.output for leaf in found if not leaf.tests)
        tabled = [leaf for leaf in found if 0 < len(leaf.tests) <= widest]
        tabled.sort(key=lambda leaf: len(leaf.tests))
        deep = [leaf for leaf in found if len(leaf.tests) > widest]
        group = self._read(background)
        self._tables = _Tables(Paths(tabled, cuts), group) if tabled else None
        self._deep = DeepLeaves(deep, cuts, group) if deep else None
        parts = [part for part in (self._tables, self._deep) if part is not None]
        margins = np.full(len(group), self._base)
        for part in parts:
            margins += part.margins
        off = np.abs(margins - predictor.margin(background)).max() * 10**SCALE
        # A row's own gate would not see it: base and contributions would be wrong together.
        if not off <= max(tolerance, 1):
            raise NotReproduced("the trees as they are read score the reference group otherwise")
        self._base += sum(part.base for part in parts)

    @property
    def base(self) -> float:
        """The reference group's average margin: where every explanation starts."""
        return self._base

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """Return the Shapley values, shape (rows, features), in the output space."""
        read = self._read(rows)
        width = len(self._names)
        phi = np.zeros((len(read), width))
        if self._tables is not None:
            self._tables.add(read, phi)
        if self._deep is not None:
            for at in range(len(read)):
                phi[at] += self._deep.values(read[at : at + 1], width)
        return phi

    def attribute(self, rows: Rows) -> Sequence[Attribution]:
        """Return one attribution per row. Raises AdditivityError as the protocol says."""
        return quantise_rows(
            self.engine,
            self._names,
            base=self._base,
            phi=self.values(rows),
            margins=self._predictor.margin(rows),
            tolerance=self._tolerance,
            space=self._predictor.space,
        )

    def _read(self, rows: Rows) -> NDArray[np.floating]:
        """Return rows as the model's library compares them."""
        if self._narrow:
            return np.asarray(rows, dtype=np.float32)
        return np.asarray(rows, dtype=np.float64)


class _Tables:
    """The leaves with tables, ordered by the number of their tests."""

    def __init__(self, paths: Paths, background: NDArray[np.floating]) -> None:
        self._paths = paths
        sizes = paths.sizes
        places = np.int64(1) << sizes.astype(np.int64)
        ends = np.cumsum(places * sizes)
        self._from = np.concatenate(([0], ends[:-1]))  # of each leaf's table, in the whole
        self._table = np.empty(int(ends[-1]))
        self.base = 0.0
        rows_before = np.concatenate(([0], np.cumsum(places)[:-1]))
        self.margins = np.empty(len(background))  # what these leaves add to each of the group
        shares = self._shares(background, rows_before, int(places.sum()))
        for size in sorted(set(sizes.tolist())):
            of = np.flatnonzero(sizes == size)
            count, wide = len(of), 1 << size
            share = shares[rows_before[of[0]] :][: count * wide].reshape(count, wide)
            output = paths.output[of]
            part = self._table[self._from[of[0]] :][: count * wide * size]
            table = part.reshape(count, wide, size)
            for item, weights in enumerate(_pair_weights(size)):
                table[:, :, item] = (share @ weights.T) * output[:, None]
            self.base += math.fsum((share[:, -1] * output).tolist())

    def add(self, rows: NDArray[np.floating], phi: NDArray[np.float64]) -> None:
        """Add what these leaves give each feature of each row to `phi`."""
        paths, width = self._paths, phi.shape[1]
        step = max(1, _AT_ONCE // len(paths.feature))
        for start in range(0, len(rows), step):
            places = paths.patterns(rows[start : start + step])
            places *= paths.sizes
            places += self._from
            found = places.take(paths.leaf, axis=1)
            found += paths.item
            for at, part in enumerate(self._table.take(found), start):
                phi[at] += np.bincount(paths.feature, part, width)

    def _shares(
        self, background: NDArray[np.floating], rows_before: NDArray[np.int64], size: int
    ) -> NDArray[np.float64]:
        """Return which share of the group has each pattern of each leaf, one after another."""
        counts = np.zeros(size)
        step = max(1, _AT_ONCE // len(self._paths.feature))
        for start in range(0, len(background), step):
            patterns = self._paths.patterns(background[start : start + step])
            self.margins[start : start + step] = self._paths.reached(patterns)
            for pattern in patterns:
                counts[rows_before + pattern] += 1  # one place for each leaf, so none twice
        return counts / len(background)


def _widest_table(sizes: Sequence[int]) -> int:
    """Return up to how many tests leaves get a table, so that all of them fit."""
    total = 0
    for size, count in sorted(Counter(sizes).items()):
        total += count * (1 << size) * size * 8
        if size > MAX_TABLE_FEATURES or total > MAX_TABLE_BYTES:
            return size - 1
    return MAX_TABLE_FEATURES


def _pair_weights(size: int) -> list[NDArray[np.float64]]:
    """Return for each test its Shapley value for every pair of patterns.

    Shape (2^k of the row, 2^k of the reference) each. Tests that both pass change nothing;
    if one is passed by neither, the leaf is out of reach. Otherwise, with a tests passed by
    the row alone and b by the reference alone, each of the former adds
    (a-1)! b! / (a+b)! and each of the latter takes away a! (b-1)! / (a+b)!.
    """
    patterns = np.arange(1 << size)
    row, reference = np.meshgrid(patterns, patterns, indexing="ij")
    reachable = (row | reference) == (1 << size) - 1
    ones = np.bitwise_count(patterns)
    only_row, only_reference = row & ~reference, reference & ~row
    gain, loss = shapley_weights(size)
    gains = np.where(reachable, gain[ones[only_row], ones[only_reference]], 0.0)
    losses = np.where(reachable, loss[ones[only_row], ones[only_reference]], 0.0)
    return [
        gains * ((only_row >> item) & 1) - losses * ((only_reference >> item) & 1)
        for item in range(size)
    ]
