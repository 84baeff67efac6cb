"""FastAPI, and ASGI at its barest: occasions, exchanges, and a worker's life."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request

from ledger.client import AsgiRequests, Client, State
from ledger.client.occasion import current
from tests.ledger.client.clients import client_of, told, until
from tests.ledger.client.simulator import Ledger, decision

Message = dict[str, Any]


@pytest.fixture
def client(url: str, spool: Path) -> Iterator[Client]:
    with client_of(url, spool) as made:
        yield made


def asked(app: Any, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    """What a server would do with one request."""
    text = json.dumps(body).encode()
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"subject=S-7",
        "headers": [(b"content-type", b"application/json"), *given],
    }
    parts = [text[:3], text[3:]]
    sent: list[Message] = []

    async def receive() -> Message:
        if not parts:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    async def one() -> None:
        await app(scope, receive, send)
        assert current() is None

    asyncio.run(one())
    status = next(each["status"] for each in sent if each["type"] == "http.response.start")
    found = b"".join(each.get("body", b"") for each in sent)
    return status, json.loads(found)


def about(scope: Any) -> dict[str, Any]:
    return {"subject": dict(scope["headers"])[b"who"].decode()}


def decided(body: Any, answer: Any) -> Any:
    return decision(input=body, subject=f"S-{answer['margin']}")


def application(client: Client, **options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(AsgiRequests, client=client, **options)

    @app.post("/later")
    async def later(request: Request) -> Any:
        client.record(**decision())
        return [each.id for each in request.scope["ledger.occasion"].tickets]

    @app.post("/threaded")
    def threaded(request: Request) -> Any:
        client.record(**decision())
        return [each.id for each in request.scope["ledger.occasion"].tickets]

    @app.post("/score")
    def score(body: dict[str, float]) -> dict[str, float]:
        return {"margin": 2 * body["x"]}

    return app


def test_each_request_is_an_occasion_in_tasks_and_threads(client: Client, ledger: Ledger) -> None:
    app = application(client, about=about)
    for path, who in (("/later", "S-1"), ("/threaded", "S-2")):
        status, ids = asked(app, path, None, who=who)
        assert (status, len(ids)) == (200, 1)
    assert client.flush()
    assert [each["subject"] for each in ledger.decisions.values()] == ["S-1", "S-2"]


def test_a_request_that_comes_again_is_one_decision(client: Client, ledger: Ledger) -> None:
    app = application(client)
    ids = [asked(app, "/later", None, idempotency_key=name)[1] for name in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]
    assert client.flush()
    assert len(ledger.decisions) == 2


def test_an_exchange_is_a_decision(client: Client, ledger: Ledger) -> None:
    app = application(client, decides={"POST /score": decided})
    assert asked(app, "/score", {"x": 2.0}) == (200, {"margin": 4.0})
    assert asked(app, "/score", {"y": 2.0, "x": "z"})[0] == 422
    assert client.flush()
    (one,) = ledger.decisions.values()
    assert (one["subject"], one["input"]) == ("S-4.0", {"x": 2})


def test_an_exchange_that_cannot_be_read_leaves_a_gap(client: Client, ledger: Ledger) -> None:
    app = application(client, decides={"POST /score": lambda *_: 1 / 0})
    assert asked(app, "/score", {"x": 2.0}) == (200, {"margin": 4.0})
    client.flush()
    until(lambda: told(ledger) == {1: "exchange_not_readable"})


def live(app: Any, *messages: str) -> list[str]:
    """What a server would see of a worker's life."""
    sent: list[str] = []
    coming = [{"type": name} for name in messages]

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    asyncio.run(app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))
    return sent


def test_the_client_lives_as_long_as_the_worker(client: Client, ledger: Ledger) -> None:
    async def record(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        assert client.counters().source  # it was started
        client.record(**decision())
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.complete"})

    sent = live(AsgiRequests(record, client), "lifespan.startup", "lifespan.shutdown")
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert client.counters().state is State.STOPPED
    assert len(ledger.decisions) == 1


def test_a_client_that_cannot_start_keeps_no_worker_from_serving(url: str, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with client_of(url, blocked / "spool") as client:
        app = application(client)
        sent = live(app, "lifespan.startup", "lifespan.shutdown")
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_worker_that_does_not_start_closes_the_client(client: Client) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed"})

    assert live(AsgiRequests(fails, client)) == ["lifespan.startup.failed"]
    assert not client.record(**decision()).accepted


def test_a_websocket_is_an_occasion_too(client: Client) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del receive, send
        seen.append((current() is scope["ledger.occasion"], current() is not None))

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    scope: Message = {"type": "websocket", "path": "/", "headers": []}
    asyncio.run(AsgiRequests(app, client)(scope, nothing, nothing))
    assert seen == [(True, True)]
