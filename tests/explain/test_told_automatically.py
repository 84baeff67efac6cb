"""What no person is told by a letter that nobody wrote: empty refusals, proxies, no changes."""

from dataclasses import replace
from typing import Any

import pytest

from explain.explanation import Explanation
from explain.model import Model
from explain.narrative import explain_decision
from explain.predictor import FeatureSchema

Input = dict[str, Any]


def told(model: Model, manifest: Any, policy: Any, one: Input) -> Explanation:
    (attribution,) = model.attributor.attribute(model.schema.row(one)[None, :])
    return explain_decision(manifest, policy, one, attribution, model)


def test_an_alternative_that_reads_as_what_was_given_is_not_told(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    """In German all counts of late payments read the same: nobody is told of a change."""
    words = {str(at): {"en": f"{at} times", "de": "oft"} for at in range(20)}
    features = [
        entry | ({"values": words} if entry["name"] == "late" else {})
        for entry in manifest["features"]
    ]
    worded = replace(model, schema=FeatureSchema.from_manifest({"features": features}))
    changed = 0
    for one in declined[:25]:
        plain = told(model, manifest, policy, one)
        changed += any("late" in str(way.changes) for way in plain.counterfactuals)
        worse = told(worded, manifest, policy, one)
        for way in worse.counterfactuals:
            assert "late" not in {change.feature for change in way.changes}
    assert changed


def test_a_refusal_without_a_reason_is_no_letter(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], applications: list[Input]
) -> None:
    """The limit is above what the reference group reaches, and nothing lowered this score."""
    high = policy | {"cut_off": policy["cut_off"] | {"margin": 90_000_000}}
    explained = [told(model, manifest, high, one) for one in applications[200:260]]
    bare = [one for one in explained if not one.reasons]
    assert bare
    for each in bare:
        assert each.outcome == "declined"
        (gate,) = [gate for gate in each.failed if gate.name == "reasons_scored"]
        assert "a person has to find it" in gate.detail
    assert any("reasons_scored" not in [gate.name for gate in one.failed] for one in explained)
    low = policy | {"cut_off": policy["cut_off"] | {"margin": -90_000_000}}
    for one in applications[200:260]:
        passed = told(model, manifest, low, one)
        assert "reasons_scored" not in [gate.name for gate in passed.failed]


@pytest.mark.parametrize("member", ["proxy", "protected"])
@pytest.mark.parametrize("late", [0, 4])
def test_a_help_that_may_not_be_named_stops_the_letter(
    *, model: Model, manifest: dict[str, Any], policy: dict[str, Any], member: str, late: int
) -> None:
    features = [
        entry | ({member: True} if entry["name"] == "loan_to_value" else {})
        for entry in manifest["features"]
    ]
    guarded = replace(model, schema=FeatureSchema.from_manifest({"features": features}))
    one = {"loan_to_value": 35.0, "income": 90.0, "late": late, "bankrupt": late > 0}
    explanation = told(guarded, manifest, policy, one | {"job": "employed"})
    assert explanation.outcome == ("declined" if late else "approved")
    assert "loan_to_value" in [each.group for each in explanation.helped]
    (gate,) = [gate for gate in explanation.failed if gate.name == "reasons_allowed"]
    assert "raising the score" in gate.detail
    assert "loan_to_value" in gate.detail
    assert "Every reason has a text" not in gate.detail
