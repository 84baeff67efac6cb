"""Who looked, over HTTP: who may ask, what the figures are, and that asking is on record."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.entries import parse_entry
from ledger.roles import PERMISSIONS, Permission, Role
from service.access_patterns import CODES
from service.office_hours import OfficeHours
from service.settings import Settings
from tests.service.api.conftest import Door
from tests.service.ui.lender import SUBJECT, Lender

OFFICER = Role.DATA_PROTECTION_OFFICER
MONTH = "/v1/accesses/2026-06"


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    """A ledger of its own for each test: figures are of everything that was done in a month."""
    data = tmp_path / "data"
    settings = Settings(data=data, origin="ledger.example/demo")
    hours = OfficeHours.parse("Mon-Fri 07:00-19:00 UTC")
    made = Lender(data, replace(settings, office_hours=hours))
    made.record(5)
    made.now = datetime(2026, 6, 3, 9, tzinfo=UTC)
    yield made
    made.runtime.close()


@pytest.fixture
def door(lender: Lender) -> Door:
    return Door(lender, lender.app().test_client())


def figures(got: Any) -> dict[str, int]:
    names = ("looks", "records", "denied", "without_case", "outside", "own")
    return {name: got[name] for name in names}


def test_a_month_of_looks(door: Door, lender: Lender) -> None:
    clerk = next(
        each.id for each in lender.runtime.api_keys.list() if each.role is Role.CASE_HANDLER
    )
    said = door.ask(OFFICER, "POST", "/v1/own-references", {"key": clerk, "subject": SUBJECT})
    assert (said.status_code, said.get_json()["count"]) == (200, 1)
    lender.now = datetime(2026, 6, 4, 9, tzinfo=UTC)
    mine = f"/v1/decisions/{lender.ids[3]}"
    assert door.ask(Role.CASE_HANDLER, "GET", mine).status_code == 200
    lender.now = datetime(2026, 6, 6, 23, tzinfo=UTC)  # a Saturday night
    another = f"/v1/decisions/{lender.ids[1]}"
    door.ask(Role.CASE_HANDLER, "GET", another, **{"Ledger-Case": "C-1"})
    lender.now = datetime(2026, 6, 8, 9, tzinfo=UTC)
    got = door.ask(OFFICER, "GET", MONTH)
    assert got.status_code == 200
    found = got.get_json()
    assert figures(found) == {
        "looks": 4, "records": 2, "denied": 0, "without_case": 3, "outside": 1, "own": 1,
    }  # fmt: skip
    assert (found["month"], found["actors"]) == ("2026-06", 2)
    days = {(each["day"], each["role"]): figures(each) for each in found["days"]}
    assert days["2026-06-06", "case_handler"]["outside"] == 1
    assert days["2026-06-04", "case_handler"]["own"] == 1
    codes = {(each["code"], each["day"], each["count"]) for each in found["findings"]}
    assert codes == {("own_records", "2026-06-04", 1), ("out_of_hours", "2026-06-06", 1)}
    assert {each["code"] for each in found["findings"]} <= set(CODES)
    last = parse_entry(list(lender.runtime.logs["access"].entries())[-1])
    assert lender.runtime.access_log.open(last.id).fields == ("accesses",)
    assert SUBJECT not in got.text
    assert lender.ids[3] not in got.text
    empty = door.ask(OFFICER, "GET", "/v1/accesses/2031-01").get_json()
    assert (empty["looks"], empty["days"], empty["findings"]) == (0, [], [])


def test_declared_and_withdrawn(door: Door, lender: Lender) -> None:
    auditor = next(each for each in lender.runtime.api_keys.list() if each.role is Role.AUDITOR)
    body = {"key": auditor.id, "subject": "MTG-of-nobody"}
    assert door.ask(OFFICER, "POST", "/v1/own-references", body).get_json()["count"] == 1
    listed = door.ask(Role.AUDITOR, "GET", "/v1/own-references").get_json()["declared"]
    assert {"key": auditor.id, "name": auditor.name, "count": 1} in listed
    away = "/v1/own-references/withdraw"
    mine = door.ask(Role.AUDITOR, "POST", away, body)
    assert (mine.status_code, mine.get_json()["type"]) == (403, "/problems/second-person")
    assert door.ask(OFFICER, "POST", away, {"key": auditor.id}).get_json()["count"] == 0
    assert door.ask(OFFICER, "POST", away, body).status_code == 404
    assert door.ask(OFFICER, "POST", away, {"key": "0" * 16}).status_code == 404


def test_what_is_no_month_or_no_reference(door: Door) -> None:
    for month in ("2026-13", "2026-6", "june", "2026-06-01", "٢٠٢٦-06"):
        got = door.ask(OFFICER, "GET", f"/v1/accesses/{month}")
        assert (got.status_code, got.get_json().get("member")) == (400, "month")
    mine = {"key": door.lender.runtime.api_keys.list()[0].id}
    for body in ({}, {"key": "k"}, {"key": "", "subject": "x"}, mine | {"subject": "a\nb"}):
        got = door.ask(OFFICER, "POST", "/v1/own-references", body)
        assert got.status_code == 422
    assert (
        door.ask(
            OFFICER, "POST", "/v1/own-references", mine | {"key": "k", "subject": "x"}
        ).status_code
        == 404
    )


def test_who_may_not(door: Door) -> None:
    for role in Role:
        may = Permission.ACCESSES_REVIEW in PERMISSIONS[role]
        assert (door.ask(role, "GET", MONTH).status_code == 200) is may
        assert (door.ask(role, "GET", "/v1/own-references").status_code == 200) is may
