"""FastAPI, Starlette, or any other ASGI application: each request is an occasion.

No framework is imported. The client starts with each worker and delivers what it can before
the worker ends, as the server's lifespan says.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from ledger.client.client import Client
from ledger.client.exchanges import (
    OCCASION,
    REQUEST_HEADER,
    Decides,
    Exchange,
    Exchanges,
    request_id,
)
from ledger.client.occasion import occasion

__all__ = ["AsgiRequests"]

CLOSE_SECONDS: Final = 5.0  # to deliver what waits when the worker ends; the rest is spooled

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_ENDS: Final = ("lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed")
_log = logging.getLogger("ledger.client")


class AsgiRequests:
    """An application whose requests are occasions: `app.add_middleware(AsgiRequests, …)`.

    The occasion of a request, with its tickets, is in `scope["ledger.occasion"]`.
    """

    def __init__(
        self,
        app: Application,
        client: Client,
        *,
        about: Callable[[Scope], Mapping[str, Any] | None] | None = None,
        request_header: str = REQUEST_HEADER,
        decides: Decides | None = None,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        """Stand around `app`.

        Args:
            app: the application.
            client: records the decisions.
            about: given the connection's scope, says `subject` and `context` of its decisions;
                asked with the first one.
            request_header: whose value repeated requests share.
            decides: endpoints whose exchanges are decisions, by method and path.
            close_seconds: how long the end of a worker may wait for the ledger.

        Raises:
            MalformedError: an endpoint is not a method and a path.
        """
        self._app = app
        self._client = client
        self._about = about
        self._header = request_header.lower().encode("latin-1")
        self._exchanges = Exchanges(decides)
        self._close_seconds = close_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the worker's life."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._living(send))
            return
        about = self._about
        header = next((value for name, value in scope["headers"] if name == self._header), b"")
        with occasion(
            request=request_id(header.decode("latin-1")),
            about=None if about is None else lambda: about(scope),
        ) as held:
            scope[OCCASION] = held
            exchange = self._exchanges.begin(scope.get("method", ""), scope["path"])
            if exchange is None:
                await self._app(scope, receive, send)
            else:
                await self._app(scope, _asked(receive, exchange), self._answered(send, exchange))

    def _living(self, send: Send) -> Send:
        async def told(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                try:
                    self._client.start()
                except Exception as error:  # noqa: BLE001  # a worker serves without a ledger too
                    _log.error("the client could not be started: %s", type(error).__name__)
            elif message["type"] in _ENDS:
                self._client.close(self._close_seconds)
            await send(message)

        return told

    def _answered(self, send: Send, exchange: Exchange) -> Send:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = message.get("headers", ())
                exchange.coded = any(name.lower() == b"content-encoding" for name, _ in headers)
            elif message["type"] == "http.response.body":
                exchange.answered(message.get("body", b""))
                if not message.get("more_body", False):  # recorded before it is answered
                    exchange.settle(self._client)
            await send(message)

        return told


def _asked(receive: Receive, exchange: Exchange) -> Receive:
    async def read() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            exchange.asked(message.get("body", b""))
        return message

    return read
