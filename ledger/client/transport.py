"""One bounded HTTP exchange with the ledger: so many bytes, so many seconds, no redirect.

urllib3 is loaded with the first request, in the worker's thread: importing the client
costs a caller nothing.
"""

import ipaddress
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from ledger.errors import LedgerError, MalformedError

if TYPE_CHECKING:
    import urllib3

__all__ = ["Answer", "HttpLedger", "Ledger", "NoAnswer"]

MAX_ANSWER_BYTES: Final = 16_000_000  # 1,000 receipts of 64-hash proofs take some 5 MB
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0  # from the first byte that is sent to the last that is received
MAX_RETRY_AFTER: Final = 3_600.0  # seconds; a ledger that says more is asked again after an hour
MAX_KEY_LENGTH: Final = 500  # characters
_CHUNK: Final = 65_536


class NoAnswer(LedgerError):
    """The ledger gave no answer that is worth reading: ask again later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, how long to wait if it says so, and the body."""

    status: int
    body: bytes
    retry_after: float | None = None


class Ledger(Protocol):
    """A ledger that answers requests below its own address. Used by one thread."""

    def post(self, path: str, body: bytes) -> Answer:
        """The answer to a POST of JSON.

        Raises:
            NoAnswer: none came. Whether the request arrived is not known.
        """

    def get(self, path: str) -> Answer:
        """The answer to a GET.

        Raises:
            NoAnswer: none came.
        """


class HttpLedger:
    """A ledger at an http or https address. Proxies of the environment play no part."""

    def __init__(
        self,
        url: str,
        key: Callable[[], str],
        *,
        ca_file: str | None = None,
        plain_http: bool = False,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Name the ledger; nothing is asked yet.

        Args:
            url: its address; a path is kept in front of every address.
            key: gives the API key, asked before each request, so that it may change.
            ca_file: certificates to trust instead of the system's.
            plain_http: allow http to other machines: the key and the data go in clear.
            seconds: the longest exchange.

        Raises:
            MalformedError: not such an address.
        """
        self._url = _checked(url, plain_http=plain_http)
        self._key = key
        self._ca_file = ca_file
        self._seconds = seconds
        self._pool: urllib3.PoolManager | None = None

    def post(self, path: str, body: bytes) -> Answer:
        """The answer to a POST of JSON.

        Raises:
            NoAnswer: none came.
        """
        return self._ask("POST", path, body)

    def get(self, path: str) -> Answer:
        """The answer to a GET.

        Raises:
            NoAnswer: none came.
        """
        return self._ask("GET", path, None)

    def close(self) -> None:
        """Close what is open."""
        if self._pool is not None:
            self._pool.clear()

    def _ask(self, method: str, path: str, body: bytes | None) -> Answer:
        urllib3 = _urllib3()
        if self._pool is None:
            self._pool = urllib3.PoolManager(num_pools=1, maxsize=1, ca_certs=self._ca_file)
        headers = {"Authorization": f"Bearer {self._checked_key()}", "Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        until = time.monotonic() + self._seconds
        try:
            response = self._pool.request(
                method, self._url + path, body=body, headers=headers,
                redirect=False, retries=False, preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=self._seconds),
            )  # fmt: skip
            try:
                content = _read(response, until)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # Only the class: a text of theirs could name an address with a user's password.
            raise NoAnswer(f"no answer ({type(error).__name__})") from error
        return Answer(response.status, content, _seconds(response.headers.get("Retry-After")))

    def _checked_key(self) -> str:
        try:
            key = self._key().strip()
        except Exception as error:  # a caller's own function, or a file that is gone
            raise NoAnswer(f"the key cannot be had ({type(error).__name__})") from error
        if not key or len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
            raise NoAnswer("no key: it is empty, or not one line of text")
        return key


def _urllib3() -> ModuleType:
    """The library, and what it would load with its first connection."""
    with _loading:
        import urllib3

        return urllib3


# A child of a fork that comes in the middle of an import would wait for the import's end
# for ever, because the thread that imports is not in it.
_loading: Final = threading.Lock()
os.register_at_fork(
    before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release
)


def _read(response: "urllib3.BaseHTTPResponse", until: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := response.read1(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise NoAnswer("the answer is too long")
        if time.monotonic() > until:
            raise NoAnswer("the answer is too slow")
    return b"".join(chunks)


def _seconds(text: str | None) -> float | None:
    """How long `Retry-After` asks to wait (RFC 9110 §10.2.3); None if it does not say."""
    if text is None:
        return None
    try:
        wait = float(int(text)) if text.isascii() and text.isdigit() else _until(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), MAX_RETRY_AFTER)


def _until(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() - time.time()


def _checked(url: str, *, plain_http: bool) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise MalformedError("client: not an address") from error
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise MalformedError("client: not an http or https address without a user name")
    if parts.query or parts.fragment:
        raise MalformedError("client: the address has a query or a fragment")
    if parts.scheme == "http" and not plain_http and not _is_here(host):
        raise MalformedError(
            "client: the key and the data would go in clear to another machine: use https"
        )
    return url.rstrip("/")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
