"""Knock-out rules: read strictly, evaluated exactly, and nothing but comparisons."""

import json
import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import SchemaError
from explain.features import Feature
from explain.policy import check_reasons
from explain.predictor import FeatureSchema
from explain.rules import check_rules, fired, read_rules

ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def rule(when: Any, **members: Any) -> dict[str, Any]:
    return {"id": "r", "reason": "R", "when": when} | members


def holds(when: Any, **values: Any) -> bool:
    return bool(fired(read_rules({"rules": [rule(when)]}), values))


def compare(op: str, value: Any = None, feature: str = "f") -> dict[str, Any]:
    return {"feature": feature, "op": op} | ({} if op == "missing" else {"value": value})


NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.sampled_from(sorted(ORDER)), NUMBERS, NUMBERS)
def test_numbers_are_compared_as_they_are(op: str, value: float, constant: float) -> None:
    assert holds(compare(op, constant), f=value) is ORDER[op](value, constant)


def test_a_number_is_not_rounded_to_what_a_model_sees() -> None:
    # As 32-bit floats both are 16777216.
    assert holds(compare(">", 16_777_216), f=16_777_217)
    # Python compares whole and broken numbers exactly: 0.1 + 0.2 is more than 0.3.
    assert holds(compare(">", 0.3), f=0.1 + 0.2)


@pytest.mark.parametrize("op", ["<", "<=", "=", "!=", ">=", ">", "in", "missing"])
def test_what_was_not_given_satisfies_missing_alone(op: str) -> None:
    when = compare(op, [1] if op == "in" else 1)
    assert holds(when, f=None) is holds(when) is (op == "missing")


def test_true_is_not_one_and_text_has_no_order() -> None:
    assert not holds(compare("=", 1), f=True)
    assert not holds(compare("=", True), f=1)
    assert not holds(compare("<", 2), f=True)
    assert not holds(compare("<", 2), f="1")
    assert holds(compare("!=", 1), f=True)
    assert holds(compare("in", ["a", "b"]), f="b")
    assert not holds(compare("in", ["a", "b"]), f="c")


CONDITIONS = st.recursive(
    st.builds(
        compare,
        st.sampled_from(["<", "=", "!=", "missing"]),
        st.integers(0, 3),
        st.sampled_from("fgh"),
    ),
    lambda inner: st.builds(
        lambda word, parts: {word: parts},
        st.sampled_from(["all", "any"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


def plainly(when: Any, values: dict[str, int | None]) -> bool:
    """The same, written again as simply as it can be."""
    if "all" in when:
        return all(plainly(part, values) for part in when["all"])
    if "any" in when:
        return any(plainly(part, values) for part in when["any"])
    value = values[when["feature"]]
    if when["op"] == "missing" or value is None:
        return value is None and when["op"] == "missing"
    return bool(
        {"<": operator.lt, "=": operator.eq, "!=": operator.ne}[when["op"]](value, when["value"])
    )


@given(CONDITIONS, st.fixed_dictionaries({name: st.none() | st.integers(0, 3) for name in "fgh"}))
def test_conditions_are_joined_as_they_read(when: Any, values: dict[str, int | None]) -> None:
    try:
        (one,) = read_rules({"rules": [rule(when)]})
    except SchemaError as error:
        assert "inside each other" in str(error)  # noqa: PT017  # the only refusal that is due
        return
    assert bool(fired([one], values)) is plainly(when, values)
    assert fired([one], values) == fired(read_rules({"rules": [rule(when)]}), values)
    assert set(one.features) <= set("fgh")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(JSON)
def test_whatever_else_is_refused_with_its_place(when: Any) -> None:
    with pytest.raises(SchemaError) as refused:
        read_rules({"rules": [rule(when)]})
    assert str(refused.value.member).startswith("rules[0].when")


DEEP = compare("missing")
for _ in range(4):
    DEEP = {"all": [DEEP]}


@pytest.mark.parametrize(
    "rules",
    [
        "all",
        [rule(compare("missing"))] * 65,
        [rule(compare("missing")), rule(compare("missing"))],
        [rule(compare("missing"), id="A")],
        [rule(compare("missing"), id="")],
        [rule(compare("missing"), reason="")],
        [rule(compare("missing"), weight=1)],
        [rule(DEEP)],
        [rule({"any": [{"any": [compare("missing")] * 17}, {"any": [compare("missing")] * 17}]})],
        [rule({"any": []})],
        [rule({"all": [compare("missing")], "any": [compare("missing")]})],
        [rule(compare("~", 1))],
        [rule(compare("<", "1"))],
        [rule(compare("<", float("nan")))],
        [rule(compare("in", []))],
        [rule(compare("in", list(range(33))))],
        [rule(compare("=", "x" * 1025))],
        [rule(compare("=", None))],
        [rule({"feature": "f", "op": "missing", "value": 1})],
        [rule({"feature": "", "op": "missing"})],
    ],
)
def test_what_is_not_of_the_language_is_refused(rules: Any) -> None:
    with pytest.raises(SchemaError):
        read_rules({"rules": rules})


@pytest.mark.parametrize(
    "when",
    [
        compare("missing", feature="wealth"),
        compare("<", 1, "job"),
        compare("=", "late", "late"),
        compare("=", 1, "bankrupt"),
        compare("=", "trainee", "job"),
        compare("in", ["employed", 1], "job"),
    ],
)
def test_a_rule_that_the_model_could_never_meet_is_refused(
    schema: FeatureSchema, when: Any
) -> None:
    with pytest.raises(SchemaError, match=str(when["feature"])):
        check_rules(read_rules({"rules": [rule(when)]}), schema.features)


def test_a_rule_of_the_model_s_own_features_is_accepted(schema: FeatureSchema) -> None:
    fits = [
        compare("in", ["employed", "retired"], "job"),
        compare("=", True, "bankrupt"),
        compare(">=", 3, "late"),
        compare("missing", feature="income"),
    ]
    check_rules(read_rules({"rules": [rule({"all": fits})]}), schema.features)


def test_a_step_is_one_of_shown_numbers(schema: FeatureSchema) -> None:
    entry = {
        "name": "x",
        "label": {"en": "x"},
        "type": "number",
        "unit": "percent",
        "mutability": "any",
        "missing": "refused",
        "protected": False,
    }
    assert Feature.from_json(entry | {"step": 0.5}, "x").step == 0.5
    for wrong in (0, -1, 0.25, True, "1"):
        with pytest.raises(SchemaError):
            Feature.from_json(entry | {"step": wrong}, "x")
    with pytest.raises(SchemaError):
        Feature.from_json(entry | {"type": "boolean", "step": 1}, "x")


def test_a_policy_says_its_reasons() -> None:
    check_reasons({})
    check_reasons({"rules": []})
    named: dict[str, Any] = {
        "rules": [rule(compare("missing"), reason="C1-21")],
        "reason_codes": {},
    }
    with pytest.raises(SchemaError, match="no text"):
        check_reasons(named)
    check_reasons(named | {"standard_reasons": "reg-b-c1"})
    check_reasons(named | {"reason_codes": {"C1-21": {"en": "Bankruptcy"}}})
    wrongs: list[dict[str, Any]] = [
        {"standard_reasons": "c1"},
        {"key_factors": "yes"},
        {"rules": [{}]},
    ]
    for wrong in wrongs:
        with pytest.raises(SchemaError):
            check_reasons(named | wrong)


def test_rules_come_through_json_as_they_are() -> None:
    rules = [rule({"all": [compare("<", 0.1), compare("in", ["a"])]})]
    assert read_rules(json.loads(json.dumps({"rules": rules}))) == read_rules({"rules": rules})
