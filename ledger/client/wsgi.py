"""Flask, or any other WSGI application: each request is an occasion.

Neither the framework nor a server is imported. The client is started by a worker's first
decision, so that it works in workers that were forked after the application was made.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import Context, copy_context
from typing import Any, TypeAlias

from ledger.client.client import Client
from ledger.client.exchanges import (
    OCCASION,
    REQUEST_HEADER,
    Decides,
    Exchange,
    Exchanges,
    request_id,
)
from ledger.client.occasion import enter

__all__ = ["WsgiRequests"]

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Callable[[bytes], Any]]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]


class WsgiRequests:
    """What an application's requests have to do with a ledger.

    The occasion of a request, with its tickets, is in `environ["ledger.occasion"]`.
    """

    def __init__(
        self,
        client: Client,
        *,
        about: Callable[[Environ], Mapping[str, Any] | None] | None = None,
        request_header: str = REQUEST_HEADER,
        decides: Decides | None = None,
    ) -> None:
        """Requests of one application.

        Args:
            client: records the decisions.
            about: given the request's environment, says `subject` and `context` of its
                decisions; asked with the first one, inside the application, where
                `flask.g` and `flask.session` are there too.
            request_header: whose value repeated requests share.
            decides: endpoints whose exchanges are decisions, by method and path.

        Raises:
            MalformedError: an endpoint is not a method and a path.
        """
        self._client = client
        self._about = about
        self._header = "HTTP_" + request_header.upper().replace("-", "_")
        self._exchanges = Exchanges(decides)

    def init_app(self, app: Any) -> None:
        """Stand around a Flask application."""
        app.wsgi_app = self.around(app.wsgi_app)

    def around(self, app: Application) -> Application:
        """The application, whose requests are occasions."""

        def served(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            # A context of its own: nothing holds on in the thread for the next request, and
            # an answer that is made while it is sent is still made on this occasion.
            context = copy_context()
            exchange = self._exchanges.begin(
                environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")
            )
            context.run(self._enter, environ)
            if exchange is not None:
                environ["wsgi.input"] = _Asked(environ["wsgi.input"], exchange)
                start_response = _told(start_response, exchange)
            answer = context.run(app, environ, start_response)
            if exchange is None and _is_plain(answer, environ):
                return answer
            return _Answer(answer, context, exchange, self._client)

        return served

    def _enter(self, environ: Environ) -> None:
        about = self._about
        environ[OCCASION] = enter(
            request=request_id(environ.get(self._header)),
            about=None if about is None else lambda: about(environ),
        )


class _Answer:
    """An answer's body, made in the request's context."""

    def __init__(
        self, body: Iterable[bytes], context: Context, exchange: Exchange | None, client: Client
    ) -> None:
        self._body = body
        self._context = context
        self._parts = self._recorded(exchange, client) if exchange else self._each()

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """Close the body: a server does at its end, whatever that is."""
        close = getattr(self._body, "close", None)
        if close is not None:
            self._context.run(close)

    def _each(self) -> Iterator[bytes]:
        parts = self._context.run(iter, self._body)
        while True:
            try:
                part = self._context.run(next, parts)
            except StopIteration:
                return
            yield part

    def _recorded(self, exchange: Exchange, client: Client) -> Iterator[bytes]:
        """The last part goes out once the decision is recorded."""
        held: bytes | None = None
        for part in self._each():
            exchange.answered(part)
            if held is not None:
                yield held
            held = part
        self._context.run(exchange.settle, client)
        if held is not None:
            yield held


class _Asked:
    """A request's body, and who reads along."""

    def __init__(self, body: Any, exchange: Exchange) -> None:
        self._body = body
        self._exchange = exchange

    def read(self, *size: int) -> bytes:
        return self._passed(self._body.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._passed(self._body.readline(*size))

    def readlines(self, *size: int) -> list[bytes]:
        return [self._passed(line) for line in self._body.readlines(*size)]

    def __iter__(self) -> Iterator[bytes]:
        return map(self._passed, self._body)

    def readinto(self, buffer: bytearray) -> int:
        # Nothing that reads may pass by unseen, so what is not here is not there (PEP 3333).
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _passed(self, data: bytes) -> bytes:
        self._exchange.asked(data)
        return data


def _told(start_response: StartResponse, exchange: Exchange) -> StartResponse:
    def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Callable[[bytes], Any]:
        exchange.status = int(status[:3])
        exchange.coded = any(name.lower() == "content-encoding" for name, _ in headers)
        write = start_response(status, headers, *more)

        def written(data: bytes) -> Any:
            exchange.answered(data)
            return write(data)

        return written

    return started


def _is_plain(answer: Iterable[bytes], environ: Environ) -> bool:
    """Whether no code of the application runs while the answer is sent."""
    wrapper = environ.get("wsgi.file_wrapper")
    is_file = isinstance(wrapper, type) and isinstance(answer, wrapper)
    return isinstance(answer, list | tuple) or is_file
