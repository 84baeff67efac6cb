"""Events as KServe's inference logger sends them: paired, durable, recorded once."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from ledger.operate.event_halves import EventHalves
from ledger.roles import Role
from service.eventing import WAIT
from service.settings import SettingsError
from tests.service.api.event_lender import (
    REQUEST,
    RESPONSE,
    ROW,
    SERVICES,
    event_lender,
    gaps,
    headers,
    margin,
    send,
)
from tests.service.ui.lender import FEATURES, POLICY, Lender


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    with event_lender(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    """One for tests that leave nothing behind that another would see."""
    with event_lender(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture(scope="module")
def shared_client(shared: Lender) -> FlaskClient:
    return shared.app().test_client()


@pytest.fixture
def client(lender: Lender) -> FlaskClient:
    return lender.app().test_client()


@pytest.mark.parametrize("first", [REQUEST, RESPONSE])
def test_two_halves_make_decisions_in_any_order(
    lender: Lender, client: FlaskClient, first: str
) -> None:
    other = {"loan_to_value": 40.0, "late": 0, "bankrupt": False}
    halves = {
        REQUEST: {"instances": [[92.5, 2, 1], other]},
        RESPONSE: {"predictions": [margin(lender, ROW), [margin(lender, other)]]},
    }
    second = next(kind for kind in halves if kind != first)
    waits = send(client, lender, first, halves[first])
    assert (waits.status_code, waits.get_json()["status"]) == (202, "waits")
    assert send(client, lender, first, halves[first]).get_json()["status"] == "duplicate"
    done = send(client, lender, second, halves[second]).get_json()
    assert (done["status"], done["refused"], len(done["decisions"])) == ("recorded", 0, 2)
    views = [lender.runtime.decisions.read(each) for each in done["decisions"]]
    assert [dict(view.payload.input) for view in views] == [ROW, other]
    assert [view.payload.source.seq for view in views] == [0, 1]
    assert {view.payload.subject for view in views} == {"MTG-7"}
    assert views[0].payload.context["decided_at"] == "2026-05-14T09:31:07.123456Z"
    assert views[0].payload.context["decision_role"] == "advisory"
    assert not views[0].payload.attributed
    for kind, data in halves.items():  # either of them again
        assert send(client, lender, kind, data).get_json()["status"] == "duplicate"
    from service.attributing import Attributing

    assert Attributing.of(lender.runtime).work() == 2
    assert lender.runtime.attributions.of(views[0]).complete


def test_the_open_inference_protocol_is_read(lender: Lender, client: FlaskClient) -> None:
    names = [feature["name"] for feature in FEATURES]
    chance = 1 / (1 + np.exp(-margin(lender, ROW)))
    risk = {"ce-namespace": "risk", "ce-id": "v2"}
    columns = [
        {"name": name, "shape": [1, 1], "datatype": "FP32", "data": [value]}
        for name, value in zip(names, (92.5, 2, 1), strict=True)
    ]
    send(client, lender, REQUEST, {"inputs": columns}, **risk)
    outputs = [{"name": "other", "data": [7]}, {"name": "score", "data": [[chance]]}]
    done = send(client, lender, RESPONSE, {"outputs": outputs}, **risk).get_json()
    view = lender.runtime.decisions.read(done["decisions"][0])
    assert dict(view.payload.input) == ROW
    assert abs(view.payload.margin - margin(lender, ROW) * 1e6) < 5
    assert view.payload.subject is None
    table = {"name": "rows", "shape": [2, 3], "data": [92.5, 2, 1, 40.0, 0, 0]}
    again = risk | {"ce-id": "v2-rows"}
    send(client, lender, REQUEST, {"inputs": [table]}, **again)
    two = {"outputs": [{"name": "score", "data": [chance, 0.9]}]}
    assert len(send(client, lender, RESPONSE, two, **again).get_json()["decisions"]) == 2


def test_structured_and_batched_events_are_read(lender: Lender, client: FlaskClient) -> None:
    def event(kind: str, data: Any, **more: Any) -> dict[str, Any]:
        sent = headers(lender, kind)
        return (
            {
                name.removeprefix("ce-"): value
                for name, value in sent.items()
                if name.startswith("ce-")
            }
            | {"datacontenttype": "application/json", "data": data}
            | more
        )

    answered = {"predictions": [margin(lender, ROW)]}
    key = {"Authorization": f"Bearer {lender.keys[Role.SOURCE]}"}
    one = client.post(
        "/v1/events", data=json.dumps(event(REQUEST, {"instances": [ROW]})),
        headers=key | {"Content-Type": "application/cloudevents+json"},
    )  # fmt: skip
    assert one.get_json()["status"] == "waits"
    packed = base64.b64encode(json.dumps(answered).encode()).decode()
    encoded = event(RESPONSE, None, data_base64=packed)
    del encoded["data"]
    batch = [encoded, event("other", {}), 7, event(REQUEST, {"instances": []}, id="e-9")]
    many = client.post(
        "/v1/events", data=json.dumps(batch),
        headers=key | {"Content-Type": "application/cloudevents-batch+json"},
    )  # fmt: skip
    assert many.status_code == 200
    results = many.get_json()["results"]
    assert [each["status"] for each in results] == ["recorded", "refused", "refused", "refused"]
    assert results[1]["problem"]["member"] == "type"


@pytest.mark.parametrize(
    ("kind", "data", "changes", "status", "member"),
    [
        (REQUEST, b"{", {}, 422, "data"),
        (REQUEST, [1], {}, 422, "data"),
        (REQUEST, {"instances": [[1, 2]]}, {}, 422, "data.instances[0]"),
        (REQUEST, {"instances": []}, {}, 422, "data"),
        (REQUEST, {"rows": []}, {}, 422, "data"),
        (REQUEST, {"inputs": [{"name": "x", "data": [1, 2]}]}, {}, 422, "data.inputs"),
        (RESPONSE, {"predictions": ["x"]}, {}, 422, "data.predictions[0]"),
        (RESPONSE, {"predictions": [1e300]}, {}, 422, "data.predictions[0]"),
        (RESPONSE, {"answer": 1}, {}, 422, "data"),
        ("other", {"instances": [ROW]}, {}, 422, "type"),
        (REQUEST, {"instances": [ROW]}, {"ce-namespace": "no"}, 422, "inferenceservicename"),
        (REQUEST, {"instances": [ROW]}, {"ce-id": "x" * 300}, 422, "id"),
        (REQUEST, {"instances": [ROW]}, {"ce-time": "noon"}, 422, None),
        (REQUEST, {"instances": [ROW]}, {"ce-specversion": "9"}, 422, None),
    ],
)
def test_what_is_no_event_of_ours_is_told_why(
    shared: Lender, shared_client: FlaskClient, kind: str, data: Any, changes: dict[str, str],
    status: int, member: str | None,
) -> None:  # fmt: skip
    response = send(shared_client, shared, kind, data, **changes)
    assert (response.status_code, response.get_json().get("member")) == (status, member)


def test_what_is_no_event_at_all_is_refused(shared: Lender, shared_client: FlaskClient) -> None:
    key = {"Authorization": f"Bearer {shared.keys[Role.SOURCE]}"}
    assert shared_client.post("/v1/events", json={}, headers=key).status_code == 415
    assert shared_client.post("/v1/events", json={}).status_code == 401
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    assert shared_client.post("/v1/events", data=b"{", headers=key | batch).status_code == 400
    assert shared_client.post("/v1/events", data=b"{}", headers=key | batch).status_code == 422


def test_a_decision_that_does_not_fit_is_declared(lender: Lender, client: FlaskClient) -> None:
    bad = ROW | {"late": 99}
    send(client, lender, REQUEST, {"instances": [bad, ROW]})
    told = send(client, lender, RESPONSE, {"predictions": [0.5, margin(lender, ROW)]}).get_json()
    assert (told["refused"], len(told["decisions"])) == (1, 1)
    assert gaps(lender) == [("kserve.mortgage", 0, 0, "refused_by_ledger")]


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    """One whose model servers decide under policies with rules, one of which fits no model."""
    services = {
        f"default/{name}": SERVICES["services"]["default/mortgage"]
        | {"policy": f"{name}@1.0.0", "source": f"kserve.{name}"}
        for name in ("ruled", "other")
    }
    with event_lender(tmp_path_factory.mktemp("ruled"), {"services": services}) as made:
        for name, feature in (("ruled", "bankrupt"), ("other", "age")):
            rule: dict[str, Any] = {"id": "bankrupt", "reason": "BANKRUPT"}
            rule |= {"when": {"feature": feature, "op": "=", "value": True}}
            made.runtime.registry.register_policy(POLICY | {"name": name, "rules": [rule]})
        yield made


def test_the_rules_of_a_policy_make_the_outcome_too(ruled: Lender) -> None:
    client = ruled.app().test_client()
    good = {"loan_to_value": 30.0, "late": 0, "bankrupt": False}
    rows = [good, good | {"bankrupt": True}, ROW, ROW | {"bankrupt": False}]
    assert min(margin(ruled, each) for each in rows[:2]) >= 0 > margin(ruled, rows[3])
    to = {"ce-inferenceservicename": "ruled"}
    send(client, ruled, REQUEST, {"instances": rows}, **to)
    answer = {"predictions": [margin(ruled, each) for each in rows]}
    done = send(client, ruled, RESPONSE, answer, **to).get_json()
    assert (done["status"], done["refused"]) == ("recorded", 0)
    payloads = [ruled.runtime.decisions.read(each).payload for each in done["decisions"]]
    assert [(each.outcome, each.context.get("rule")) for each in payloads] == [
        ("approved", None),
        ("declined", "bankrupt"),
        ("declined", "bankrupt"),
        ("declined", None),
    ]
    from service.attributing import Attributing

    Attributing.of(ruled.runtime).work()
    told = [ruled.runtime.explaining.explain(each, "en") for each in done["decisions"]]
    assert [each.fired for each in told] == [(), ("bankrupt",), ("bankrupt",), ()]
    assert not any(gate.name == "outcome" for each in told for gate in each.failed)


def test_rules_that_do_not_fit_the_model_take_no_events(ruled: Lender) -> None:
    to = {"ce-inferenceservicename": "other"}
    refused = send(ruled.app().test_client(), ruled, REQUEST, {"instances": [ROW]}, **to)
    assert refused.status_code == 422
    assert "name another policy for this model server" in refused.get_json()["detail"]


def test_a_half_whose_other_never_comes_is_declared(lender: Lender, client: FlaskClient) -> None:
    send(client, lender, REQUEST, {"instances": [ROW, ROW]}, **{"ce-id": "a"})
    send(client, lender, RESPONSE, {"predictions": [1.0]}, **{"ce-id": "b"})
    assert lender.runtime.eventing.sweep() == 0
    lender.now += WAIT + timedelta(seconds=1)
    assert lender.runtime.eventing.sweep() == 2
    assert gaps(lender) == [
        ("kserve.mortgage", 0, 1, "response_missing"),
        ("kserve.mortgage", 2, 2, "request_missing"),
    ]
    assert lender.runtime.eventing.sweep() == 0
    late = send(client, lender, RESPONSE, {"predictions": [1.0, 1.0]}, **{"ce-id": "a"})
    assert late.get_json()["status"] == "duplicate"


def test_halves_that_do_not_fit_each_other_are_declared(
    lender: Lender, client: FlaskClient
) -> None:
    send(client, lender, REQUEST, {"instances": [ROW, ROW]})
    told = send(client, lender, RESPONSE, {"predictions": [1.0]})
    assert told.status_code == 422
    assert len(gaps(lender)) == 1


@pytest.mark.parametrize("step", ["draw_counters", "settle"])
def test_a_crash_after_both_came_records_them_once(
    lender: Lender, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    send(client, lender, REQUEST, {"instances": [ROW]})
    monkeypatch.setattr(EventHalves, step, kill)
    with pytest.raises(Killed):
        send(client, lender, RESPONSE, {"predictions": [margin(lender, ROW)]})
    monkeypatch.undo()
    size = lender.runtime.logs["decisions"].size()
    # The sender was told nothing, so it sends again; or nobody does, and the sweep finds it.
    again = send(client, lender, RESPONSE, {"predictions": [margin(lender, ROW)]}).get_json()
    assert again["status"] == "recorded"
    assert lender.runtime.logs["decisions"].size() == size + (step == "draw_counters")
    lender.now += WAIT * 2
    assert lender.runtime.eventing.sweep() == 0


def test_what_waits_is_sealed(lender: Lender, client: FlaskClient) -> None:
    send(client, lender, REQUEST, {"instances": [ROW]})
    for path in lender.settings.data.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"MTG-7" not in data, path
            assert b"mortgage.default" not in data, path


@pytest.mark.parametrize(
    "document",
    [
        "{", "[]", "{}", '{"services": {"a/b": 1}}', '{"services": {"a/b": {"model": "m@1"}}}',
        '{"services": {"a/b": {"model": "m@1", "policy": "p@1", "source": "S"}}}',
        '{"services": {"a/b": {"model": "m@1", "policy": "p@1", "source": "s", "x": "y"}}}',
        '{"services": {"a/b": {"model": 1, "policy": "p@1", "source": "s"}}}',
        '{"services": {"a/b": {"model": "m@1", "policy": "p", "source": "s", "prediction": "x"}}}',
        '{"services": {"a/b": {"model": "m@1", "policy": "p@1", "source": "s", "context": []}}}',
        '{"services": {"ab": {"model": "m@1", "policy": "p@1", "source": "s"}}}',
        '{"services": {"a/b": {"model": "m@1", "policy": "p", "source": "s", "context": {"x": []}}}}',
        '{"services": {"a/b": {"model": "m@1", "policy": "p", "source": "s", "features": [1]}}}',
        '{"services": {"a/b": {"model": "m@1", "policy": "p", "source": "s","context": {"decided_at": ""}}}}',
        '{"services": {"a/b": {"model": "m@1", "policy": "p", "source": "s","context":{"decision_role": "no"}}}}',
        '{"services": {"a/b": {"model": "m@1", "policy": "p", "source": "s","context": {"rule": "late"}}}}',
    ],
)  # fmt: skip
def test_a_file_of_services_that_is_none_stops_the_start(tmp_path: Path, document: str) -> None:
    from service.event_services import read_services

    path = tmp_path / "events.json"
    path.write_text(document)
    with pytest.raises(SettingsError, match="LEDGER_EVENTS"):
        read_services(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_services(tmp_path / "none")
    assert read_services(None) == {}
