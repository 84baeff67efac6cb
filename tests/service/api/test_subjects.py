"""A copy over HTTP: the reference in the body, a file in the answer, nothing in any log line."""

import io
import json
import logging
import zipfile
from typing import Any

import pytest

from ledger.roles import Role
from tests.service.api.conftest import Door
from tests.service.ui.lender import SUBJECT

PATH = "/v1/subjects/export"
OFFICER = Role.DATA_PROTECTION_OFFICER


def test_the_copy_comes_as_a_file(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        got = door.ask(OFFICER, "POST", PATH, {"subject": SUBJECT, "received_on": "2026-03-05"})
    assert (got.status_code, got.content_type) == (200, "application/zip")
    assert got.headers["Ledger-Answer-By"] == "2026-04-06"
    assert got.headers["Ledger-Export"] in got.headers["Content-Disposition"]
    assert got.headers["Cache-Control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(got.data)) as packed:
        assert json.loads(packed.read("data.json"))["held"] == "decisions"
    assert int(got.headers["Content-Length"]) == len(got.data)
    assert SUBJECT not in caplog.text
    got.close()


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 201}, "subject"),
        ({"subject": 1}, "subject"),
        ({"subject": "A", "received_on": "2026-02-30"}, "received_on"),
        ({"subject": "A", "received_on": "yesterday"}, "received_on"),
        ({"subject": "A", "received_on": "2999-01-01"}, "received_on"),
        ({"subject": "A", "language": "../en"}, "language"),
        ({"subject": "A", "withhold": ["input.late"]}, "withhold"),
        ({"subject": "A", "more": 1}, "more"),
    ],
)
def test_a_wrong_body_names_the_member(door: Door, body: dict[str, Any], member: str) -> None:
    got = door.ask(OFFICER, "POST", PATH, body)
    assert (got.status_code, got.get_json()["member"]) == (422, member)


def test_without_contacts_it_says_what_to_do(door: Door) -> None:
    path = door.lender.settings.contacts_path
    kept = path.read_bytes()
    path.unlink()
    try:
        got = door.ask(OFFICER, "POST", PATH, {"subject": SUBJECT})
    finally:
        path.write_bytes(kept)
    assert got.status_code == 404
    assert "contacts.json" in got.get_json()["detail"]
