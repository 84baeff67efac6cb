"""Erasures and holds over HTTP: who may, what is logged, and what every door says afterwards."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.entries import Access, AccessDenied, parse_entry
from ledger.operate.erasure import Ground, Refusal
from ledger.roles import PERMISSIONS, Permission, Role
from tests.service.api.conftest import CONTACTS, Door
from tests.service.ui.lender import SUBJECT, Lender

OFFICER = Role.DATA_PROTECTION_OFFICER
STRANGE = "01a20aa6-1a5c-7fcf-9ba7-5831c882ac71"


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(34)  # the subject has four of them
    (made.settings.data / "contacts.json").write_text(json.dumps(CONTACTS))
    yield made
    made.runtime.close()


@pytest.fixture
def door(lender: Lender) -> Door:
    return Door(lender, lender.app().test_client())


@pytest.fixture(scope="module")
def second(lender: Lender) -> str:
    return lender.runtime.api_keys.issue("Another officer", OFFICER)[0]


def post(door: Door, path: str, body: Any = None, *, key: str = "", **headers: str) -> Any:
    if key:
        headers["Authorization"] = f"Bearer {key}"
        return door.ask(None, "POST", path, body, **headers)
    return door.ask(OFFICER, "POST", path, body, **headers)


def erase(door: Door, second: str, **what: Any) -> dict[str, Any]:
    asked = post(door, "/v1/erasures", {"ground": "objection", **what})
    assert asked.status_code == 201, asked.text
    done = post(door, f"/v1/erasures/{asked.get_json()['id']}/approve", key=second)
    assert done.status_code == 200, done.text
    found: dict[str, Any] = done.get_json()
    return found


def hold(door: Door, **what: Any) -> dict[str, Any]:
    review = (door.lender.now + timedelta(days=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"matter": "Other v Bank", "ground": "a claim", "owner": "legal", "review_at": review}
    got = post(door, "/v1/holds", body | what)
    assert got.status_code == 201, got.text
    found: dict[str, Any] = got.get_json()
    return found


def accesses(lender: Lender, count: int) -> list[tuple[type, tuple[str, ...]]]:
    """The last entries of the access log: granted or denied, and which fields."""
    raw = list(lender.runtime.logs["access"].entries())[-count:]
    entries = [parse_entry(each) for each in raw]
    log = lender.runtime.access_log
    return [(type(each.body), log.open(each.id).fields) for each in entries]


def test_every_door_says_410_with_the_tombstone(door: Door, second: str) -> None:
    one = door.lender.ids[0]
    assert door.ask(OFFICER, "GET", f"/v1/decisions/{one}/explanation").status_code == 200
    done = erase(door, second, records=[one])
    assert (done["stage"], done["decisions"], done["attached"]) == ("done", 1, 1)
    for role in (OFFICER, Role.CASE_HANDLER, Role.AUDITOR):
        for method, path, accept in (
            ("GET", "", "application/json"),
            ("GET", "/explanation", "application/json"),
            ("GET", "/explanation", "text/html"),
            ("GET", "/explanation", "application/pdf"),
            ("GET", "/proof", "application/json"),
            ("GET", "/replay", "application/json"),
            ("POST", "/replay", "application/json"),
        ):
            got = door.ask(role, method, f"/v1/decisions/{one}{path}", Accept=accept)
            said = got.get_json()
            assert (got.status_code, said["type"]) == (410, "/problems/erased"), path
            assert said["tombstone"]["ground"] == "objection"
            assert said["tombstone"]["log"].endswith("/log/decisions")
    text = door.ask(OFFICER, "GET", f"/v1/decisions/{one}/proof", Accept="text/plain")
    assert (text.status_code, text.text.splitlines()[0]) == (200, "c2sp.org/tlog-proof@v1")
    found = door.ask(OFFICER, "GET", "/v1/decisions?limit=200").get_json()
    assert one not in {each["id"] for each in found["decisions"]}
    again = post(door, "/v1/erasures", {"ground": "objection", "records": [one]})
    assert (again.status_code, again.get_json()["erasure"]) == (410, done["id"])
    page = door.client.get(f"/decisions/{one}", headers={"Accept": "text/html"})
    assert page.status_code == 303  # sign in first; the page itself is in the tests of the UI


def test_a_person_is_erased_by_two_and_on_the_record(door: Door, second: str) -> None:
    lender = door.lender
    before = lender.runtime.logs["access"].size()
    asked = post(door, "/v1/erasures", {"ground": "consent_withdrawn", "subject": SUBJECT},
                 Ledger_Purpose="data_subject_request")  # fmt: skip
    one = asked.get_json()["id"]
    assert (asked.status_code, asked.headers["Location"]) == (201, f"/v1/erasures/{one}")
    assert asked.get_json()["decisions"] == 4  # for who has to agree
    same = post(door, "/v1/erasures", {"ground": "objection", "subject": SUBJECT})
    assert (same.status_code, same.get_json()["id"]) == (200, one)
    alone = post(door, f"/v1/erasures/{one}/approve")
    assert (alone.status_code, alone.get_json()["type"]) == (403, "/problems/second-person")
    assert accesses(lender, 2) == [
        (Access, ("erasure.approved",)),
        (AccessDenied, ("erasure.approved",)),
    ]
    early = door.ask(Role.AUDITOR, "GET", f"/v1/erasures/{one}/certificate")
    assert (early.status_code, early.get_json()["type"]) == (409, "/problems/wrong-stage")
    done = post(door, f"/v1/erasures/{one}/approve", key=second).get_json()
    assert (done["stage"], done["scope"]) == ("done", "person")
    lost = post(door, f"/v1/erasures/{one}/approve", key=second).get_json()
    assert lost == done
    read = door.ask(Role.REGULATOR, "GET", f"/v1/erasures/{one}").get_json()
    assert read == done | {"kept": []}
    certificate = door.ask(Role.AUDITOR, "GET", f"/v1/erasures/{one}/certificate").get_json()
    assert len(certificate["decisions"]) == done["decisions"] == 4
    assert SUBJECT not in json.dumps(certificate)
    found = door.ask(OFFICER, "POST", "/v1/decisions/search", {"subject": SUBJECT}).get_json()
    assert found["total"] == 0
    again = post(door, "/v1/erasures", {"ground": "objection", "subject": SUBJECT})
    assert (again.status_code, again.get_json()["erasure"]) == (410, one)
    unknown = post(door, "/v1/erasures", {"ground": "objection", "subject": "MTG-none"})
    assert (unknown.status_code, unknown.get_json()["type"]) == (404, "/problems/not-found")
    assert "MTG" not in unknown.text
    listed = door.ask(OFFICER, "GET", "/v1/erasures").get_json()["erasures"]
    assert one in {each["id"] for each in listed}
    assert lender.runtime.logs["access"].size() > before + 9


def test_two_keys_of_one_holder_are_one_person(door: Door) -> None:
    asked = post(door, "/v1/erasures", {"ground": "objection", "records": [door.lender.ids[1]]})
    name = f"one  {OFFICER.value.upper()}"  # the first key is named One data_protection_officer
    same = door.lender.runtime.api_keys.issue(name, OFFICER)[0]
    got = post(door, f"/v1/erasures/{asked.get_json()['id']}/approve", key=same)
    assert (got.status_code, got.get_json()["type"]) == (403, "/problems/second-person")


def test_a_hold_refuses_and_says_how_to_complain(door: Door, second: str) -> None:
    one = door.lender.ids[2]
    held = hold(door, records=[one])
    asked = post(door, "/v1/erasures", {"ground": "objection", "records": [one]}).get_json()["id"]
    got = post(door, f"/v1/erasures/{asked}/approve", key=second)
    said = got.get_json()
    assert (got.status_code, said["type"], said["holds"]) == (
        409, "/problems/hold-in-force", [held["id"]],
    )  # fmt: skip
    assert "Art. 77" in said["complain"]
    assert "Other v Bank" not in got.text
    refused = door.ask(OFFICER, "GET", f"/v1/erasures/{asked}").get_json()
    assert (refused["stage"], refused["reason"]) == ("refused", "hold_in_force")
    assert refused["kept"] == [{"decision": one, "hold": held["id"]}]
    assert "one month" in refused["complain"]
    shown = door.ask(Role.AUDITOR, "GET", f"/v1/holds/{held['id']}").get_json()
    assert (shown["matter"], shown["records"], shown["overdue"]) == ("Other v Bank", [one], False)
    release = f"/v1/holds/{held['id']}/release"
    assert post(door, release, {"reason": "settled"}).get_json()["released_at"] is None
    assert post(door, release, {"reason": "settled"}).status_code == 403
    assert post(door, release, {"reason": "settled"}, key=second).get_json()["released_at"]
    assert post(door, release, {"reason": "settled"}, key=second).status_code == 409
    assert erase(door, second, records=[one])["stage"] == "done"
    (last,) = [each for each in door.ask(OFFICER, "GET", "/v1/holds").get_json()["holds"]
               if each["id"] == held["id"]]  # fmt: skip
    assert last["released_at"]


def test_what_is_held_is_used_for_its_matter_only(door: Door, second: str) -> None:
    one = door.lender.ids[4]
    held = hold(door, records=[one])["id"]
    for path in ("", "/explanation", "/replay"):
        got = door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{one}{path}",
                       Ledger_Purpose="case_handling")  # fmt: skip
        said = got.get_json()
        assert (got.status_code, said["type"], said["holds"]) == (
            403, "/problems/restricted", [held],
        )  # fmt: skip
    assert accesses(door.lender, 1)[0][0] is AccessDenied
    for role, purpose in (
        (Role.CASE_HANDLER, "complaint"),
        (Role.CASE_HANDLER, "data_subject_request"),
        (Role.AUDITOR, "audit"),
        (Role.REGULATOR, "supervision"),
        (OFFICER, "review"),
    ):
        got = door.ask(role, "GET", f"/v1/decisions/{one}", Ledger_Purpose=purpose)
        assert (got.status_code, got.get_json()["hold"]) == (200, held)
    receipt = door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{one}/proof")
    assert receipt.status_code == 200  # no personal data is in it
    rows = door.ask(Role.CASE_HANDLER, "GET", "/v1/decisions?limit=200").get_json()["decisions"]
    assert {each["id"]: each["hold"] for each in rows if each["hold"]} == {one: held}
    free = door.ask(OFFICER, "GET", f"/v1/decisions/{door.lender.ids[5]}").get_json()
    assert free["hold"] is None
    for key in ("", second):
        post(door, f"/v1/holds/{held}/release", {"reason": "settled"}, key=key)


def test_a_request_can_be_refused_for_a_reason_on_the_list(door: Door, second: str) -> None:
    body = {"ground": "objection", "records": [door.lender.ids[5]]}
    asked = post(door, "/v1/erasures", body).get_json()["id"]
    wrong = post(door, f"/v1/erasures/{asked}/refuse", {"reason": "no"})
    assert (wrong.status_code, wrong.get_json()["member"]) == (422, "reason")
    got = post(door, f"/v1/erasures/{asked}/refuse", {"reason": "identity_not_shown"}).get_json()
    assert (got["stage"], got["reason"]) == ("refused", "identity_not_shown")
    assert "Art. 77" in got["complain"]
    assert post(door, f"/v1/erasures/{asked}/approve", key=second).status_code == 409
    assert post(door, f"/v1/erasures/{asked}/resume").get_json()["stage"] == "refused"


ADDRESSES = [
    ("GET", "/v1/erasures", Permission.ERASURES_READ),
    ("POST", "/v1/erasures", Permission.ERASURES_MANAGE),
    ("GET", f"/v1/erasures/{STRANGE}", Permission.ERASURES_READ),
    ("POST", f"/v1/erasures/{STRANGE}/approve", Permission.ERASURES_MANAGE),
    ("POST", f"/v1/erasures/{STRANGE}/refuse", Permission.ERASURES_MANAGE),
    ("POST", f"/v1/erasures/{STRANGE}/resume", Permission.ERASURES_MANAGE),
    ("GET", f"/v1/erasures/{STRANGE}/certificate", Permission.ERASURES_READ),
    ("GET", "/v1/holds", Permission.HOLDS_READ),
    ("POST", "/v1/holds", Permission.HOLDS_MANAGE),
    ("GET", f"/v1/holds/{STRANGE}", Permission.HOLDS_READ),
    ("POST", f"/v1/holds/{STRANGE}/release", Permission.HOLDS_MANAGE),
]


@pytest.mark.parametrize(("method", "path", "permission"), ADDRESSES)
def test_who_may_not_is_refused_on_the_record(
    door: Door, method: str, path: str, permission: Permission
) -> None:
    assert door.ask(None, method, path, {}).status_code == 401
    for role in Role:
        body = {"reason": "withdrawn"} if path.endswith(("refuse", "release")) else None
        body = {} if method == "POST" and body is None else body
        got = door.ask(role, method, path, body)
        if permission in PERMISSIONS[role]:
            absent = STRANGE in path
            assert got.status_code == (404 if absent else 200 if method == "GET" else 422)
        else:
            assert (got.status_code, got.get_json()["type"]) == (403, "/problems/refused")
            assert accesses(door.lender, 1) == [(AccessDenied, (permission.value,))]


@pytest.mark.parametrize("change", [
    {"ground": "because"}, {"ground": None}, {"subject": ""}, {"records": []},
    {"records": ["Ann Other"]}, {"records": [STRANGE], "subject": "x"}, {"why": "x"},
    {"records": [STRANGE] * 1_001},
])  # fmt: skip
def test_a_request_in_another_form_is_refused(door: Door, change: dict[str, Any]) -> None:
    got = post(door, "/v1/erasures", {"ground": "objection"} | change)
    assert got.status_code == 422, got.text
    assert "Ann" not in got.text


@pytest.mark.parametrize("change", [
    {"review_at": "2026-13-01T00:00:00Z"}, {"review_at": "2001-01-01T00:00:00Z"},
    {"matter": " "}, {"matter": "x" * 501}, {"owner": "a\nb"}, {"records": ["x"]}, {"x": 1},
])  # fmt: skip
def test_a_hold_in_another_form_is_refused(door: Door, change: dict[str, Any]) -> None:
    review = (door.lender.now + timedelta(days=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"matter": "m", "ground": "g", "owner": "o", "review_at": review,
            "records": [door.lender.ids[6]]}  # fmt: skip
    before = door.ask(OFFICER, "GET", "/v1/holds").get_json()["holds"]
    got = post(door, "/v1/holds", body | change)
    assert got.status_code == 422, got.text
    assert door.ask(OFFICER, "GET", "/v1/holds").get_json()["holds"] == before


def test_no_id_is_an_id_that_is_not_there(door: Door) -> None:
    for path in ("/v1/erasures/Ann-Other", "/v1/holds/Ann-Other", f"/v1/erasures/{STRANGE}%00"):
        assert door.ask(OFFICER, "GET", path).status_code == 404


def test_nothing_happens_when_it_cannot_be_logged(door: Door, second: str) -> None:
    one = door.lender.ids[7]
    body = {"ground": "objection", "records": [one]}
    asked = post(door, "/v1/erasures", body).get_json()["id"]
    locks = Path(door.lender.settings.data) / "checkpoints"
    guard = next(locks.glob("access*.guard"))
    kept = guard.read_bytes()
    guard.unlink()
    guard.mkdir()
    try:
        got = post(door, f"/v1/erasures/{asked}/approve", key=second)
        assert got.status_code == 503
    finally:
        guard.rmdir()
        guard.write_bytes(kept)
    assert door.ask(OFFICER, "GET", f"/v1/decisions/{one}").status_code == 200


def test_the_lists_of_the_pages_are_the_lists_of_the_code() -> None:
    from service.commands.erasures import GROUNDS, REFUSALS

    assert list(Ground) == list(GROUNDS)
    assert {*REFUSALS, Refusal.HOLD_IN_FORCE} == set(Refusal)
