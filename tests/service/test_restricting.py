"""A restriction of use: checked on every read, shown everywhere, lifted once the person knows."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.errors import HoldInForce, MalformedError, RestrictedError, WrongStage
from ledger.operate.access_log import Purpose
from ledger.operate.decision import Decision
from ledger.operate.erasure import Ground, Restriction
from ledger.roles import Principal, Role
from service.attributing import Attributing
from service.auditing import AuditRequest, audit_report
from service.cli import main
from service.erasing import Officer
from service.reading import RESTRICTED_PURPOSES, Caller, Reading
from service.subject_copy.making import CopyRequest, make_copy
from tests.service.api.conftest import CONTACTS, Door
from tests.service.test_correcting import token
from tests.service.ui.lender import Lender

ANN = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)
ALLOWED = {
    "consent",
    "data_subject_request",
    "legal_claims",
    "public_interest",
    "rights_of_another",
}


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("restrictions") / "data")
    made.record(5)
    (made.settings.data / "contacts.json").write_text(json.dumps(CONTACTS))
    yield made
    made.runtime.close()


def fresh(lender: Lender, subject: str) -> str:
    payload: dict[str, Any] = lender.runtime.decisions.read(lender.ids[0]).payload.to_json()
    payload |= {"id": lender.runtime.decisions.new_id(), "subject": subject}
    lender.runtime.decisions.record([Decision.from_json(payload)])
    return str(payload["id"])


def officer(lender: Lender, who: Principal = ANN) -> Officer:
    return Officer(lender.runtime, Caller(who, "data_subject_request", ""))


def restricted(lender: Lender, subject: str, ground: str = "accuracy_contested") -> str:
    review = lender.now + timedelta(days=90)
    return officer(lender).restrict(ground, review, subject=subject).id


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("role", [Role.CASE_HANDLER, Role.AUDITOR, Role.DATA_PROTECTION_OFFICER])
def test_it_is_read_for_the_purposes_of_the_law_alone_whoever_asks(
    lender: Lender, purpose: Purpose, role: Role
) -> None:
    subject = f"R-{role}-{purpose}"
    one = fresh(lender, subject)
    restricted(lender, subject)
    reader = Reading(lender.runtime, Caller(Principal("k", "K", role), purpose))
    if purpose in ALLOWED:
        assert reader.decision(one).id == one
    else:
        with pytest.raises(RestrictedError):
            reader.decision(one)


def test_the_purposes_are_a_closed_list() -> None:
    assert ALLOWED == RESTRICTED_PURPOSES


def test_what_is_logged_later_about_the_person_is_restricted_too(lender: Lender) -> None:
    fresh(lender, "R-later")
    restricted(lender, "R-later")
    with pytest.raises(RestrictedError):
        Reading(lender.runtime, Caller(ANN, "audit")).decision(fresh(lender, "R-later"))


def test_it_is_not_lifted_before_the_person_knows(lender: Lender) -> None:
    one = fresh(lender, "R-lift")
    hold = restricted(lender, "R-lift")
    with pytest.raises(WrongStage, match="informed before"):
        officer(lender).release_hold(hold, "the data is right")
    assert officer(lender).informed(hold).informed_at is not None
    officer(lender).release_hold(hold, "the data is right")
    with pytest.raises(RestrictedError):  # one of two has asked
        Reading(lender.runtime, Caller(ANN, "audit")).decision(one)
    officer(lender, BEN).release_hold(hold, "the data is right")
    assert Reading(lender.runtime, Caller(ANN, "audit")).decision(one).id == one
    with pytest.raises(WrongStage):
        officer(lender).informed(hold)


def test_the_log_says_that_it_began_and_sealed_why(lender: Lender) -> None:
    fresh(lender, "R-log")
    hold = lender.runtime.holds.read(restricted(lender, "R-log", "objection"))
    assert hold.restriction is Restriction.OBJECTION
    terms = lender.runtime.holds.terms(hold)
    assert terms is not None
    assert (terms["restriction"], terms["ground"]) == ("objection", "objection")
    assert b"objection" not in lender.runtime.logs["decisions"].entry(hold.entry_id)


def test_what_may_only_be_stored_is_not_destroyed(lender: Lender) -> None:
    fresh(lender, "R-keep")
    restricted(lender, "R-keep", "needed_by_person")
    found, _ = lender.runtime.erasing.request(ANN, Ground.NO_LONGER_NECESSARY, subject="R-keep")
    with pytest.raises(HoldInForce):
        lender.runtime.erasing.approve(BEN, found.id)


def test_a_legal_hold_is_not_a_restriction(lender: Lender) -> None:
    from ledger.operate.erasure import HoldTerms

    one = fresh(lender, "R-hold")
    review = lender.now + timedelta(days=90)
    hold = officer(lender).set_hold(HoldTerms("Case 7", "claim", "legal", review), subject="R-hold")
    assert Reading(lender.runtime, Caller(ANN, "audit")).decision(one).id == one
    with pytest.raises(WrongStage):
        officer(lender).informed(hold.id)


def test_an_unknown_ground_is_refused(lender: Lender) -> None:
    with pytest.raises(MalformedError) as error:
        restricted(lender, "R-x", "because")
    assert error.value.member == "ground"


def test_the_audit_report_leaves_it_out_and_says_so(lender: Lender) -> None:
    fresh(lender, "R-report")
    restricted(lender, "R-report")
    asked = AuditRequest(
        "mortgage-approval@1.0.0", date(2026, 1, 1), date(2026, 12, 31), 1, 7, {}, ""
    )
    reader = Reading(lender.runtime, Caller(Principal("k", "K", Role.AUDITOR), "audit"))
    report = audit_report(lender.runtime, reader, asked, "Harbour Savings Bank")
    assert any("left out: their use is restricted" in each for each in report.scope)


def test_attributions_are_not_worked_out_meanwhile(lender: Lender) -> None:
    payload: dict[str, Any] = lender.runtime.decisions.read(lender.ids[0]).payload.to_json()
    new = lender.runtime.decisions.new_id()
    payload |= {"id": new, "subject": "R-worker"}
    del payload["attributions"]
    lender.runtime.decisions.record([Decision.from_json(payload)])
    hold = restricted(lender, "R-worker")
    assert Attributing.of(lender.runtime).work() == 0
    officer(lender).informed(hold)
    for who in (ANN, BEN):
        officer(lender, who).release_hold(hold, "settled")
    assert Attributing.of(lender.runtime).work() == 1


def test_the_copy_says_why(lender: Lender) -> None:
    fresh(lender, "R-copy")
    hold = restricted(lender, "R-copy")
    copy = make_copy(lender.runtime, Caller(ANN), CopyRequest("R-copy", lender.now.date(), "en"))
    with copy.file, zipfile.ZipFile(copy.file) as packed:
        page, data = packed.read("index.html").decode(), json.loads(packed.read("data.json"))
    assert "You contest that the data is correct (GDPR Art. 18(1)(a))" in page
    assert data["decisions"][0]["restriction"] == {"id": hold, "ground": "accuracy_contested"}


def test_over_http(lender: Lender) -> None:
    door = Door(lender, lender.app().test_client())
    one = fresh(lender, "R-http")
    officer_role = Role.DATA_PROTECTION_OFFICER
    review = f"{lender.now + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
    body = {"subject": "R-http", "ground": "accuracy_contested", "review_at": review}
    assert door.ask(Role.AUDITOR, "POST", "/v1/restrictions", body).status_code == 403
    made = door.ask(officer_role, "POST", "/v1/restrictions", body)
    assert (made.status_code, made.get_json()["restriction"]) == (201, "accuracy_contested")
    refused = door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{one}")
    assert (refused.status_code, refused.get_json()["holds"]) == (403, [made.get_json()["id"]])
    shown = door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{one}", Ledger_Purpose="legal_claims")
    assert shown.get_json()["hold"] == made.get_json()["id"]
    path = f"/v1/holds/{made.get_json()['id']}"
    assert door.ask(officer_role, "POST", f"{path}/release", {"reason": "x"}).status_code == 409
    assert door.ask(officer_role, "POST", f"{path}/informed").get_json()["informed_at"]
    assert door.ask(officer_role, "POST", f"{path}/release", {"reason": "x"}).status_code == 200


def test_at_the_command_line(lender: Lender, tmp_path: Path) -> None:
    fresh(lender, "R-cli")
    key = tmp_path / "key"
    key.write_text(lender.keys[Role.DATA_PROTECTION_OFFICER])
    data = shutil.copytree(lender.settings.data, tmp_path / "data")  # its clock is the system's

    def run(*arguments: str, typed: str = "") -> str:
        runner = CliRunner(env={"LEDGER_DATA": str(data), "LEDGER_ORIGIN": "ledger.example/demo"})
        done = runner.invoke(main, ("subject", *arguments), input=typed)
        assert done.exit_code == 0, done.output
        return done.stdout

    made = run("restrict", "--subject", "R-cli", "--ground", "objection", "--key-file", str(key))
    assert "Noted" in run("informed", made.split()[0], "--key-file", str(key))
    target = tmp_path / "copy.zip"
    said = run("export", "-o", str(target), "--received", "2026-11-02", typed="R-cli\n")
    assert "1 decision\n" in said
    assert target.stat().st_mode & 0o777 == 0o600
    assert zipfile.ZipFile(target).testzip() is None


def test_in_the_browser(lender: Lender) -> None:
    client = lender.app().test_client()
    one = fresh(lender, "R-page")
    signed = client.get("/sign-in").get_data(as_text=True)
    client.post("/sign-in", data={"key": lender.keys[Role.DATA_PROTECTION_OFFICER], "case": "",
                                  "purpose": "data_subject_request", "csrf_token": token(signed)})  # fmt: skip
    page = client.get("/subjects").get_data(as_text=True)
    form = {"subject": "R-page", "records": "", "ground": "objection", "csrf_token": token(page),
            "review": f"{lender.now + timedelta(days=9):%Y-%m-%d}"}  # fmt: skip
    assert client.post("/restrictions", data=form).status_code == 303
    page = client.get("/holds").get_data(as_text=True)
    assert "An objection is being weighed (18(1)(d))" in page
    inform = page.split('action="')[1:]
    (address,) = [each.split('"')[0] for each in inform if "/informed" in each.split('"')[0]][:1]
    assert client.post(address, data={"csrf_token": token(page)}).status_code == 303
    shown = client.get(f"/decisions/{one}").get_data(as_text=True)
    assert "The use of this decision is restricted" in shown
    asked = {"subject": "R-page", "received_on": f"{lender.now:%Y-%m-%d}", "language": "en",
             "withhold": "", "csrf_token": token(page)}  # fmt: skip
    copy = client.post("/subjects/export", data=asked)
    assert (copy.status_code, copy.content_type) == (200, "application/zip")
    assert copy.headers["Ledger-Answer-By"]
    copy.close()
    assert client.post("/subjects/export", data=asked | {"language": "xx"}).status_code == 400
