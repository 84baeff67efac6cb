"""Points: a straight line through the limit, and never on the wrong side of it."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import SchemaError
from explain.policy import Policy, rounded

MANIFEST: dict[str, Any] = {
    "cut_off": {"space": "log-odds", "scale": 6, "margin": 1_098_612},
    "outcomes": {"pass": "approved", "fail": "declined"},
    "points": {"offset": 600, "per_log_odds": "28.85"},
    "reason_codes": {"LTV": {"en": "High"}},
}
HIGHER = {"output": {"favourable": "higher"}}
LOWER = {"output": {"favourable": "lower"}}


def test_the_limit_has_the_offset_s_points() -> None:
    policy = Policy.from_manifests(MANIFEST, HIGHER)
    assert policy.score(1_098_612) == 600
    assert policy.score(2_098_612) == Decimal("628.85")
    assert policy.points(-500_000) == Decimal("-14.425")
    assert (policy.outcome(1_098_612), policy.outcome(1_098_611)) == ("approved", "declined")
    assert policy.codes == {"LTV"}
    assert policy.reason("LTV") is not None
    assert policy.reason("other") is None


def test_where_lower_is_favourable_points_still_rise_with_luck() -> None:
    policy = Policy.from_manifests(MANIFEST, LOWER)
    assert policy.score(98_612) == Decimal("628.85")
    assert (policy.outcome(1_098_612), policy.outcome(1_098_613)) == ("approved", "declined")


@given(st.integers(-(10**7), 10**7) | st.integers(1_098_600, 1_098_620), st.booleans())
def test_a_shown_score_is_on_the_side_of_the_limit_that_decided(margin: int, higher: bool) -> None:
    policy = Policy.from_manifests(MANIFEST, HIGHER if higher else LOWER)
    shown = policy.shown_score(margin)
    assert (shown >= 600) == policy.passes(margin)
    assert abs(shown - policy.score(margin)) <= Decimal("0.05")


def test_rounding_is_half_away_from_zero_and_knows_no_minus_zero() -> None:
    assert [str(rounded(Decimal(text))) for text in ("0.05", "-0.05", "-0.04", "0.15")] == [
        "0.1",
        "-0.1",
        "0.0",
        "0.2",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"cut_off": None},
        {"cut_off": {"scale": 5, "margin": 1}},
        {"cut_off": {"scale": 6, "margin": 1.0}},
        {"cut_off": {"scale": 6, "margin": 2**53}},
        {"outcomes": {"pass": "approved"}},
        {"points": {"offset": 600}},
        {"points": {"offset": 600, "per_log_odds": "0"}},
        {"points": {"offset": 600.5, "per_log_odds": "1"}},
        {"points": {"offset": "x", "per_log_odds": "1"}},
        {"points": {"offset": "NaN", "per_log_odds": "1"}},
        {"points": {"offset": "1" * 21, "per_log_odds": "1"}},
        {"reason_codes": {"A": "text"}},
    ],
)
def test_a_policy_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        Policy.from_manifests(MANIFEST | change, HIGHER)
