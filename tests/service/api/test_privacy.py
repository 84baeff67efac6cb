"""No personal data in logs, addresses, headers or errors: say it, then look everywhere."""

import logging
from typing import Any

import pytest

from ledger.roles import Role

SECRET = "Ann Other, 1 Elm Street"


def test_nothing_personal_is_logged(
    door: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    body = door.decision(subject=SECRET)
    margin, record = str(body["output"]["margin"]), body["id"]
    answers = [
        door.ask(Role.SOURCE, "POST", "/v1/decisions", body),
        door.ask(Role.SOURCE, "POST", "/v1/decisions", body | {"subject": SECRET + "!"}),
        door.ask(Role.SOURCE, "POST", "/v1/decisions", body | {"colour": SECRET}),
        door.ask(Role.AUDITOR, "POST", "/v1/decisions/search", {"subject": SECRET}),
        door.ask(Role.AUDITOR, "GET", f"/v1/decisions?subject={SECRET}"),
        door.ask(Role.AUDITOR, "GET", f"/v1/decisions?nonsense={SECRET}"),
        door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{SECRET}"),
        door.ask(Role.AUDITOR, "GET", f"/v1/{SECRET}"),
        door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{record}"),
        door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{record}/explanation"),
        door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{record}/replay"),
    ]

    def fail(*_: Any) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr("ledger.operate.decisions.Decisions.read", fail)
    broken = door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{record}")
    assert broken.status_code == 500
    assert "ValueError" in caplog.text
    for hidden in (SECRET, "Ann", margin, record):
        assert hidden not in caplog.text
    for each in [*answers, broken]:
        if each.status_code >= 400:
            assert "Ann" not in each.text
        for name, value in each.headers.items():
            assert "Ann" not in f"{name}: {value}"


def test_the_public_log_holds_nothing_personal(door: Any) -> None:
    body = door.decision(subject=SECRET)
    door.ask(Role.SOURCE, "POST", "/v1/decisions", body)
    door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{body['id']}/explanation")
    door.ask(Role.AUDITOR, "POST", "/v1/decisions/search", {"subject": SECRET})
    for log in door.lender.runtime.logs.values():
        every = b"".join(log.entries())
        for hidden in ("Ann Other", str(body["output"]["margin"]), "declined", "approved", "MTG-"):
            assert hidden.encode() not in every


def test_the_request_log_names_the_rule_and_the_status(
    door: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "service.requests")
    got = door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{door.lender.ids[0]}?x=1")
    (line,) = [each.getMessage() for each in caplog.records if each.name == "service.requests"]
    assert line.startswith(f"{got.headers['Request-Id']} GET /v1/decisions/<decision_id> 200 ")
