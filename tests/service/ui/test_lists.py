"""The list and the overview: right rows, no reference in an address, every look on the log."""

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape

import pytest

from ledger.entries import Access, AccessDenied, parse_entry
from ledger.errors import PushbackError
from ledger.roles import Role
from service.ui.filters import PAGE_ROWS
from tests.service.ui.conftest import HTML, SignIn
from tests.service.ui.lender import COUNT, SUBJECT, Lender


def links(text: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="([^"]+)"', text)]


def link(text: str, words: str) -> str:
    found = re.search(rf'href="([^"]+)"[^>]*>{words}', text)
    return unescape(found[1]) if found else ""


def listed(text: str) -> list[str]:
    return re.findall(r'<a class="code" href="/decisions/([0-9a-f-]{36})"', text)


def accesses(lender: Lender) -> list[Access | AccessDenied]:
    bodies = [parse_entry(raw).body for raw in lender.runtime.logs["access"].entries()]
    return [body for body in bodies if isinstance(body, Access | AccessDenied)]


def test_older_and_newer_pages_show_every_decision_once(lender: Lender, sign_in: SignIn) -> None:
    browser = sign_in()
    first = browser.get("/decisions").text
    assert f"{COUNT} decisions" in first
    assert link(first, "Newer") == ""
    second = browser.get(link(first, "Older")).text
    assert link(second, "Older") == ""
    assert listed(first) + listed(second) == list(reversed(lender.ids))
    assert len(listed(first)) == PAGE_ROWS
    assert listed(browser.get(link(second, "Newer")).text) == listed(first)


def test_a_line_says_when_what_and_why(sign_in: SignIn) -> None:
    text = sign_in().get("/decisions?outcome=declined").text
    row = text.split("<tbody>")[1].split("</tr>")[0]
    assert re.search(r'<time datetime="2026-\d\d-\d\dT\d\d:\d\d:\d\dZ">\d+ \w+ 2026, ', row)
    assert 'class="tag adverse"' in row
    assert "Declined</span>" in row
    assert re.search(r'class="n distance">\N{MINUS SIGN}\d+\.\d<', row)
    assert "mortgage-approval 1.0.0" in row
    assert re.search(r'class="reason"|class="wide reason"', row)
    assert "<rect" in row


def test_facets_count_and_turn_on_and_off(sign_in: SignIn) -> None:
    browser = sign_in()
    text = browser.get("/decisions").text
    counts = {name: int(count) for name, count in
              re.findall(r">(Approved|Declined) <span class=\"count\">(\d+)", text)}  # fmt: skip
    assert sum(counts.values()) == COUNT
    declined = browser.get("/decisions?outcome=declined").text
    assert f"{counts['Declined']} decisions" in declined
    # The other value stays in sight with its own count.
    assert f'Approved <span class="count">{counts["Approved"]}' in declined
    off = re.search(r'href="([^"]+)" aria-current="true">Declined', declined)
    assert off is not None
    assert off[1] == "/decisions"


def test_days_are_included_at_both_ends(lender: Lender, sign_in: SignIn) -> None:
    browser = sign_in()
    text = browser.get("/decisions?since=2026-03-04&until=2026-03-06").text
    assert listed(text) == [lender.ids[1], lender.ids[0]]
    assert "from 4 March 2026 to 6 March 2026" in text
    assert "No decision matches these filters" in browser.get("/decisions?since=2030-01-01").text


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "since=20260304", "until=0001-01-01", "outcome=DECLINED", "model=x",
     "cursor=!", "cursor=" + "a" * 500, "cursor=abc", "trail=" + "~".join("a" * 30)],
)  # fmt: skip
def test_what_our_links_never_say_is_refused(sign_in: SignIn, query: str) -> None:
    response = sign_in().get(f"/decisions?{query}")
    assert response.status_code == 400
    assert "This address or form is not one of ours" in response.text


def test_a_person_is_searched_for_without_an_address(lender: Lender, sign_in: SignIn) -> None:
    browser = sign_in()
    browser.get("/decisions")
    response = browser.post("/decisions/find", q=f"  {SUBJECT} ")
    assert response.status_code == 200
    about = [record for number, record in enumerate(lender.ids) if number % 10 == 3]
    assert listed(response.text) == list(reversed(about))
    assert not [each for each in links(response.text) if SUBJECT in each]
    assert "Referrer-Policy" in response.headers
    exported = browser.post("/decisions/find", q=SUBJECT, format="json")
    assert json.loads(exported.text)["total"] == len(about)
    assert SUBJECT not in exported.text
    assert browser.post("/decisions/find", q=SUBJECT, format="exe").status_code == 400


def test_an_id_leads_to_its_page_and_an_unknown_reference_to_words(
    lender: Lender, sign_in: SignIn
) -> None:
    browser = sign_in()
    browser.get("/decisions")
    record = lender.ids[4]
    response = browser.post("/decisions/find", q=record.upper())
    assert response.headers["Location"] == f"/decisions/{record}"
    assert "No decision about this reference" in browser.post("/decisions/find", q="nobody").text
    assert browser.post("/decisions/find", q=" ").headers["Location"] == "/decisions"
    assert browser.post("/decisions/find", q="x" * 201).status_code == 400


def test_exports_hold_the_same_filter(sign_in: SignIn) -> None:
    browser = sign_in()
    text = browser.get("/decisions?outcome=declined").text
    rows = list(csv.DictReader(io.StringIO(browser.get(link(text, "Export CSV")).text)))
    data = json.loads(browser.get(link(text, "Export JSON")).text)
    assert {row["outcome"] for row in rows} == {"declined"}
    assert [row["id"] for row in rows] == [each["id"] for each in data["decisions"]]
    assert len(rows) == data["total"]
    assert rows[0]["model"] == "mortgage-approval@1.0.0"


def test_every_look_is_on_the_access_log_first(lender: Lender, sign_in: SignIn) -> None:
    browser = sign_in(Role.AUDITOR, purpose="supervision")
    before = len(accesses(lender))
    browser.get("/decisions")
    browser.get("/decisions.csv")
    browser.get(f"/decisions/{lender.ids[0]}")
    looks = accesses(lender)[before:]
    assert [(look.size, look.purpose, look.role) for look in looks] == [
        (PAGE_ROWS, "supervision", "auditor"),
        (COUNT, "supervision", "auditor"),
        (1, "supervision", "auditor"),
    ]


def test_what_cannot_be_logged_is_not_shown(
    lender: Lender, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PushbackError("the database does not answer", retry_after=5)

    browser = sign_in()
    browser.get("/")
    monkeypatch.setattr(lender.runtime.access_log, "record", fail)
    record = lender.ids[0]
    for address in (
        "/decisions", "/decisions.csv", "/decisions.json", f"/decisions/{record}",
        f"/decisions/{record}/letter.pdf",
    ):  # fmt: skip
        response = browser.get(address)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5"), address
        assert record not in response.text
        assert "Declined" not in response.text
    assert browser.post("/decisions/find", q=SUBJECT).status_code == 503


def test_roles_see_what_they_may_and_refusals_are_logged(lender: Lender, sign_in: SignIn) -> None:
    administrator = sign_in(Role.ADMINISTRATOR)
    assert administrator.get("/").status_code == 200
    before = len(accesses(lender))
    for address in ("/decisions", "/decisions.csv", f"/decisions/{lender.ids[0]}"):
        response = administrator.get(address)
        assert response.status_code == 403
        assert "Your role does not allow this" in response.text
    assert all(isinstance(body, AccessDenied) for body in accesses(lender)[before:])
    assert len(accesses(lender)) == before + 3
    source = sign_in(Role.SOURCE)
    assert source.get("/").status_code == 403


def test_the_overview_counts_and_names_what_is_missing(sign_in: SignIn) -> None:
    text = sign_in().get("/").text
    assert f"{COUNT} decisions in 3 months, newest first." in text
    assert "1 prediction of loan-desk never arrived" in text
    assert re.search(r'1 missing</span></td><td class="soft">\d+</td>', text)
    assert 'href="/sources/loan-desk">Look at the gaps</a>' in text
    months = re.findall(r'href="/decisions\?since=([\d-]+)&amp;until=([\d-]+)">(\w+) 2026', text)
    assert months == [
        ("2026-05-01", "2026-05-31", "May"),
        ("2026-04-01", "2026-04-30", "April"),
        ("2026-03-01", "2026-03-31", "March"),
    ]
    assert sum(map(int, re.findall(r'<td class="n total">(\d+)</td>', text))) == COUNT


def test_a_model_is_a_filter_and_a_suspended_one_a_notice(
    lender: Lender, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = sign_in()
    (model,) = lender.runtime.registry.models()
    text = browser.get(link(browser.get("/").text, rf"{COUNT}<span[^>]*> decisions by")).text
    assert f"{COUNT} decisions" in text
    assert '<a class="chip" href="/decisions"><span>mortgage-approval 1.0.0</span>' in text
    assert f'name="model" value="{model.digest}"' in text
    suspended = (replace(model, status="suspended"),)
    monkeypatch.setattr(lender.runtime.registry, "models", lambda: suspended)
    assert "mortgage-approval 1.0.0 is suspended" in browser.get("/").text


def test_our_own_failure_says_nothing_about_itself(
    lender: Lender,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise RuntimeError("MTG-000123 of Jane Doe")

    browser = sign_in()
    monkeypatch.setattr(lender.runtime.completeness, "families", fail)
    response = browser.get("/")
    assert response.status_code == 500
    assert "It is not your doing" in response.text
    assert response.headers["Request-Id"] in response.text
    assert "failed: RuntimeError" in caplog.text
    assert "Jane Doe" not in response.text + caplog.text


def test_a_foreign_method_is_a_page_too(sign_in: SignIn) -> None:
    browser = sign_in()
    response = browser.client.get("/decisions/find", headers=HTML)
    assert response.status_code in {404, 405}
    assert response.mimetype == "text/html"
