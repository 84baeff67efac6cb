"""How a distribution moved: counts on a fixed grid in, figures with what chance alone would do out.

Pure. Amounts are whole numbers (units of 10^-6 of a model's output space), counted in cells of
a grid that never depends on the data, so that counts of any parts of a period can be added
up, in any order, and give the same figures. A cell covers the same share of an amount
everywhere: a doubling has `steps` cells on each side of zero.

Every measure comes with `chance`: what two samples of these sizes from one distribution exceed
in one case of twenty. Rules of thumb such as "0.1 and 0.25" know no sample size: B. Yurdakul and
J. Naranjo, "Statistical properties of the population stability index", Journal of Risk Model
Validation 14 (2020).
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

from reports.errors import DocumentError
from reports.proportions import Z_95

__all__ = ["CLASSES", "MAX_STEPS", "Mean", "Shift", "cell", "mean_of", "shift"]

SMALLEST: Final = 1_000  # units; smaller amounts are noise of the engine, and count as nothing
MAX_STEPS: Final = 64  # cells in a doubling; more would only be sparse
CLASSES: Final = 10  # that PSI and divergence compare: deciles of the reference, as is usual
FEWEST: Final = 2  # amounts that a spread can be told from

_DOUBLINGS: Final = 55  # from SMALLEST beyond 2^53, the largest integer of a record
_KS_95: Final = 1.3580986  # Smirnov's asymptotic distribution: K(x) = 0.95
_CHI_SQUARE_95: Final = (
    0.0, 3.841459, 5.991465, 7.814728, 9.487729, 11.070498, 12.591587, 14.067140, 15.507313,
    16.918978, 18.307038, 19.675138, 21.026070, 22.362032, 23.684791, 24.995790, 26.296228,
    27.587112, 28.869299, 30.143527, 31.410433, 32.670573,
)  # fmt: skip
"""The 0.95 quantile of the chi-square distribution, by degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of `count` amounts, and its 95 % interval by Student's distribution."""

    count: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Shift:
    """How one distribution differs from a reference.

    Attributes:
        reference: how many amounts the reference has.
        count: how many the other one has.
        psi: population stability index over deciles of the reference; 0 is equal.
        psi_chance: what it exceeds by chance alone in one case of twenty.
        divergence: Jensen-Shannon divergence over the same classes, in bits: 0 to 1.
        ks: Kolmogorov and Smirnov's largest difference of shares below an amount, 0 to 1.
        ks_chance: as `psi_chance`.
    """

    reference: int
    count: int
    psi: float
    psi_chance: float
    divergence: float
    ks: float
    ks_chance: float


def cell(amount: int, steps: int) -> int:
    """Return the number of an amount's cell on the grid: 0 for next to nothing.

    Raises:
        DocumentError: `steps` is not 1 to `MAX_STEPS`.
    """
    at = bisect_right(_edges(steps), abs(amount))
    return at if amount > 0 else -at


@cache
def _edges(steps: int) -> Sequence[int]:
    """The least amounts of the cells 1, 2, … as whole numbers: the same on every machine."""
    if not 1 <= steps <= MAX_STEPS:
        raise DocumentError(f"a grid has 1 to {MAX_STEPS} steps in a doubling")
    rising = (round(SMALLEST * 2 ** (at / steps)) for at in range(_DOUBLINGS * steps))
    return sorted(set(rising))


def mean_of(count: int, total: int, squares: int) -> Mean | None:
    """Return the mean of amounts from their number, sum and sum of squares; None of one or none.

    Raises:
        DocumentError: no amounts have these sums.
    """
    if count < FEWEST:
        return None
    spread = Fraction(squares) - Fraction(total * total, count)
    if spread < 0:
        raise DocumentError("sums that no amounts have")
    middle = total / count
    reach = _student_95(count - 1) * math.sqrt(spread / (count - 1) / count)
    return Mean(count, middle, middle - reach, middle + reach)


def shift(reference: Mapping[int, int], now: Mapping[int, int]) -> Shift | None:
    """Return how the counts of `now`, by cell, differ from those of `reference`; None of nothing.

    Raises:
        DocumentError: a count is negative.
    """
    if any(count < 0 for counts in (reference, now) for count in counts.values()):
        raise DocumentError("a count is not negative")
    before, after = sum(reference.values()), sum(now.values())
    if not before or not after:
        return None
    tops = _tops(reference, before)
    pairs = [(b, a) for b, a in zip(_in_classes(reference, tops), _in_classes(now, tops),
                                    strict=True) if b or a]  # fmt: skip
    noise = 1 / before + 1 / after
    free = len(pairs) - 1  # what the reference lacks by chance is a class too
    return Shift(
        reference=before,
        count=after,
        psi=_psi(pairs, before, after),
        psi_chance=_CHI_SQUARE_95[free] * noise,
        divergence=_divergence(pairs, before, after),
        ks=_largest_difference(reference, now, before, after),
        ks_chance=min(1.0, _KS_95 * math.sqrt(noise)),
    )


def _tops(reference: Mapping[int, int], total: int) -> Sequence[int]:
    """The last cells of all classes but the last, which is open.

    Classes are about as large as each other in the reference. A cell that alone has a class's
    share stands alone, so that what was always nothing, and is something now, is seen.
    """
    tops: set[int] = set()
    before = 0
    filled = sorted((at, count) for at, count in reference.items() if count)
    for at, count in filled:
        if count * CLASSES >= total:
            tops |= {at - 1, at}
        elif (before + count) * CLASSES // total > before * CLASSES // total:
            tops.add(at)
        before += count
    last, count = filled[-1]
    if count * CLASSES < total:
        tops.discard(last)  # the last class is open, unless its end stands alone
    return sorted(tops)


def _in_classes(counts: Mapping[int, int], tops: Sequence[int]) -> Iterable[int]:
    classes = [0] * (len(tops) + 1)
    for at, count in counts.items():
        classes[bisect_right(tops, at - 1)] += count
    return classes


def _psi(pairs: Sequence[tuple[int, int]], before: int, after: int) -> float:
    """Half a case is added to each class, or an empty one would make it infinite."""
    added = len(pairs) / 2
    shares = [((b + 0.5) / (before + added), (a + 0.5) / (after + added)) for b, a in pairs]
    return math.fsum((a - b) * math.log(a / b) for b, a in shares)


def _divergence(pairs: Sequence[tuple[int, int]], before: int, after: int) -> float:
    """J. Lin, "Divergence measures based on the Shannon entropy", IEEE IT 37 (1991), 145-151."""
    parts = []
    for b, a in pairs:
        p, q = b / before, a / after
        middle = (p + q) / 2
        parts += [share / 2 * math.log2(share / middle) for share in (p, q) if share]
    return min(1.0, max(0.0, math.fsum(parts)))


def _largest_difference(
    reference: Mapping[int, int], now: Mapping[int, int], before: int, after: int
) -> float:
    """At the edges of the grid: what differs within one cell is not seen."""
    below = largest = 0
    for at in sorted(reference.keys() | now.keys()):
        below += reference.get(at, 0) * after - now.get(at, 0) * before
        largest = max(largest, abs(below))
    return largest / (before * after)


def _student_95(free: int) -> float:
    """The 0.975 quantile of Student's distribution, exact for 1 and 2 degrees of freedom.

    Beyond them by the expansion of Abramowitz and Stegun, 26.7.5, right to two decimals.
    """
    if free == 1:
        return 12.706205
    if free == 2:  # noqa: PLR2004  degrees of freedom
        return 4.302653
    z, v = Z_95, free
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * v**4)
    )
