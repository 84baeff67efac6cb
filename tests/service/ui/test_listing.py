"""A decision's line says what was recorded, in points of its own policy."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ledger.canonical import JsonValue
from service.ui import listing
from service.ui.listing import Recorded, Scale
from service.ui.views import Icon, Tone

MINUS = "\N{MINUS SIGN}"
MODEL: dict[str, JsonValue] = {
    "name": "mortgage-approval",
    "version": "1.0.0",
    "output": {"favourable": "higher"},
    "features": [
        {"name": "ltv", "label": {"en": "Loan-to-value ratio"}},
        {"name": "worth", "label": {}},
    ],
}
POLICY: dict[str, JsonValue] = {
    "cut_off": {"space": "log-odds", "scale": 6, "margin": 0},
    "outcomes": {"pass": "approved", "fail": "declined"},
    "points": {"offset": 600, "per_log_odds": "20"},
    "reason_codes": {},
}
DECLINED = Recorded(
    "0196ceb1-7f4a-7c31-9d2e-8a51c0f361f2",
    datetime(2026, 5, 14, 9, 31, 7, tzinfo=UTC),
    "declined",
    -710_000,
    {"values": {"ltv": -900_000, "worth": 190_000, "odd": "text", "flag": True}},
)


@pytest.fixture
def scale() -> Scale:
    return Scale.of(MODEL, POLICY)


def test_a_refusal_names_what_counted_against(scale: Scale) -> None:
    line = listing.row(DECLINED, scale, "/decisions/x")
    assert (line.points, line.distance) == ("585.8", f"{MINUS}14.2")
    assert line.reason == f"Loan-to-value ratio {MINUS}18.0"
    assert (line.outcome.word, line.outcome.tone, line.outcome.icon) == (
        "Declined", Tone.ADVERSE, Icon.CROSS,
    )  # fmt: skip
    assert [bar.tone for bar in line.spark] == [Tone.ADVERSE, Tone.FAVOURABLE]
    assert line.decided.text == "14 May 2026, 09:31"
    assert line.model == "mortgage-approval 1.0.0"


def test_an_approval_names_what_counted_for(scale: Scale) -> None:
    line = listing.row(replace(DECLINED, outcome="approved", margin=50_000), scale, "/x")
    assert line.reason == "Worth +3.8"
    assert (line.points, line.distance) == ("601.0", "+1.0")
    assert line.outcome.tone is Tone.FAVOURABLE


def test_lower_can_be_better(scale: Scale) -> None:
    lower = Scale.of(MODEL | {"output": {"favourable": "lower"}}, POLICY)
    line = listing.row(replace(DECLINED, margin=710_000), lower, "/x")
    assert line.points == "585.8"
    assert [bar.tone for bar in line.spark] == [Tone.FAVOURABLE, Tone.ADVERSE]


@pytest.mark.parametrize(
    ("outcome", "margin", "text"),
    [
        ("declined", -710_000, "Declined: 14.2 points below the limit"),
        ("approved", 710_000, "Approved: 14.2 points above the limit"),
        ("approved", 0, "Approved: at the limit"),
        ("declined", -1, "Declined: 0.00002 points below the limit"),
        ("referred_to_a_person", 10_000, "Referred to a person: 0.2 points above the limit"),
    ],
)
def test_headlines_are_words(scale: Scale, outcome: str, margin: int, text: str) -> None:
    assert scale.headline(outcome, margin) == text


def test_without_a_scorecard_there_are_no_points() -> None:
    bare = Scale.of({"name": "m", "version": "2"}, {})
    line = listing.row(DECLINED, bare, "/x")
    assert (line.points, line.distance, line.reason) == ("", "", "")
    assert bare.headline("declined", 5) == "Declined"
    assert line.outcome.tone is Tone.CAUTION
    assert listing.row(replace(DECLINED, attributions={}), bare, "/x").spark == ()
