"""Calibration against sklearn and against counting by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import brier_score_loss

from reports.calibration import BINS, FEWEST, calibrate, chance_of
from reports.errors import DocumentError
from reports.proportions import wilson_interval

Cases = Sequence[tuple[float, bool]]

chances = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
cases = st.lists(st.tuples(chances, st.booleans()), min_size=FEWEST, max_size=300)


@given(cases)
def test_the_brier_score_and_the_totals_are_those_of_others(given_cases: Cases) -> None:
    found = calibrate(given_cases)
    assert found is not None
    predicted, happened = np.array([c for c, _ in given_cases]), [h for _, h in given_cases]
    expected = brier_score_loss([*happened, True, False], [*predicted, 1.0, 0.0])
    # Two perfect cases are added, since sklearn wants both classes, and taken out again.
    assert found.brier == pytest.approx(expected * (len(happened) + 2) / len(happened), abs=1e-9)
    errors = (predicted - np.array(happened, float)) ** 2
    reach = float(stats.t.ppf(0.975, len(errors) - 1) * stats.sem(errors))
    assert found.brier_high == pytest.approx(min(1, float(errors.mean()) + reach), abs=1e-4)
    assert found.brier_low == pytest.approx(max(0, float(errors.mean()) - reach), abs=1e-4)
    assert (found.count, found.occurred) == (len(happened), sum(happened))
    assert found.expected == pytest.approx(float(predicted.sum()))
    assert 0 <= found.expected_low <= found.expected_high <= found.count


@given(cases, st.randoms(use_true_random=False))
def test_bins_are_every_case_once_and_none_is_small(given_cases: Cases, order: object) -> None:
    found = calibrate(given_cases)
    assert found is not None
    assert sum(each.count for each in found.bins) == len(given_cases)
    assert sum(each.occurred for each in found.bins) == found.occurred
    assert min(each.count for each in found.bins) >= FEWEST
    assert 1 <= len(found.bins) <= min(BINS, len(given_cases) // FEWEST)
    rising, before = sorted(given_cases), 0
    for each in found.bins:
        part = rising[before : before + each.count]
        before += each.count
        assert each.predicted == pytest.approx(math.fsum(c for c, _ in part) / len(part))
        assert each.occurred == sum(h for _, h in part)
        interval = wilson_interval(each.occurred, each.count)
        assert interval is not None
        assert (each.low, each.high) == (interval.low, interval.high)
        following = rising[before : before + 1]
        assert not following or following[0][0] > part[-1][0], "equal predictions stand together"
    shuffled = list(given_cases)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    assert calibrate(shuffled) == found


def test_bins_are_about_as_large_as_each_other() -> None:
    found = calibrate([(at / 1000, at % 3 == 0) for at in range(1000)])
    assert found is not None
    assert [each.count for each in found.bins] == [100] * BINS


def test_too_few_are_none_and_no_chance_is_refused() -> None:
    assert calibrate([(0.5, True)] * (FEWEST - 1)) is None
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(DocumentError):
            calibrate([(wrong, True)])


@pytest.mark.parametrize(
    ("margin", "space", "chance"),
    [
        (0, "log-odds", 0.5),
        (1_000_000, "log-odds", 1 / (1 + math.exp(-1))),
        (-1_000_000, "log-odds", 1 / (1 + math.exp(1))),
        (9_000_000_000_000, "log-odds", 1.0),
        (-9_000_000_000_000, "log-odds", 0.0),
        (250_000, "probability", 0.25),
        (1_000_001, "probability", None),
        (-1, "probability", None),
        (250_000, "response", None),
    ],
)
def test_what_a_margin_stands_for(margin: int, space: str, chance: float | None) -> None:
    found = chance_of(margin, space)
    assert found == (None if chance is None else pytest.approx(chance))
