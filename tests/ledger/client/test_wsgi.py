"""Flask, and WSGI at its barest: each request is an occasion, and exchanges are decisions."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

from ledger.client import Client, WsgiRequests
from ledger.client import exchanges as module
from ledger.client.occasion import current
from ledger.errors import MalformedError
from tests.ledger.client.clients import client_of, told, until
from tests.ledger.client.simulator import Ledger, decision


@pytest.fixture
def client(url: str, spool: Path) -> Iterator[Client]:
    with client_of(url, spool) as made:
        yield made


def settled(client: Client, ledger: Ledger) -> list[dict[str, Any]]:
    assert client.flush()
    return list(ledger.decisions.values())


def about(environ: dict[str, Any]) -> dict[str, Any]:
    return {"subject": flask.g.who, "context": {"agent": environ["HTTP_USER_AGENT"]}}


def application(client: Client, **options: Any) -> flask.Flask:
    app = flask.Flask("desk")
    WsgiRequests(client, **options).init_app(app)

    @app.post("/decide")
    def decide() -> dict[str, Any]:
        flask.g.who = flask.request.get_json()["who"]
        client.record(**decision())
        return {"ids": [each.id for each in flask.request.environ["ledger.occasion"].tickets]}

    @app.post("/stream")
    def stream() -> flask.Response:
        def parts() -> Iterator[str]:
            yield "a"
            client.record(**decision(subject="S-9"))
            yield "b"

        return flask.Response(parts())

    @app.post("/score")
    def score() -> Any:
        asked = flask.request.get_json()
        return ({"margin": 2 * asked["x"]}, asked.get("status", 200))

    return app


def test_each_request_is_an_occasion(client: Client, ledger: Ledger) -> None:
    browser = application(client, about=about).test_client()
    headers = {"User-Agent": "till"}
    for who in ("S-1", "S-2"):
        answer = browser.post("/decide?subject=S-7", json={"who": who}, headers=headers)
        assert len(answer.get_json()["ids"]) == 1
    assert current() is None
    found = settled(client, ledger)
    assert [each["subject"] for each in found] == ["S-1", "S-2"]
    assert {each["context"]["agent"] for each in found} == {"till"}


def test_a_request_that_comes_again_is_one_decision(client: Client, ledger: Ledger) -> None:
    browser = application(client, request_header="X-Request-Id").test_client()
    ids = [
        browser.post("/decide", json={"who": ""}, headers={"X-Request-Id": name}).get_json()["ids"]
        for name in ("r-1", "r-1", "r-2", "r" * 300)
    ]
    assert ids[0] == ids[1]
    assert len(settled(client, ledger)) == 3


def test_an_answer_that_is_made_while_it_is_sent_is_on_the_same_occasion(
    client: Client, ledger: Ledger
) -> None:
    def desk(_: dict[str, Any]) -> dict[str, Any]:
        return {"context": {"channel": "stream"}}

    browser = application(client, about=desk).test_client()
    answer = browser.post("/stream")
    assert answer.data == b"ab"
    assert current() is None
    (one,) = settled(client, ledger)
    assert (one["subject"], one["context"]["channel"]) == ("S-9", "stream")


def decided(asked: Any, answered: Any) -> Any:
    if asked["x"] == 0:
        return None
    return decision(input=asked, subject=f"S-{answered['margin']}")


def test_an_exchange_is_a_decision(client: Client, ledger: Ledger) -> None:
    browser = application(client, decides={"POST /score": decided}).test_client()
    assert browser.post("/score", json={"x": 2}).get_json() == {"margin": 4}
    assert client.counters().accepted == 1  # before the answer was here
    browser.post("/score", json={"x": 0})
    browser.post("/score", json={"x": 1, "status": 422})
    browser.post("/decide", json={"who": ""})
    browser.get("/score")
    found = settled(client, ledger)
    assert [each.get("subject") for each in found] == ["S-4", None]
    assert found[0]["input"] == {"x": 2}


def test_one_exchange_may_be_several_decisions(client: Client, ledger: Ledger) -> None:
    several = {"POST /score": lambda asked, _: [decision(input=asked)] * 3}
    application(client, decides=several).test_client().post("/score", json={"x": 2})
    assert len(settled(client, ledger)) == 3


@pytest.mark.parametrize("kind", ["fails", "members", "gzip", "large", "text"])
def test_an_exchange_that_cannot_be_read_is_answered_and_leaves_a_gap(
    client: Client, ledger: Ledger, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(*_: Any) -> Any:
        if kind == "fails":
            raise KeyError("Mary Example")
        return {"who": "Mary Example"}

    app = application(client, decides={"POST /score": decide})
    if kind == "large":
        monkeypatch.setattr(module, "MAX_BODY_BYTES", 5)
    if kind in ("gzip", "text"):

        @app.after_request
        def code(response: flask.Response) -> flask.Response:
            if kind == "gzip":
                response.headers["Content-Encoding"] = "gzip"
            else:
                response.data = b"not JSON"
            return response

    assert app.test_client().post("/score", json={"x": 2}).status_code == 200
    client.flush()
    until(lambda: told(ledger) == {1: "exchange_not_readable"})
    assert client.counters().failed == 1


def test_endpoints_are_a_method_and_a_path(client: Client) -> None:
    for wrong in ("/score", "post /score", "POST score"):
        with pytest.raises(MalformedError):
            WsgiRequests(client, decides={wrong: decided})


# Bare WSGI: what Flask does not do, other applications do.


class Body:
    def __init__(self, *parts: bytes) -> None:
        self.parts, self.closed = parts, False

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.parts)

    def close(self) -> None:
        self.closed = True


Start = Callable[..., Callable[[bytes], Any]]


def served(client: Client, app: Any, **environ: Any) -> tuple[Iterable[bytes], list[bytes]]:
    written: list[bytes] = []
    around = WsgiRequests(client, decides={"POST /score": decided}).around(app)
    asked = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/score",
        "wsgi.input": io.BytesIO(b'{"x": 2}\n'),
    }
    return around(asked | environ, lambda *_: written.append), written


def test_a_body_is_passed_on_as_it_is_made_and_closed(client: Client, ledger: Ledger) -> None:
    body = Body(b'{"mar', b'gin": ', b"4}")

    def app(environ: dict[str, Any], start: Start) -> Body:
        read = environ["wsgi.input"]
        assert (read.readline(4), read.readlines(), list(read)) == (b'{"x"', [b": 2}\n"], [])
        assert read.readinto(bytearray(4)) == 0
        assert not hasattr(read, "read1")
        start("200 OK", [])
        return body

    answer, _ = served(client, app)
    parts = iter(answer)
    assert next(parts) == b'{"mar'
    assert client.counters().accepted == 0
    assert list(parts) == [b'gin": ', b"4}"]
    answer.close()  # type: ignore[attr-defined]
    assert body.closed
    assert [each["subject"] for each in settled(client, ledger)] == ["S-4"]


def test_a_body_may_be_written_or_empty(client: Client, ledger: Ledger) -> None:
    def app(environ: dict[str, Any], start: Start) -> list[bytes]:
        for _ in environ["wsgi.input"]:
            pass
        start("200 OK", [("X", "y")])(b'{"margin": 4}')
        return []

    answer, written = served(client, app)
    assert (list(answer), written) == ([], [b'{"margin": 4}'])
    assert [each["subject"] for each in settled(client, ledger)] == ["S-4"]


def test_what_is_not_made_while_it_is_sent_is_handed_on_itself(client: Client) -> None:
    class Wrapper(Body):
        pass

    for body in ([b"a"], (b"a",), Wrapper(b"a")):

        def app(_: dict[str, Any], start: Start, body: Any = body) -> Any:
            start("200 OK", [])
            return body

        answer, _ = served(client, app, PATH_INFO="/other", **{"wsgi.file_wrapper": Wrapper})
        assert answer is body


def test_an_application_that_fails_fails(client: Client) -> None:
    def app(*_: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        served(client, app)
    assert current() is None
    assert json.dumps(client.counters().failed) == "0"
