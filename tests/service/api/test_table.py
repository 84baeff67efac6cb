"""HTTP as a table: who may ask for what, and what comes back with which headers."""

import os
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ledger.operate.credentials import ApiKeys
from ledger.roles import PERMISSIONS, Permission, Role
from service.api.routes import PERMISSION
from service.problems import KINDS

# method, path ({id} is a recorded decision), the permission, status with it
TABLE: list[tuple[str, str, Permission, int]] = [
    ("GET", "/v1/decisions", Permission.DECISIONS_FIND, 200),
    ("POST", "/v1/decisions/search", Permission.DECISIONS_FIND, 200),
    ("GET", "/v1/decisions/{id}", Permission.DECISIONS_READ, 200),
    ("GET", "/v1/decisions/{id}/proof", Permission.DECISIONS_READ, 200),
    ("GET", "/v1/decisions/{id}/receipt.cose", Permission.DECISIONS_READ, 200),
    ("GET", "/v1/decisions/{id}/replay", Permission.DECISIONS_READ, 200),
    ("POST", "/v1/decisions/{id}/replay", Permission.DECISIONS_READ, 200),
    ("GET", "/v1/decisions/{id}/explanation", Permission.DECISIONS_READ, 200),
    ("GET", "/v1/decisions/01a20aa6-1a5c-7fcf-9ba7-5831c882ac71", Permission.DECISIONS_READ, 404),
    ("GET", "/v1/decisions/Ann-Other", Permission.DECISIONS_READ, 404),
    ("GET", "/v1/corrections", Permission.DECISIONS_READ, 200),
    ("GET", "/v1/decisions/{id}/corrections", Permission.DECISIONS_READ, 200),
    ("POST", "/v1/decisions/{id}/corrections", Permission.CORRECTIONS_MAKE, 422),
    ("POST", "/v1/outcomes", Permission.OUTCOMES_RECORD, 422),
    ("GET", "/v1/decisions/{id}/outcomes", Permission.DECISIONS_READ, 200),
    ("POST", "/v1/subjects/export", Permission.SUBJECTS_EXPORT, 422),
    ("POST", "/v1/restrictions", Permission.HOLDS_MANAGE, 422),
    ("GET", "/v1/models", Permission.MODELS_READ, 200),
    ("GET", "/v1/models/mortgage-approval@1.0.0", Permission.MODELS_READ, 200),
    ("GET", "/v1/models/none@1.0.0", Permission.MODELS_READ, 404),
    ("POST", "/v1/models", Permission.MODELS_REGISTER, 422),
    ("GET", "/v1/models/mortgage-approval@1.0.0/history", Permission.MODELS_READ, 200),
    ("GET", "/v1/models/none@1.0.0/history", Permission.MODELS_READ, 404),
    ("POST", "/v1/models/mortgage-approval@1.0.0/proposals", Permission.MODELS_REGISTER, 422),
    (
        "POST",
        "/v1/models/mortgage-approval@1.0.0/proposals/x/agree",
        Permission.MODELS_APPROVE,
        422,
    ),
    ("POST", "/v1/models/mortgage-approval@1.0.0/proposals/x/refuse", Permission.MODELS_READ, 422),
    ("POST", "/v1/models/mortgage-approval@1.0.0/promote", Permission.MODELS_REGISTER, 422),
    ("POST", "/v1/models/mortgage-approval@1.0.0/suspend", Permission.MODELS_SUSPEND, 422),
    ("GET", "/v1/policies", Permission.MODELS_READ, 200),
    ("GET", "/v1/policies/mortgage-cutoff@1.0.0", Permission.MODELS_READ, 200),
    ("GET", "/v1/policies/none@1.0.0", Permission.MODELS_READ, 404),
    ("POST", "/v1/policies", Permission.MODELS_REGISTER, 422),
    ("GET", "/v1/sources", Permission.MODELS_READ, 200),
    ("GET", "/v1/sources/loan-desk", Permission.MODELS_READ, 200),
    ("GET", "/v1/sources/nobody", Permission.MODELS_READ, 404),
    ("GET", "/v1/sources/loan-desk/gaps", Permission.MODELS_READ, 200),
    ("GET", "/v1/sources/nobody/gaps", Permission.MODELS_READ, 404),
    ("POST", "/v1/sources/loan-desk/gaps", Permission.SOURCES_STATE, 422),
    ("GET", "/v1/sources/loan-desk/totals", Permission.MODELS_READ, 200),
    ("POST", "/v1/sources/loan-desk/totals", Permission.SOURCES_STATE, 422),
    ("POST", "/v1/decisions", Permission.DECISIONS_RECORD, 422),
]

IMMUTABLE = "public, max-age=31536000, immutable"
# path, status, media type, caching: all without a key
PUBLIC = [
    ("/healthz", 200, "application/json", "no-store"),
    ("/readyz", 200, "application/json", "no-store"),
    ("/openapi.json", 200, "application/json", "no-store"),
    ("/problems/", 200, "text/html", "no-store"),
    ("/problems/erased", 200, "text/html", "no-store"),
    ("/problems/none", 404, "application/problem+json", "no-store"),
    ("/log/policy.txt", 200, "text/plain", "public, max-age=1"),
    ("/log/decisions/checkpoint", 200, "text/plain", "public, max-age=1"),
    ("/log/access/checkpoint", 200, "text/plain", "public, max-age=1"),
    ("/log/other/checkpoint", 404, "application/problem+json", "no-store"),
    ("/log/decisions/minimum-index", 200, "text/plain", "public, max-age=1"),
    ("/log/other/minimum-index", 404, "application/problem+json", "no-store"),
    ("/log/decisions/tile/0/000.p/1", 200, "application/octet-stream", IMMUTABLE),
    ("/log/access/tile/0/000.p/1", 200, "application/octet-stream", IMMUTABLE),
    ("/log/decisions/tile/entries/000.p/2", 200, "application/octet-stream", IMMUTABLE),
    ("/log/decisions/tile/entries/000.p/255", 404, "application/problem+json", "no-store"),
    ("/log/decisions/tile/0/000", 404, "application/problem+json", "no-store"),
    ("/log/decisions/tile/0/000.p/0", 404, "application/problem+json", "no-store"),
    ("/log/decisions/tile/0/00", 404, "application/problem+json", "no-store"),
    ("/log/decisions/tile/0/../../../../etc/passwd", 404, "application/problem+json", "no-store"),
    ("/log/decisions/tile/64/000", 404, "application/problem+json", "no-store"),
    ("/log/decisions/tile/entries/0/000", 404, "application/problem+json", "no-store"),
    ("/log/decisions/timestamps/index.txt", 200, "text/plain", "public, max-age=1"),
    ("/log/decisions/timestamps/1-00.note", 404, "application/problem+json", "no-store"),
    ("/log/other/timestamps/index.txt", 404, "application/problem+json", "no-store"),
    ("/v1/nothing", 404, "application/problem+json", "no-store"),
]


def role_with(permission: Permission) -> Role:
    held = [role for role in Role if permission in PERMISSIONS[role]]
    return Role.CASE_HANDLER if Role.CASE_HANDLER in held else held[0]


def body_for(method: str) -> Any:
    return {} if method == "POST" else None


@pytest.mark.parametrize(("method", "path", "permission", "status"), TABLE)
def test_with_the_permission(
    door: Any, method: str, path: str, permission: Permission, status: int
) -> None:
    address = path.format(id=door.lender.ids[0])
    got = door.ask(role_with(permission), method, address, body_for(method))
    assert got.status_code == status, got.text
    assert got.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("method", "path", "permission", "status"), TABLE)
def test_without_a_key(
    door: Any, method: str, path: str, permission: Permission, status: int
) -> None:
    address = path.format(id=door.lender.ids[0])
    got = door.ask(None, method, address, body_for(method))
    assert (got.status_code, got.get_json()["type"]) == (401, "/problems/unauthenticated")
    assert got.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "permission", "status"), TABLE)
def test_every_other_role_is_refused(
    door: Any, method: str, path: str, permission: Permission, status: int
) -> None:
    address = path.format(id=door.lender.ids[0])
    others = [role for role in Role if permission not in PERMISSIONS[role]]
    assert others
    for role in others:
        got = door.ask(role, method, address, body_for(method))
        assert (got.status_code, got.get_json()["type"]) == (403, "/problems/refused")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer dl_0011223344556677_" + "A" * 43, "Bearer " + "x" * 5000],
)  # fmt: skip
def test_a_key_that_is_none(door: Any, authorization: str) -> None:
    got = door.ask(None, "GET", "/v1/models", Authorization=authorization)
    assert got.status_code == 401
    assert "dl_" not in got.text


def test_a_revoked_key_is_refused_at_once(door: Any) -> None:
    keys = door.lender.runtime.api_keys
    text, key_id = keys.issue("for an hour", Role.AUDITOR)
    header = {"Authorization": f"Bearer {text}"}
    assert door.client.get("/v1/models", headers=header).status_code == 200
    keys.revoke(key_id)
    assert door.client.get("/v1/models", headers=header).status_code == 401


def test_a_key_whose_time_is_up_is_told_so(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = door.lender.runtime
    text, _ = runtime.api_keys.issue("for a day", Role.AUDITOR, days=1)
    tomorrow = runtime.clock() + timedelta(days=1)
    later = ApiKeys(runtime.databases[0], lambda: tomorrow, os.urandom)
    monkeypatch.setitem(
        door.client.application.extensions, "ledger", replace(runtime, api_keys=later)
    )
    got = door.client.get("/v1/models", headers={"Authorization": f"Bearer {text}"})
    assert (got.status_code, got.get_json()["type"]) == (401, "/problems/key-expired")
    assert got.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("name", "value"), [("Ledger_Purpose", "curiosity"), ("Ledger_Case", "Ann Other")]
)
def test_a_purpose_and_a_case_are_codes(door: Any, name: str, value: str) -> None:
    got = door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{door.lender.ids[0]}", **{name: value})
    assert (got.status_code, got.get_json()["member"]) == (400, name.replace("_", "-"))


@pytest.mark.parametrize(("path", "status", "media_type", "caching"), PUBLIC)
def test_what_is_public(door: Any, path: str, status: int, media_type: str, caching: str) -> None:
    got = door.ask(None, "GET", path, Accept="application/json, */*;q=0.1")
    assert (got.status_code, got.mimetype) == (status, media_type)
    assert got.headers["Cache-Control"] == caching


def test_the_public_log_can_be_closed(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = replace(door.lender.runtime.settings, log_public=False)
    app = door.client.application
    monkeypatch.setitem(app.extensions, "ledger", replace(door.lender.runtime, settings=closed))
    assert door.ask(None, "GET", "/log/decisions/checkpoint").status_code == 401
    got = door.ask(Role.SOURCE, "GET", "/log/decisions/checkpoint")
    assert (got.status_code, got.headers["Cache-Control"]) == (200, "private, max-age=1")


def test_every_response_carries_the_security_headers(door: Any) -> None:
    for path in ("/healthz", "/v1/models", "/v1/nothing", "/log/decisions/checkpoint"):
        headers = door.ask(Role.AUDITOR, "GET", path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] in {"no-referrer", "same-origin"}
        assert re.fullmatch(r"[0-9a-f-]{36}", headers["Request-Id"])
        assert "Server" not in headers


def test_a_problem_is_found_again_by_its_instance(door: Any) -> None:
    got = door.ask(None, "GET", "/v1/models")
    assert got.get_json()["instance"] == f"urn:uuid:{got.headers['Request-Id']}"


@pytest.mark.parametrize("slug", KINDS)
def test_every_kind_of_problem_has_a_page(door: Any, slug: str) -> None:
    page = door.client.get(f"/problems/{slug}")
    assert page.status_code == 200
    assert KINDS[slug].title in page.text.replace("&#x27;", "'")


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/v1/decisions/x"])
def test_other_methods_are_refused_with_those_that_are_taken(door: Any, path: str) -> None:
    got = door.ask(Role.AUDITOR, "DELETE", path)
    assert (got.status_code, got.get_json()["type"]) == (405, "/problems/method-not-allowed")
    assert "GET" in got.headers["Allow"]


def test_only_these_addresses_need_no_permission(door: Any) -> None:
    app = door.client.application
    public = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith("ui.")
        and getattr(app.view_functions[rule.endpoint], PERMISSION, None) is None
    }
    assert public == {
        "/healthz",
        "/log/<name>/checkpoint",
        "/log/<name>/minimum-index",
        "/log/<name>/tile/<path:rest>",
        "/log/<name>/timestamps/<file>",
        "/log/policy.txt",
        "/openapi.json",
        "/problems/",
        "/problems/<slug>",
        "/readyz",
    }
