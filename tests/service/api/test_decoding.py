"""The fast reader of decisions is held to the schema of the interface."""

import copy
import json
from typing import Any

import marshmallow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger import canonical
from ledger.errors import MalformedError
from service.api.decoding import MAX_PLAIN_DEPTH, is_plainly_right, plain_json
from service.api.schemas import DecisionSchema

SCHEMA = DecisionSchema()
GOOD: dict[str, Any] = {
    "id": "0197a3c4-5d21-7c3e-9b1a-2f6d8e4a7b10",
    "model": "mortgage-approval@1.0.0",
    "policy": "ab" * 32,
    "source": {"id": "loan-desk", "seq": 17},
    "subject": "MTG-000123",
    "input": {"loan_to_price": 92.5, "bankruptcy": True, "assets": None, "channel": "branch"},
    "output": {"margin": 3, "scale": 6, "space": "log-odds", "outcome": "declined"},
    "attributions": {
        "engine": "leaf-tables",
        "space": "log-odds",
        "scale": 6,
        "base": 1,
        "values": {"loan_to_price": 1},
        "residual": 1,
    },
    "context": {"decided_at": "2026-05-14T09:31:07Z"},
}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner)
)
places = st.sampled_from(
    [(name,) for name in GOOD]
    + [(name, inner) for name in GOOD if isinstance(GOOD[name], dict) for inner in GOOD[name]]
    + [("attributions", "values", "loan_to_price"), ("input", "new"), ("new",), ("source", "x")]
)
tricky = st.sampled_from(
    ["", "a\n", "A", "x" * 41, "x" * 129, "x" * 201, "x" * 1025, 6.0, True, 2**53, -1, 0, {}, []]
)


def accepted(document: object) -> bool:
    try:
        read = SCHEMA.load(copy.deepcopy(document))  # type: ignore[arg-type]  # whatever comes
    except marshmallow.ValidationError:
        return False
    assert read == {"subject": None} | document  # type: ignore[operator]  # it was an object
    return True


def test_what_is_plain_is_seen_as_such() -> None:
    assert is_plainly_right(GOOD)
    for absent in ({"id", "subject"}, {"attributions"}):
        assert is_plainly_right({k: v for k, v in GOOD.items() if k not in absent})


@given(st.lists(st.tuples(places, tricky | values), min_size=1, max_size=3))
def test_what_it_accepts_the_schema_accepts_and_reads_alike(
    changes: list[tuple[tuple[str, ...], Any]],
) -> None:
    document = copy.deepcopy(GOOD)
    for path, value in changes:
        inside: Any = document
        for name in path[:-1]:
            inside = inside[name] if isinstance(inside, dict) and name in inside else {}
        if isinstance(inside, dict):
            inside[path[-1]] = value
    if is_plainly_right(document):
        assert accepted(document)


@given(values)
def test_anything_else_is_left_to_the_schema(document: Any) -> None:
    assert not is_plainly_right(document)


def parsed(data: bytes) -> object:
    """What the strict parser reads, as text, which tells 1 from 1.0 and 0.0 from -0.0."""
    try:
        return repr(canonical.parse(data, max_bytes=10**6))
    except MalformedError:
        return None


pieces = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"', '""', '"a"', '"a:b"', '"b"', '"\\u003a"', '"é"', " ", "0", "-0",
     "1", "-1.50", "1e3", "1E400", "1e-400", "9007199254740991", "9007199254740992", "1e16", "01",
     "null", "true", "false", "NaN", '"\x01"', '"\udc80"', '"a":', '"a":1,', '"a:":{', "\\"]
)  # fmt: skip


written = st.recursive(
    st.sampled_from(["0", "-1.5", '"a:b"', '":"', '""', "null"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"a:"']), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
        )
    ),
)


@given(written | st.lists(pieces, max_size=12).map("".join))
@example('{"a":1,"a":2}')
@example('{"a":1,"a:":2,"a":3}')
@example('{"a":{"b":1,"b":":"},"c":"::"}')
@example('[{"a":1},{"a":":","a":1}]')
@example('{"a":"\\u003a","a":1}')
def test_what_is_read_fast_is_read_alike(text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    plain = plain_json(data)
    assert plain is None or repr(plain) == parsed(data)


@given(values)
def test_what_a_program_wrote_is_read_alike(value: object) -> None:
    for data in (
        json.dumps(value).encode(),
        json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    ):
        plain = plain_json(data)
        assert plain is None or repr(plain) == parsed(data)


@pytest.mark.parametrize("document", [GOOD, {"decisions": [GOOD, GOOD]}, [1.5, "a:b", {"c:": {}}]])
def test_what_is_plain_is_read_fast(document: object) -> None:
    assert plain_json(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":1}', '{"a:":1,"a:":1}', "[NaN]", "[9007199254740992]", "[1e17]", "null", '["\\n"]',
     "[" * (MAX_PLAIN_DEPTH + 2) + "]" * (MAX_PLAIN_DEPTH + 2), "[" * 10_000, '["\udcff"]', "", "{"],
)  # fmt: skip
def test_of_anything_else_nothing_is_said(text: str) -> None:
    assert plain_json(text.encode("utf-8", "surrogateescape")) is None
