"""Requests and their answers, where these are themselves what a decision is made of.

An endpoint that takes JSON and answers with JSON needs no line of code of its own: a function
says which decision the two are. Bodies pass through untouched; what cannot be read leaves a
gap, and so does what is too large.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from ledger.client.client import Client
from ledger.client.occasion import MAX_REQUEST_CHARACTERS
from ledger.errors import MalformedError

__all__ = ["OCCASION", "REQUEST_HEADER", "Decide", "Decides", "Exchange", "Exchanges", "request_id"]

MAX_BODY_BYTES: Final = 1_000_000  # of a request or an answer; a row of 500 features takes 20,000
REQUEST_HEADER: Final = "Idempotency-Key"  # a client that tries again sends the same
NOT_READABLE: Final = "exchange_not_readable"
OCCASION: Final = "ledger.occasion"
"""Under this name an application finds the occasion of its request, and its tickets there."""

Decide: TypeAlias = Callable[[Any, Any], Mapping[str, Any] | Sequence[Mapping[str, Any]] | None]
"""Given the JSON of request and answer, the members of `Client.record`, of one or several."""

Decides: TypeAlias = Mapping[str, Decide]
"""By method and path, such as `POST /score`."""

_log = logging.getLogger("ledger.client")


class Exchange:
    """One request and its answer, as they pass."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._asked = bytearray()
        self._answered = bytearray()
        self.status = 0
        self.coded = False

    def asked(self, data: bytes) -> None:
        """A part of the request's body went by."""
        _add(self._asked, data)

    def answered(self, data: bytes) -> None:
        """A part of the answer's body went by."""
        _add(self._answered, data)

    def settle(self, client: Client) -> None:
        """Record what was decided, if the answer is a success. Raises nothing."""
        if not 200 <= self.status < 300:  # noqa: PLR2004  # RFC 9110 §15.3
            return
        try:
            if self.coded or max(len(self._asked), len(self._answered)) > MAX_BODY_BYTES:
                raise MalformedError("exchange: compressed, or too large")  # noqa: TRY301
            decided = self._decide(json.loads(self._asked), json.loads(self._answered))
            if decided is None:
                return
            each = [decided] if isinstance(decided, Mapping) else decided
            for members in each:
                client.record(**members)
        except Exception as error:  # noqa: BLE001  # the answer goes out whatever happens
            _log.error("an exchange could not be recorded: %s", type(error).__name__)
            client.missed(NOT_READABLE)


class Exchanges:
    """The endpoints whose exchanges are decisions."""

    def __init__(self, decides: Decides | None) -> None:
        self._decides = dict(decides or {})
        for endpoint in self._decides:
            method, blank, path = endpoint.partition(" ")
            if not (blank and method.isupper() and path.startswith("/")):
                raise MalformedError("client: an endpoint is a method and a path: POST /score")

    def begin(self, method: str, path: str) -> Exchange | None:
        """The exchange of a request, if it is one of those."""
        decide = self._decides.get(f"{method} {path}")
        return None if decide is None else Exchange(decide)


def request_id(text: str | None) -> str | None:
    """The id that a request carries, unless it is too long to be one."""
    return text if text and len(text) <= MAX_REQUEST_CHARACTERS else None


def _add(kept: bytearray, data: bytes) -> None:
    """Keep one byte more than is allowed, so that too much can be told from enough."""
    kept += data[: MAX_BODY_BYTES + 1 - len(kept)]
