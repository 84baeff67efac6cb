"""The pages of who looked, of own references and of disclosures, as a browser gets them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from ledger.entries import parse_entry
from ledger.operate.access_log import AccessDetail, Manner
from ledger.roles import Principal, Role
from ledger.tlog.policy import Policy
from ledger.verify.disclosure import Ground, verify_disclosure
from service.access_patterns import CODES
from service.office_hours import OfficeHours
from service.reading import Caller, Reading
from service.settings import Settings
from service.ui import accesses
from service.ui.disclosures import GROUNDS
from tests.service.ui.conftest import Browser, SignIn, enter
from tests.service.ui.lender import SUBJECT, Lender

OFFICER = Role.DATA_PROTECTION_OFFICER


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    """A ledger of its own for each test: figures are of everything that was done in a month."""
    settings = Settings(data=tmp_path / "data", origin="ledger.example/demo")
    hours = OfficeHours.parse("Mon-Fri 07:00-19:00 UTC")
    made = Lender(tmp_path / "data", replace(settings, office_hours=hours))
    made.record(4)
    made.now = datetime(2026, 6, 3, 9, tzinfo=UTC)
    yield made
    made.runtime.close()


@pytest.fixture
def sign_in(lender: Lender) -> SignIn:
    return partial(enter, lender)


@pytest.fixture(scope="module")
def discloser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    """One ledger for all that is disclosed; each test has decisions of its own."""
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(25)
    yield made
    made.runtime.close()


def holder(lender: Lender, name: str) -> Principal:
    _, key_id = lender.runtime.api_keys.issue(name, Role.CASE_HANDLER)
    return Principal(key_id, name, Role.CASE_HANDLER)


def last_detail(lender: Lender) -> AccessDetail:
    entry = parse_entry(list(lender.runtime.logs["access"].entries())[-1])
    return lender.runtime.access_log.open(entry.id)


def cells(page: str, table: str) -> list[list[str]]:
    """The rows of a table that a label names, without markup."""
    body = page.split(f'aria-label="{table}"')[1].split("</table>", maxsplit=1)[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body.split("<tbody>")[1], re.DOTALL)
    return [
        [
            re.sub(r"\s*<[^>]+>\s*", "", each)
            for each in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def test_a_month_without_and_with_looks(lender: Lender, sign_in: SignIn) -> None:
    cleo = holder(lender, "Cleo")
    dpo = sign_in(OFFICER)
    empty = dpo.get("/accesses?month=2026-04").text
    assert "Accesses in April 2026" in empty
    assert "Nothing stands out" in empty
    assert empty.count("Nobody looked at anything") == 2
    assert "none are declared" in empty
    assert ">March 2026</a>" in empty
    assert last_detail(lender).fields == ("accesses",)
    lender.runtime.own_references.declare(cleo.id, SUBJECT)
    reading = Reading(lender.runtime, Caller(cleo, "case_handling"))
    reading.note([lender.ids[3]], ("output",))
    lender.now = datetime(2026, 6, 6, 9, tzinfo=UTC)  # a Saturday
    reading.note(lender.ids[:4], ("output",), listed=True)
    for _ in range(5):
        lender.runtime.access_log.deny(cleo, purpose="audit", case="", records=(), fields=())
    lender.now = datetime(2026, 6, 8, 9, tzinfo=UTC)
    dpo = sign_in(OFFICER)  # the session of before has ended
    page = dpo.get("/accesses").text
    assert "Accesses in June 2026" in page
    who = lender.runtime.access_log.actor_pseudonym(cleo.id, lender.now)
    assert cells(page, "Table of findings") == [
        ["Wed 3 Jun", "Own records", "1 look at records of their own, or of people close to them",
         who, "Case handler"],
        ["Sat 6 Jun", "Refused again and again", "refused 5 times", who, "Case handler"],
        ["Sat 6 Jun", "Out of hours", "6 looks", who, "Case handler"],
    ]  # fmt: skip
    assert cells(page, "Table of pseudonyms")[0] == [
        who, "Case handler", "Audit, Handling of a case", "5", "7", "5", "7", "6", "1"
    ]  # fmt: skip
    days = re.findall(r'<th scope="row">(\w+ \d+ Jun)</th>\s*<td class="draw">(.*?)</svg>', page,
                      re.DOTALL)  # fmt: skip
    assert [day for day, _ in days] == [
        "Mon 8 Jun", "Sun 7 Jun", "Sat 6 Jun", "Fri 5 Jun", "Thu 4 Jun", "Wed 3 Jun", "Tue 2 Jun",
        "Mon 1 Jun",
    ]  # fmt: skip
    drawn = {day: re.findall(r'<rect class="(\w+)" x="0" y="0" width="(\d+)"', bar)
             for day, bar in days}  # fmt: skip
    assert drawn["Sat 6 Jun"] == [("caution", "1000")]
    assert drawn["Wed 3 Jun"] == [("caution", "250")]
    assert drawn["Fri 5 Jun"] == []
    assert SUBJECT not in page
    assert not any(each in page for each in lender.ids)


def test_who_sees_it_and_what_is_no_month(sign_in: SignIn) -> None:
    auditor, clerk = sign_in(Role.AUDITOR), sign_in(Role.CASE_HANDLER)
    assert 'href="/accesses"' in auditor.get("/").text
    assert auditor.get("/accesses").status_code == 200
    assert 'href="/accesses"' not in clerk.get("/").text
    for address in ("/accesses", "/accesses/own"):
        assert clerk.get(address).status_code == 403
    for wrong in ("2026-13", "june", "2026-6", "2026-06-01"):
        assert auditor.get(f"/accesses?month={wrong}").status_code == 400
    for edge in ("1970-01", "9999-12"):
        assert auditor.get(f"/accesses?month={edge}").status_code == 200


def test_every_finding_has_words() -> None:
    assert set(accesses._TAGS) == set(CODES)
    assert set(GROUNDS) == set(Ground)


def test_own_references_are_declared_and_withdrawn(lender: Lender, sign_in: SignIn) -> None:
    cleo, dpo = holder(lender, "Cleo"), sign_in(OFFICER)
    page = dpo.get("/accesses/own").text
    assert "Nobody has declared any yet" in page
    assert "Cleo, case handler" in page
    assert "One source" not in page
    assert dpo.post("/accesses/own", key=cleo.id, subject=SUBJECT).status_code == 303
    again = dpo.get("/accesses/own").text
    assert cells(again, "Table of holders") == [["Cleo", cleo.id, "1"]]
    assert SUBJECT not in again
    for form, why in (({"key": cleo.id, "subject": ""}, "not a reference"),
                      ({"key": "nobody", "subject": "x"}, "no key with this id")):  # fmt: skip
        refused = dpo.post("/accesses/own", **form)
        assert (refused.status_code, why in refused.text) == (422, True)
    refused = dpo.post("/accesses/own/withdraw", key=cleo.id, subject="another")
    assert (refused.status_code, "nothing of it is kept" in refused.text) == (422, True)
    me = next(each.id for each in lender.runtime.api_keys.list() if each.role is OFFICER)
    dpo.post("/accesses/own", key=me, subject=SUBJECT)
    mine = dpo.post("/accesses/own/withdraw", key=me, subject="")
    assert (mine.status_code, "your own references" in mine.text) == (422, True)
    assert dpo.post("/accesses/own/withdraw", key=cleo.id, subject="").status_code == 303
    assert lender.runtime.own_references.counts() == {me: 1}


def disclosed(browser: Browser, address: str, fields: list[str], **form: str) -> bytes:
    """The package that the form gives."""
    data = {
        "csrf_token": browser.token, "field": fields, "recipient": "The Court",
        "ground": "legal_claims", "purpose": "Evidence in a case",
    } | form  # fmt: skip
    got = browser.client.post(address, data=data)
    assert (got.status_code, got.mimetype) == (200, "application/zip"), got.text
    return bytes(got.data)


def test_fields_are_disclosed_from_the_page_of_a_decision(discloser: Lender) -> None:
    lender, sign_in = discloser, partial(enter, discloser)
    policy = Policy.parse(lender.settings.policy_path.read_text())
    record = lender.ids[24]
    lender.runtime.explaining.issue(record, "en")
    dpo, address = sign_in(OFFICER), f"/decisions/{record}/disclosures"
    assert f'href="{address}"' in dpo.get(f"/decisions/{record}").text
    page = dpo.get(address).text
    assert "Nothing of this decision was disclosed" in page
    offered = re.findall(r'name="field" value="([^"]+)"', page)
    assert {"input.late", "output.outcome", "context.decided_at", "explanation.summary",
            "attributions.values.late"} <= set(offered)  # fmt: skip
    package = disclosed(dpo, address, ["input.late", "explanation.summary"])
    shown = verify_disclosure(package, policy)
    assert shown.manifest.recipient == "The Court"
    assert [each.part for each in shown.parts] == ["decision", "explanation"]
    detail = last_detail(lender)
    assert (detail.manner, detail.records) == (Manner.EXPORT, (record,))
    assert set(detail.fields) == {"explanation.summary", "input.late"}
    (row,) = cells(dpo.get(address).text, "Table of disclosures")
    assert row[1:4] == ["The Court", "Needed for legal claims", "Evidence in a case"]
    auditor = sign_in(Role.AUDITOR).get(address).text
    assert "The Court" in auditor
    assert "<form class" not in auditor.split("<main")[1]
    clerk = sign_in(Role.CASE_HANDLER)
    assert f'href="{address}"' not in clerk.get(f"/decisions/{record}").text
    assert clerk.get(address).status_code == 403
    assert clerk.post(address, field="output").status_code == 403
    assert clerk.post(f"{address}/ask", field="output").status_code == 403


def test_what_is_wrong_is_said_and_what_was_typed_stays(discloser: Lender) -> None:
    lender, sign_in = discloser, partial(enter, discloser)
    dpo, address = sign_in(OFFICER), f"/decisions/{lender.ids[21]}/disclosures"
    dpo.get(address)
    form = {"recipient": "The Court", "ground": "legal_claims", "purpose": "Evidence"}
    size = lender.runtime.logs["decisions"].size()
    for changed, why in (
        ({}, "not 1 to 500 fields"),
        ({"field": "input.age"}, "not in one of the records"),
        ({"field": "input.late", "ground": "because"}, "not a code on the list"),
        ({"field": "input.late", "recipient": ""}, "not a line of text"),
        ({"field": "explanation"}, "no explanation was issued"),
    ):
        got = dpo.post(address, **(form | changed))
        assert (got.status_code, why in got.text) == (422, True), changed
        assert 'value="Evidence"' in got.text
    got = dpo.post(address, **form, field="input.late", token="nonsense")
    assert 'value="input.late" checked' in got.text
    assert '<option value="legal_claims" selected>' in got.text
    assert lender.runtime.logs["decisions"].size() == size
    assert dpo.post(address, **form, field="output", records="none").status_code == 422
    assert dpo.get(f"/decisions/{'0' * 8}/disclosures").status_code == 404


def test_many_records_take_two_officers(discloser: Lender) -> None:
    lender, sign_in = discloser, partial(enter, discloser)
    policy = Policy.parse(lender.settings.policy_path.read_text())
    address, rest = f"/decisions/{lender.ids[0]}/disclosures", " ".join(lender.ids[1:21])
    ann = sign_in(OFFICER)
    key, _ = lender.runtime.api_keys.issue("Ben of the office", OFFICER)
    ben = Browser(lender.app().test_client())
    ben.get("/sign-in")
    ben.post("/sign-in", key=key, purpose="complaint")
    form = {"recipient": "The Court", "ground": "legal_claims", "purpose": "Evidence in a case",
            "field": "input.late", "records": rest.upper()}  # fmt: skip
    ann.get(address)
    alone = ann.post(address, **form)
    assert (alone.status_code, "another officer has to ask" in alone.text) == (422, True)
    asked = ann.post(f"{address}/ask", **form).text
    assert "nothing is disclosed yet" in asked
    (token,) = re.findall(r'<p class="code">([0-9a-z._-]+)</p>', asked)
    mine = ann.post(address, **form, token=token)
    assert (mine.status_code, "another person has to agree" in mine.text) == (422, True)
    ben.get(address)
    other = ben.post(address, **(form | {"purpose": "Something else"}), token=token)
    assert other.status_code == 422
    package = disclosed(ben, address, ["input.late"], records=rest, token=token)
    assert len(verify_disclosure(package, policy).parts) == 21
    ann.post(f"{address}/ask", **(form | {"ground": "because"}))
    lender.now += timedelta(days=8)
    assert "nothing is disclosed yet" not in ben.get(address).text
