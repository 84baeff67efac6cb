"""Whether a decision fits its model and its policy."""

from typing import Any

import pytest

from ledger.errors import MalformedError
from ledger.operate.decision_check import check_decision, check_policy, features_of
from tests.ledger.operate.premises import (
    Premises,
    attributions,
    model_manifest,
    output,
    policy_manifest,
)

FITTING = {
    "loan_to_value": 92.5,
    "years": 3,
    "bankruptcy": True,
    "channel": "branch",
    "net_worth": None,
}
WRONG_INPUT = [
    ("loan_to_value", None),
    ("loan_to_value", "92.5"),
    ("loan_to_value", True),
    ("loan_to_value", -0.5),
    ("loan_to_value", 200.5),
    ("years", 2.5),
    ("years", -1),
    ("bankruptcy", 1),
    ("channel", "fax"),
    ("net_worth", "much"),
    ("unknown", 1),
]


def check(premises: Premises, model: dict[str, Any] | None = None, **members: Any) -> None:
    policy = members.pop("policy_manifest", policy_manifest())
    check_decision(premises.decision(**members), model or model_manifest(), policy)


def test_a_fitting_decision_passes(premises: Premises) -> None:
    check(premises)
    check(premises, input=FITTING | {"loan_to_value": 0, "years": 3.0, "net_worth": -5.25})
    check(premises, output=output(0), attributions=attributions(0, residual=-100))


@pytest.mark.parametrize(("name", "value"), WRONG_INPUT)
def test_an_input_that_the_model_never_saw_is_refused(
    premises: Premises, name: str, value: object
) -> None:
    with pytest.raises(MalformedError) as raised:
        check(premises, input=FITTING | {name: value})
    assert raised.value.member == f"input.{name}"


def test_a_missing_feature_is_refused(premises: Premises) -> None:
    with pytest.raises(MalformedError) as raised:
        check(premises, input={k: v for k, v in FITTING.items() if k != "years"})
    assert raised.value.member == "input.years"


def test_a_hash_may_stand_for_the_input(premises: Premises) -> None:
    check(premises, input={"input_hash": "ab" * 32})
    for wrong in ("ab" * 31, "AB" * 32, "xy" * 32, 7):
        with pytest.raises(MalformedError) as raised:
            check(premises, input={"input_hash": wrong})
        assert raised.value.member == "input.input_hash"


@pytest.mark.parametrize("residual", [101, -101, 5_000])
def test_a_residual_beyond_the_tolerance_says_by_how_much(
    premises: Premises, residual: int
) -> None:
    with pytest.raises(MalformedError, match=f"{abs(residual) - 100} beyond") as raised:
        check(premises, attributions=attributions(-413_207, residual=residual))
    assert raised.value.member == "attributions.residual"


def test_attributions_are_the_models(premises: Premises) -> None:
    with pytest.raises(MalformedError) as raised:
        check(premises, attributions=attributions(-413_207, unknown=5))
    assert raised.value.member == "attributions.values.unknown"
    fewer = attributions(-413_207)
    fewer["base"] += fewer["values"].pop("years")
    with pytest.raises(MalformedError) as raised:
        check(premises, attributions=fewer)
    assert raised.value.member == "attributions.values.years"
    with pytest.raises(MalformedError) as raised:
        check(premises, attributions=attributions(-413_207) | {"engine": "guessing"})
    assert raised.value.member == "attributions.engine"


def test_the_outcome_is_what_the_cut_off_gives(premises: Premises) -> None:
    for margin, wrong in ((-1, "approved"), (0, "declined"), (-1, "referred")):
        with pytest.raises(MalformedError) as raised:
            check(premises, output=output(margin, wrong), attributions=attributions(margin))
        assert raised.value.member == "output.outcome"


def test_a_stated_rule_may_decide_against_the_cut_off(premises: Premises) -> None:
    context = {"decided_at": "2026-05-14T09:31:07Z", "rule": "sanctions_list"}
    given = {"output": output(5, "declined"), "attributions": attributions(5), "context": context}
    check(premises, **given)
    with pytest.raises(MalformedError):
        check(premises, **(given | {"output": output(5, "referred")}))


def test_lower_may_be_better(premises: Premises) -> None:
    model = model_manifest(output={"space": "log-odds", "favourable": "lower"})
    check(premises, model, output=output(-5, "approved"), attributions=attributions(-5))
    with pytest.raises(MalformedError):
        check(premises, model, output=output(-5, "declined"), attributions=attributions(-5))


def test_model_and_policy_speak_of_one_space(premises: Premises) -> None:
    with pytest.raises(MalformedError) as raised:
        check(premises, model_manifest(output={"space": "probability"}))
    assert raised.value.member == "output.space"
    cut_off = {"space": "probability", "scale": 6, "margin": 0}
    with pytest.raises(MalformedError) as raised:
        check(premises, policy_manifest=policy_manifest(cut_off=cut_off))
    assert raised.value.member == "policy"


@pytest.mark.parametrize("features", [None, "abc", [1], [{}], [{"name": "a"}, {"name": "a"}]])
def test_features_have_names_of_their_own(features: Any) -> None:
    with pytest.raises(MalformedError) as raised:
        features_of({"features": features})
    assert raised.value.member == "features"


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"outcomes": []}, "outcomes"),
        ({"outcomes": {"pass": "approved"}}, "outcomes"),
        ({"outcomes": {"pass": 1, "fail": 2}}, "outcomes"),
        ({"cut_off": None}, "cut_off"),
        ({"cut_off": {"margin": 0.5}}, "cut_off.margin"),
        ({"cut_off": {"margin": 0, "scale": 3}}, "cut_off.scale"),
        ({"cut_off": {"margin": 0, "scale": 6}}, "cut_off.space"),
    ],
)
def test_a_policy_can_decide(members: dict[str, Any], member: str) -> None:
    check_policy(policy_manifest())
    with pytest.raises(MalformedError) as raised:
        check_policy(policy_manifest(**members))
    assert raised.value.member == member


def test_a_manifest_without_an_explainer_is_refused(premises: Premises) -> None:
    with pytest.raises(MalformedError) as raised:
        check(premises, model_manifest(explainer=None))
    assert raised.value.member == "explainer"
