"""Shares with their uncertainty: what a rate of so few cases can and cannot say.

Pure. Rates are exact fractions; only the interval's ends are floating-point numbers.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from reports.errors import DocumentError

__all__ = ["Interval", "rate", "ratio", "wilson_interval"]

Z_95: Final = 1.959963984540054  # the standard normal distribution's 0.975 quantile


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of shares, both ends in [0, 1]."""

    low: float
    high: float


def rate(part: int, whole: int) -> Fraction | None:
    """Return the share of `part` in `whole`, exactly; None of nothing."""
    return Fraction(part, whole) if whole else None


def ratio(part: int, whole: int, reference_part: int, reference_whole: int) -> Fraction | None:
    """Return one group's rate divided by the reference group's; None where it has no value.

    The measure of the "four-fifths rule" (29 CFR 1607.4(D)): a ratio under 4/5 is generally
    regarded as evidence of adverse impact; a ratio above it proves nothing.
    """
    own, reference = rate(part, whole), rate(reference_part, reference_whole)
    return own / reference if own is not None and reference else None


def wilson_interval(part: int, whole: int, *, z: float = Z_95) -> Interval | None:
    """Return the score interval of a share, 95 % by default; None of nothing.

    Unlike the textbook interval it stays within [0, 1] and holds its level in small groups.
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927), 209-212; recommended by
    L. D. Brown, T. T. Cai and A. DasGupta, Statistical Science 16 (2001), 101-133.

    Raises:
        DocumentError: `part` is not between 0 and `whole`.
    """
    if not 0 <= part <= whole:
        raise DocumentError("a share is between nothing and everything")
    if not whole:
        return None
    share, weight = part / whole, z * z / whole
    centre = share + weight / 2
    reach = z * math.sqrt(share * (1 - share) / whole + weight / (4 * whole))
    # At the ends rounding may leave the range by the last bit.
    low = 0.0 if part == 0 else max(0.0, (centre - reach) / (1 + weight))
    high = 1.0 if part == whole else min(1.0, (centre + reach) / (1 + weight))
    return Interval(low, high)
