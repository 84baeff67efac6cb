"""Whole explanations: true to the model, the same every time, in words a reader knows."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from explain.attribution import Attribution
from explain.catalogue import load_catalogue
from explain.errors import AdditivityError, LanguageMissing, SchemaError
from explain.explanation import GATES, Explanation
from explain.model import Model
from explain.narrative import explain_decision
from explain.predictor import FeatureSchema, Rows

Input = dict[str, Any]


@pytest.fixture
def explained(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> list[tuple[Input, Attribution, Explanation]]:
    return [explained_one(model, manifest, policy, one) for one in declined[:25]]


def explained_one(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], one: Input, **options: Any
) -> tuple[Input, Attribution, Explanation]:
    (attribution,) = model.attributor.attribute(model.schema.row(one)[None, :])
    return one, attribution, explain_decision(manifest, policy, one, attribution, model, **options)


def test_numbers_in_words_are_the_recorded_numbers(
    explained: list[tuple[Input, Attribution, Explanation]],
) -> None:
    for _, attribution, explanation in explained:
        assert explanation.outcome == "declined"
        assert explanation.margin == attribution.margin < explanation.cut_off
        assert {part.feature: part.amount for part in explanation.contributions} == dict(
            attribution.values
        )
        assert explanation.points.score < explanation.points.limit
        total = explanation.points.reference + sum(
            (part.points for part in explanation.contributions), start=0
        )
        # Each of the six numbers is rounded to a tenth by itself.
        assert abs(total - explanation.points.score) < 1
        assert explanation.points.score_text in explanation.summary
        for reason in explanation.reasons:
            assert reason.contribution < 0 < -reason.points
            assert reason.points_text.startswith("\u2212")
            assert reason.points_text in explanation.paragraphs[2]
        assert all(reason.contribution > 0 for reason in explanation.helped)


def test_contributions_stand_adverse_first_by_size(
    explained: list[tuple[Input, Attribution, Explanation]],
) -> None:
    for _, _, explanation in explained:
        amounts = [part.amount for part in explanation.contributions]
        against = [amount for amount in amounts if amount < 0]
        helpful = [amount for amount in amounts if amount > 0]
        nothing = [amount for amount in amounts if amount == 0]
        assert amounts == sorted(against) + sorted(helpful, reverse=True) + nothing
        assert [part.favourable for part in explanation.contributions] == [
            amount > 0 for amount in amounts
        ]


def test_gates_pass_for_what_the_model_says(
    explained: list[tuple[Input, Attribution, Explanation]],
) -> None:
    for _, _, explanation in explained:
        assert tuple(gate.name for gate in explanation.gates) == GATES
        # A group of 200 is small: some reasons would be others with another 200.
        assert {gate.name for gate in explanation.failed} <= {"rank_stability"}
    allowed = [explanation for _, _, explanation in explained if not explanation.failed]
    assert len(allowed) > len(explained) * 3 / 4
    allowed[0].check_automatic()


def test_the_same_decision_gives_the_same_text(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    for one in declined[:5]:
        _, _, first = explained_one(model, manifest, policy, one)
        backwards = dict(reversed(one.items()))
        _, _, again = explained_one(model, manifest, policy, backwards)
        assert json.dumps(first.to_json()) == json.dumps(again.to_json())
        assert Explanation.from_json(json.loads(json.dumps(first.to_json()))) == first


def test_alternatives_in_words_are_what_the_model_was_asked(
    explained: list[tuple[Input, Attribution, Explanation]], model: Model
) -> None:
    told = 0
    for one, _, explanation in explained:
        for way in explanation.counterfactuals:
            told += 1
            assert way.outcome == "approved"
            assert way.margin >= explanation.cut_off
            assert way.points_text in way.text
            changed = dict(one)
            for change in way.changes:
                assert change.from_text != change.to_text
                changed[change.feature] = read_back(model.schema, change.feature, change.to_text)
            margin = model.predictor.margin(model.schema.row(changed)[None, :])[0]
            assert round(float(margin) * 1e6) == way.margin
    assert told > 10


def read_back(schema: FeatureSchema, name: str, shown: str) -> Any:
    """The value that a reader would understand, from the words alone."""
    feature = schema.features[schema.index(name)]
    if feature.type == "category":
        return shown.replace("-", "_")
    if feature.type == "boolean":
        return shown == "yes"
    number = float(re.sub(r"[^0-9.]", "", shown))
    return {"income": number / 1000, "late": int(number)}.get(name, number)


FORBIDDEN = re.compile(r"\bcaus|because you|will be approved|responsib|\bfault|[!]", re.IGNORECASE)


def test_no_text_says_what_contributions_cannot(
    explained: list[tuple[Input, Attribution, Explanation]],
) -> None:
    for _, _, explanation in explained:
        texts = json.dumps(explanation.to_json(), ensure_ascii=False)
        assert not FORBIDDEN.search(texts)
        assert "{" not in explanation.summary
        points = [part.points_text for part in explanation.contributions]
        assert not any("%" in text for text in points)


def test_a_reason_is_told_as_the_policy_words_it(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], applications: list[Input]
) -> None:
    middle = sorted(other["loan_to_value"] for other in applications[:200])[99]
    one = {"loan_to_value": 109.0, "income": 60.0, "late": 0, "bankrupt": False, "job": "employed"}
    _, _, explanation = explained_one(model, manifest, policy, one)
    assert explanation.reasons[0].text == (
        "Loan amount is high for the price of the home: the loan is 109\u00a0% of the purchase "
        f"price (reference group: {middle}\u00a0%)"
    )
    assert explanation.reference == "all 200 applicants of the training period"
    assert "all 200 applicants of the training period" in explanation.paragraphs[1]
    assert explanation.summary.startswith("Declined: the model\u2019s score was ")


def test_a_value_nobody_gave_is_told_as_that(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], applications: list[Input]
) -> None:
    told = []
    for one in applications:
        if one["income"] is None:
            _, _, explanation = explained_one(model, manifest, policy, one)
            told += [reason for reason in explanation.reasons if reason.feature == "income"]
            assert any("not given" in limit for limit in explanation.limits)
    assert told
    for reason in told:
        assert reason.code == "INCOME_NOT_GIVEN"
        assert reason.text.startswith("Yearly income was not given (reference group: $")


def test_a_text_is_not_told_where_it_would_be_untrue(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any]
) -> None:
    """A low loan that counts against someone is not called high."""
    one = {"loan_to_value": 50.0, "income": 40.0, "late": 4, "bankrupt": True, "job": "retired"}
    _, attribution, _ = explained_one(model, manifest, policy, one)
    values = dict(attribution.values)
    values["loan_to_value"] -= 9_000_000
    moved = replace(attribution, values=tuple(sorted(values.items())))
    explanation = explain_decision(manifest, policy, one, moved, model)
    assert explanation.reasons[0].feature == "loan_to_value"
    assert "is high" not in explanation.reasons[0].text
    assert "only together with other details" in explanation.reasons[0].text
    failed = {gate.name for gate in explanation.gates if not gate.passed}
    assert {"additivity", "rerun", "perturbation"} <= failed
    assert not explanation.automatic_text_allowed


def test_group_members_that_pushed_the_same_way_are_named(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any]
) -> None:
    one = {"loan_to_value": 60.0, "income": 60.0, "late": 4, "bankrupt": True, "job": "retired"}
    _, _, explanation = explained_one(model, manifest, policy, one)
    (reason,) = [reason for reason in explanation.reasons if reason.group == "history"]
    assert reason.features == ("late", "bankrupt")
    assert "Counted together with: " in reason.text
    assert ("Bankruptcy on file (yes)" in reason.text) != ("Late payments (4)" in reason.text)


def test_an_approved_case_is_explained_without_alternatives(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any]
) -> None:
    one = {"loan_to_value": 35.0, "income": 120.0, "late": 0, "bankrupt": False, "job": "employed"}
    _, _, explanation = explained_one(model, manifest, policy, one)
    assert (explanation.outcome, explanation.outcome_label) == ("approved", "Approved")
    assert explanation.counterfactuals == ()
    assert "no other outcome was searched for" in explanation.counterfactual_note
    assert "this raised the score most" in explanation.summary


def test_where_a_person_decided_no_letter_goes_out_by_itself(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any]
) -> None:
    one = {"loan_to_value": 35.0, "income": 120.0, "late": 0, "bankrupt": False, "job": "employed"}
    _, _, explanation = explained_one(model, manifest, policy, one, outcome="declined")
    assert [gate.name for gate in explanation.gates if not gate.passed] == ["outcome"]
    assert not explanation.automatic_text_allowed
    assert explanation.counterfactuals == ()
    assert "does not follow from the score" in explanation.counterfactual_note
    assert "does not say what led to it" in explanation.summary


def test_a_protected_reason_stays_and_stops_the_letter(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any]
) -> None:
    features = [entry | {"protected": True} for entry in manifest["features"]]
    guarded = replace(model, schema=FeatureSchema.from_manifest({"features": features}))
    one = {"loan_to_value": 109.0, "income": 60.0, "late": 0, "bankrupt": False, "job": "employed"}
    _, _, explanation = explained_one(guarded, manifest, policy, one)
    assert explanation.reasons
    (gate,) = [gate for gate in explanation.gates if not gate.passed]
    assert gate.name == "reasons_allowed"
    assert "loan_to_value" in gate.detail
    assert explanation.counterfactuals == ()
    assert "Within these bounds we found none" in explanation.counterfactual_note


def test_a_base_of_another_group_stops_the_letter(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    other = replace(model, background=model.background[:50])
    _, _, explanation = explained_one(other, manifest, policy, declined[0])
    assert "reference_group" in [gate.name for gate in explanation.gates if not gate.passed]


def test_an_engine_other_than_the_recorded_one_stops_the_letter(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    (attribution,) = model.attributor.attribute(model.schema.row(declined[0])[None, :])
    other = replace(attribution, engine="oracle")
    explanation = explain_decision(manifest, policy, declined[0], other, model)
    assert "rerun" in [gate.name for gate in explanation.gates if not gate.passed]


def test_an_attribution_of_other_features_is_refused(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    (attribution,) = model.attributor.attribute(model.schema.row(declined[0])[None, :])
    fewer = replace(attribution, values=attribution.values[1:])
    with pytest.raises(SchemaError):
        explain_decision(manifest, policy, declined[0], fewer, model)


def test_a_language_without_texts_is_refused(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    for language in ("fi", "../en", "EN", ""):
        with pytest.raises(LanguageMissing):
            explained_one(model, manifest, policy, declined[0], language=language)


def test_a_catalogue_may_be_given(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    given = load_catalogue("en")
    _, _, explanation = explained_one(model, manifest, policy, declined[0], catalogue=given)
    assert explanation.language == "en"


@pytest.mark.parametrize("change", [{"background": {}}, {"output": {"favourable": "up"}}])
def test_a_manifest_that_lacks_something_is_refused(
    model: Model,
    manifest: dict[str, Any],
    policy: dict[str, Any],
    declined: list[Input],
    change: dict[str, Any],
) -> None:
    with pytest.raises(SchemaError):
        explained_one(model, manifest | change, policy, declined[0])


def test_the_population_may_be_told_per_language(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    told = manifest | {"background": {"population": {"en": "everyone of May"}}}
    _, _, explanation = explained_one(model, told, policy, declined[0])
    assert explanation.reference == "everyone of May"


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("leaf-tables", "comparing this case with every case in the reference group"),
        ("xgboost-contributions", "do not compare this case with a group of people"),
        ("oracle", "those of the engine oracle. They were recorded with the decision"),
    ],
)
def test_the_method_told_is_the_engine_s(
    *,
    model: Model,
    manifest: dict[str, Any],
    policy: dict[str, Any],
    declined: list[Input],
    engine: str,
    told: str,
) -> None:
    _, attribution, _ = explained_one(model, manifest, policy, declined[0])
    other = replace(attribution, engine=engine)
    assert told in explain_decision(manifest, policy, declined[0], other, model).method


def test_a_yes_or_no_is_told_with_what_it_is_of(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any]
) -> None:
    features = [
        entry | ({"group": "bankruptcy"} if entry["name"] == "bankrupt" else {})
        for entry in manifest["features"]
    ]
    apart = replace(model, schema=FeatureSchema.from_manifest({"features": features}))
    one = {"loan_to_value": 60.0, "income": 60.0, "late": 3, "bankrupt": True, "job": "retired"}
    _, _, explanation = explained_one(apart, manifest, policy, one)
    texts = {reason.feature: reason.text for reason in explanation.reasons}
    assert texts["bankrupt"] == (
        "A bankruptcy is on file (Bankruptcy on file: yes; reference group: most often no)"
    )
    assert texts["late"] == "Payments were late: 3 (reference group: 2)"


def test_a_score_that_nothing_moved_is_told_without_reasons(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    _, attribution, _ = explained_one(model, manifest, policy, declined[0])
    still = replace(
        attribution,
        base=attribution.margin,
        values=tuple((name, 0) for name, _ in attribution.values),
        residual=0,
    )
    explanation = explain_decision(manifest, policy, declined[0], still, model)
    assert (explanation.reasons, explanation.helped) == ((), ())
    assert explanation.summary.endswith("were needed.")
    assert explanation.paragraphs[-1].endswith(
        "nothing lowered this model\u2019s score on balance."
    )
    assert "rerun" in [gate.name for gate in explanation.gates if not gate.passed]


class Silent:
    """An engine that can no longer take the model's outputs apart."""

    def attribute(self, rows: Rows) -> tuple[Attribution, ...]:
        raise AdditivityError(f"{len(rows)} rows are off")


def test_an_engine_that_fails_stops_the_letter(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    (attribution,) = model.attributor.attribute(model.schema.row(declined[0])[None, :])
    silent = replace(model, attributor=Silent())
    explanation = explain_decision(manifest, policy, declined[0], attribution, silent)
    (gate,) = [gate for gate in explanation.gates if not gate.passed]
    assert (gate.name, gate.detail) == (
        "rerun",
        "Working out the contributions a second time failed.",
    )
    assert not explanation.automatic_text_allowed


def test_what_was_left_out_is_recorded_with_why(
    explained: list[tuple[Input, Attribution, Explanation]],
) -> None:
    left = [one for _, _, explanation in explained for one in explanation.suppressed]
    assert left
    for one in left:
        assert one.contribution < 0
        assert one.why == "less than 2\u00a0% of everything that lowered the score"


def test_points_can_be_recomputed_from_what_the_method_says(
    model: Model, manifest: dict[str, Any], policy: dict[str, Any], declined: list[Input]
) -> None:
    _, _, explanation = explained_one(model, manifest, policy, declined[0])
    offset, per = policy["points"]["offset"], policy["points"]["per_log_odds"]
    assert f"{offset} points at" in explanation.method
    assert f"{per} points for each unit" in explanation.method
