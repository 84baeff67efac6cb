"""A decision's shape: what is refused, and by which name."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.errors import MalformedError
from ledger.operate.decision import (
    MAX_MEMBERS,
    MAX_TEXT_CHARACTERS,
    Decision,
    first_difference,
    parse_time,
    section_members,
)
from tests.ledger.operate.premises import Premises

WRONG: list[tuple[str, Any, str]] = [
    ("id", "not an id", "id"),
    ("id", None, "id"),
    ("id", "0197A3C4-5D21-7C3E-9B1A-2F6D8E4A7B10", "id"),
    ("model", "", "model"),
    ("model", 7, "model"),
    ("policy", "x" * 201, "policy"),
    ("subject", "", "subject"),
    ("subject", "a\nb", "subject"),
    ("subject", 5, "subject"),
    ("source", {"id": "a"}, "source.seq"),
    ("source", {"id": "a", "seq": -1}, "source.seq"),
    ("source", {"id": "a", "seq": True}, "source.seq"),
    ("source", {"id": "A person", "seq": 1}, "source.id"),
    ("source", "loan-desk", "source"),
    ("source", {"id": "a", "seq": 1, "x": 1}, "source"),
    ("input", {}, "input"),
    ("input", [], "input"),
    ("input", {"a": []}, "input.a"),
    ("input", {"a": {}}, "input.a"),
    ("input", {"a": 2**53}, "input.a"),
    ("input", {"a": float("nan")}, "input.a"),
    ("input", {"a": "x" * (MAX_TEXT_CHARACTERS + 1)}, "input.a"),
    ("input", {"": 1}, "input"),
    ("input", {f"f{n}": 1 for n in range(MAX_MEMBERS + 1)}, "input"),
    ("output.margin", 1.5, "output.margin"),
    ("output.margin", True, "output.margin"),
    ("output.scale", 3, "output.scale"),
    ("output.scale", 6.0, "output.scale"),
    ("output.outcome", "", "output.outcome"),
    ("output.space", None, "output.space"),
    ("output.extra", 1, "output"),
    ("attributions.base", "1", "attributions.base"),
    ("attributions.scale", 5, "attributions.scale"),
    ("attributions.values", {}, "attributions.values"),
    ("attributions.values", {"a": 1.0}, "attributions.values.a"),
    ("attributions.space", "probability", "attributions.space"),
    ("attributions.residual", 4, "attributions.residual"),
    ("attributions.engine", "x" * 65, "attributions.engine"),
    ("context.decided_at", "2026-05-14", "context.decided_at"),
    ("context.decided_at", "2026-05-14T09:31:07+02:00", "context.decided_at"),
    ("context.decided_at", "2026-02-30T09:31:07Z", "context.decided_at"),
    ("context.decided_at", 7, "context.decided_at"),
    ("context.decision_role", "chief", "context.decision_role"),
]


@pytest.mark.parametrize(("path", "value", "member"), WRONG)
def test_a_fault_is_refused_by_name(
    premises: Premises, path: str, value: object, member: str
) -> None:
    document = copy.deepcopy(premises.document())
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    place[last] = value
    with pytest.raises(MalformedError) as raised:
        Decision.from_json(document)
    assert raised.value.member == member


@pytest.mark.parametrize("path", ["id", "model", "source", "input", "output.margin", "context"])
def test_a_missing_member_is_named(premises: Premises, path: str) -> None:
    document = copy.deepcopy(premises.document())
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    del place[last]
    with pytest.raises(MalformedError) as raised:
        Decision.from_json(document)
    assert raised.value.member == path


@pytest.mark.parametrize("document", [None, [], "x", {"unknown": 1}])
def test_what_is_no_decision_is_refused(document: Any) -> None:
    with pytest.raises(MalformedError):
        Decision.from_json(document)


def test_the_sum_says_how_far_it_is_off(premises: Premises) -> None:
    document = premises.document()
    document["attributions"]["base"] += 17
    with pytest.raises(MalformedError, match="by -17 units"):
        Decision.from_json(document)


def test_json_leads_back(premises: Premises) -> None:
    decision = premises.decision()
    again = Decision.from_json(
        canonical.decode(canonical.encode(decision.to_json()), max_bytes=10_000)
    )
    assert again == decision
    del (document := premises.document())["subject"]
    assert Decision.from_json(document).subject is None


def test_a_decision_cannot_be_changed(premises: Premises) -> None:
    document = premises.document()
    decision = Decision.from_json(document)
    document["input"]["years"] = 99
    assert decision.input["years"] == 3
    with pytest.raises(TypeError):
        decision.input["years"] = 4  # type: ignore[index]  # that is the point


def test_each_features_value_is_a_field(premises: Premises) -> None:
    decision = premises.decision()
    members = section_members(decision, "attributions")
    assert "values" not in members
    assert members["values.loan_to_value"] == 1_000
    assert members["residual"] == 3
    assert section_members(decision, "input") == dict(decision.input)


def test_the_first_difference_is_named() -> None:
    one: Any = {"a": {"x": 1, "y": [1]}, "b": True}
    assert first_difference(one, copy.deepcopy(one)) is None
    assert first_difference(one, {"a": {"x": 1, "y": [2]}, "b": True}) == "a.y"
    assert first_difference(one, {"a": {"x": 1}, "b": True}) == "a.y"
    assert first_difference(one, {"a": {"x": 1, "y": [1]}, "b": 1}) == "b"
    assert first_difference(1.0, 1) is None  # one number, one canonical form


@given(st.text(max_size=30))
def test_a_time_is_read_or_refused(text: str) -> None:
    try:
        parsed = parse_time(text, "since")
    except MalformedError:
        return
    assert parsed.utcoffset() is not None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_comes_is_a_decision_or_our_error(value: Any) -> None:
    names = ("id", "model", "policy", "source", "input", "output", "attributions", "context")
    for document in (value, dict.fromkeys(names, value)):
        with pytest.raises(MalformedError):
            Decision.from_json(document)
