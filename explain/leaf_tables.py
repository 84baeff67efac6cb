"""Exact interventional Shapley values of boosted trees, from tables built once per model.

For a leaf whose path tests k different features, a row is described by which of the k
tests it passes: one of 2^k patterns. The reference group is a histogram over the same
patterns. The Shapley values of "reach this leaf" depend on the two patterns alone, so they
are summed over the group once, into a table of 2^k rows; explaining a decision is then a
comparison, a look-up and a sum, whatever the size of the group.

Ideas: leaf tables of Fast TreeSHAP v2 (Yang 2021, https://arxiv.org/abs/2109.09847) and
pattern tables of WOODELF (AAAI 2026); interventional value function of Janzing et al. 2020
(https://arxiv.org/abs/1910.13413). Independent of shap, which tests use as the second
opinion.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explain.attribution import XGBOOST_TOLERANCE, Attribution, quantise
from explain.errors import ArtefactRefused, SchemaError
from explain.predictor import Predictor, Rows
from explain.trees import Tree, TreeEnsemble

__all__ = ["LeafTables"]

MAX_PATH_FEATURES = 9  # different features on one path; tables grow with 4 to this power
MAX_BACKGROUND = 100_000  # rows of a reference group
MAX_TABLE_BYTES = 512 * 2**20  # of one model's tables; 300 trees of depth 6 take 60 MiB at most
_CHUNK = 64  # rows compared with all leaves at once; bounds memory


@dataclass(frozen=True, slots=True)
class _Test:
    """What one path asks of one feature: low <= value < high, or missing where allowed."""

    low: float = -math.inf
    high: float = math.inf
    missing: bool = True

    def below(self, threshold: float, *, missing: bool) -> "_Test":
        return _Test(self.low, min(self.high, threshold), self.missing and missing)

    def from_(self, threshold: float, *, missing: bool) -> "_Test":
        return _Test(max(self.low, threshold), self.high, self.missing and missing)


@dataclass(frozen=True, slots=True)
class _Leaf:
    output: float
    tests: tuple[tuple[int, _Test], ...]  # by feature, ascending


@dataclass(frozen=True, slots=True)
class _Bundle:
    """All leaves whose paths test the same number k of features, side by side.

    `feature`, `low`, `high`, `missing` have shape (leaves, k). `table` has shape
    (leaves, 2^k, k): what each test's feature adds, given the pattern of the row.
    """

    feature: NDArray[np.intp]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    missing: NDArray[np.bool_]
    table: NDArray[np.float64]


class LeafTables:
    """The engine. Built once per model version and reference group; then read-only."""

    engine = "leaf-tables"

    def __init__(
        self,
        ensemble: TreeEnsemble,
        background: Rows,
        predictor: Predictor,
        names: tuple[str, ...],
        tolerance: int = XGBOOST_TOLERANCE,
    ) -> None:
        if len(names) != ensemble.features or background.shape[1:] != (len(names),):
            raise SchemaError("model, reference group and features differ in number")
        if not 1 <= len(background) <= MAX_BACKGROUND:
            raise SchemaError(f"the reference group needs 1 to {MAX_BACKGROUND} rows")
        self._predictor = predictor
        self._names = names
        self._tolerance = tolerance
        self._base = ensemble.base_margin
        self._bundles: list[_Bundle] = []
        by_size: dict[int, list[_Leaf]] = {}
        for tree in ensemble.trees:
            for leaf in _leaves(tree):
                by_size.setdefault(len(leaf.tests), []).append(leaf)
        _bound_tables(by_size)
        for size, leaves in sorted(by_size.items()):
            if size == 0:  # a tree without a split moves every row alike
                self._base += math.fsum(leaf.output for leaf in leaves)
            else:
                self._add_bundle(size, leaves, background)

    @property
    def base(self) -> float:
        """The reference group's average margin: where every explanation starts."""
        return self._base

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """Return the Shapley values, shape (rows, features), in log-odds."""
        width = len(self._names)
        phi = np.zeros((len(rows), width))
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            for bundle in self._bundles:
                patterns = _patterns(chunk, bundle)
                leaves = np.arange(len(bundle.feature))
                parts = bundle.table[leaves, patterns]  # (rows, leaves, k)
                columns = bundle.feature.ravel()
                for at, part in enumerate(parts):
                    phi[start + at] += np.bincount(columns, part.ravel(), minlength=width)
        return phi

    def attribute(self, rows: Rows) -> tuple[Attribution, ...]:
        """Return one attribution per row. Raises AdditivityError as the protocol says."""
        margins = self._predictor.margin(rows)
        return tuple(
            quantise(
                self.engine,
                self._names,
                base=self._base,
                phi=phi,
                margin=float(margin),
                tolerance=self._tolerance,
            )
            for phi, margin in zip(self.values(rows), margins, strict=True)
        )

    def _add_bundle(self, size: int, leaves: list[_Leaf], background: Rows) -> None:
        tests = [leaf.tests for leaf in leaves]
        bundle = _Bundle(
            np.array([[feature for feature, _ in path] for path in tests], dtype=np.intp),
            np.array([[test.low for _, test in path] for path in tests], dtype=np.float32),
            np.array([[test.high for _, test in path] for path in tests], dtype=np.float32),
            np.array([[test.missing for _, test in path] for path in tests], dtype=np.bool_),
            np.empty((0, 0, 0)),
        )
        share = _pattern_shares(bundle, background)  # (leaves, 2^k)
        outputs = np.array([leaf.output for leaf in leaves])
        weights = _pair_weights(size)
        table = np.stack([share @ weights[:, :, item].T for item in range(size)], axis=-1)
        table *= outputs[:, None, None]
        self._base += float(share[:, -1] @ outputs)
        self._bundles.append(
            _Bundle(bundle.feature, bundle.low, bundle.high, bundle.missing, table)
        )


def _bound_tables(by_size: dict[int, list[_Leaf]]) -> None:
    """Refuse, before anything is allocated, a model that tables are not meant for."""
    if max(by_size, default=0) > MAX_PATH_FEATURES:
        raise ArtefactRefused(
            f"model file: a path tests more than {MAX_PATH_FEATURES} different features"
        )
    floats = sum(len(leaves) * (1 << size) * size for size, leaves in by_size.items())
    if floats * 8 > MAX_TABLE_BYTES:
        raise ArtefactRefused("model file: too many leaves for leaf tables")


def _leaves(tree: Tree) -> list[_Leaf]:
    leaves: list[_Leaf] = []
    ahead: list[tuple[int, dict[int, _Test]]] = [(0, {})]
    while ahead:
        node, tests = ahead.pop()
        threshold = tree.threshold[node]
        if tree.left[node] == -1:
            leaves.append(_Leaf(threshold, tuple(sorted(tests.items(), key=lambda item: item[0]))))
            continue
        feature = tree.feature[node]
        test = tests.get(feature, _Test())
        missing_left = tree.missing_left[node]
        left = test.below(threshold, missing=missing_left)
        right = test.from_(threshold, missing=not missing_left)
        ahead.append((tree.left[node], {**tests, feature: left}))
        ahead.append((tree.right[node], {**tests, feature: right}))
    return leaves


def _patterns(rows: Rows, bundle: _Bundle) -> NDArray[np.intp]:
    """Return which tests each row passes, one bit per test; shape (rows, leaves)."""
    values = rows[:, bundle.feature]  # (rows, leaves, k)
    passed = (values >= bundle.low) & (values < bundle.high)
    passed = np.where(np.isnan(values), bundle.missing, passed)
    bits = 1 << np.arange(bundle.feature.shape[1])
    return np.asarray((passed * bits).sum(axis=-1), dtype=np.intp)


def _pattern_shares(bundle: _Bundle, background: Rows) -> NDArray[np.float64]:
    leaves, size = bundle.feature.shape
    counts = np.zeros((leaves, 1 << size))
    every = np.arange(leaves)
    for start in range(0, len(background), _CHUNK):
        for pattern in _patterns(background[start : start + _CHUNK], bundle):
            counts[every, pattern] += 1
    return counts / len(background)


def _pair_weights(size: int) -> NDArray[np.float64]:
    """Return the Shapley value of each test for every pair of patterns.

    Shape (2^k of the row, 2^k of the reference, k). Tests that both pass change nothing;
    if one is passed by neither, the leaf is out of reach. Otherwise, with a tests passed by
    the row alone and b by the reference alone, each of the former adds
    (a-1)! b! / (a+b)! and each of the latter takes away a! (b-1)! / (a+b)!.
    """
    patterns = np.arange(1 << size)
    row, reference = np.meshgrid(patterns, patterns, indexing="ij")
    reachable = (row | reference) == (1 << size) - 1
    ones = np.array([pattern.bit_count() for pattern in range(1 << size)])
    only_row, only_reference = row & ~reference, reference & ~row
    gain, loss = _weights(size)
    gains = np.where(reachable, gain[ones[only_row], ones[only_reference]], 0.0)
    losses = np.where(reachable, loss[ones[only_row], ones[only_reference]], 0.0)
    weights = np.empty((1 << size, 1 << size, size))
    for item in range(size):
        weights[:, :, item] = gains * ((only_row >> item) & 1)
        weights[:, :, item] -= losses * ((only_reference >> item) & 1)
    return weights


def _weights(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (a-1)! b! / (a+b)! and a! (b-1)! / (a+b)! by a and b, zero where undefined."""
    gain = np.zeros((size + 1, size + 1))
    loss = np.zeros((size + 1, size + 1))
    for a in range(size + 1):
        for b in range(size + 1 - a):
            whole = math.factorial(a + b)
            if a:
                gain[a, b] = math.factorial(a - 1) * math.factorial(b) / whole
            if b:
                loss[a, b] = math.factorial(a) * math.factorial(b - 1) / whole
    return gain, loss
