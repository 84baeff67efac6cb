"""The explanation's JSON: whole, exact, and strict on the way back."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import LetterWithheld, SchemaError
from explain.explanation import GATES, Explanation

FIXTURE = Path(__file__).parent / "fixtures" / "explanation.json"


def written() -> Any:
    return json.loads(FIXTURE.read_text(encoding="utf-8"))


def test_it_comes_back_as_it_was_written() -> None:
    explanation = Explanation.from_json(written())
    assert explanation.to_json() == written()
    assert Explanation.from_json(json.loads(json.dumps(explanation.to_json()))) == explanation


def paths(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [at, *(path for name in value for path in paths(value[name], (*at, name)))]
    if isinstance(value, list):
        return [at, *(path for i, item in enumerate(value) for path in paths(item, (*at, i)))]
    return [at]


def changed(value: Any, path: tuple[Any, ...], new: object) -> Any:
    if not path:
        return new
    result = copy.deepcopy(value)
    place = result
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = new
    return result


JUNK: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just([])
)


@given(st.sampled_from(paths(written())), JUNK)
def test_a_changed_member_is_refused_or_kept_exactly(path: tuple[Any, ...], new: object) -> None:
    damaged = changed(written(), path, new)
    try:
        explanation = Explanation.from_json(damaged)
    except SchemaError:
        return
    # 1 == True and 1 == 1.0 in Python, so the bytes are compared.
    assert json.dumps(explanation.to_json()) == json.dumps(damaged)


@pytest.mark.parametrize(
    "path", [path for path in paths(written()) if path and isinstance(path[-1], str)]
)
def test_a_missing_member_is_named(path: tuple[Any, ...]) -> None:
    damaged = copy.deepcopy(written())
    place = damaged
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    with pytest.raises(SchemaError, match="missing") as refused:
        Explanation.from_json(damaged)
    assert refused.value.member is not None
    assert refused.value.member.endswith(path[-1])


def test_an_unknown_member_is_named() -> None:
    damaged = written()
    damaged["reasons"][1]["cause"] = "x"
    with pytest.raises(SchemaError) as refused:
        Explanation.from_json(damaged)
    assert refused.value.member == "reasons[1].cause"


def test_a_fifth_reason_is_refused() -> None:
    damaged = written()
    damaged["reasons"].append(damaged["reasons"][0])
    with pytest.raises(SchemaError, match="more reasons"):
        Explanation.from_json(damaged)


def test_a_failed_gate_forbids_the_automatic_letter() -> None:
    damaged = written()
    damaged["gates"][0]["passed"] = False
    with pytest.raises(SchemaError, match="gates"):
        Explanation.from_json(damaged)
    damaged["automatic_text_allowed"] = False
    assert not Explanation.from_json(damaged).automatic_text_allowed


@pytest.mark.parametrize("name", GATES)
def test_a_check_that_was_never_made_counts_as_failed(name: str) -> None:
    gates = written()["gates"]
    Explanation.from_json(written()).check_automatic()
    fewer = written() | {"gates": [gate for gate in gates if gate["name"] != name]}
    explanation = Explanation.from_json(fewer)
    assert [(gate.name, gate.passed) for gate in explanation.failed] == [(name, False)]
    with pytest.raises(LetterWithheld) as withheld:
        explanation.check_automatic()
    assert withheld.value.gates == (name,)


def test_no_gates_is_no_check() -> None:
    with pytest.raises(SchemaError, match="nobody checked"):
        Explanation.from_json(written() | {"gates": []})


@pytest.mark.parametrize("text", ["1e1", "NaN", "Infinity", "01", "+1", "1_0", "x", "9" * 60])
def test_a_decimal_not_as_we_write_it_is_refused(text: str) -> None:
    damaged = written()
    damaged["points"]["score"] = text
    with pytest.raises(SchemaError, match="decimal"):
        Explanation.from_json(damaged)


def test_what_is_too_large_is_refused() -> None:
    for name, value in (("summary", "x" * 20_001), ("limits", ["x"] * 2_001), ("margin", 2**53)):
        with pytest.raises(SchemaError) as refused:
            Explanation.from_json(written() | {name: value})
        assert refused.value.member == name
