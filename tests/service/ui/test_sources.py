"""The pages about sources: what is missing, and who may say why."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from ledger.entries import SourceCounter
from ledger.errors import MalformedError
from ledger.roles import Role
from ledger.storage.models import decision_index
from service.ui import source_pages
from service.ui.source_pages import missing_tag, parse_choice
from tests.service.ui.conftest import enter
from tests.service.ui.lender import Lender

LANE = "mail.k3vq7m2a"


@pytest.fixture(scope="module")
def gappy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    """A lender with lanes that have gaps of each sort; each test that adds to it has its own."""
    lender = Lender(tmp_path_factory.mktemp("gappy") / "data")
    lender.record(1)
    known = lender.runtime.completeness
    record(lender, LANE, *range(1, 60), *range(70, 100), *range(110, 120))
    record(lender, "mail.a9d0c7zz", 1, 2)
    record(lender, "slow", 1, 4)
    lender.now += timedelta(hours=30)
    record(lender, "slow", 2)
    known.state(LANE, 100, 109, "spool_full")
    known.state(LANE, 120, 121, "power_cut")
    known.state_total("mail.a9d0c7zz", 1, 4, 4)
    known.state_total("slow", 1, 2, 1)
    known.state_period("mail", lender.now - timedelta(days=9), lender.now, 101)
    yield lender
    lender.runtime.close()


def record(lender: Lender, source: str, *counters: int) -> list[str]:
    """Record decisions with these counters; return their ids."""
    decisions = lender.runtime.decisions
    payload = decisions.read(lender.ids[0]).payload
    ids = [decisions.new_id() for _ in counters]
    made = zip(ids, counters, strict=True)
    decisions.record([replace(payload, id=n, source=SourceCounter(source, c)) for n, c in made])
    return ids


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_every_source_is_listed_with_what_is_missing(gappy: Lender) -> None:
    text = enter(gappy, Role.AUDITOR).get("/sources").text
    said = words(text)
    assert re.search(r"Received \d+ decisions Missing without a reason \d+ Missing with a", said)
    assert re.search(r"mail 101 2 20 missing, 10 explained 0 .* ago 1 119 lane mail.k3vq", said)
    assert re.search(r"slow 3 1 1 missing 1 ", said)
    assert "mail.a9d0c7zz counters 1 to 4 4 2 Short by 2" in said
    assert "slow counters 1 to 2 1 2 More than stated by 1" in said
    assert re.search(r"mail [^<]* 101 101 Agrees", said)
    assert '<rect class="open"' in text
    assert '<rect class="explained"' in text


def test_one_source_shows_each_gap_with_its_reason(gappy: Lender) -> None:
    said = words(enter(gappy, Role.AUDITOR).get("/sources/mail").text)
    assert f"{LANE} 60 to 69 10 No reason given" in said
    assert f"{LANE} 100 to 109 10 Spool full (says the source)" in said
    assert f"{LANE} 120 to 121 2 Power cut (says the source)" in said
    assert "Explain what is missing" not in said
    late = words(enter(gappy, Role.AUDITOR).get("/sources/slow").text)
    assert re.search(r"slow 2 \d+ \w+ 2026, .* 30 hours \d+ \w+ 2026", late)
    assert "Late 1, by up to 30 hours" in late
    administrator = words(enter(gappy, Role.ADMINISTRATOR).get("/sources/slow").text)
    assert re.search(r"30 hours –", administrator)
    assert enter(gappy).get("/sources/nobody").status_code == 404
    assert enter(gappy).get("/sources/mail?cursor=x").status_code == 400
    assert enter(gappy, Role.SOURCE).get("/sources").status_code == 403
    assert enter(gappy, Role.SOURCE).get("/sources/mail").status_code == 403


def test_an_operator_explains_a_gap_and_the_end_of_a_lane(gappy: Lender) -> None:
    lane, other = "post.k3vq7m2a", "post.a9d0c7zz"
    record(gappy, lane, *range(1, 60), *range(70, 100))
    record(gappy, other, 1, 2)
    gappy.runtime.completeness.state_total(other, 1, 4, 4)
    browser = enter(gappy, Role.MODEL_OWNER)
    page = browser.get("/sources/post")
    assert f'<option value="{lane}:60:69">{lane}, 60 to 69</option>' in page.text
    assert f'<option value="{other}:3:4">' in page.text
    for gap, reason, why in (
        (f"{lane}:60:69", "outage", "give one of operator_cancelled"),
        ("nonsense", "operator_outage", "choose what to explain"),
        (f"{lane}:1:2", "operator_outage", "nothing is missing there"),
        ("nobody:1:2", "operator_outage", "nothing is known of this source"),
        (f"{lane}:9:1", "operator_outage", "ends before it begins"),
    ):
        refused = browser.post("/sources/post/explain", gap=gap, reason=reason)
        assert refused.status_code == 422
        assert why in refused.text
    for gap in (f"{lane}:60:69", f"{other}:3:4"):
        done = browser.post("/sources/post/explain", gap=gap, reason="operator_outage")
        assert (done.status_code, done.location) == (303, "/sources/post")
    text = browser.get("/sources/post").text
    said = words(text)
    assert "60 to 69 10 Outage (says the operator)" in said
    assert "10 missing, all explained" in said
    assert f"{other} counters 1 to 4 4 2 Short by 2, 2 missing with a reason" in said
    assert "Log the reason" not in text
    auditor = enter(gappy, Role.AUDITOR)
    auditor.get("/sources/post")
    refused = auditor.post("/sources/post/explain", gap=f"{lane}:60:69", reason="operator_test")
    assert refused.status_code == 403


def test_gaps_and_lanes_come_in_pages(gappy: Lender, monkeypatch: pytest.MonkeyPatch) -> None:
    record(gappy, "many.aaaaaaaa", 1, 3, 5, 7)
    record(gappy, "many.bbbbbbbb", 1)
    monkeypatch.setattr(source_pages, "GAPS", 2)
    monkeypatch.setattr(source_pages, "LANES", 1)
    monkeypatch.setattr(source_pages, "STRIPS", 1)
    browser = enter(gappy, Role.AUDITOR)
    text = browser.get("/sources/many").text
    assert "and 1 lane more" in text
    (following,) = re.findall(r'<a class="button" href="([^"]+)">More</a>', text)
    said = words(browser.get(following).text)
    assert "many.aaaaaaaa 6 1 No reason given" in said
    assert "many.aaaaaaaa 4 1 No reason given" not in said
    assert browser.get("/sources").status_code == 200


def test_a_source_that_never_sent_anything_is_shown(gappy: Lender) -> None:
    gappy.runtime.completeness.state("silent", 1, 3, "client_failed")
    said = words(enter(gappy, Role.AUDITOR).get("/sources/silent").text)
    assert "Stated besides 3" in said
    assert "Last heard of never" in said
    assert "silent 1 to 3 3 Client failed (says the source) – " in said
    assert "silent none None" in said
    assert re.search(r"silent 0 1 None 0 never", words(enter(gappy).get("/sources").text))


def test_what_was_erased_is_said(gappy: Lender) -> None:
    (erased,) = record(gappy, "gone", 1)
    known = gappy.runtime.completeness
    known.state_period("gone", gappy.now - timedelta(days=9), gappy.now, 1)
    (lane,) = known.totals("gone")
    assert lane.held == 1
    with gappy.runtime.databases[1].begin() as vault:
        vault.execute(delete(decision_index).where(decision_index.c.record_id == erased))
    said = words(enter(gappy, Role.AUDITOR).get("/sources/gone").text)
    assert "1 0 Cannot be told of 1 decision it was erased when they were made" in said


@pytest.mark.parametrize("text", ["", "a", "a:1", "a:1:x", "a:1:-2", "a:1:" + "9" * 17, "a:١:2"])
def test_a_choice_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_choice(text)
    assert parse_choice("a:b:1:22") == ("a:b", 1, 22)


def test_what_is_missing_in_words() -> None:
    assert missing_tag(0, 0).word == "None"
    assert missing_tag(1_000, 0).word == "1,000 missing"
    assert missing_tag(3, 2).word == "5 missing, 2 explained"
    assert missing_tag(0, 2).word == "2 missing, all explained"
