"""One exchange with the ledger is bounded, goes nowhere else, and tells nobody's secrets."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from ledger.client import transport
from ledger.client.transport import HttpLedger, NoAnswer
from ledger.errors import MalformedError
from tests.ledger.client.simulator import KEY, Ledger


@contextmanager
def peer(answer: bytes, *, close: bool = True) -> Iterator[str]:
    """A peer that reads what comes, sends these bytes, and hangs up or not."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ended = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)
                    if not close:
                        ended.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        thread.join()


def http(url: str, key: Callable[[], str] = lambda: KEY, seconds: float = 5) -> HttpLedger:
    return HttpLedger(url, key, seconds=seconds)


def response(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_an_exchange_carries_the_key_and_brings_the_answer(ledger: Ledger, url: str) -> None:
    mine = http(url + "/", lambda: f"{KEY}\n")
    assert mine.get("/nothing").status == 404
    assert mine.post("/v1/sources/x/gaps", b'{"first":1,"last":1,"reason":"x"}').status == 201
    assert [path for path, _ in ledger.requests] == ["/nothing", "/v1/sources/x/gaps"]
    mine.close()
    http(url).close()


@pytest.mark.parametrize("key", ["", "two\nlines", "ä", "x" * 501])
def test_a_key_that_is_none_is_not_sent(ledger: Ledger, url: str, key: str) -> None:
    with pytest.raises(NoAnswer, match="no key") as refused:
        http(url, lambda: key).get("/")
    assert not key or key not in str(refused.value)
    assert ledger.requests == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("99999999", 3_600),
        ("-1", None),
        ("soon", None),
        ("1" * 5_000, None),
        (format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True), 0),
        (format_datetime(datetime(2199, 1, 1, tzinfo=UTC), usegmt=True), 3_600),
    ],
)
def test_how_long_to_wait_is_read_and_bounded(header: str, seconds: float | None) -> None:
    with peer(response(b"{}", f"Retry-After: {header}")) as url:
        assert http(url).get("/").retry_after == seconds


def test_a_redirect_is_not_followed() -> None:
    with peer(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    ) as url:
        assert http(url).get("/").status == 302


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"\x15\x03\x01"],
)
def test_what_is_no_answer_is_said_to_be_none(answer: bytes) -> None:
    with peer(answer) as url, pytest.raises(NoAnswer):
        http(url).post("/", b"{}")


def test_an_answer_is_bounded_in_size_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 10)
    with peer(response(b"x" * 11)) as url, pytest.raises(NoAnswer, match="too long"):
        http(url).get("/")
    with peer(b"", close=False) as url, pytest.raises(NoAnswer):
        http(url, seconds=0.05).get("/")
    with pytest.raises(NoAnswer, match="too slow"):
        transport._read(_Drip(), -1)  # type: ignore[arg-type]  # it is only read from


class _Drip:
    def read1(self, size: int) -> bytes:
        return b"x"[:size]


def test_nobody_there_is_no_answer() -> None:
    with pytest.raises(NoAnswer):
        http("http://127.0.0.1:9").get("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ledger.example",
        "ftp://ledger.example",
        "https://user:word@ledger.example",
        "https://ledger.example/?x=1",
        "https://ledger.example/#x",
        "https://ledger.example:port",
        "https://[::1",
        "http://ledger.example",
        "http://192.0.2.1",
    ],
)
def test_addresses_that_would_tell_secrets_are_refused(url: str) -> None:
    with pytest.raises(MalformedError) as refused:
        http(url)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["https://ledger.example/x", "http://localhost:1", "http://[::1]:8000", "http://127.9.9.9"],
)
def test_addresses_that_keep_them_are_taken(url: str) -> None:
    http(url)
    HttpLedger("http://ledger.example", lambda: KEY, plain_http=True)
