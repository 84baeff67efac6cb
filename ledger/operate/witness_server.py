"""A witness over HTTP (c2sp.org/tlog-witness): `add-checkpoint`, and its newest checkpoints.

The standard library's server: two paths need no framework, and a regulator's laptop then
needs nothing beyond the packages of the offline verifier. It speaks plain HTTP; a proxy
in front adds TLS. Every body, header wait and connection is bounded.
"""

import logging
import re
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    SignatureError,
    SizeConflict,
    VerificationError,
)
from ledger.operate.witness import Witness
from ledger.operate.witness_state import origin_hash
from ledger.tlog.witness_request import MAX_REQUEST_BYTES, SIZE_TYPE

__all__ = ["WitnessServer"]

TEXT_TYPE: Final = "text/plain; charset=utf-8"
CONNECTION_SECONDS: Final = 30.0  # then a connection is cut, however slowly it still speaks
MAX_CONNECTIONS: Final = 32  # at once; each costs a thread
MAX_LENGTH_DIGITS: Final = 9  # of Content-Length, before it is compared with the bound

_CHECKPOINT_PATH: Final = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)
_log = logging.getLogger("ledger.witness")


class WitnessServer(ThreadingHTTPServer):
    """Listens from its birth; `serve_forever` answers, leaving its `with` block stops it."""

    daemon_threads = True  # what is answered is durable, so nothing is lost by not waiting
    request_queue_size = 64

    def __init__(self, witness: Witness, origins: tuple[str, ...], host: str, port: int) -> None:
        """Serve the witness of logs with these origins.

        Raises:
            OSError: the address cannot be listened on.
        """
        self.witness = witness
        self.origins = {origin_hash(origin): origin for origin in origins}
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind without asking the name service what this machine is called."""
        socket_address = self.server_address
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(socket_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(socket_address[0]), self.port

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Give the connection a thread, or close it if too many are open."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer the requests of one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Name the failure's kind, unless the peer left or was cut."""
        del request, client_address  # whose it was is nobody's business
        kind = sys.exc_info()[0]
        if kind is not None and not issubclass(kind, OSError):
            _log.error("a request failed: %s", kind.__name__)


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"  # keep-alive, as the specification asks
    server_version = "decision-ledger-witness"
    sys_version = ""
    timeout = CONNECTION_SECONDS  # of one read; the timer bounds them all together

    def setup(self) -> None:
        super().setup()
        self._timer = threading.Timer(CONNECTION_SECONDS, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def finish(self) -> None:
        self._timer.cancel()
        super().finish()

    def do_POST(self) -> None:
        """Cosign a checkpoint."""
        if self.path != "/add-checkpoint":
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
            return
        length = self._length()
        if length is None:
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        try:
            lines = self.server.witness.add_checkpoint(body)
        except (LedgerError, OSError) as error:
            self._explain(error)
        else:
            self._answer(HTTPStatus.OK, lines)

    def do_GET(self) -> None:
        """Show the newest cosigned checkpoint of a log."""
        match = _CHECKPOINT_PATH.fullmatch(self.path)
        origin = self.server.origins.get(match[1]) if match else None
        if origin is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
            return
        try:
            note = self.server.witness.checkpoint(origin)
        except LedgerError as error:
            self._explain(error)
        else:
            self._answer(HTTPStatus.OK, note)

    def log_message(self, *_: object) -> None:
        """Nothing: the library's lines hold addresses of people and what they sent."""

    def _length(self) -> int | None:
        """How long the body is; None if that was refused."""
        stated = self.headers.get_all("Content-Length") or []
        text = stated[0] if len(stated) == 1 else ""
        digits = text.isascii() and text.isdigit() and len(text) <= MAX_LENGTH_DIGITS
        if not digits or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "say how long the body is")
        elif int(text) > MAX_REQUEST_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long")
        else:
            return int(text)
        return None

    def _explain(self, error: Exception) -> None:
        if isinstance(error, SizeConflict):
            self._answer(HTTPStatus.CONFLICT, f"{error.size}\n", SIZE_TYPE)
            return
        for kind, status in _STATUS:
            if isinstance(error, kind):
                self._answer(status, f"{error}\n")
                return
        # Not the caller's fault; its text can hold paths, so it goes to the operator alone.
        _log.error("cannot cosign: %s", error)
        self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "the witness cannot answer\n")

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """Answer without having read the body, so the connection cannot go on."""
        self.close_connection = True
        self._answer(status, f"{reason}\n")

    def _answer(self, status: HTTPStatus, text: str, media_type: str = TEXT_TYPE) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already


_STATUS: Final = (
    (MalformedError, HTTPStatus.BAD_REQUEST),
    (SignatureError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (VerificationError, HTTPStatus.UNPROCESSABLE_ENTITY),
)
