import json
from dataclasses import replace
from typing import Any

import pytest

from ledger.commitments import Opening
from ledger.roles import Role
from ledger.tlog.policy import Policy
from ledger.verify.cose_receipt import verify_cose
from ledger.verify.verifier import verify_opening_of, verify_receipt
from tests.service.ui.lender import Lender


def declined(door: Any) -> str:
    found = door.ask(Role.AUDITOR, "GET", "/v1/decisions?outcome=declined").get_json()
    return str(found["decisions"][0]["id"])


def test_the_first_explanation_is_the_one_that_stays(door: Any) -> None:
    path = f"/v1/decisions/{declined(door)}/explanation"
    first = door.ask(Role.CASE_HANDLER, "GET", path)
    assert first.status_code == 200, first.text
    again = door.ask(Role.AUDITOR, "GET", path)
    assert again.get_json() == first.get_json()
    kinds = [
        entry.body.kind
        for entry in door.lender.runtime.decisions.history(first.get_json()["decision"])
    ]
    assert kinds.count("explanation_issued") == 1


def test_a_role_that_may_not_issue_gets_none_before_it_is_issued(door: Any) -> None:
    body = door.decision()
    assert door.ask(Role.SOURCE, "POST", "/v1/decisions", body).status_code == 201
    path = f"/v1/decisions/{body['id']}/explanation"
    refused = door.ask(Role.AUDITOR, "GET", path)
    assert (refused.status_code, refused.get_json()["type"]) == (404, "/problems/not-issued")
    assert door.ask(Role.CASE_HANDLER, "GET", path).status_code == 200
    assert door.ask(Role.AUDITOR, "GET", path).status_code == 200


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "text/html"),
        ("text/html;q=0.5, application/json;q=0.4", "text/html"),
        ("text/html;q=0.4, application/json;q=0.5", "application/json"),
        ("text/plain, */*;q=0.1", "application/json"),
    ],
)
def test_the_explanation_comes_as_the_caller_prefers(
    door: Any, accept: str, media_type: str
) -> None:
    path = f"/v1/decisions/{declined(door)}/explanation"
    got = door.ask(Role.CASE_HANDLER, "GET", path, Accept=accept)
    assert (got.status_code, got.mimetype) == (200, media_type)
    assert got.headers["Vary"] == "Accept, Accept-Language"


def test_a_type_that_is_not_offered_is_refused_before_the_read(door: Any) -> None:
    before = door.lender.runtime.logs["access"].size()
    path = f"/v1/decisions/{door.lender.ids[0]}/explanation"
    got = door.ask(Role.CASE_HANDLER, "GET", path, Accept="image/png")
    assert (got.status_code, got.get_json()["type"]) == (406, "/problems/not-acceptable")
    assert door.lender.runtime.logs["access"].size() == before


def test_a_cose_receipt_verifies_offline(door: Any) -> None:
    record = door.lender.ids[2]
    before = door.lender.runtime.logs["access"].size()
    got = door.ask(Role.REGULATOR, "GET", f"/v1/decisions/{record}/receipt.cose")
    assert got.headers["Content-Type"] == 'application/cose; cose-type="cose-sign1"'
    assert got.headers["Content-Disposition"] == f'attachment; filename="{record}.cose"'
    proved = verify_cose(got.data, Policy.parse(door.lender.runtime.policy_text))
    assert proved.entry.id == record
    assert door.lender.runtime.logs["access"].size() == before + 1


def test_proof_and_openings_verify_offline(door: Any) -> None:
    record = door.lender.ids[2]
    path = f"/v1/decisions/{record}/proof"
    policy = Policy.parse(door.lender.runtime.policy_text)
    text = door.ask(Role.REGULATOR, "GET", path)
    assert text.mimetype == "text/plain"
    proved = verify_receipt(text.text, policy)
    assert proved.entry.id == record
    shown = door.ask(Role.REGULATOR, "GET", path, Accept="application/json").get_json()
    assert shown.keys() == {"decision", "entry", "receipt", "openings"}
    for opening in shown["openings"]:
        verify_opening_of(proved.entry, Opening.from_json(opening))
    assert shown["entry"] == json.loads(proved.entry.format())


def test_the_text_proof_holds_no_personal_data(door: Any) -> None:
    record = door.lender.ids[2]
    payload = door.lender.runtime.decisions.read(record).payload
    text = door.ask(Role.REGULATOR, "GET", f"/v1/decisions/{record}/proof").text
    assert str(payload.subject) not in text
    assert str(payload.margin) not in text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_archived_model_says_it_again(door: Any, method: str) -> None:
    got = door.ask(Role.AUDITOR, method, f"/v1/decisions/{door.lender.ids[1]}/replay")
    assert got.status_code == 200, got.text
    assert got.get_json()["verdict"] == "reproduced"
    assert got.get_json()["exact"] is True


# WeasyPrint leaves the colour profile that it embeds open.
@pytest.mark.filterwarnings("ignore:.*sRGB2014:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file.*sRGB2014:ResourceWarning")
def test_the_letter_comes_as_pdf(door: Any) -> None:
    path = f"/v1/decisions/{declined(door)}/explanation"
    got = door.ask(Role.DATA_PROTECTION_OFFICER, "GET", path, Accept="application/pdf")
    assert (got.status_code, got.mimetype) == (200, "application/pdf")
    assert got.data.startswith(b"%PDF-")
    assert got.headers["Content-Disposition"].startswith("inline; filename=")


def test_a_reference_that_no_font_draws_gives_way_to_the_decisions_id(door: Any) -> None:
    runtime = door.lender.runtime
    body = runtime.decisions.read(declined(door)).payload.to_json()
    body |= {"id": runtime.decisions.new_id(), "subject": "loan \N{GRINNING FACE} 7"}
    assert door.ask(Role.SOURCE, "POST", "/v1/decisions", body).status_code == 201
    path = f"/v1/decisions/{body['id']}/explanation"
    page = door.ask(Role.CASE_HANDLER, "GET", path, Accept="text/html")
    assert page.status_code == 200, page.text
    assert page.text.count(body["id"]) > 1
    assert "\N{GRINNING FACE}" not in page.text


def test_no_letter_goes_out_when_a_check_failed(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/v1/decisions/{declined(door)}/explanation"
    assert door.ask(Role.CASE_HANDLER, "GET", path).status_code == 200
    issued = door.lender.runtime.explaining.issued
    gates = issued(declined(door)).explanation.gates

    def failed(record: str, language: str = "") -> Any:
        found = issued(record, language)
        spoilt = replace(
            found.explanation,
            gates=(replace(gates[0], passed=False), *gates[1:]),
            automatic_text_allowed=False,
        )
        return replace(found, explanation=spoilt)

    monkeypatch.setattr(door.lender.runtime.explaining, "issued", failed)
    got = door.ask(Role.CASE_HANDLER, "GET", path, Accept="text/html")
    assert (got.status_code, got.get_json()["type"]) == (422, "/problems/letter-withheld")
    assert got.get_json()["gates"] == [gates[0].name]
    assert "have a person write" in got.get_json()["detail"]


def test_a_decision_whose_model_file_is_gone_is_there_but_cannot_be_run_again(
    tmp_path: Any,
) -> None:
    lender = Lender(tmp_path)
    try:
        lender.record(42)  # a reference group, and so a model, that nobody opened before
        for file in (tmp_path / "artefacts").rglob("*"):
            if file.is_file():
                file.unlink()
        client = lender.app().test_client()
        answer = client.get(
            f"/v1/decisions/{lender.ids[0]}/replay",
            headers={"Authorization": f"Bearer {lender.keys[Role.AUDITOR]}"},
        )
    finally:
        lender.runtime.close()
    assert (answer.status_code, answer.get_json()["verdict"]) == (200, "impossible")
    assert (answer.get_json()["margin"], answer.get_json()["grade"]) == (None, "")
    assert "archive" in answer.get_json()["why"]
