"""One bounded HTTP request to a witness or a timestamp authority.

So many bytes, so many seconds, no redirect: either is somebody else's machine, which may
be down, slow, or answer for ever.
"""

import contextlib
import socket
import threading
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from ledger.errors import LedgerError, MalformedError

__all__ = ["Answer", "NoAnswer", "get", "post"]

MAX_ANSWER_BYTES: Final = 65_536  # some twenty cosignatures in ML-DSA-44; a timestamp takes 8 kB
ANSWER_SECONDS: Final = 10.0  # from the first byte that is sent to the last that is received
TEXT: Final = "text/plain; charset=utf-8"
_SCHEMES: Final = {"http": HTTPConnection, "https": HTTPSConnection}


class NoAnswer(LedgerError):
    """The other side gave no answer that is worth reading: ask it again later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the media type without parameters, the body."""

    status: int
    media_type: str
    body: bytes


def post(
    url: str, body: bytes, *, seconds: float = ANSWER_SECONDS, media_type: str = TEXT
) -> Answer:
    """The answer to one POST. Proxies and cookies play no part.

    Raises:
        MalformedError: not an http or https address.
        NoAnswer: none within `seconds`, or too long a one.
    """
    return _exchange("POST", url, body, seconds, media_type)


def get(url: str, *, seconds: float = ANSWER_SECONDS) -> Answer:
    """The answer to one GET; otherwise as :func:`post`."""
    return _exchange("GET", url, None, seconds)


def _exchange(
    method: str, url: str, body: bytes | None, seconds: float, media_type: str = TEXT
) -> Answer:
    connection, path = _connection(url, seconds)
    headers = {} if body is None else {"Content-Type": media_type}
    expired = threading.Event()
    timer = threading.Timer(seconds, _cut, (connection, expired))
    timer.daemon = True
    timer.start()
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read(MAX_ANSWER_BYTES + 1)
    except (OSError, HTTPException, ValueError) as error:
        late = expired.is_set() or isinstance(error, TimeoutError)
        raise NoAnswer("it was too slow" if late else "it cannot be reached") from error
    finally:
        timer.cancel()
        connection.close()
    if expired.is_set():  # a body that was cut looks like one that ended
        raise NoAnswer("it was too slow")
    if len(content) > MAX_ANSWER_BYTES:
        raise NoAnswer("its answer was too long")
    answered = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return Answer(response.status, answered, content)


def _connection(url: str, seconds: float) -> tuple[HTTPConnection, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise MalformedError("address: it cannot be read") from error
    kind = _SCHEMES.get(parts.scheme)
    if kind is None or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise MalformedError("address: not a plain http or https one, without user and query")
    return kind(parts.hostname, port, timeout=seconds), parts.path


def _cut(connection: HTTPConnection, expired: threading.Event) -> None:
    """End a conversation that takes too long, whatever it is waiting for."""
    expired.set()
    with contextlib.suppress(
        OSError, AttributeError
    ):  # not connected yet: its own time-out ends it
        connection.sock.shutdown(socket.SHUT_RDWR)
