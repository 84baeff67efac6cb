"""Gets files from a web server that may be slow, broken or hostile, with bounds on everything.

Standard library only. A fault that may pass is tried again; what a server cannot or will not
give is "could not be checked", never a finding.
"""

import http.client
import random
import socket
import ssl
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from ledger.verify.reader import UnreadableError

TRIES: Final = 4  # of one file; with the pauses between them some 10 seconds
FIRST_PAUSE: Final = 0.5  # seconds; doubled each time
MAX_PAUSE: Final = 30.0  # seconds that a server may ask for with Retry-After
SILENCE: Final = 20.0  # seconds without a byte
MAX_SECONDS: Final = 120.0  # for one file, however steadily it drips
MAX_REDIRECTS: Final = 3

_OK, _NOT_FOUND, _GONE, _TOO_MANY, _SERVER_FAULTS = 200, 404, 410, 429, 500
_REDIRECTS: Final = {301, 302, 303, 307, 308}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_CONNECTIONS: Final = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,  # checks the server's certificate and name
}
_HEADERS: Final = {"Accept-Encoding": "gzip", "User-Agent": "ledger.verify"}
_GZIP: Final = 16 + zlib.MAX_WBITS
_PIECE: Final = 65_536  # bytes read at once
_FAULTS: Final = (OSError, http.client.HTTPException, UnicodeError)


class _Passing(Exception):
    """It may work the next time. Never leaves this module."""

    def __init__(self, why: str, pause: float = 0.0) -> None:
        super().__init__(why)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class _Place:
    scheme: str
    host: str
    port: int
    path: str


@dataclass(slots=True)
class Fetcher:
    """Gets files below one address, from several threads at once; keeps their connections.

    Attributes:
        prefix: an http or https address, without credentials, query or fragment.
        first_pause: seconds before the second try.
    """

    prefix: str
    first_pause: float = field(default_factory=lambda: FIRST_PAUSE)
    _local: threading.local = field(default_factory=threading.local, init=False)
    _open: set[http.client.HTTPConnection] = field(default_factory=set, init=False)
    _ended: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        _place(self.prefix)
        self.prefix = self.prefix.rstrip("/") + "/"

    def interrupt(self) -> None:
        """Make every thread that waits for the server give up."""
        self._ended.set()
        for connection in tuple(self._open):
            held = connection.sock
            if held is not None:
                with suppress(OSError):
                    held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of every connection; no thread may be using one."""
        for connection in self._open:
            connection.close()
        self._open.clear()

    def get(self, path: str, most: int) -> bytes | None:
        """The file, cut one byte after `most` so that too long shows; None if there is none.

        Raises:
            UnreadableError: the server does not answer, or not with a file.
        """
        pause = self.first_pause
        for attempt in range(1, TRIES + 1):
            try:
                return self._follow(urljoin(self.prefix, path), path, most)
            except _Passing as fault:
                if attempt == TRIES or self._ended.is_set():
                    raise UnreadableError(f"cannot get {path}: {fault}") from fault
                # Spread out, so that several threads do not come back as one.
                self._ended.wait(max(pause * random.uniform(0.5, 1.0), fault.pause))  # noqa: S311
                pause *= 2
        raise AssertionError("not reached")  # pragma: no cover

    def _follow(self, address: str, path: str, most: int) -> bytes | None:
        for _ in range(MAX_REDIRECTS + 1):
            place = _place(address)
            connection = self._connection(place)
            try:
                connection.request("GET", place.path, headers=_HEADERS)
                response = connection.getresponse()
                if response.status in _REDIRECTS:
                    self._drop()
                    address = _redirected(address, response.headers.get("Location", ""))
                    continue
                return self._answer(response, path, most)
            except _Passing:
                self._drop()
                raise
            except _FAULTS as error:
                self._drop()
                if isinstance(error, ssl.SSLCertVerificationError):
                    why = f"the server's certificate is refused ({error.verify_message})"
                    raise UnreadableError(f"cannot get {path}: {why}") from error
                raise _Passing(_why(error)) from error
        raise UnreadableError(f"cannot get {path}: redirected too often")

    def _answer(self, response: http.client.HTTPResponse, path: str, most: int) -> bytes | None:
        status = response.status
        if status == _OK:
            data = self._body(response, most)
            if response.length == 0:
                response.close()  # read to its end: the connection can be used again
            if not response.isclosed():
                self._drop()
            return data
        self._drop()
        if status in (_NOT_FOUND, _GONE):
            return None
        if status == _TOO_MANY or status >= _SERVER_FAULTS:
            asked = response.headers.get("Retry-After", "")
            pause = float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 0.0  # noqa: PLR2004  digits
            raise _Passing(f"the server answers {status}", min(pause, MAX_PAUSE))
        raise UnreadableError(f"cannot get {path}: the server answers {status}")

    def _body(self, response: http.client.HTTPResponse, most: int) -> bytes:
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "gzip", "x-gzip"):
            raise _Passing("it is encoded in a way that was not asked for")
        unpack = None if encoding == "identity" else zlib.decompressobj(_GZIP)
        until = time.monotonic() + MAX_SECONDS
        data = b""
        while len(data) <= most and (piece := response.read1(_PIECE)):
            if time.monotonic() > until:
                raise _Passing("the server sends too slowly")
            data += piece if unpack is None else _unpacked(unpack, piece, most + 1 - len(data))
        if len(data) <= most:
            if response.length:  # as many bytes as were promised and did not come
                raise _Passing("the answer is cut short")
            if unpack is not None and not unpack.eof:
                raise _Passing("the compressed answer is cut short")
        return data[: most + 1]

    def _connection(self, place: _Place) -> http.client.HTTPConnection:
        """This thread's connection to the place, kept from the last file if it is the same."""
        at = (place.scheme, place.host, place.port)
        if getattr(self._local, "at", None) != at:
            self._drop()
            kind = _CONNECTIONS[place.scheme]
            self._local.connection = kind(place.host, place.port, timeout=SILENCE)
            self._local.at = at
            self._open.add(self._local.connection)
        connection: http.client.HTTPConnection = self._local.connection
        return connection

    def _drop(self) -> None:
        if getattr(self._local, "at", None) is not None:
            self._open.discard(self._local.connection)
            self._local.connection.close()
            self._local.at = None


def _place(address: str) -> _Place:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise UnreadableError("this is not an address of the web") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UnreadableError("only http and https addresses are read")
    if parts.username is not None or parts.query or parts.fragment:
        raise UnreadableError("an address has no password, query or fragment here")
    if not address.isascii() or any(each <= " " or each == "\x7f" for each in address):
        raise UnreadableError("an address is of printable ASCII characters")
    default = _DEFAULT_PORTS[parts.scheme]
    return _Place(parts.scheme, parts.hostname, port or default, parts.path or "/")


def _redirected(address: str, location: str) -> str:
    try:
        target = urljoin(address, location)
    except ValueError as error:
        raise UnreadableError("redirected to what is no address") from error
    if _place(address).scheme == "https" and _place(target).scheme != "https":
        raise UnreadableError("redirected away from https")
    return target


def _unpacked(unpack: "zlib._Decompress", piece: bytes, most: int) -> bytes:
    try:
        return unpack.decompress(piece, most)
    except zlib.error as error:
        raise _Passing("the compressed answer is damaged") from error


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    if isinstance(error, http.client.HTTPException):
        return f"the answer is cut short or no HTTP ({type(error).__name__})"
    return f"no connection ({getattr(error, 'strerror', None) or type(error).__name__})"
