"""A database that is moved away in the middle: an outage, told as one, that ends when it is back."""

from typing import Any

import pytest

from ledger.roles import Role


@pytest.mark.parametrize(("file", "part"), [("vault.db", "vault"), ("ledger.db", "database")])
def test_nothing_is_recorded_or_shown_while_a_database_is_gone(
    door: Any, file: str, part: str
) -> None:
    path = door.lender.settings.data / file
    decision = door.decision()
    path.rename(path.with_suffix(".away"))
    try:
        away = door.ask(Role.SOURCE, "POST", "/v1/decisions", decision)
        assert (away.status_code, away.get_json()["type"]) == (503, "/problems/unavailable")
        assert int(away.headers["Retry-After"]) >= 1
        assert str(path.parent) not in away.text
        ready = door.ask(None, "GET", "/readyz")
        assert ready.status_code == 503
        assert part in ready.get_json()["detail"]
        read = door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{door.lender.ids[0]}")
        assert read.status_code == 503  # the access log comes first, and cannot be written
        assert door.ask(None, "GET", "/healthz").status_code == 200
    finally:
        path.with_suffix(".away").rename(path)
    assert door.ask(Role.SOURCE, "POST", "/v1/decisions", decision).status_code == 201
    assert door.ask(None, "GET", "/readyz").status_code == 200
