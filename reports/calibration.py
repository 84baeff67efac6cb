"""Did what a model predicted come true as often as it said? Reliability, Brier score, totals.

Pure. Cases are (predicted chance, whether it happened). Every figure has how many cases it is of,
and an interval; a bin of fewer than `FEWEST` cases is joined to its neighbour. Which cases have an
outcome is decided elsewhere, and mostly not by chance: of a refused loan nobody sees a default.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reports.distributions import mean_of
from reports.errors import DocumentError
from reports.proportions import Z_95, wilson_interval

__all__ = ["BINS", "FEWEST", "Bin", "Calibration", "calibrate", "chance_of"]

BINS: Final = 10  # deciles of what was predicted, as is usual; fewer of few cases
FEWEST: Final = 20  # cases of a bin, and of all; an interval of fewer says little
LOG_ODDS, PROBABILITY = "log-odds", "probability"

_UNIT: Final = 1_000_000  # integers of a record are millionths of the output space
_FINE: Final = 10**12  # a squared error as a whole number, so that sums are exact


@dataclass(frozen=True, slots=True)
class Bin:
    """Cases of about the same predicted chance.

    Attributes:
        count: how many.
        occurred: how many came true.
        predicted: the mean of what was predicted.
        share: `occurred` of `count`, from `low` to `high` (Wilson, 95 %).
    """

    count: int
    occurred: int
    predicted: float
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """All cases.

    Attributes:
        count: how many.
        occurred: how many came true.
        expected: how many should have, by the sum of the predictions.
        expected_low: what a calibrated model stays above in 97.5 cases of 100.
        expected_high: likewise below.
        brier: the mean squared error of the predictions, from `brier_low` to `brier_high`
            (Student, 95 %); 0 is best.
        bins: rising in what was predicted, each of about as many cases.
    """

    count: int
    occurred: int
    expected: float
    expected_low: float
    expected_high: float
    brier: float
    brier_low: float
    brier_high: float
    bins: tuple[Bin, ...]


def chance_of(margin: int, space: str) -> float | None:
    """Return the chance that a margin in units of 10^-6 stands for; None if for none."""
    value = margin / _UNIT
    if space == PROBABILITY:
        return value if 0 <= value <= 1 else None
    if space != LOG_ODDS:
        return None
    small = math.exp(-abs(value))  # of the size alone, or it overflows
    return 1 / (1 + small) if value >= 0 else small / (1 + small)


def calibrate(cases: Sequence[tuple[float, bool]]) -> Calibration | None:
    """Return how predictions compare with what happened; None of fewer than `FEWEST`.

    Raises:
        DocumentError: a prediction is not between 0 and 1.
    """
    if not all(0 <= chance <= 1 for chance, _ in cases):
        raise DocumentError("a chance is between 0 and 1")
    if len(cases) < FEWEST:
        return None
    rising = sorted(cases)
    expected = math.fsum(chance for chance, _ in rising)
    reach = Z_95 * math.sqrt(math.fsum(chance * (1 - chance) for chance, _ in rising))
    errors = [round((chance - happened) ** 2 * _FINE) for chance, happened in rising]
    brier = mean_of(len(errors), sum(errors), sum(error * error for error in errors))
    if brier is None:
        raise TypeError("a mean of nothing")  # there are enough
    return Calibration(
        count=len(rising),
        occurred=sum(happened for _, happened in rising),
        expected=expected,
        expected_low=max(0.0, expected - reach),
        expected_high=min(float(len(rising)), expected + reach),
        brier=brier.mean / _FINE,
        brier_low=max(0.0, brier.low / _FINE),
        brier_high=min(1.0, brier.high / _FINE),
        bins=tuple(_bin(rising[start:end]) for start, end in _cuts(rising)),
    )


def _cuts(rising: Sequence[tuple[float, bool]]) -> Sequence[tuple[int, int]]:
    """Where bins begin and end. Equal predictions stand together, whatever their number."""
    count = len(rising)
    bins = min(BINS, count // FEWEST)
    edges = [0]
    for number in range(1, bins):
        at = max(number * count // bins, edges[-1] + FEWEST)
        while at < count and rising[at][0] == rising[at - 1][0]:
            at += 1
        if count - at >= FEWEST and at > edges[-1]:
            edges.append(at)
    return list(zip(edges, [*edges[1:], count], strict=True))


def _bin(cases: Sequence[tuple[float, bool]]) -> Bin:
    count, occurred = len(cases), sum(happened for _, happened in cases)
    interval = wilson_interval(occurred, count)
    if interval is None:
        raise TypeError("a bin of nothing")  # each has enough
    predicted = math.fsum(chance for chance, _ in cases) / count
    return Bin(count, occurred, predicted, occurred / count, interval.low, interval.high)
