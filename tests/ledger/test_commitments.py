"""Commitments and openings: vectors first, then what a liar might try."""

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.canonical import JsonValue
from ledger.commitments import (
    MAX_FIELDS,
    SECTIONS,
    DisclosedField,
    Opening,
    commit,
    open_section,
    verify_opening,
)
from ledger.errors import MalformedError, VerificationError
from tests.vectors import make_commitments

KEY = bytes(range(32))
INPUT: dict[str, JsonValue] = {"income": 42_000, "loan_to_value": 92.5, "net_worth": None}
VECTORS_FILE = Path(__file__).parents[1] / "vectors" / "commitments.json"
VECTORS = json.loads(VECTORS_FILE.read_text())

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
sections = st.dictionaries(st.text(max_size=8), values, max_size=6)


def test_the_vectors_are_what_their_generator_writes() -> None:
    assert make_commitments.document() == VECTORS_FILE.read_text()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_vector(vector: dict[str, Any]) -> None:
    key, section = bytes.fromhex(vector["record_key"]), vector["section"]
    opening = open_section(key, section, vector["members"])
    disclosed = [field for field in opening.fields if isinstance(field, DisclosedField)]
    assert [field.name for field in disclosed] == vector["order"]
    assert b"".join(field.salt for field in disclosed).hex() == vector["salts"]
    assert [field.digest(section).hex() for field in disclosed] == vector["field_digests"]
    assert opening.commitment() == base64.b64decode(vector["commitment"])
    assert commit(key, section, vector["members"]) == opening.commitment()


def test_a_decision_has_four_sections() -> None:
    assert SECTIONS == ("input", "output", "attributions", "context")


@given(sections, st.data())
@settings(max_examples=40)
def test_any_part_can_be_disclosed_and_checked(
    members: dict[str, JsonValue], data: st.DataObject
) -> None:
    shown = data.draw(st.sets(st.sampled_from(sorted(members)))) if members else set()
    commitment = commit(KEY, "input", members)
    opening = open_section(KEY, "input", members, shown)
    verify_opening(opening, commitment)
    assert opening.disclosed() == {name: members[name] for name in shown}
    assert Opening.from_json(json.loads(json.dumps(opening.to_json()))) == opening


def test_what_is_hidden_does_not_travel() -> None:
    opening = open_section(KEY, "input", INPUT, {"income"})
    text = json.dumps(opening.to_json())
    assert "loan_to_value" not in text
    assert "92.5" not in text


@pytest.mark.parametrize(
    "lie", [{"value": 42_001}, {"name": "incomf"}, {"salt": bytes(16)}, {"value": 42_000.5}]
)
def test_a_changed_field_is_noticed(lie: dict[str, Any]) -> None:
    opening = open_section(KEY, "input", INPUT, {"income"})
    first = opening.fields[0]
    assert isinstance(first, DisclosedField)
    lying = Opening("input", (dataclasses.replace(first, **lie), *opening.fields[1:]))
    with pytest.raises(VerificationError) as caught:
        verify_opening(lying, commit(KEY, "input", INPUT))
    assert caught.value.member == "input"
    assert "income" not in str(caught.value)


def test_a_field_left_out_added_or_moved_is_noticed() -> None:
    commitment = commit(KEY, "input", INPUT)
    fields = open_section(KEY, "input", INPUT, ()).fields
    for lie in (fields[1:], (*fields, bytes(32)), (fields[1], fields[0], fields[2])):
        with pytest.raises(VerificationError):
            verify_opening(Opening("input", lie), commitment)


def test_one_section_does_not_open_another() -> None:
    opening = dataclasses.replace(open_section(KEY, "input", INPUT), section="output")
    with pytest.raises(VerificationError):
        verify_opening(opening, commit(KEY, "input", INPUT))


def test_equal_records_under_different_keys_share_nothing() -> None:
    one, other = (open_section(key, "input", INPUT, ()) for key in (KEY, bytes(32)))
    assert not set(one.fields) & set(other.fields)
    assert one.commitment() != other.commitment()


def test_arguments_out_of_bounds() -> None:
    with pytest.raises(MalformedError):
        commit(KEY[:-1], "input", INPUT)
    for section in ("", "In put", "input\n", "x" * 65):
        with pytest.raises(MalformedError):
            commit(KEY, section, INPUT)
    with pytest.raises(MalformedError):
        commit(KEY, "input", {str(number): 0 for number in range(MAX_FIELDS + 1)})
    with pytest.raises(MalformedError):
        open_section(KEY, "input", INPUT, {"age"})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {"\ud800": 1}])
def test_values_that_are_not_i_json_are_refused(value: JsonValue) -> None:
    with pytest.raises(MalformedError):
        commit(KEY, "input", {"income": value})


def test_a_name_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(MalformedError):
        commit(KEY, "input", {"\ud800": 1})


def test_an_opening_is_checked_at_birth() -> None:
    one, other = DisclosedField("a", 1, bytes(16)), DisclosedField("b", 1, bytes(16))
    for fields in (
        (other, one),
        (one, one),
        (one, b"short"),
        (one, "text"),
        (bytes(32),) * (MAX_FIELDS + 1),
    ):
        with pytest.raises(MalformedError):
            Opening("input", fields)  # type: ignore[arg-type]
    for name, salt in (("x" * 257, bytes(16)), (5, bytes(16)), ("a", bytes(15)), ("a", "salt")):
        with pytest.raises(MalformedError):
            DisclosedField(name, 1, salt)  # type: ignore[arg-type]


SHOWN: dict[str, JsonValue] = {"name": "a", "value": 1, "salt": "A" * 22 + "=="}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"section": "input"},
        {"section": "input", "fields": [], "more": 1},
        {"section": 1, "fields": []},
        {"section": "input", "fields": {}},
        {"section": "input", "fields": [None]},
        {"section": "input", "fields": [{}]},
        {"section": "input", "fields": [{"digest": "A" * 43 + "=", "name": "a"}]},
        {"section": "input", "fields": [{"digest": 5}]},
        {"section": "input", "fields": [{"digest": "A" * 43}]},
        {"section": "input", "fields": [{"digest": "AA=="}]},
        {"section": "input", "fields": [{"digest": "A" * 42 + "B="}]},
        {"section": "input", "fields": [{"digest": "é" * 44}]},
        {"section": "input", "fields": [SHOWN | {"name": 1}]},
        {"section": "input", "fields": [SHOWN | {"salt": "AAAA"}]},
        {"section": "input", "fields": [SHOWN, SHOWN]},
    ],
)
def test_what_is_not_an_opening_is_refused(document: JsonValue) -> None:
    with pytest.raises(MalformedError):
        Opening.from_json(document)


def test_the_json_of_an_opening() -> None:
    document: JsonValue = {"section": "input", "fields": [SHOWN, {"digest": "A" * 43 + "="}]}
    opening = Opening.from_json(document)
    assert opening == Opening("input", (DisclosedField("a", 1, bytes(16)), bytes(32)))
    assert opening.to_json() == document


def test_a_name_that_is_too_long_is_neither_committed_to_nor_opened() -> None:
    members = {"x" * 257: 1}
    for make in (commit, open_section):
        with pytest.raises(MalformedError, match="too long"):
            make(bytes(32), "input", members)
