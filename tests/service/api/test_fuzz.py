"""Whatever is sent to whatever address, nobody is answered with an error of ours."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger.roles import Role
from service.problems import KINDS
from tests.service.ui.lender import Lender

BODIES = ("POST", "PUT", "PATCH", "DELETE")
TYPES = (
    "application/json", "application/x-ndjson", "application/cloudevents+json",
    "application/cloudevents-batch+json", "text/plain", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "", "application/json; charset=utf-16", "é",
)  # fmt: skip
NAMES = (
    "id", "model", "policy", "source", "seq", "subject", "input", "output", "margin", "scale", "attributions",
    "values", "context", "decided_at", "decisions", "manifest", "artefacts", "first", "last", "reason", "limit",
    "cursor", "since", "until", "outcome", "count", "from", "to", "code", "records", "scope", "specversion",
    "type", "data", "name", "version", "hold", "due", "basis",
)  # fmt: skip

words = st.sampled_from(NAMES) | st.text(max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from(["2026-05-14T12:00:00Z", "0001-01-01T00:00:00Z", "a@1", "f" * 64, "\x00", "9" * 400])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)
texts = st.binary(max_size=200) | st.builds(lambda value: json.dumps(value).encode(), values)
headers = st.dictionaries(
    st.sampled_from(["Ledger-Purpose", "Ledger-Case", "Accept", "Content-Encoding", "X-Request-ID",
                     "Ce-Id", "Ce-Type", "Ce-Source", "Ce-Specversion", "If-None-Match", "Range"]),
    st.sampled_from(["audit", "application/json", "text/html", "gzip", "1.0", "a/b;q=x", "bytes=0-",
                     "org.kubeflow.serving.inference.request", "\u00e9", "x" * 300, "", ",,;"]),
    max_size=4,
)  # fmt: skip
segments = st.sampled_from(
    ["x", "%00", "..", "0", "a@1", "f" * 64, "%ff", "é", "1" * 400]
) | st.text(st.characters(codec="utf-8", exclude_characters="/?#\\"), min_size=1, max_size=12)
queries = st.dictionaries(words, st.text(max_size=20), max_size=3)


def changed(decision: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy with something else at a place that may be there."""
    copied = json.loads(json.dumps(decision))
    inner = copied
    for name in path[:-1]:
        inner = inner[name] if isinstance(inner.get(name), dict) else inner
    inner[path[-1]] = value
    return dict(copied)


@pytest.fixture(scope="module")
def addresses(app: Flask) -> list[tuple[str, str]]:
    """Every method and rule."""
    return sorted(
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )


def filled(rule: str, parts: list[str]) -> str:
    """The rule with something in the place of each placeholder."""
    spare = iter(parts)
    return "/".join(next(spare, "x") if "<" in part else part for part in rule.split("/"))


def judged(answer: Any) -> None:
    """An answer that is no error of ours and, if it is a problem, says what is wrong."""
    assert answer.status_code < 500, answer.text
    if answer.mimetype == "application/problem+json":
        problem = json.loads(answer.text)
        kind = KINDS[problem["type"].removeprefix("/problems/")]
        assert (problem["status"], problem["title"]) == (answer.status_code, kind.title)
        assert problem["detail"]
    answer.close()  # of a stream of answers, its file


Ask = Callable[..., Any]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_ends_in_an_error_of_ours(
    app: Flask, lender: Lender, addresses: list[tuple[str, str]], data: st.DataObject
) -> None:
    method, rule = data.draw(st.sampled_from(addresses))
    path = filled(rule, data.draw(st.lists(segments, max_size=2)))
    sent = dict(data.draw(headers))
    if data.draw(st.booleans()):
        sent["Authorization"] = f"Bearer {lender.keys[data.draw(st.sampled_from(list(Role)))]}"
    answer = app.test_client().open(
        path, method=method, headers=sent, query_string=data.draw(queries),
        data=data.draw(texts), content_type=data.draw(st.sampled_from(TYPES)),
    )  # fmt: skip
    judged(answer)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.lists(words, min_size=1, max_size=3).map(tuple), value=values, batch=st.booleans())
@example(path=("source", "seq"), value=2**63, batch=False)
@example(path=("context", "decided_at"), value="9999-12-31T23:59:59.999999Z", batch=False)
@example(path=("output", "margin"), value=-(2**53) + 1, batch=True)
def test_a_decision_with_anything_in_it_is_recorded_or_told_why(
    app: Flask, lender: Lender, door: Any, path: tuple[str, ...], value: Any, *, batch: bool
) -> None:
    decision = changed(door.decision(), path, value)
    try:
        body = json.dumps({"decisions": [decision]} if batch else decision).encode()
    except ValueError:
        return
    answer = app.test_client().post(
        "/v1/decisions",
        data=body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {lender.keys[Role.SOURCE]}"},
    )
    judged(answer)
    told = json.loads(answer.text)
    problem = told["results"][0].get("problem") if "results" in told else told
    if problem is not None and problem.get("type", "").endswith(("/invalid", "/conflict")):
        assert problem.get("member") or "" in path  # a member without a name has none to tell


@pytest.mark.parametrize("media_type", TYPES)
@pytest.mark.parametrize("rule", ["/v1/decisions", "/v1/decisions/search", "/v1/models",
                                  "/v1/policies", "/v1/events"])  # fmt: skip
def test_every_type_of_body_is_judged_at_every_door(
    app: Flask, lender: Lender, rule: str, media_type: str
) -> None:
    roles = {"/v1/decisions/search": Role.AUDITOR, "/v1/models": Role.MODEL_OWNER,
             "/v1/policies": Role.MODEL_OWNER}  # fmt: skip
    key = lender.keys[roles.get(rule, Role.SOURCE)]
    for body in (
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"a":',
        b"--x\r\n\r\n--x--",
        b"\n" * 50,
    ):
        judged(
            app.test_client().post(
                rule, data=body, content_type=media_type, headers={"Authorization": f"Bearer {key}"}
            )
        )
