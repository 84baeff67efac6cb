"""Rules before the score: whose reason it is, what is left out and why, and key factors."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from explain.attribution import Attribution
from explain.counterfactual import Knockouts, Limit, search
from explain.errors import LetterWithheld, SchemaError
from explain.explanation import Explanation
from explain.judgement import judge
from explain.model import Model
from explain.narrative import explain_decision
from explain.policy import Policy
from explain.predictor import FeatureSchema
from explain.reg_b import FORM_C1
from explain.rules import fired, read_rules

Input = dict[str, Any]

# Scored well above the limit; `LATE` is what knocks it out.
GOOD = {"loan_to_value": 35.0, "income": 120.0, "late": 3, "bankrupt": False, "job": "employed"}
POOR = {"loan_to_value": 108.0, "income": 30.0, "late": 4, "bankrupt": False, "job": "retired"}
LATE = {"id": "late", "reason": "LATE", "when": {"feature": "late", "op": ">=", "value": 3}}
LARGE = {
    "id": "large-loan",
    "reason": "LOAN_TO_VALUE",
    "when": {"feature": "loan_to_value", "op": ">", "value": 105},
}


@pytest.fixture
def ruled(policy: dict[str, Any]) -> dict[str, Any]:
    return policy | {"rules": [LATE, LARGE], "cut_off": policy["cut_off"] | {"margin": -500_000}}


def attributed(model: Model, one: Input) -> Attribution:
    (attribution,) = model.attributor.attribute(model.schema.row(one)[None, :])
    return attribution


def told(model: Model, manifest: Any, policy: Any, one: Input, **options: Any) -> Explanation:
    return explain_decision(manifest, policy, one, attributed(model, one), model, **options)


def test_a_rule_that_fired_is_the_reason_and_the_score_is_none(
    model: Model, manifest: Any, ruled: Any
) -> None:
    explanation = told(model, manifest, ruled, GOOD)
    assert explanation.margin >= explanation.cut_off
    assert (explanation.outcome, explanation.fired) == ("declined", ("late",))
    (reason,) = explanation.reasons
    assert (reason.code, reason.rule, reason.group) == ("LATE", "late", "late")
    assert (reason.feature, reason.contribution, reason.value_text) == ("late", 0, "3")
    assert reason.text == "Payments were late (Late payments (3))"
    assert "a rule of the policy decided" in explanation.summary
    assert {left.ground for left in explanation.suppressed} <= {"other_component"}
    assert explanation.trials == ()
    explanation.check_automatic()


def test_where_score_and_rules_both_failed_rules_come_first_and_reasons_follow(
    model: Model, manifest: Any, ruled: Any
) -> None:
    explanation = told(model, manifest, ruled, POOR)
    assert explanation.margin < explanation.cut_off
    assert [reason.rule for reason in explanation.reasons[:2]] == ["late", "large-loan"]
    assert len(explanation.reasons) <= 4
    assert all(reason.contribution < 0 and not reason.rule for reason in explanation.reasons[2:])
    codes = [reason.code for reason in explanation.reasons]
    assert len(set(codes)) == len(codes)  # nothing is said twice
    assert "loan_to_value" in [
        left.group for left in explanation.suppressed if left.ground == "same_reason"
    ]
    assert "These did: Payments were late" in explanation.paragraphs[0]
    against = {one.feature for one in explanation.contributions if one.amount < 0}
    named = {name for one in explanation.reasons for name in one.features}
    left = {one.group for one in explanation.suppressed}
    assert all(name in named or left & {name, "history"} for name in against)


def test_more_rules_than_a_notice_gives_are_recorded_as_left_out(
    model: Model, manifest: Any, policy: Any
) -> None:
    many = [LATE | {"id": f"late-{at}"} for at in range(6)]
    explanation = told(model, manifest, policy | {"rules": many}, GOOD)
    assert [reason.rule for reason in explanation.reasons] == [f"late-{at}" for at in range(4)]
    assert [left.group for left in explanation.suppressed[:2]] == ["late-4", "late-5"]
    assert {left.ground for left in explanation.suppressed[:2]} == {"beyond_limit"}
    assert explanation.fired == tuple(f"late-{at}" for at in range(6))
    assert not any("weaker" in left.why for left in explanation.suppressed[:2])
    (gate,) = explanation.failed
    assert (gate.name, "late-4 and late-5" in gate.detail) == ("reasons_allowed", True)


def test_the_rule_that_is_said_to_have_decided_is_told_first(
    model: Model, manifest: Any, policy: Any
) -> None:
    many = [LATE | {"id": f"late-{at}"} for at in range(5)]
    stated = told(model, manifest, policy | {"rules": many}, GOOD, rule="late-4")
    assert [reason.rule for reason in stated.reasons] == ["late-4", "late-0", "late-1", "late-2"]
    assert [left.group for left in stated.suppressed[:1]] == ["late-3"]
    assert [gate.name for gate in stated.failed] == ["reasons_allowed"]
    four = told(model, manifest, policy | {"rules": many[1:]}, GOOD, rule="late-4")
    assert [reason.rule for reason in four.reasons] == ["late-4", "late-1", "late-2", "late-3"]
    assert not four.failed


def test_an_outcome_that_rules_forbid_is_no_automatic_text(
    model: Model, manifest: Any, ruled: Any
) -> None:
    explanation = told(model, manifest, ruled, GOOD, outcome="approved")
    assert [gate.name for gate in explanation.failed] == ["outcome"]
    with pytest.raises(LetterWithheld, match="outcome") as withheld:
        explanation.check_automatic()
    assert withheld.value.gates == ("outcome",)


def test_the_rule_that_a_source_states_must_have_fired(
    model: Model, manifest: Any, ruled: Any
) -> None:
    assert not told(model, manifest, ruled, GOOD, outcome="declined", rule="late").failed
    other = told(model, manifest, ruled, GOOD, outcome="declined", rule="large-loan")
    assert [gate.name for gate in other.failed] == ["outcome"]
    none = told(model, manifest, ruled, GOOD | {"late": 0}, outcome="declined", rule="late")
    assert "outcome" in [gate.name for gate in none.failed]


def test_what_would_have_changed_it_passes_the_rules_as_well(
    model: Model, manifest: Any, ruled: Any
) -> None:
    for one in (GOOD, POOR):
        for way in told(model, manifest, ruled, one).counterfactuals:
            assert "late" in {change.feature for change in way.changes}
    (way, *_) = told(model, manifest, ruled, GOOD).counterfactuals
    assert [(change.feature, change.to_text, change.value) for change in way.changes] == [
        ("late", "2", "2")
    ]


def test_no_alternative_touches_what_may_not_change_or_leaves_a_rule_standing(
    model: Model, declined: list[Input], ruled: Any
) -> None:
    rules = read_rules(ruled)
    for one in declined:
        row = model.schema.row(one)
        found = search(
            model.schema,
            model.predictor,
            row,
            model.background,
            Limit(-500_000, 1),
            Knockouts(rules, one),
        )
        fixed = model.schema.index("bankrupt")
        for way in found:
            assert fixed not in way.changed
            changed = dict(one)
            for column in way.changed:
                name = model.schema.names[column]
                changed[name] = round(float(way.row[column]), 1)
            assert fired(rules, {**changed, "job": one["job"]}) == ()
            assert round(way.margin * 1e6) >= -500_000


def test_a_rule_about_a_proxy_blocks(model: Model, manifest: Any, ruled: Any) -> None:
    features = [
        entry | ({"proxy": True} if entry["name"] == "late" else {})
        for entry in manifest["features"]
    ]
    guarded = replace(model, schema=FeatureSchema.from_manifest({"features": features}))
    explanation = told(guarded, manifest, ruled, GOOD)
    (gate,) = explanation.failed
    assert gate.name == "reasons_allowed"
    assert "late" in gate.detail


def test_a_rule_that_the_model_cannot_meet_stops_the_explanation(
    model: Model, manifest: Any, policy: Any
) -> None:
    wrong = {"id": "x", "reason": "LATE", "when": {"feature": "wealth", "op": "missing"}}
    with pytest.raises(SchemaError, match="wealth"):
        told(model, manifest, policy | {"rules": [wrong]}, GOOD)


def test_what_a_rule_took_the_place_of_still_blocks(
    model: Model, manifest: Any, ruled: Any
) -> None:
    features = [
        entry | ({"proxy": True, "reason": "OTHER"} if entry["name"] == "job" else {})
        for entry in manifest["features"]
    ]
    guarded = replace(model, schema=FeatureSchema.from_manifest({"features": features}))
    many = [LATE | {"id": f"late-{at}"} for at in range(4)]
    explanation = told(guarded, manifest, ruled | {"rules": many}, POOR)
    assert "job" in [left.group for left in explanation.suppressed]
    (gate,) = [gate for gate in explanation.failed if gate.name == "reasons_allowed"]
    assert "job" in gate.detail


def test_reasons_in_a_tie_are_named_as_one(
    model: Model, manifest: Any, policy: Any, declined: list[Input]
) -> None:
    explained = [told(model, manifest, policy, one) for one in declined[:40]]
    tied = [one for one in explained if one.ties]
    assert tied
    for one in tied:
        groups = [reason.group for reason in one.reasons]
        assert all(pair in list(pairwise(groups)) for pair in one.ties)
        assert "can put them in another order" in one.limits[-1]
    assert all(
        "another order" not in limit for one in explained if not one.ties for limit in one.limits
    )


def test_a_group_too_small_to_judge_by_gives_no_automatic_text(
    model: Model, manifest: Any, policy: Any
) -> None:
    few = replace(model, background=model.background[:20])
    explanation = told(few, manifest, policy, POOR)
    gates = {gate.name: gate for gate in explanation.failed}
    assert "cannot be found out" in gates["rank_stability"].detail


def test_values_that_are_estimates_give_no_automatic_text(
    model: Model, manifest: Any, policy: Any
) -> None:
    estimated = replace(attributed(model, POOR), engine="permutation-approximate")
    explanation = explain_decision(manifest, policy, POOR, estimated, model)
    gates = {gate.name: gate for gate in explanation.failed}
    assert "are estimates" in gates["rank_stability"].detail


def test_key_factors_are_a_list_of_their_own(model: Model, manifest: Any, ruled: Any) -> None:
    assert told(model, manifest, ruled, POOR).key_factors == ()
    explanation = told(model, manifest, ruled | {"key_factors": True}, GOOD)
    amounts = [factor.contribution for factor in explanation.key_factors]
    assert amounts == sorted(amounts)
    assert all(amount < 0 for amount in amounts)
    assert "late" not in {factor.group for factor in explanation.key_factors}  # that is a rule
    assert len(explanation.reasons) == 1


def test_enquiries_are_a_fifth_key_factor_wherever_they_stand(
    model: Model, policy: Any, manifest: Any
) -> None:
    features = [
        entry | {"group": entry["name"]} | ({"inquiries": True} if entry["name"] == "job" else {})
        for entry in manifest["features"]
    ]
    schema = FeatureSchema.from_manifest({"features": features})
    amounts = {"loan_to_value": -5, "income": -4, "late": -3, "bankrupt": -2, "job": -1}
    values = tuple((name, amounts[name] * 100_000) for name in sorted(schema.names))
    attribution = Attribution("leaf-tables", "log-odds", 6, 0, values, 0)
    read = Policy.from_manifests(policy | {"key_factors": True}, manifest)
    judged = judge(schema, read, dict.fromkeys(schema.names, 1), attribution)
    assert [push.group for push in judged.key_factors] == list(amounts)
    assert [push.group for push in judged.ranking.reasons] == list(amounts)[:4]
    plain = judge(model.schema, read, dict.fromkeys(schema.names, 1), attribution)
    assert len(plain.key_factors) == 4


def test_the_form_of_the_regulation_is_there_word_for_word() -> None:
    assert len(FORM_C1) == 23
    assert FORM_C1[0] == ("C1-01", "Credit application incomplete")
    assert FORM_C1[8] == ("C1-09", "Excessive obligations in relation to income")
    assert FORM_C1[16] == ("C1-17", "Delinquent past or present credit obligations with others")
    assert FORM_C1[22] == ("C1-23", "Value or type of collateral not sufficient")


def test_a_policy_s_own_words_stand_before_the_form_s(manifest: Any, policy: Any) -> None:
    standard = policy | {
        "standard_reasons": "reg-b-c1",
        "reason_codes": policy["reason_codes"] | {"C1-21": {"en": "A bankruptcy is on file"}},
    }
    read = Policy.from_manifests(standard, manifest)
    own, form = read.reason("C1-21"), read.reason("C1-20")
    assert own is not None
    assert form is not None
    assert (own.speak("en"), form.speak("en")) == (
        "A bankruptcy is on file",
        "Foreclosure or repossession",
    )
    assert Policy.from_manifests(policy, manifest).reason("C1-20") is None
