"""Rates against published figures, and what must hold for all of them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.errors import DocumentError
from reports.proportions import rate, ratio, wilson_interval

parts = st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals(part: int, whole: int, low: float, high: float) -> None:
    found = wilson_interval(part, whole)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(parts)
def test_an_interval_holds_its_rate_and_mirrors(share: tuple[int, int]) -> None:
    part, whole = share
    found, mirrored = wilson_interval(part, whole), wilson_interval(whole - part, whole)
    assert found is not None
    assert mirrored is not None
    assert 0 <= found.low <= part / whole <= found.high <= 1
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-12)


def test_nothing_has_no_rate() -> None:
    assert rate(0, 0) is None
    assert wilson_interval(0, 0) is None
    assert ratio(1, 2, 0, 5) is None
    assert ratio(0, 0, 1, 2) is None


def test_a_ratio_is_exact() -> None:
    assert ratio(2, 5, 1, 2) == Fraction(4, 5)


@pytest.mark.parametrize(("part", "whole"), [(-1, 5), (6, 5)])
def test_an_impossible_share_is_refused(part: int, whole: int) -> None:
    with pytest.raises(DocumentError):
        wilson_interval(part, whole)
