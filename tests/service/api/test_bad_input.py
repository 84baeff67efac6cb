"""Every bad input is a specific 4xx that names the member and says why; nothing is half-stored."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.roles import Role
from service.api.bodies import MAX_BODY_BYTES

POST = ("POST", "/v1/decisions")
Change = Callable[[dict[str, Any]], None]


def change(path: str, value: object) -> Change:
    """Set a member of the decision by its dotted path."""

    def apply(body: dict[str, Any]) -> None:
        *outer, last = path.split(".")
        inner = body
        for name in outer:
            inner = inner[name]
        inner[last] = value

    return apply


def drop(path: str) -> Change:
    def apply(body: dict[str, Any]) -> None:
        *outer, last = path.split(".")
        inner = body
        for name in outer:
            inner = inner[name]
        del inner[last]

    return apply


BAD: list[tuple[str, Change, int, str]] = [
    ("unknown member", change("colour", "red"), 422, "colour"),
    ("unknown member inside", change("source.colour", "red"), 422, "source.colour"),
    ("no output", drop("output"), 422, "output"),
    ("no margin", drop("output.margin"), 422, "output.margin"),
    ("margin as text", change("output.margin", "1"), 422, "output.margin"),
    ("margin as fraction", change("output.margin", 1.0), 422, "output.margin"),
    ("margin as boolean", change("output.margin", True), 422, "output.margin"),
    ("other scale", change("output.scale", 3), 422, "output.scale"),
    ("an outcome that is no code", change("output.outcome", "Not Approved"), 422, "output.outcome"),
    ("an outcome of no policy", change("output.outcome", "referred"), 422, "output.outcome"),
    ("attributions off by one", change("attributions.residual", 77), 422, "attributions"),
    ("other engine", change("attributions.engine", "guesswork"), 422, "attributions.engine"),
    ("value as text", change("attributions.values.late", "x"), 422, "attributions.values.late"),
    ("feature unknown", change("input.shoe_size", 43), 422, "input.shoe_size"),
    ("feature missing", drop("input.late"), 422, "input.late"),
    ("feature of another type", change("input.late", "two"), 422, "input.late"),
    ("feature out of bounds", change("input.late", 99), 422, "input.late"),
    ("feature as a list", change("input.late", [1]), 422, "input.late"),
    ("no input at all", change("input", {}), 422, "input"),
    ("input as a list", change("input", []), 422, "input"),
    ("unknown model", change("model", "other@1.0.0"), 422, "model"),
    ("model in no form", change("model", "the newest"), 422, "model"),
    ("unknown policy", change("policy", "f" * 64), 422, "policy"),
    ("id of another version", change("id", "9b2e4f9e-3c0a-4c8e-9d3f-5a1f0c2d7e11"), 422, "id"),
    ("id in upper case", change("id", "01A20AA6-1A5C-7FCF-9BA7-5831C882AC71"), 422, "id"),
    ("counter below zero", change("source.seq", -1), 422, "source.seq"),
    ("source with a blank", change("source.id", "loan desk"), 422, "source.id"),
    ("no time of decision", drop("context.decided_at"), 422, "context.decided_at"),
    ("time without a zone", change("context.decided_at", "2026-05-14"), 422, "context.decided_at"),
    ("subject too long", change("subject", "x" * 201), 422, "subject"),
]


@pytest.mark.parametrize(("spoil", "status", "member"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])  # fmt: skip
def test_a_decision_that_breaks_a_rule(door: Any, spoil: Change, status: int, member: str) -> None:
    body = door.decision()
    spoil(body)
    before = door.lender.runtime.logs["decisions"].size()
    got = door.ask(Role.SOURCE, *POST, body)
    problem = got.get_json()
    assert got.mimetype == "application/problem+json"
    assert (got.status_code, problem["status"], problem["member"]) == (status, status, member)
    assert problem["detail"]
    assert door.lender.runtime.logs["decisions"].size() == before


TEXTS: list[tuple[str, bytes, int, str | None]] = [
    ("duplicate name", b'{"model": "a@1", "model": "a@1"}', 400, "model"),
    ("duplicate name inside", b'{"source": {"id": 1, "id": 2}}', 400, "source.id"),
    ("NaN", b'{"input": {"late": NaN}}', 400, None),
    ("infinity", b'{"input": {"late": -Infinity}}', 400, None),
    ("a number that overflows", b'{"input": {"late": 1e999}}', 400, None),
    ("integer beyond 2^53", b'{"output": {"margin": 9007199254740993}}', 400, None),
    ("lone surrogate", b'{"subject": "\\ud800"}', 400, None),
    ("not UTF-8", b'{"subject": "\xff"}', 400, None),
    ("no JSON", b"margin=1", 400, None),
    ("nothing", b"", 400, None),
    ("too deep", b"[" * 200 + b"]" * 200, 400, None),
    ("a list", b"[]", 422, None),
    ("null", b"null", 422, None),
    ("a text", b'"decision"', 422, None),
]


@pytest.mark.parametrize(("text", "status", "member"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS])  # fmt: skip
def test_a_body_that_is_not_ours(door: Any, text: bytes, status: int, member: str | None) -> None:
    got = door.ask(Role.SOURCE, *POST, text)
    assert (got.status_code, got.mimetype) == (status, "application/problem+json")
    if member is not None:
        assert got.get_json()["member"] == member


class _Counting:
    """A body that notes how much of it was read."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.taken = 0

    def read(self, wanted: int = -1) -> bytes:
        some = self.left if wanted < 0 else min(wanted, self.left)
        self.left -= some
        self.taken += some
        return b" " * some


def test_10_megabytes_are_refused_before_they_are_read(door: Any) -> None:
    body = _Counting(10_000_000)
    got = door.client.post(
        "/v1/decisions",
        content_type="application/json",
        headers={"Authorization": f"Bearer {door.lender.keys[Role.SOURCE]}"},
        environ_overrides={"wsgi.input": body, "CONTENT_LENGTH": "10000000"},
    )
    assert (got.status_code, got.get_json()["type"]) == (413, "/problems/too-large")
    assert body.taken == 0


def test_a_body_without_a_length_stops_at_the_limit(door: Any) -> None:
    body = _Counting(50_000_000)
    got = door.client.post(
        "/v1/decisions",
        content_type="application/json",
        headers={
            "Authorization": f"Bearer {door.lender.keys[Role.SOURCE]}",
            "Transfer-Encoding": "chunked",
        },
        environ_overrides={
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "CONTENT_LENGTH": "",
        },
    )
    assert got.status_code == 413
    assert body.taken <= MAX_BODY_BYTES + 100_000


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_a_body_of_another_type_is_refused(door: Any, headers: dict[str, str]) -> None:
    got = door.ask(Role.SOURCE, *POST, b"{}", **headers)
    assert (got.status_code, got.get_json()["type"]) == (415, "/problems/unsupported-media-type")


def test_values_that_were_sent_are_not_repeated(door: Any) -> None:
    body = door.decision(subject="Ann Other of Elm Street" * 20)
    body["input"] = dict(body["input"]) | {"late": "three, and Ann was ill"}
    got = door.ask(Role.SOURCE, *POST, body)
    assert got.status_code == 422
    assert "Ann" not in got.text


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
members = st.sampled_from(
    [
        "id",
        "model",
        "policy",
        "source",
        "subject",
        "input",
        "output",
        "attributions",
        "context",
        "decisions",
    ]
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300))
def test_random_bytes_never_break_the_server(door: Any, body: bytes) -> None:
    assert door.ask(Role.SOURCE, *POST, body).status_code < 500


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(members, anything, min_size=1, max_size=4))
def test_random_members_never_break_the_server(door: Any, changes: dict[str, Any]) -> None:
    got = door.ask(Role.SOURCE, *POST, json.dumps(door.decision(**changes)).encode())
    assert got.status_code < 500, got.text


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.text(max_size=10), anything, max_size=3))
def test_random_searches_never_break_the_server(door: Any, changes: dict[str, Any]) -> None:
    got = door.ask(Role.AUDITOR, "POST", "/v1/decisions/search", json.dumps(changes).encode())
    assert got.status_code < 500, got.text
