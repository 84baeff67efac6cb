"""The overview with decisions whose source dated them wrongly: the page is everybody's."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from ledger.roles import Role
from tests.service.ui.conftest import Browser, enter
from tests.service.ui.lender import Lender

WRONG = ("0001-01-01T00:00:00Z", "1970-01-31T23:59:59Z", "9999-12-31T23:59:59.999999Z")


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    lender = Lender(tmp_path / "data")
    lender.record(1)
    yield lender
    lender.runtime.close()


def _record_dated(lender: Lender, moment: str) -> None:
    decisions = lender.runtime.decisions
    payload = decisions.read(lender.ids[0]).payload
    context = {**payload.context, "decided_at": moment}
    decisions.record([replace(payload, id=decisions.new_id(), context=context)])


@pytest.mark.parametrize("moment", WRONG)
def test_a_wrong_date_takes_the_overview_from_nobody(lender: Lender, moment: str) -> None:
    _record_dated(lender, moment)
    page = _overview(lender)
    assert page.status_code == 200
    assert "March 2026" in page.text
    assert "1 decision in 1 month, newest first." in page.text


def test_an_overview_with_wrong_dates_only_has_no_chart(tmp_path: Path) -> None:
    lender = Lender(tmp_path / "data")
    try:
        lender.record(1)
        lender.now = lender.now.replace(year=2025)  # all that was recorded is in the future now
        assert "newest first" not in _overview(lender).text
    finally:
        lender.runtime.close()


def _overview(lender: Lender) -> TestResponse:
    browser: Browser = enter(lender, Role.AUDITOR)
    return browser.get("/")
