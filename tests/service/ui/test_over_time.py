"""The page of a model over time: what was found last, or how to find it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.operate.outcomes import Event, Outcome
from ledger.roles import Principal, Role
from service.over_time.figures import Period
from service.over_time.monitoring import monitor
from service.reading import Caller, Reading
from tests.service.ui.conftest import enter
from tests.service.ui.lender import Lender

MODEL = "mortgage-approval@1.0.0"
WHO = Caller(Principal("k", "K", Role.DATA_PROTECTION_OFFICER), "model_monitoring")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("watched") / "data")
    made.record(80)
    yield made
    made.runtime.close()


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_a_model_over_time(watched: Lender) -> None:
    browser = enter(watched, Role.MODEL_OWNER)
    address = re.search(r'href="(/models/[^/"]+/over-time)"', browser.get(f"/models/{MODEL}").text)
    assert address is not None
    empty = browser.get(address[1])
    assert "Nothing is worked out yet" in empty.text
    assert f"decision-ledger monitor --model {MODEL}" in words(empty.text)

    reading = Reading(watched.runtime, WHO)
    for by in (Period.MONTH, Period.QUARTER):
        monitor(
            watched.runtime, reading, MODEL, by=by, reference=None, anew=False,
            told=lambda _done, _of: None,
        )  # fmt: skip
        if by is Period.MONTH:
            shown = words(browser.get(address[1]).text)
            assert "April 2026 15 too few" in shown
            assert "What weighed in" in shown
            assert "Too few for a figure that says nothing about single persons." in shown
    before = watched.runtime.logs["access"].size()
    page = browser.get(address[1])
    assert watched.runtime.logs["access"].size() == before
    shown = words(page.text)
    assert "Decisions in the log 80 Counted here 80 Erased 0" in shown
    assert "2026, quarter 1" in shown
    assert "What weighed in 2026, quarter 3" in shown
    assert "Compared with 2026, quarter 2." in shown
    assert "Loan as a share of the price" in shown
    assert "by chance up to" in shown
    assert 'class="chance"' in page.text
    chosen = browser.get(f"{address[1]}?period=2026-Q2")
    assert "What weighed in 2026, quarter 2" in words(chosen.text)
    assert "The loan is a large share of the price LTV" in words(chosen.text)
    assert chosen.text.count('aria-current="true"') == 2  # the menu's, and the period's
    nobody = browser.get(f"{address[1]}?period=%3Cscript%3E")
    assert nobody.text.count("What weighed in 2026, quarter 3") == 1

    client = watched.app().test_client()
    key = {"Authorization": f"Bearer {watched.keys[Role.AUDITOR]}"}
    answer = client.get(f"/v1/models/{MODEL}/over-time", headers=key).get_json()
    assert (answer["reference"], answer["by"], answer["decisions"]) == ("2026-Q2", "quarter", 80)
    source = {"Authorization": f"Bearer {watched.keys[Role.SOURCE]}"}
    assert client.get(f"/v1/models/{MODEL}/over-time", headers=source).status_code == 403


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Lender]:
    """A lender to write to; no other test sees it."""
    made = Lender(tmp_path / "data")
    made.record(24)
    yield made
    made.runtime.close()


def test_what_became_of_them_is_shown_beside_what_was_predicted(own: Lender) -> None:
    def shown() -> str:
        reading = Reading(own.runtime, WHO)
        monitor(
            own.runtime, reading, MODEL, by=Period.YEAR, reference=None, anew=False,
            told=lambda _done, _of: None,
        )  # fmt: skip
        return words(enter(own, Role.MODEL_OWNER).get(f"/models/{MODEL}/over-time").text)

    assert "What became of them" not in shown()
    feed(own, own.ids[:3])
    assert "Outcome known 3 of 24" in (few := shown())
    assert "Too few outcomes are known" in few
    feed(own, own.ids)
    told = shown()
    assert "Outcome known 24 of 24" in told
    assert "Brier score 0" in told
    assert "Predicted, on average Decisions Came true, 95 % interval" in told


def feed(lender: Lender, ids: list[str]) -> None:
    day = lender.now.date()
    servicing = Principal("s", "S", Role.SOURCE)
    lender.runtime.outcomes.record_each(
        servicing, [Outcome(each, Event.TARGET, True, day, "servicing") for each in ids]
    )


def test_there_is_no_page_of_a_model_that_is_not_there(watched: Lender) -> None:
    assert enter(watched).get("/models/nobody@1/over-time").status_code == 404
