"""The intake: slow clients wait for themselves, and the application sees whole requests."""

import asyncio
import io
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest

from service.intake import MAX_COLLECTED, Head, Headers, Intake

Answer = tuple[int, dict[str, str], bytes]
Piece = bytes | float | None  # bytes, seconds of silence, or None: the body breaks off


class Request:
    """A request's head as RSGI tells it."""

    def __init__(
        self, method: str = "POST", path: str = "/x", query: str = "", **named: Any
    ) -> None:
        self.method, self.path, self.query_string = method, path, query
        self.http_version, self.server = "1.1", "127.0.0.1:8000"
        self.headers = Named(named.pop("headers", []))


class Named:
    """Headers as RSGI has them: several may have one name."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __contains__(self, name: str) -> bool:
        return any(name == each for each, _ in self._pairs)

    def get(self, name: str) -> str | None:
        return next((value for each, value in self._pairs if each == name), None)

    def items(self) -> list[tuple[str, str]]:
        return self._pairs


class Peer:
    """The server's side of one exchange: gives pieces, keeps the answer."""

    def __init__(self, *pieces: Piece) -> None:
        self._pieces = pieces
        self.answer: Answer | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif piece is None:
                yield b""  # as the server does: one for the breaking, one for the end
            else:
                yield piece
        yield b""

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        assert self.answer is None
        self.answer = status, dict(headers), body


def sized(*pieces: Piece, length: int | None = None) -> tuple[Request, Peer]:
    total = sum(len(each) for each in pieces if isinstance(each, bytes))
    declared = str(total if length is None else length)
    return Request(headers=[("content-length", declared)]), Peer(*pieces)


def chunked(*pieces: Piece) -> tuple[Request, Peer]:
    return Request(headers=[("transfer-encoding", "chunked")]), Peer(*pieces)


def echo(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    """Answer with what came."""
    start("200 OK", [("x-echo", "1")])
    return [environ["wsgi.input"].read()]


def asked(intake: Intake, *exchanges: tuple[Request, Peer]) -> list[Answer]:
    async def all_of_them() -> None:
        await asyncio.gather(*(intake.__rsgi__(head, peer) for head, peer in exchanges))

        intake.__rsgi_del__(asyncio.get_running_loop())

    asyncio.run(all_of_them())
    return [peer.answer for _, peer in exchanges if peer.answer is not None]


def told(answer: Answer) -> tuple[int, str]:
    return answer[0], json.loads(answer[2])["type"].removeprefix("/problems/")


@pytest.mark.parametrize("framed", [sized, chunked])
def test_a_body_arrives_whole(framed: Callable[..., tuple[Request, Peer]]) -> None:
    (answer,) = asked(Intake(echo, 1), framed(b"one ", 0.01, b"two"))
    assert answer == (200, {"x-echo": "1"}, b"one two")


def test_a_request_without_a_body_waits_for_none() -> None:
    (answer,) = asked(Intake(echo, 1), (Request("GET"), Peer(60.0)))
    assert answer[2] == b""


def test_slow_bodies_take_no_thread() -> None:
    order: list[bytes] = []

    def note(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        order.append(environ["wsgi.input"].read())
        return echo(environ, start)

    slow = [sized(b"sl", 0.3, b"ow") for _ in range(5)]
    asked(Intake(note, 1), *slow, sized(b"quick"))
    assert order == [b"quick", *([b"slow"] * 5)]


@pytest.mark.parametrize(
    "exchange",
    [
        sized(b"cut", length=10),
        sized(b"cut", None, length=10),
        chunked(b"cut", None),
        chunked(None),
        sized(b"slow", 5.0, length=9),
        sized(b"more than was said", length=4),
    ],
    ids=["short", "broken", "broken chunks", "nothing", "too slow", "too long"],
)
def test_a_body_that_does_not_come_is_the_callers_fault(
    exchange: tuple[Request, Peer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "service.intake")
    seen: list[object] = []

    def never(environ: dict[str, Any], _start: Callable[..., object]) -> Iterable[bytes]:
        seen.append(environ)
        return []

    (answer,) = asked(Intake(never, 1, body_seconds=0.1), exchange)
    assert told(answer) == (400, "malformed")
    assert answer[1]["connection"] == "close"
    assert answer[1]["request-id"] in caplog.text
    assert "cut" not in caplog.text
    assert seen == []


def test_what_is_held_at_once_is_bounded() -> None:
    intake = Intake(echo, 1, max_held=100)
    answers = asked(intake, *(sized(b"x" * 60, 0.05, b"y") for _ in range(2)))
    assert sorted(each[0] for each in answers) == [200, 503]
    refused = next(each for each in answers if each[0] == 503)
    assert int(refused[1]["retry-after"]) >= 1
    again = Intake(echo, 1, max_held=100)
    assert [each[0] for each in asked(again, sized(b"x" * 90))] == [200]


def test_room_is_given_back() -> None:
    intake = Intake(echo, 1, max_held=100)

    async def one_after_the_other() -> list[int]:
        statuses = []
        for _ in range(5):
            head, peer = sized(b"x" * 60)
            await intake.__rsgi__(head, peer)
            assert peer.answer is not None
            statuses.append(peer.answer[0])
        return statuses

    assert asyncio.run(one_after_the_other()) == [200] * 5


MORE = b"z" * 1_000_000


@pytest.mark.parametrize("framed", [sized, chunked])
def test_a_large_body_is_read_as_it_comes(framed: Callable[..., tuple[Request, Peer]]) -> None:
    def count(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        start("200 OK", [])
        stream: io.BufferedReader = environ["wsgi.input"]
        return [str(sum(len(part) for part in iter(lambda: stream.read(70_000), b""))).encode()]

    (answer,) = asked(Intake(count, 1), framed(*([MORE] * 8)))
    assert answer[2] == b"8000000"


def test_a_large_body_that_is_refused_is_not_read() -> None:
    taken: list[int] = []

    class Counting(Peer):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(100):
                taken.append(1)
                yield MORE
            yield b""

    def refuse(_environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        start("413 Too Large", [])
        return [b""]

    head = Request(headers=[("content-length", "100000000")])
    (answer,) = asked(Intake(refuse, 1), (head, Counting()))
    assert (answer[0], taken) == (413, [])


@pytest.mark.parametrize("end", [5.0, None], ids=["stalls", "breaks off"])
def test_a_large_body_has_to_keep_coming(end: Piece) -> None:
    caught: list[BaseException] = []

    def read(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        start("400 Bad Request", [])
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            caught.append(error)
        return [b""]

    intake = Intake(read, 1, stall_seconds=0.1)
    (answer,) = asked(intake, chunked(*([MORE] * 6), end))
    assert answer[0] == 400
    assert len(caught) == 1


def test_an_application_that_raises_is_answered_for(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_environ: dict[str, Any], _start: Callable[..., object]) -> Iterable[bytes]:
        raise ValueError("Ann Other")

    (answer,) = asked(Intake(broken, 1), sized(b"{}"))
    assert told(answer) == (500, "internal")
    assert b"Ann" not in answer[2]
    assert "internal" in caplog.text


def test_an_answer_is_closed() -> None:
    closed = threading.Event()

    class Parts:
        def __iter__(self) -> Any:
            yield b"a"
            yield b"b"

        def close(self) -> None:
            closed.set()

    def streamed(_environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        start("200 OK", [])
        return Parts()

    (answer,) = asked(Intake(streamed, 1), sized(b"x"))
    assert (answer[2], closed.is_set()) == (b"ab", True)


def test_the_application_sees_wsgis_names() -> None:
    seen: dict[str, Any] = {}

    def look(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        seen.update(environ)
        return echo(environ, start)

    head: Head = Request(
        "GET", "/log/é%", "a=%20b",
        headers=[
            ("host", "ledger.example"), ("cookie", "a=1"), ("cookie", "b=2"), ("accept", "x/y"),
            ("accept", "z/w"), ("ledger_purpose", "audit"), ("content-type", "text/plain"),
            ("content-length", "0"), ("content-length", "0"),
        ],
    )  # fmt: skip
    asked(Intake(look, 1), (head, Peer()))  # type: ignore[arg-type]  # as the server's own
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/log/é%"
    assert (seen["QUERY_STRING"], seen["REQUEST_METHOD"]) == ("a=%20b", "GET")
    assert (seen["HTTP_COOKIE"], seen["HTTP_ACCEPT"]) == ("a=1; b=2", "x/y, z/w")
    assert (seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"]) == ("text/plain", "0")
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("127.0.0.1", "8000")
    assert "HTTP_LEDGER_PURPOSE" not in seen  # only a hyphen makes that header


def test_what_is_collected_covers_what_the_interface_takes() -> None:
    from service.api.bodies import MAX_BODY_BYTES

    assert MAX_COLLECTED > MAX_BODY_BYTES
