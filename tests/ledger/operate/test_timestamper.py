"""An authority behind HTTP that is down, slow, or no authority; the rest is the contract's."""

import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ledger.errors import MalformedError
from ledger.operate.timestamper import MAX_AUTHORITIES, HttpTimestamper, read_addresses
from ledger.operate.witness_exchange import NoAnswer
from ledger.verify.reader import UnreadableError
from tests import timestamp_authority as tsa
from tests.ledger.operate.test_witness_exchange import (
    drip_a_body,
    hang_up,
    huge_body,
    peer,
)
from tests.ledger.verify.tile_log import entries, note

NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)
NOTE = note(entries(3))


def asked(address: str, seconds: float = 5.0) -> bytes:
    return HttpTimestamper(address, tsa.roots(), lambda: NOON, seconds).stamp(NOTE).token


def stall(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (stall, "too slow"),
        (drip_a_body, "too slow"),
        (huge_body, "too long"),
        (hang_up, "cannot be reached"),
    ],
)
def test_an_authority_that_does_not_answer(act: Callable[[socket.socket], None], why: str) -> None:
    with peer(act) as address, pytest.raises(NoAnswer, match=why):
        asked(address, 0.5 if why == "too slow" else 5.0)


def test_an_authority_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswer, match="cannot be reached"):
        asked(f"http://127.0.0.1:{port}/")


def test_a_redirect_is_not_followed() -> None:
    def redirect(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"
        )

    with peer(redirect) as address, pytest.raises(NoAnswer, match="status 302"):
        asked(address)


def test_a_page_of_an_error_is_no_answer() -> None:
    serving = tsa.serving(tsa.Authority(lambda: NOON), status=503)
    with serving as address, pytest.raises(NoAnswer, match="status 503"):
        asked(address)


@pytest.mark.parametrize("address", ["ftp://tsa.example/", "tsa.example", "http://u@tsa.example/"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(MalformedError):
        asked(address)


def test_without_the_library_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(UnreadableError, match="pip install"):
        asked("http://127.0.0.1:9/")


def test_a_file_of_addresses() -> None:
    text = "# two, of different owners\n\n  http://one.example/tsa \nhttps://two.example\n"
    assert read_addresses(text) == ("http://one.example/tsa", "https://two.example")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# none\n",
        "http://one.example\nhttp://one.example\n",
        "".join(f"http://{number}.example\n" for number in range(MAX_AUTHORITIES + 1)),
    ],
)
def test_a_file_that_names_none_or_too_many(text: str) -> None:
    with pytest.raises(MalformedError):
        read_addresses(text)
