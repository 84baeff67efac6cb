"""Requests taken in whole before a thread is given to them.

The web server speaks RSGI: it hands over a request with its head, and the body as it comes. A body
of usual size is collected first, without a thread, within a time and a memory that are bounded.
Only then does the application, which is WSGI and works in threads, see the request. So a client
that sends slowly waits for itself. Larger bodies go to a thread while they come, and have to keep
coming.

The application is only trusted to raise nothing: whatever it does, the caller gets an answer.
"""

import asyncio
import io
import json
import logging
import sys
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from service.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

__all__ = ["BODY_SECONDS", "MAX_COLLECTED", "MAX_HELD", "STALL_SECONDS", "Intake"]

MAX_COLLECTED: Final = 5_000_001  # bytes; a batch of decisions, see `api.bodies.MAX_BODY_BYTES`
MAX_HELD: Final = 64_000_000  # bytes of bodies in memory at once, in one process
BODY_SECONDS: Final = 20.0  # to send a body of usual size; less than a drain waits
STALL_SECONDS: Final = 10.0  # between two pieces of a larger one, which holds a thread
RETRY_SECONDS: Final = 2

_log = logging.getLogger("service.intake")

Headers = list[tuple[str, str]]


class Head(Protocol):
    """What the web server tells of a request: RSGI's scope, as far as it is used."""

    method: str
    path: str
    query_string: str
    http_version: str
    server: str
    headers: Any


class Exchange(Protocol):
    """Where the body comes from and the answer goes to: RSGI's protocol, as far as it is used."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces of the body."""

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer."""


class _BrokeOffError(Exception):
    """The client went away or broke its own framing."""


class Intake:
    """A WSGI application, served by RSGI."""

    def __init__(
        self,
        app: "WSGIApplication",
        threads: int,
        *,
        body_seconds: float = BODY_SECONDS,
        stall_seconds: float = STALL_SECONDS,
        max_held: int = MAX_HELD,
    ) -> None:
        """Serve `app` in so many threads."""
        self._app = app
        self._pool = ThreadPoolExecutor(threads, "request")
        self._body_seconds = body_seconds
        self._stall_seconds = stall_seconds
        self._max_held = max_held
        self._held = 0  # touched on the event loop alone

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        """End the threads, which have answered everything that was taken in."""
        self._pool.shutdown()

    async def __rsgi__(self, head: Head, exchange: Exchange) -> None:
        """Answer one request."""
        body = _Body(exchange)
        held = 0
        try:
            stream: io.BufferedIOBase | io.RawIOBase = io.BytesIO()
            if not _has_body(head):
                body.ended = True
            elif (_declared(head) or 0) < MAX_COLLECTED:
                collected = bytearray()
                async with asyncio.timeout(self._body_seconds):
                    async for piece in body:
                        collected += piece
                        held += len(piece)
                        self._hold(len(piece))
                        if len(collected) >= MAX_COLLECTED:
                            break  # one without a length: the rest as it comes
                body.check_length(_declared(head))
                stream = io.BytesIO(collected)
            if not body.ended:
                rest = _Rest(stream.read(), body, self._stall_seconds)
                stream = io.BufferedReader(rest, 65_536)
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._pool, self._answered, head, stream)
        except TimeoutError:
            answer = _refused("malformed", "The body took too long to send.")
        except _BrokeOffError:
            answer = _refused("malformed", "The body broke off, or is not framed as HTTP is.")
        except _NoRoomError:
            answer = _refused("unavailable", "Too much is being sent at once.", RETRY_SECONDS)
        finally:
            self._held -= held
        exchange.response_bytes(*answer)

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._max_held:
            raise _NoRoomError

    def _answered(self, head: Head, stream: io.IOBase) -> tuple[int, Headers, bytes]:
        """What the application answers; run in a thread."""
        started = _Started()
        try:
            parts: Iterable[bytes] = self._app(_environ(head, stream), started)
            try:
                body = b"".join(parts)
            finally:
                close = getattr(parts, "close", None)
                if close is not None:
                    close()
        except Exception:  # noqa: BLE001  # whatever it is, the caller gets an answer
            return _refused("internal", "Something went wrong on our side; it has been noted.")
        return started.status, started.headers, body


class _NoRoomError(Exception):
    """More is held in memory than may be."""


class _Body:
    """The pieces of one body, and whether that was all."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._pieces: AsyncIterator[bytes] | None = None
        self._size = 0
        self.ended = False

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        """The next piece.

        Raises:
            StopAsyncIteration: that was all.
            _BrokeOffError: no more will come.
        """
        if self.ended:
            raise StopAsyncIteration
        if self._pieces is None:
            self._pieces = aiter(self._exchange)
        piece = await anext(self._pieces)
        if piece:
            self._size += len(piece)
            return piece
        self.ended = True
        # The server gives an empty piece at the end, and another one before it when the body
        # broke off. (Or has trailers, which nobody sends us.)
        try:
            await anext(self._pieces)
        except StopAsyncIteration:
            raise StopAsyncIteration from None
        raise _BrokeOffError

    def check_length(self, declared: int | None) -> None:
        """Return if as much came as was said, or more is to come.

        Raises:
            _BrokeOffError: it did not.
        """
        if self.ended and declared is not None and declared != self._size:
            raise _BrokeOffError


class _Rest(io.RawIOBase):
    """A body as it comes, for a thread: what was collected, then the rest."""

    def __init__(self, collected: bytes, body: _Body, stall_seconds: float) -> None:
        self._piece = memoryview(collected)
        self._body = body
        self._loop = asyncio.get_running_loop()
        self._stall_seconds = stall_seconds

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, target: Any) -> int:
        """Fill some of the target; 0 at the end.

        Raises:
            OSError: it broke off, or stalled.
        """
        if not self._piece:
            coming = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            try:
                self._piece = memoryview(coming.result(self._stall_seconds))
            except (TimeoutError, _BrokeOffError) as error:
                coming.cancel()
                raise OSError("the body broke off") from error
        count = min(len(self._piece), len(target))
        target[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    async def _next(self) -> bytes:
        return await anext(self._body, b"")


class _Started:
    """WSGI's `start_response`, which only remembers."""

    def __init__(self) -> None:
        self.status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        self.headers: Headers = []

    def __call__(self, status: str, headers: Headers, _again: object = None, /) -> Any:
        """Remember the head of the answer; the last one counts."""
        self.status, self.headers = int(status[:3]), headers
        return _unused


def _unused(_data: bytes) -> None:
    raise NotImplementedError("the write callable of WSGI's first version")


def _has_body(head: Head) -> bool:
    return "transfer-encoding" in head.headers or (_declared(head) or 0) > 0


def _declared(head: Head) -> int | None:
    text = head.headers.get("content-length")
    return int(text) if text is not None else None  # the server refuses anything but digits


def _environ(head: Head, stream: io.IOBase) -> "WSGIEnvironment":
    host, _, port = head.server.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": head.path.encode().decode("latin-1"),  # as WSGI wants its bytes
        "QUERY_STRING": head.query_string.encode().decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{head.http_version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": stream,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    environ.update(_named(head.headers.items()))
    return environ


def _named(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Headers under the names that WSGI gives them."""
    named: dict[str, str] = {}
    for name, value in headers:
        if "_" in name:
            continue  # it would be taken for the one with a hyphen
        key = name.upper().replace("-", "_")
        if key in {"CONTENT_LENGTH", "CONTENT_TYPE"}:
            named.setdefault(key, value)
            continue
        between = "; " if key == "COOKIE" else ", "
        key = f"HTTP_{key}"
        named[key] = f"{named[key]}{between}{value}" if key in named else value
    return named


def _refused(slug: str, detail: str, retry: int | None = None) -> tuple[int, Headers, bytes]:
    """A problem of a request that the application never saw, or failed over; on the log."""
    problem, request = Problem(slug, detail), str(uuid.uuid4())
    fields = {"request": request, "status": problem.kind.status}
    error = sys.exc_info() if slug == "internal" else None
    _log.error("request %s ended with %d at the intake: %s", *fields.values(), slug,
               exc_info=error, extra=fields)  # fmt: skip
    headers = [
        ("content-type", MEDIA_TYPE),
        ("cache-control", "no-store"),
        ("connection", "close"),
        ("request-id", request),
        ("x-content-type-options", "nosniff"),
    ]
    if retry is not None:
        headers.append(("retry-after", str(retry)))
    body = json.dumps(problem.to_json(f"urn:uuid:{request}")).encode()
    return problem.kind.status, headers, body
