"""The language of an explanation: asked for, preferred, or the one it was told in."""

from dataclasses import replace
from typing import Any

import pytest

from explain.explanation import Explanation
from ledger.entries import ExplanationIssued, parse_entry
from ledger.roles import Role
from ledger.tlog.proof import Receipt
from service.explaining import Explaining

PATH = "/v1/decisions/{}/explanation"


@pytest.fixture
def fresh(door: Any) -> str:
    """A declined decision that nobody has explained yet."""
    runtime = door.lender.runtime
    like = runtime.decisions.read(door.lender.ids[2]).payload
    body = like.to_json() | {"id": runtime.decisions.new_id()}
    assert door.ask(Role.SOURCE, "POST", "/v1/decisions", body).status_code == 201
    return str(body["id"])


def told(got: Any) -> Explanation:
    assert got.status_code == 200, got.text
    return Explanation.from_json(got.get_json()["explanation"])


def issued(door: Any, decision: str) -> int:
    history = door.lender.runtime.decisions.history(decision)
    return sum(isinstance(entry.body, ExplanationIssued) for entry in history)


def test_another_language_is_issued_beside_the_first_and_says_the_same(
    door: Any, fresh: str
) -> None:
    path = PATH.format(fresh)
    first = door.ask(Role.CASE_HANDLER, "GET", path)
    other = door.ask(Role.CASE_HANDLER, "GET", f"{path}?language=de")
    assert first.headers["Content-Language"] == "en"
    assert other.headers["Content-Language"] == "de"
    told(other).check_same_facts(told(first))
    assert "Punkte" in told(other).summary
    assert other.get_json()["entry"] != first.get_json()["entry"]
    # Each stays, and the first is still what a reader gets who asks for none.
    assert door.ask(Role.AUDITOR, "GET", f"{path}?language=de").get_json() == other.get_json()
    assert door.ask(Role.AUDITOR, "GET", path).get_json() == first.get_json()
    assert issued(door, fresh) == 2


def test_two_processes_that_explain_first_tell_what_the_first_of_them_told(
    door: Any, fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = door.lender.runtime.explaining
    parts = ("_registry", "_decisions", "_attributions", "_attachments", "quarantine")
    theirs = Explaining(*(getattr(ours, each) for each in parts))
    explain = ours.explain

    def overtaken(decision: str, language: str) -> Explanation:
        composed: Explanation = explain(decision, language)
        assert theirs.issue(decision, "de").explanation.language == "de"
        return composed

    monkeypatch.setattr(ours, "explain", overtaken)
    mine = ours.issue(fresh, "en")
    assert (mine.explanation.language, mine) == ("de", theirs.issued(fresh))
    assert ours.languages(fresh)[0] == "de"


def test_a_letter_carries_the_proof_of_what_it_says(door: Any, fresh: str) -> None:
    path = PATH.format(fresh)
    assert told(door.ask(Role.CASE_HANDLER, "GET", path)).language == "en"
    german = door.ask(Role.CASE_HANDLER, "GET", f"{path}?language=de").get_json()
    page = door.ask(Role.AUDITOR, "GET", f"{path}?language=de", Accept="text/html")
    assert '<html lang="de"' in page.text
    assert "Anteil des Darlehens am Preis" in page.text
    reporting = door.lender.runtime.reporting
    found = door.lender.runtime.explaining.issued(fresh, "de")
    files = {each.name: each for each in reporting._attachments(fresh, found)}
    proof = Receipt.parse(files["explanation.tlog-proof"].content.decode())
    assert parse_entry(proof.entry).id == german["entry"]
    assert b'"de"' in files["explanation-openings.json"].content
    assert files["evidence.json"].description.startswith("Der Eintrag im Protokoll")


def test_a_language_that_nobody_speaks_is_refused(door: Any, fresh: str) -> None:
    for language in ("fi", "../en", "EN", "de-DE"):
        got = door.ask(Role.CASE_HANDLER, "GET", f"{PATH.format(fresh)}?language={language}")
        assert (got.status_code, got.get_json()["member"]) == (422, "language")
        assert "de, en, es, fr, it, nl, pl" in got.get_json()["detail"]
    assert issued(door, fresh) == 0


def test_a_language_that_the_model_has_no_words_in_is_refused_and_nothing_is_issued(
    door: Any, fresh: str
) -> None:
    got = door.ask(Role.CASE_HANDLER, "GET", f"{PATH.format(fresh)}?language=fr")
    assert (got.status_code, got.get_json()["type"]) == (422, "/problems/not-explainable")
    assert issued(door, fresh) == 0


def test_a_role_that_may_not_issue_gets_no_new_language(door: Any, fresh: str) -> None:
    path = PATH.format(fresh)
    assert told(door.ask(Role.CASE_HANDLER, "GET", path)).language == "en"
    got = door.ask(Role.AUDITOR, "GET", f"{path}?language=de")
    assert (got.status_code, got.get_json()["type"]) == (404, "/problems/not-issued")


def test_a_browsers_language_chooses_but_issues_nothing_more(door: Any, fresh: str) -> None:
    path = PATH.format(fresh)
    # French is liked best, but the model has no French words: so ours.
    first = door.ask(Role.CASE_HANDLER, "GET", path, Accept_Language="fr, de;q=0.5")
    assert told(first).language == "en"
    again = door.ask(Role.CASE_HANDLER, "GET", path, Accept_Language="de")
    assert told(again).language == "en"
    assert issued(door, fresh) == 1
    door.ask(Role.CASE_HANDLER, "GET", f"{path}?language=de")
    for header, language in (("de-AT, en;q=0.1", "de"), ("en, de;q=0.9", "en"), ("fi", "en")):
        got = door.ask(Role.AUDITOR, "GET", path, Accept_Language=header)
        assert told(got).language == language
        assert got.headers["Vary"] == "Accept, Accept-Language"


def test_the_first_explanation_is_in_the_readers_language_if_there_are_words(
    door: Any, fresh: str
) -> None:
    got = door.ask(Role.CASE_HANDLER, "GET", PATH.format(fresh), Accept_Language="de")
    assert told(got).language == "de"
    assert door.lender.runtime.explaining.languages(fresh) == ("de",)


@pytest.mark.parametrize("audience", ["subject", "reviewer", "regulator"])
def test_an_explanation_comes_in_layers_for_its_reader(door: Any, audience: str) -> None:
    path = f"{PATH.format(door.lender.ids[2])}?language=de&audience={audience}"
    got = door.ask(Role.CASE_HANDLER, "GET", path)
    found = got.get_json()["layers"]
    assert [one["name"] for one in found] == ["summary", "reasons", "details", "method"]
    assert found[0] == {"name": "summary", "title": "Kurz gesagt", "texts": [told(got).summary]}
    assert any("Bestanden: " in text for text in found[3]["texts"]) == (audience != "subject")


def test_another_reader_than_the_three_is_refused(door: Any) -> None:
    path = f"{PATH.format(door.lender.ids[2])}?audience=press"
    got = door.ask(Role.CASE_HANDLER, "GET", path)
    assert (got.status_code, got.get_json()["member"]) == (422, "audience")


def test_a_language_in_which_it_would_say_something_else_is_refused(door: Any, fresh: str) -> None:
    # Told first by an earlier release, say, that named one reason fewer.
    explaining, decisions = door.lender.runtime.explaining, door.lender.runtime.decisions
    now = explaining.explain(fresh, "en")
    before = replace(now, reasons=now.reasons[:-1])
    decisions.attach_explanation(fresh, before.to_json(), "0" * 64, "1" * 64)
    got = door.ask(Role.CASE_HANDLER, "GET", f"{PATH.format(fresh)}?language=de")
    assert (got.status_code, got.get_json()["type"]) == (422, "/problems/not-explainable")
    assert "what was told first" in got.get_json()["detail"]
    assert issued(door, fresh) == 1
