"""Measures of a shift against scipy, brute force, and what must hold for all of them."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from reports import distributions
from reports.distributions import cell, mean_of, shift
from reports.errors import DocumentError

amounts = st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=60)
small = st.lists(st.integers(-6, 6), min_size=1, max_size=80)
counts = st.dictionaries(st.integers(-40, 40), st.integers(0, 400), max_size=30)


@given(st.integers(-(2**53), 2**53), st.integers(-(2**53), 2**53), st.sampled_from([1, 4, 32, 64]))
def test_the_grid_keeps_the_order_and_mirrors_at_zero(one: int, other: int, steps: int) -> None:
    low, high = sorted((one, other))
    assert cell(low, steps) <= cell(high, steps)
    assert cell(-one, steps) == -cell(one, steps)
    assert (cell(one, steps) == 0) == (abs(one) < 1_000)


def test_a_doubling_has_as_many_cells_as_it_should() -> None:
    assert [cell(1_000 * 2**power, 32) for power in (0, 1, 10)] == [1, 33, 321]
    assert cell(2**53, 4) > cell(2**52, 4)
    with pytest.raises(DocumentError):
        cell(1, 0)


@given(amounts)
def test_a_mean_is_that_of_scipy(given_amounts: list[int]) -> None:
    count, total = len(given_amounts), sum(given_amounts)
    found = mean_of(count, total, sum(each * each for each in given_amounts))
    if count < 2:
        assert found is None
        return
    assert found is not None
    assert found.mean == pytest.approx(total / count, abs=1e-6)
    error = float(np.std(np.array(given_amounts, dtype=float), ddof=1)) / math.sqrt(count)
    reach = float(stats.t.ppf(0.975, count - 1)) * error
    assert found.high - found.mean == pytest.approx(reach, rel=2e-3, abs=4)


def test_sums_that_no_amounts_have_are_refused() -> None:
    with pytest.raises(DocumentError):
        mean_of(3, 100, 5)


@given(small, small)
def test_ks_is_the_largest_difference_of_shares_below(before: list[int], now: list[int]) -> None:
    found = shift(Counter(before), Counter(now))
    assert found is not None
    assert (found.reference, found.count) == (len(before), len(now))

    def below(values: list[int], at: int) -> float:
        return sum(each <= at for each in values) / len(values)

    largest = max(abs(below(before, at) - below(now, at)) for at in range(-6, 7))
    assert found.ks == pytest.approx(largest, abs=1e-12)


def test_ks_and_divergence_are_those_of_scipy() -> None:
    chance = np.random.default_rng(7)
    before, now = chance.integers(0, 8, 300), chance.integers(1, 9, 200)
    found = shift(Counter(map(int, before)), Counter(map(int, now)))
    assert found is not None
    assert found.ks == pytest.approx(stats.ks_2samp(before, now, method="asymp").statistic)
    # Each of the eight values has a tenth of the reference, so is a class; so is what is above.
    rows = [np.bincount(each, minlength=9) / len(each) for each in (before, now)]
    assert found.divergence == pytest.approx(float(jensenshannon(*rows, base=2)) ** 2)


@given(counts, counts)
def test_what_holds_for_every_shift(before: dict[int, int], now: dict[int, int]) -> None:
    found = shift(before, now)
    if not sum(before.values()) or not sum(now.values()):
        assert found is None
        return
    assert found is not None
    assert found.psi >= 0
    assert 0 <= found.divergence <= 1
    assert 0 <= found.ks <= 1
    same = shift(before, before)
    assert same is not None
    assert (same.psi, same.divergence, same.ks) == (0, 0, 0)
    parts = [{at: n for at, n in now.items() if at % 2 == half} for half in (0, 1)]
    assert shift(before, Counter(parts[0]) + Counter(parts[1])) == found


def test_psi_by_hand() -> None:
    before, now = {1: 50, 2: 50}, {1: 80, 2: 20}
    found = shift(before, now)
    assert found is not None
    p, q = (50.5 / 101, 50.5 / 101), (80.5 / 101, 20.5 / 101)
    by_hand = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert found.psi == pytest.approx(by_hand)
    assert found.psi_chance == pytest.approx(3.841459 * (1 / 100 + 1 / 100))
    assert found.ks == pytest.approx(0.3)


def test_what_was_always_nothing_and_is_something_now_is_seen() -> None:
    found = shift({0: 1_000}, {0: 500, 12: 500})
    assert found is not None
    assert found.psi > 1 > found.psi_chance
    assert found.ks == 0.5


def test_classes_are_deciles_where_the_grid_allows() -> None:
    reference = dict.fromkeys(range(100), 10)
    assert distributions._tops(reference, 1_000) == [9, 19, 29, 39, 49, 59, 69, 79, 89]


def test_quantiles_are_those_of_scipy() -> None:
    table = distributions._CHI_SQUARE_95
    assert table[1:] == pytest.approx([stats.chi2.ppf(0.95, k) for k in range(1, len(table))])
    assert stats.kstwobign.ppf(0.95) == pytest.approx(distributions._KS_95)


def test_chance_is_exceeded_about_once_in_twenty() -> None:
    chance = np.random.default_rng(5)
    beyond = Counter[str]()
    for _ in range(400):
        before, now = (
            Counter(cell(int(x), 32) for x in chance.normal(0, 1_000_000, size))
            for size in (600, 400)
        )
        found = shift(before, now)
        assert found is not None
        beyond["psi"] += found.psi > found.psi_chance
        beyond["ks"] += found.ks > found.ks_chance
    assert 4 <= beyond["psi"] <= 40  # 20 are expected; the test of KS errs on the safe side
    assert 4 <= beyond["ks"] <= 40


def test_a_rare_flag_that_the_reference_never_had_is_no_surprise() -> None:
    chance = np.random.default_rng(11)
    beyond = 0
    for _ in range(400):
        before, now = (Counter((chance.random(size) < 0.05).tolist()) for size in (40, 2_000))
        found = shift({0: before[False], 9: before[True]}, {0: now[False], 9: now[True]})
        assert found is not None
        beyond += found.psi > found.psi_chance
    assert beyond <= 40  # 20 are expected


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(DocumentError):
        shift({1: -1, 2: 5}, {1: 3})
