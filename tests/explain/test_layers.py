"""One explanation, three readers: each gets what the one before gets, and more."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from explain.catalogue import languages, load_catalogue
from explain.explanation import Explanation
from explain.layers import Audience, layers

FIXTURE = Path(__file__).parent / "fixtures" / "explanation.json"
TOLD = Explanation.from_json(json.loads(FIXTURE.read_text("utf-8")))


def of(audience: Audience, told: Explanation = TOLD) -> dict[str, tuple[str, ...]]:
    found = layers(told, audience, load_catalogue(told.language))
    return {one.name: one.texts for one in found}


@pytest.mark.parametrize("audience", Audience)
def test_it_goes_from_short_to_deep(audience: Audience) -> None:
    assert list(of(audience)) == ["summary", "reasons", "details", "method"]
    assert of(audience)["summary"] == (TOLD.summary,)


def test_the_person_gets_reasons_alternatives_items_and_limits() -> None:
    told = of(Audience.SUBJECT)
    assert len(told["reasons"]) == (
        len(TOLD.reasons) + len(TOLD.helped) + len(TOLD.counterfactuals) + 1
    )
    assert told["reasons"][0] == f"{TOLD.reasons[0].text} ({TOLD.reasons[0].points_text} points)"
    assert len(told["details"]) == len(TOLD.paragraphs) + len(TOLD.contributions)
    assert told["method"] == (TOLD.method, *TOLD.limits)
    code = TOLD.reasons[0].code
    assert not any(code in text for texts in told.values() for text in texts)


def test_a_reviewer_also_gets_what_was_left_out_and_every_check() -> None:
    person, reviewer = of(Audience.SUBJECT), of(Audience.REVIEWER)
    assert reviewer["reasons"] == person["reasons"]
    assert reviewer["details"][: len(person["details"])] == person["details"]
    left = reviewer["details"][len(person["details"]) :]
    assert len(left) == len(TOLD.suppressed) > 0
    assert all("Not named as a reason" in text for text in left)
    checks = reviewer["method"][len(person["method"]) :]
    assert checks == tuple(f"Passed: {gate.detail}" for gate in TOLD.gates)


def test_a_failed_check_is_said() -> None:
    gates = (replace(TOLD.gates[0], passed=False), *TOLD.gates[1:])
    told = replace(TOLD, gates=gates, automatic_text_allowed=False)
    assert f"Failed: {gates[0].detail}" in of(Audience.REVIEWER, told)["method"]


def test_a_regulator_also_gets_codes_and_recorded_integers() -> None:
    reason = TOLD.reasons[0]
    first = of(Audience.REGULATOR)["reasons"][0]
    assert f"Code: {reason.code}; amount: {reason.contribution} millionths" in first
    assert first.startswith(of(Audience.REVIEWER)["reasons"][0])
    assert of(Audience.REGULATOR)["method"] == of(Audience.REVIEWER)["method"]


@pytest.mark.parametrize("language", languages())
def test_the_layers_have_titles_in_every_language(language: str) -> None:
    found = layers(TOLD, Audience.REGULATOR, load_catalogue(language))
    assert len({one.title for one in found}) == 4


def test_a_rule_has_no_points_and_a_regulator_gets_its_name() -> None:
    rule = replace(
        TOLD.reasons[0], rule="too_young_a_firm", points_text="", contribution=0, text="Too young"
    )
    told = replace(TOLD, reasons=(rule, *TOLD.reasons[1:]))
    assert of(Audience.SUBJECT, told)["reasons"][0] == "Too young"
    assert of(Audience.REGULATOR, told)["reasons"][0] == "Too young (too_young_a_firm)"
