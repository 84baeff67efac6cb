"""Fetching files over HTTP from servers that break off, stall, flood and send us elsewhere."""

import gzip
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ledger.verify import http_fetch, http_reader
from ledger.verify.audit import audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.http_fetch import Fetcher
from ledger.verify.http_reader import HttpLogReader
from ledger.verify.reader import UnreadableError
from tests.ledger.verify.audits import log
from tests.ledger.verify.tile_log import POLICY, Liar
from tests.ledger.verify.web import Site, answer, served

SIZE = 600
Act = Callable[[BaseHTTPRequestHandler, str], bool]


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_fetch, "SILENCE", 0.5)
    monkeypatch.setattr(http_fetch, "FIRST_PAUSE", 0.001)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with served(Site(Liar(log(SIZE)).directory(tmp_path / "tiles"))) as one:
        yield one


def audited(site: Site) -> AuditResult:
    with HttpLogReader.open(site.address, POLICY) as reader:
        return audit(reader, POLICY)


@contextmanager
def fetching(site: Site) -> Iterator[Fetcher]:
    with closing(Fetcher(site.address, first_pause=0.001)) as fetcher:
        yield fetcher


def test_compressed_answers_are_unpacked(site: Site) -> None:
    def act(handler: BaseHTTPRequestHandler, asked: str) -> bool:
        if asked == "minimum-index":
            return False
        data = gzip.compress((site.files / asked).read_bytes())
        return answer(handler, 200, data, Content_Encoding="gzip")

    site.act = act
    assert audited(site).findings == ()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"x" * 100, mtime=0)[:-4], "gzip"),
        (b"not compressed", "gzip"),
        (b"x", "br"),
        (b"x", "deflate"),
    ],
)
def test_an_answer_that_cannot_be_unpacked_could_not_be_checked(
    site: Site, body: bytes, encoding: str
) -> None:
    site.act = lambda handler, _: answer(handler, 200, body, Content_Encoding=encoding)
    with fetching(site) as fetcher, pytest.raises(UnreadableError, match=r"compressed|encoded"):
        fetcher.get("checkpoint", 1_000)


def test_what_unpacks_without_end_is_cut(site: Site) -> None:
    bomb = gzip.compress(bytes(50_000_000), mtime=0)
    site.act = lambda handler, _: answer(handler, 200, bomb, Content_Encoding="gzip")
    with fetching(site) as fetcher:
        assert fetcher.get("tile/0/000", 8_192) == bytes(8_193)


def cut(handler: BaseHTTPRequestHandler, _: str) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.close_connection = True
    return True


def chunked_and_cut(handler: BaseHTTPRequestHandler, _: str) -> bool:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"4\r\nhalf\r\n9\r\nano")
    handler.close_connection = True
    return True


def silent(handler: BaseHTTPRequestHandler, _: str) -> bool:
    handler.rfile.read(1)  # until the client has had enough
    handler.close_connection = True
    return True


def no_http(handler: BaseHTTPRequestHandler, _: str) -> bool:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    handler.close_connection = True
    return True


def many_headers(handler: BaseHTTPRequestHandler, _: str) -> bool:
    handler.send_response(200)
    for number in range(1_000):
        handler.send_header(f"X-{number}", "x" * 100)
    handler.end_headers()
    handler.close_connection = True
    return True


def hangs_up(handler: BaseHTTPRequestHandler, _: str) -> bool:
    handler.close_connection = True
    return True


@pytest.mark.parametrize("act", [cut, chunked_and_cut, silent, no_http, many_headers, hangs_up])
def test_a_server_that_breaks_off_could_not_be_checked(site: Site, act: Act) -> None:
    site.act = act
    with fetching(site) as fetcher, pytest.raises(UnreadableError, match="cannot get checkpoint"):
        fetcher.get("checkpoint", 1_000)
    assert len(site.asked) == http_fetch.TRIES


def test_chunks_are_joined_and_the_connection_is_kept(site: Site) -> None:
    clients = set()

    def plain(handler: BaseHTTPRequestHandler, _: str) -> bool:
        clients.add(handler.client_address)
        return answer(handler, 200, b"x" * 70_000)

    def act(handler: BaseHTTPRequestHandler, _: str) -> bool:
        clients.add(handler.client_address)
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"4\r\nhalf\r\n4\r\nmore\r\n0\r\n\r\n")
        return True

    site.act = act
    with fetching(site) as fetcher:
        assert [fetcher.get("checkpoint", 1_000) for _ in range(3)] == [b"halfmore"] * 3
        site.act = plain
        assert [fetcher.get("checkpoint", 70_000) for _ in range(3)] == [b"x" * 70_000] * 3
    assert len(clients) == 1


def test_a_server_that_drips_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_fetch, "MAX_SECONDS", 0.1)

    def act(handler: BaseHTTPRequestHandler, _: str) -> bool:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _n in range(1_000):
                handler.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            handler.log_message("left")
        handler.close_connection = True
        return True

    site.act = act
    with fetching(site) as fetcher, pytest.raises(UnreadableError, match="too slowly"):
        fetcher.get("checkpoint", 1_000_000)


def test_an_answer_that_never_begins_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_fetch, "SILENCE", 30)
    monkeypatch.setattr(http_reader, "PATIENCE", 0.2)

    def act(handler: BaseHTTPRequestHandler, _: str) -> bool:
        try:
            for _n in range(1_000):  # a header that never ends, a byte at a time
                handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(0.02)
        except OSError:
            handler.log_message("left")
        handler.close_connection = True
        return True

    site.act = act
    began = time.monotonic()
    with pytest.raises(UnreadableError, match="keeps its answer back"):
        audited(site)
    assert time.monotonic() - began < 15


def test_nobody_there_could_not_be_checked() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with (
        closing(Fetcher(f"http://127.0.0.1:{port}/log", first_pause=0.001)) as fetcher,
        pytest.raises(UnreadableError, match="no connection"),
    ):
        fetcher.get("checkpoint", 1_000)


def test_a_server_whose_certificate_is_not_to_be_trusted() -> None:
    import ssl

    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"

    class Refusing:
        sock = None

        def request(self, *_: object, **__: object) -> None:
            raise error

        def close(self) -> None:
            pass

    fetcher = Fetcher("https://ledger.example/log")
    fetcher._local.at = ("https", "ledger.example", 443)
    fetcher._local.connection = Refusing()
    with pytest.raises(UnreadableError, match=r"certificate is refused \(self-signed"):
        fetcher.get("checkpoint", 1_000)


# Where it sends us


def redirecting(location: str, status: int = 302) -> Act:
    def act(handler: BaseHTTPRequestHandler, asked: str) -> bool:
        if asked.startswith("moved/"):
            return answer(handler, 200, b"here")
        return answer(handler, status, b"", Location=location)

    return act


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(site: Site, status: int) -> None:
    site.act = redirecting("/log/decisions/moved/x", status)
    with fetching(site) as fetcher:
        assert fetcher.get("checkpoint", 1_000) == b"here"
        site.act = redirecting(f"{site.address}/moved/x", status)
        assert fetcher.get("checkpoint", 1_000) == b"here"


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("/log/decisions/checkpoint", "too often"),
        ("file:///etc/passwd", "only http and https"),
        ("ftp://ledger.example/x", "only http and https"),
        ("http://user:secret@ledger.example/", "no password"),
        ("http://[::1/", "no address"),
        ("http://ledger.example:99999/", "not an address"),
        ("?q", "query"),
    ],
)
def test_redirects_that_are_not_followed(site: Site, location: str, why: str) -> None:
    site.act = redirecting(location)
    with fetching(site) as fetcher, pytest.raises(UnreadableError, match=why):
        fetcher.get("checkpoint", 1_000)


def test_nobody_is_sent_away_from_https() -> None:
    with pytest.raises(UnreadableError, match="away from https"):
        http_fetch._redirected("https://ledger.example/log/", "http://ledger.example/log/")
    assert http_fetch._redirected("http://a.example/x", "https://b.example/y")


@pytest.mark.parametrize(
    "address",
    [
        *("http://", "https:///log", "http://user@ledger.example/", "http://ledger.example/?a=b"),
        *("http://ledger.example/#a", "http://ledger.example:x/", "http://ledger.example/a b"),
        *("http://lédger.example/", "http://[/"),
    ],
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UnreadableError):
        Fetcher(address)


def test_who_is_interrupted_gives_up(site: Site) -> None:
    site.act = hangs_up
    with fetching(site) as fetcher:
        fetcher.interrupt()
        with pytest.raises(UnreadableError):
            fetcher.get("checkpoint", 1_000)
    assert len(site.asked) == 1


def test_a_connection_that_the_server_closed_is_let_go(site: Site) -> None:
    site.act = lambda handler, _: answer(handler, 200, b"x", Connection="close")
    with fetching(site) as fetcher:
        assert fetcher.get("checkpoint", 10) == b"x"
        fetcher.interrupt()
