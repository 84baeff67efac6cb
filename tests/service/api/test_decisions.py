import base64
from typing import Any

import pytest
from sqlalchemy import delete

from ledger.roles import Role
from ledger.storage.models import record_key
from ledger.tlog.policy import Policy
from ledger.tlog.proof import Receipt
from ledger.verify.verifier import verify_receipt
from service.api import schemas

POST = ("POST", "/v1/decisions")


def test_a_decision_is_answered_with_its_proof(door: Any) -> None:
    body = door.decision()
    got = door.ask(Role.SOURCE, *POST, body)
    assert got.status_code == 201, got.text
    assert got.headers["Location"] == f"/v1/decisions/{body['id']}"
    answer = schemas.RecordedSchema().load(got.get_json())
    proved = verify_receipt(answer["receipt"], Policy.parse(door.lender.runtime.policy_text))
    assert (proved.entry.id, proved.entry.seq) == (body["id"], answer["seq"])


def test_the_same_content_again_gets_the_original_place(door: Any) -> None:
    body = door.decision()
    first = door.ask(Role.SOURCE, *POST, body).get_json()
    again = door.ask(Role.SOURCE, *POST, body)
    assert again.status_code == 200
    assert again.get_json() | {"receipt": ""} == first | {"status": "duplicate", "receipt": ""}


def test_a_used_id_with_other_content_is_a_conflict_that_names_the_member(door: Any) -> None:
    body = door.decision()
    assert door.ask(Role.SOURCE, *POST, body).status_code == 201
    got = door.ask(Role.SOURCE, *POST, body | {"subject": "MTG-999999"})
    assert (got.status_code, got.get_json()["type"]) == (409, "/problems/conflict")
    assert got.get_json()["member"] == "subject"
    assert "MTG-999999" not in got.text


def test_an_id_is_made_for_a_decision_without_one(door: Any) -> None:
    body = door.decision()
    del body["id"]
    got = door.ask(Role.SOURCE, *POST, body)
    assert got.status_code == 201
    assert door.ask(Role.AUDITOR, "GET", got.headers["Location"]).status_code == 200


def test_each_item_of_a_batch_is_judged_by_itself(door: Any) -> None:
    good, known = door.decision(), door.decision()
    door.ask(Role.SOURCE, *POST, known)
    wrong = door.decision(model="other-model@9.9.9")
    broken = {name: value for name, value in door.decision().items() if name != "output"}
    got = door.ask(Role.SOURCE, *POST, {"decisions": [good, broken, known, wrong]})
    assert got.status_code == 200, got.text
    answer = schemas.RecordedBatchSchema().load(got.get_json())
    assert [each["status"] for each in answer["results"]] == [
        "recorded",
        "refused",
        "duplicate",
        "refused",
    ]
    assert (answer["recorded"], answer["duplicate"], answer["refused"]) == (1, 1, 2)
    assert answer["results"][1]["problem"]["member"] == "decisions[1].output"
    assert answer["results"][3]["problem"]["member"] == "decisions[3].model"
    assert door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{good['id']}").status_code == 200
    assert door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{broken['id']}").status_code == 404


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_has_1_to_1000_items(door: Any, count: int) -> None:
    got = door.ask(Role.SOURCE, *POST, {"decisions": [{}] * count})
    assert (got.status_code, got.get_json()["member"]) == (422, "decisions")


def test_a_decision_reads_back_as_it_was_sent(door: Any) -> None:
    body = door.decision()
    door.ask(Role.SOURCE, *POST, body)
    got = door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{body['id']}")
    shown = schemas.DecisionViewSchema().load(got.get_json())
    assert shown["decision"] == body
    assert shown["logged_at"].endswith("Z")


def test_the_read_is_on_the_access_log_before_it_is_shown(door: Any) -> None:
    log = door.lender.runtime.logs["access"]
    before = log.size()
    door.ask(
        Role.AUDITOR,
        "GET",
        f"/v1/decisions/{door.lender.ids[0]}",
        Ledger_Purpose="complaint",
        Ledger_Case="C-17",
    )
    (raw,) = list(log.entries(before))
    assert b'"kind":"access"' in raw
    assert b'"purpose":"complaint"' in raw
    assert b"C-17" not in raw
    assert door.lender.ids[0].encode() not in raw


def test_nothing_is_shown_if_the_access_log_cannot_be_written(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.errors import PushbackError

    def fail(*_: Any, **__: Any) -> None:
        raise PushbackError("database: it does not answer", retry_after=2.0)

    monkeypatch.setattr("ledger.operate.access_log.AccessLog.record", fail)
    record = door.lender.ids[0]
    payload = door.lender.runtime.decisions.read(record).payload
    for path in ("", "/proof", "/explanation", "/replay"):
        got = door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{record}{path}")
        assert (got.status_code, got.headers["Retry-After"]) == (503, "2")
        assert str(payload.margin) not in got.text
    got = door.ask(Role.AUDITOR, "POST", "/v1/decisions/search", {})
    assert got.status_code == 503


def test_asking_without_the_role_is_on_the_access_log(door: Any) -> None:
    log = door.lender.runtime.logs["access"]
    before = log.size()
    got = door.ask(Role.SOURCE, "GET", f"/v1/decisions/{door.lender.ids[0]}")
    assert got.status_code == 403
    (raw,) = list(log.entries(before))
    assert b'"kind":"access_denied"' in raw


def test_decisions_are_found_by_person_and_outcome(door: Any) -> None:
    subject = door.lender.runtime.decisions.read(door.lender.ids[3]).payload.subject
    got = door.ask(Role.AUDITOR, "POST", "/v1/decisions/search", {"subject": subject})
    page = schemas.PageSchema().load(got.get_json())
    assert [row["id"] for row in page["decisions"]] == [door.lender.ids[3]]
    linked = door.ask(Role.AUDITOR, "GET", f"/v1/decisions?subject={subject}").get_json()
    assert linked == got.get_json()
    none = door.ask(Role.AUDITOR, "POST", "/v1/decisions/search", {"outcome": "referred"})
    assert none.get_json() == {"decisions": [], "next": None, "total": 0}


def test_pages_follow_each_other_without_overlap(door: Any) -> None:
    seen: list[str] = []
    body: dict[str, Any] = {"limit": 2, "model": "mortgage-approval@1.0.0"}
    while True:
        page = door.ask(Role.AUDITOR, "POST", "/v1/decisions/search", body).get_json()
        seen += [row["id"] for row in page["decisions"]]
        if page["next"] is None:
            break
        body["cursor"] = page["next"]
    assert len(seen) == len(set(seen)) == page["total"]


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("limit=1000", "limit"),
        ("since=yesterday", "since"),
        ("until=2026-13-45T00:00:00Z", "until"),
        ("model=nonsense", "model"),
        ("colour=red", "colour"),
        ("outcome=a&outcome=b", "outcome"),
        ("cursor=!!", "cursor"),
    ],
)
def test_a_query_that_makes_no_sense_is_named(door: Any, query: str, member: str) -> None:
    got = door.ask(Role.AUDITOR, "GET", f"/v1/decisions?{query}")
    assert 400 <= got.status_code < 500
    assert got.get_json()["member"] == member


def test_what_was_erased_is_gone_and_its_place_still_proved(door: Any) -> None:
    body = door.decision()
    door.ask(Role.SOURCE, *POST, body)
    vault = door.lender.runtime.databases[1]
    with vault.begin() as connection:
        connection.execute(delete(record_key).where(record_key.c.record_id == body["id"]))
    for path in ("", "/explanation", "/replay"):
        got = door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{body['id']}{path}")
        assert (got.status_code, got.get_json()["type"]) == (410, "/problems/erased")
    assert door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{body['id']}/proof").status_code == 200


def test_a_batch_brings_its_receipts_if_it_is_asked_to(door: Any) -> None:
    known, fresh = door.decision(), [door.decision() for _ in range(3)]
    door.ask(Role.SOURCE, *POST, known)
    wrong = door.decision(model="other-model@9.9.9")
    sent = {"decisions": [fresh[0], known, wrong, *fresh[1:], fresh[0]]}
    got = door.ask(Role.SOURCE, "POST", "/v1/decisions?receipts=compact", sent)
    answer = schemas.RecordedBatchSchema().load(got.get_json())
    policy = Policy.parse(door.lender.runtime.policy_text)
    for item, result in zip(sent["decisions"], answer["results"], strict=True):
        if result["status"] == "refused":
            assert "entry" not in result
            continue
        receipt = Receipt(
            base64.b64decode(result["entry"]),
            result["seq"],
            tuple(base64.b64decode(each) for each in result["proof"]),
            answer["checkpoint"],
        )
        assert verify_receipt(receipt.format(), policy).entry.id == item["id"]
    assert [each["status"] for each in answer["results"]] == [
        "recorded", "duplicate", "refused", "recorded", "recorded", "duplicate",
    ]  # fmt: skip


def test_receipts_can_be_asked_for_in_one_way_only(door: Any) -> None:
    for query in ("receipts=all", "receipts=compact&receipts=compact", "more=1"):
        got = door.ask(Role.SOURCE, "POST", f"/v1/decisions?{query}", door.decision())
        assert (got.status_code, got.get_json()["member"]) == (422, "receipts")
