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
        {"points": {"offset": 600, "per_log_odds": "1E+30"}},
        {"points": {"offset": 600, "per_log_odds": "1E+999999"}},
        {"points": {"offset": 600, "per_log_odds": "1E-999999"}},
        {"points": {"offset": 600, "per_log_odds": "1E+99999999999999"}},
        {"points": {"offset": "-1E+40", "per_log_odds": "1"}},
        {"points": {"offset": 10**6 + 1, "per_log_odds": "1"}},
        {"reason_codes": {"A": "text"}},
        {"standard_reasons": ["x"]},
        {"standard_reasons": {"x": 1}},
    ],
)
def test_a_policy_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        Policy.from_manifests(MANIFEST | change, HIGHER)


@pytest.mark.parametrize("favourable", [None, "best", ["higher"], {"x": 1}])
def test_a_model_that_favours_neither_side_is_refused(favourable: object) -> None:
    with pytest.raises(SchemaError, match="higher or lower"):
        Policy.from_manifests(MANIFEST, {"output": {"favourable": favourable}})


@given(st.sampled_from(["1000000", "0.000000000001"]), st.sampled_from([1, -1]), st.booleans())
def test_points_at_the_bounds_are_shown(per_log_odds: str, sign: int, higher: bool) -> None:
    points = {"offset": sign * 10**6, "per_log_odds": per_log_odds}
    policy = Policy.from_manifests(MANIFEST | {"points": points}, HIGHER if higher else LOWER)
    for margin in (2**53 - 1, 1 - 2**53, 1_098_611, 1_098_612):
        policy.shown_score(margin)
        rounded(policy.points(margin))
