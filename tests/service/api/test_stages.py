"""Stages of a model over HTTP: two people, each step once, and decisions by what they allow."""

from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from ledger.roles import Role
from tests.service.api.conftest import Door
from tests.service.ui.lender import Lender

MODEL = "/v1/models/mortgage-approval@1.0.0"
WHY = {"reason": "validated, report V-17"}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(1)
    yield Door(made, made.app().test_client())
    made.runtime.close()


def propose(door: Door, status: str = "approved") -> Any:
    body = WHY | {"status": status}
    response = door.ask(Role.MODEL_OWNER, "POST", f"{MODEL}/proposals", body)
    assert response.status_code == 201, response.text
    return response.get_json()


def decide(door: Door) -> TestResponse:
    counter = {"id": "loan-desk", "seq": 100}
    return door.ask(Role.SOURCE, "POST", "/v1/decisions", door.decision(source=counter))


def test_a_life_over_http(door: Door) -> None:
    asked = propose(door)
    assert (asked["status"], asked["proposal"]["act"]) == ("registered", "approval_proposed")
    path = f"{MODEL}/proposals/{asked['proposal']['id']}"
    agreed = door.ask(Role.MODEL_RISK, "POST", f"{path}/agree", WHY)
    assert (agreed.status_code, agreed.get_json()["status"], agreed.get_json()["proposal"]) == (
        *(200, "approved", None),
    )
    again = door.ask(Role.MODEL_RISK, "POST", f"{path}/agree", WHY)
    assert (again.status_code, again.get_json()["type"]) == (409, "/problems/wrong-stage")
    promoted = door.ask(Role.MODEL_OWNER, "POST", f"{MODEL}/promote", WHY)
    assert promoted.get_json()["status"] == "promoted"
    assert decide(door).status_code == 201
    suspended = door.ask(Role.MODEL_RISK, "POST", f"{MODEL}/suspend", WHY)
    assert suspended.get_json()["status"] == "suspended"
    assert decide(door).status_code == 403
    asked = propose(door)
    path = f"{MODEL}/proposals/{asked['proposal']['id']}"
    refused = door.ask(Role.MODEL_RISK, "POST", f"{path}/refuse", WHY)
    assert (refused.status_code, refused.get_json()["proposal"]) == (200, None)
    history = door.ask(Role.AUDITOR, "GET", f"{MODEL}/history").get_json()
    events = history["events"][-6:]
    assert [each["act"] for each in events] == [
        *("approval_proposed", "approved", "promoted", "suspended"),
        *("approval_proposed", "proposal_refused"),
    ]
    assert events[1]["proposal"] == events[0]["id"]
    assert events[1]["reason"] == WHY["reason"]
    assert {each["role"] for each in events} == {"model_owner", "model_risk"}


def test_two_keys_of_one_name_are_one_person(door: Door) -> None:
    keys = door.lender.runtime.api_keys
    both = {
        role: keys.issue("  ann OTHER", role)[0] for role in (Role.MODEL_OWNER, Role.MODEL_RISK)
    }
    mine = {role: {"Authorization": f"Bearer {key}"} for role, key in both.items()}
    asked = door.ask(
        None, "POST", f"{MODEL}/proposals", WHY | {"status": "retired"}, **mine[Role.MODEL_OWNER]
    )
    path = f"{MODEL}/proposals/{asked.get_json()['proposal']['id']}"
    alone = door.ask(None, "POST", f"{path}/agree", WHY, **mine[Role.MODEL_RISK])
    assert (alone.status_code, alone.get_json()["type"]) == (403, "/problems/second-person")
    door.ask(None, "POST", f"{path}/refuse", WHY, **mine[Role.MODEL_OWNER])


@pytest.mark.parametrize(
    ("path", "body", "status", "member"),
    [
        ("proposals", WHY, 422, "status"),
        ("proposals", WHY | {"status": "promoted"}, 422, "status"),
        ("proposals", {"status": "retired", "reason": ""}, 422, "reason"),
        ("proposals", {"status": "retired", "reason": "two\nlines"}, 422, "reason"),
        ("suspend", {"reason": "x" * 501}, 422, "reason"),
        ("suspend", {"why": "x"}, 422, "why"),
    ],
)
def test_what_does_not_fit_is_named(
    door: Door, path: str, body: dict[str, Any], status: int, member: str
) -> None:
    response = door.ask(Role.MODEL_OWNER, "POST", f"{MODEL}/{path}", body)
    assert response.status_code == status
    named = {
        response.get_json()["member"],
        *(each["member"] for each in response.get_json().get("errors", ())),
    }
    assert member in named


def test_an_unknown_version_is_not_found(door: Door) -> None:
    for path in ("proposals", "suspend", "promote", "proposals/x/refuse"):
        body = WHY | ({"status": "approved"} if path == "proposals" else {})
        response = door.ask(Role.MODEL_OWNER, "POST", f"/v1/models/nobody@1/{path}", body)
        assert response.status_code == 404


def test_an_auditor_does_not_refuse(door: Door) -> None:
    response = door.ask(Role.AUDITOR, "POST", f"{MODEL}/proposals/x/refuse", WHY)
    assert (response.status_code, response.get_json()["type"]) == (403, "/problems/refused")
