"""One request to somebody else's machine: bounded in bytes and in seconds, whatever it does."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ledger.errors import MalformedError
from ledger.operate.witness_exchange import MAX_ANSWER_BYTES, Answer, NoAnswer, post

PATIENCE = 5.0  # seconds; far more than the tests grant a peer


@contextlib.contextmanager
def peer(act: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a machine that reads a request and then does as `act` says."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65_536)
                act(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/w1"
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_an_answer_is_read_whole() -> None:
    seen: list[bytes] = []

    def act(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 409 Conflict\r\nContent-Type: Text/X.tlog.size; charset=x\r\n"
            b"Content-Length: 2\r\n\r\n7\n"
        )
        seen.append(b"done")

    with peer(act) as url:
        assert post(url, b"old 0\n") == Answer(409, "text/x.tlog.size", b"7\n")
    assert seen == [b"done"]


def test_a_redirect_is_not_followed() -> None:
    def act(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    with peer(act) as url:
        assert post(url, b"") == Answer(307, "", b"")


def say_nothing(connection: socket.socket) -> None:
    connection.recv(1)


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X")
        time.sleep(0.02)


def drip_a_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        connection.sendall(b"X")
        time.sleep(0.02)


@pytest.mark.parametrize("act", [say_nothing, drip_headers, drip_a_body])
def test_a_slow_answer_is_cut(act: Callable[[socket.socket], None]) -> None:
    with peer(act) as url:
        started = time.monotonic()
        with pytest.raises(NoAnswer, match="too slow"):
            post(url, b"", seconds=0.3)
        assert time.monotonic() - started < PATIENCE


def huge_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"X" * MAX_ANSWER_BYTES)


def huge_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"ffff\r\n" + b"X" * 0xFFFF + b"\r\n")


@pytest.mark.parametrize("act", [huge_body, huge_chunks])
def test_a_huge_answer_is_not_read(act: Callable[[socket.socket], None]) -> None:
    with peer(act) as url, pytest.raises(NoAnswer, match="too long"):
        post(url, b"")


def no_http(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")


def endless_header(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000)


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("act", [no_http, endless_header, hang_up])
def test_what_is_no_answer_is_said_so(act: Callable[[socket.socket], None]) -> None:
    with peer(act) as url, pytest.raises(NoAnswer, match="cannot be reached"):
        post(url, b"")


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for scheme in ("http", "https"):
        with pytest.raises(NoAnswer, match="cannot be reached"):
            post(f"{scheme}://127.0.0.1:{port}/add-checkpoint", b"")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "authority.example/w1",
        "ftp://authority.example/",
        "file:///etc/passwd",
        "http://",
        "http://user@authority.example/",
        "http://authority.example:99999/",
        "http://authority.example/?a=b",
        "http://authority.example/#a",
        "http://[::1/",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(MalformedError):
        post(url, b"")
