"""Events that are wrong, reused, misdirected or left alone: told or declared, never silent."""

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.operate import event_halves
from service.cli import main
from service.eventing import RETRY, WAIT
from service.runtime import Runtime
from tests.service.api.event_lender import (
    REQUEST,
    RESPONSE,
    ROW,
    SERVICES,
    event_lender,
    gaps,
    margin,
    send,
)
from tests.service.ui.lender import Lender

ASKED: dict[str, Any] = {"instances": [ROW]}
MORTGAGE: dict[str, Any] = SERVICES["services"]["default/mortgage"]
NAMED: dict[str, Any] = {
    "services": {
        "default/mortgage": MORTGAGE | {"features": ["bankrupt", "late", "loan_to_value"]},
        "default/mortgage/canary": MORTGAGE | {"source": "kserve.canary"},
        "default/wrong": MORTGAGE | {"features": ["late"]},
    }
}


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    with event_lender(tmp_path, NAMED) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    """One for tests that leave nothing behind that another would see."""
    with event_lender(tmp_path_factory.mktemp("shared"), NAMED) as made:
        yield made


@pytest.fixture(scope="module")
def shared_client(shared: Lender) -> FlaskClient:
    return shared.app().test_client()


@pytest.fixture
def client(lender: Lender) -> FlaskClient:
    return lender.app().test_client()


def said(caplog: pytest.LogCaptureFixture) -> int:
    return sum(each.name == "service.eventing" for each in caplog.records)


def answered(lender: Lender) -> dict[str, Any]:
    return {"predictions": [margin(lender, ROW)]}


def test_an_instance_that_makes_no_decision_costs_no_other(
    lender: Lender, client: FlaskClient
) -> None:
    bad: list[dict[str, Any]] = [
        {"late": [1]},
        {"late": 2**60},
        {"x": 1},
        {"loan_to_value": float("nan")},
        {"late": 99},
    ]
    send(client, lender, REQUEST, {"instances": [*({**ROW, **each} for each in bad), ROW]})
    right = answered(lender)["predictions"]
    told = send(client, lender, RESPONSE, {"predictions": [0.5] * len(bad) + right})
    assert (told.status_code, told.get_json()["refused"]) == (202, len(bad))
    (decision,) = told.get_json()["decisions"]
    assert lender.runtime.decisions.read(decision).payload.source.seq == len(bad)
    assert gaps(lender) == [("kserve.mortgage", n, n, "refused_by_ledger") for n in range(len(bad))]
    assert lender.runtime.eventing.waiting() == ()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (REQUEST, b'{"instances": [[1, 1e999, 92.5]]}'),
        (REQUEST, b'{"instances": [[1, 1' + b"0" * 400 + b", 92.5]]}"),
        (REQUEST, b'{"inputs": [{"name": "x", "data": ' + b"[" * 20 + b"]" * 20 + b"}]}"),
        (REQUEST, b'{"instances": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
        (RESPONSE, b'{"predictions": [1' + b"0" * 400 + b"]}"),
        (RESPONSE, b'{"predictions": [NaN]}'),
    ],
)
def test_numbers_and_lists_beyond_all_measure_are_the_senders_mistake(
    shared: Lender, shared_client: FlaskClient, kind: str, data: bytes
) -> None:
    response = send(shared_client, shared, kind, data)
    assert response.status_code == 422, response.text
    assert response.get_json()["member"].startswith("data")


def test_a_moment_outside_the_calendar_is_refused(
    shared: Lender, shared_client: FlaskClient
) -> None:
    late = {"ce-time": "0001-01-01T00:00:00+14:00"}
    response = send(shared_client, shared, REQUEST, ASKED, **late)
    assert (response.status_code, response.get_json()["member"]) == (422, "time")


def test_other_content_under_a_used_id_is_a_conflict(lender: Lender, client: FlaskClient) -> None:
    other = {"instances": [ROW | {"late": 3}]}
    send(client, lender, REQUEST, ASKED)
    for _ in ("while it waits", "once it is recorded"):
        again = send(client, lender, REQUEST, other)
        assert (again.status_code, again.get_json()["member"]) == (409, "id")
        assert send(client, lender, REQUEST, ASKED, **{"ce-customer": "X"}).status_code == 409
        later = {"ce-time": "2026-05-14T09:31:09Z"}  # the same event, sent again with a new time
        assert send(client, lender, REQUEST, ASKED, **later).get_json()["status"] == "duplicate"
        send(client, lender, RESPONSE, answered(lender))
    assert gaps(lender) == []


def test_two_servers_with_one_source_and_id_are_told_apart(
    lender: Lender, client: FlaskClient
) -> None:
    canary = {"ce-endpoint": "canary"}
    send(client, lender, REQUEST, ASKED)
    told = send(client, lender, RESPONSE, answered(lender), **canary).get_json()
    assert told["status"] == "waits"
    told = send(client, lender, REQUEST, ASKED, **canary).get_json()
    view = lender.runtime.decisions.read(told["decisions"][0])
    assert view.payload.source.id == "kserve.canary"


def test_whose_events_count(shared: Lender, shared_client: FlaskClient) -> None:
    for changes, status, member in (
        ({"ce-endpoint": "default", "ce-component": "predictor"}, 202, None),
        ({"ce-component": "transformer"}, 422, "component"),
        ({"ce-endpoint": "shadow"}, 422, "endpoint"),
        ({"ce-inferenceservicename": "wrong"}, 422, None),
    ):
        changes["ce-id"] = "of whom"  # no other test's exchange
        response = send(shared_client, shared, REQUEST, ASKED, **changes)
        assert (response.status_code, response.get_json().get("member")) == (status, member)


def test_columns_come_in_the_order_that_the_file_says(lender: Lender, client: FlaskClient) -> None:
    send(client, lender, REQUEST, {"instances": [[1, 2, 92.5]]})
    told = send(client, lender, RESPONSE, answered(lender)).get_json()
    assert dict(lender.runtime.decisions.read(told["decisions"][0]).payload.input) == ROW


def test_an_answer_without_predictions_is_settled(lender: Lender, client: FlaskClient) -> None:
    send(client, lender, RESPONSE, {"predictions": []}, **{"ce-id": "none"})
    send(client, lender, REQUEST, ASKED)
    assert send(client, lender, RESPONSE, {"predictions": []}).status_code == 422
    lender.now += WAIT * 2
    assert lender.runtime.eventing.sweep() == 1
    assert gaps(lender) == [("kserve.mortgage", 0, 0, "halves_differ")]


def test_no_more_wait_than_fit_but_the_other_half_is_taken(
    lender: Lender, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_halves, "MAX_WAITING", 2)
    for name in ("a", "b"):
        assert send(client, lender, REQUEST, ASKED, **{"ce-id": name}).status_code == 202
    full = send(client, lender, REQUEST, ASKED, **{"ce-id": "c"})
    assert (full.status_code, full.headers["Retry-After"]) == (503, "2")
    told = send(client, lender, RESPONSE, answered(lender), **{"ce-id": "a"}).get_json()
    assert told["status"] == "recorded"
    assert send(client, lender, REQUEST, ASKED, **{"ce-id": "c"}).status_code == 202


def test_what_cannot_be_gone_on_with_keeps_nothing_else_waiting(
    lender: Lender,
    client: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_halves, "LOOKED_AT", 2)
    canary = {"ce-endpoint": "canary"}
    for number in range(5):
        send(client, lender, REQUEST, ASKED, **canary, **{"ce-id": f"s-{number}"})
    send(client, lender, REQUEST, ASKED)
    lender.now += WAIT + timedelta(seconds=1)
    path = lender.settings.events
    assert path is not None
    path.write_text(json.dumps({"services": {"default/mortgage": MORTGAGE}}))
    with closing(Runtime.open(lender.settings, lender.clock)) as runtime:
        with caplog.at_level(logging.ERROR, "service.eventing"):
            assert [runtime.eventing.sweep() for _ in range(2)] == [1, 0]
            assert said(caplog) == 5  # each once, and again after a while
            lender.now += RETRY
            assert runtime.eventing.sweep() == 0
            assert said(caplog) == 10
        (stuck,) = runtime.eventing.waiting()
        assert (stuck.service, stuck.count) == ("default/mortgage/canary", 5)
    assert gaps(lender) == [("kserve.mortgage", 0, 0, "response_missing")]
    path.write_text(json.dumps(NAMED))
    with closing(Runtime.open(lender.settings, lender.clock)) as runtime:
        assert runtime.eventing.sweep() == 5


def test_commands_say_what_waits_and_go_on_with_it(
    lender: Lender, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DATA", str(lender.settings.data))
    monkeypatch.setenv("LEDGER_EVENTS", str(lender.settings.events))

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["events", *words])
        return done.exit_code, done.output

    assert run("status") == (0, "Nothing waits.\n")
    send(client, lender, REQUEST, ASKED)  # in March 2026, by the lender's clock
    status, said = run("status")
    assert status == 1
    assert "default/mortgage: 1 waiting, the oldest since 2026-03-" in said
    assert "OVERDUE" in said
    (row,) = json.loads(run("status", "--json")[1])
    assert (row["waiting"], row["overdue"], row["known"]) == (1, True, True)
    monkeypatch.delenv("LEDGER_EVENTS")
    assert "no longer names it" in run("status")[1]
    monkeypatch.setenv("LEDGER_EVENTS", str(lender.settings.events))
    assert run("sweep") == (0, "1 settled.\n")
    assert run("status") == (0, "Nothing waits.\n")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["name", "data", "late", "x"]), inner, max_size=3
    ),
    max_leaves=8,
)  # fmt: skip
names = st.sampled_from(["instances", "inputs", "predictions", "outputs", "x"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from([REQUEST, RESPONSE]), data=st.dictionaries(names, values, max_size=3))
def test_no_payload_breaks_the_server(
    shared: Lender, shared_client: FlaskClient, kind: str, data: dict[str, Any]
) -> None:
    assert send(shared_client, shared, kind, data).status_code < 500
