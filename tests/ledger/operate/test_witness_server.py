"""The witness over HTTP: status, media type and body as the specification says, all bounded."""

import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.operate import witness_server
from ledger.operate.witness import Witness, found_witness
from ledger.operate.witness_server import WitnessServer
from ledger.operate.witness_state import origin_hash
from ledger.tlog.cosignature import open_note
from ledger.tlog.note import SignedNote
from ledger.tlog.witness_request import MAX_REQUEST_BYTES, AddCheckpoint
from tests.ledger.operate.witnessed import NOON, ORIGIN, Leaves, new_keys


@dataclass
class Reply:
    status: int
    media_type: str
    body: bytes


@dataclass
class House:
    """A witness that serves, and the log that it knows."""

    log: Leaves
    witness: Witness
    server: WitnessServer

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers["Content-Type"], answer.read())
        finally:
            connection.close()

    def add(self, body: bytes) -> Reply:
        return self.ask("POST", "/add-checkpoint", body)

    def raw(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as peer:
            peer.sendall(data)
            received = b""
            while more := peer.recv(4096):
                received += more
            return received


@pytest.fixture(scope="module")
def log() -> Leaves:
    return Leaves(new_keys(ORIGIN))


@pytest.fixture
def house(tmp_path: Path, log: Leaves) -> Iterator[House]:
    found_witness(tmp_path, "authority.example/w1", log.logs, "")
    witness = Witness.open(tmp_path, lambda: NOON)
    with WitnessServer(witness, (ORIGIN,), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield House(log, witness, server)
        server.shutdown()
        thread.join()


def test_a_checkpoint_is_cosigned_and_shown(house: House) -> None:
    shown = f"/{origin_hash(ORIGIN)}/checkpoint"
    assert house.ask("GET", shown).status == 404
    reply = house.add(house.log.request(0, 5))
    assert reply.status == 200
    lines = reply.body.decode()
    assert all(line.startswith("— ") for line in lines.splitlines())
    assert len(open_note(house.log.note(5) + lines, house.witness.verifier_keys).signatures) == 2
    reply = house.ask("GET", shown)
    assert (reply.status, reply.media_type) == (200, "text/plain; charset=utf-8")
    assert reply.body.decode() == house.witness.checkpoint(ORIGIN)


def test_each_refusal_has_its_status(house: House) -> None:
    log = house.log
    assert house.add(log.request(0, 5)).status == 200
    conflict = house.add(log.request(3, 6))
    assert (conflict.status, conflict.media_type, conflict.body) == (
        409,
        "text/x.tlog.size",
        b"5\n",
    )
    note = SignedNote.parse(log.note(6))
    for body, status in (
        (b"", 400),
        (b"old 5\n\n" + b"\xff", 400),
        (AddCheckpoint(7, (), note).format(), 400),
        (Leaves(new_keys("other.example/log")).request(0, 3), 404),
        (Leaves(new_keys(ORIGIN)).request(0, 3), 403),
        (AddCheckpoint(5, (), note).format(), 422),
        (Leaves(log.keys, "false").request(5, 5), 422),
    ):
        reply = house.add(body)
        assert reply.status == status, reply.body
        assert reply.media_type == "text/plain; charset=utf-8"
    assert house.add(log.request(5, 6)).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/add-checkpoint"),
        ("GET", f"/{'0' * 64}/checkpoint"),
        ("GET", f"/{origin_hash(ORIGIN).upper()}/checkpoint"),
        ("POST", "/"),
        ("POST", "/add-checkpoint?x=1"),
    ],
)
def test_there_is_nothing_else(house: House, method: str, path: str) -> None:
    assert house.ask(method, path, b"" if method == "POST" else None).status == 404


def test_other_methods_are_not_served(house: House) -> None:
    assert house.ask("PUT", "/add-checkpoint", b"").status == 501


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", 411),
        ("Content-Length: -1\r\n", 411),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", 411),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 411),
        (f"Content-Length: {'9' * 5000}\r\n", 411),
        (f"Content-Length: {MAX_REQUEST_BYTES + 1}\r\n", 413),
        ("X: y\r\n" * 200, 431),
    ],
)
def test_a_body_says_its_length_and_is_short(house: House, headers: str, status: int) -> None:
    received = house.raw(f"POST /add-checkpoint HTTP/1.1\r\n{headers}\r\n".encode())
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in received


def test_one_connection_serves_many_requests(house: House) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", house.server.port, timeout=10)
    sockets = set()
    for old, size in ((0, 1), (1, 2), (2, 4)):
        connection.request("POST", "/add-checkpoint", house.log.request(old, size))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        sockets.add(connection.sock.getsockname())
    connection.close()
    assert len(sockets) == 1


def test_a_slow_peer_is_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_server, "CONNECTION_SECONDS", 0.2)
    assert house.raw(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100\r\n\r\nold") == b""
    assert house.raw(b"POST /add-ch") == b""
    assert house.add(house.log.request(0, 1)).status == 200


def test_too_many_connections_are_closed(house: House) -> None:
    address = ("127.0.0.1", house.server.port)
    idle = [socket.create_connection(address, 10) for _ in range(witness_server.MAX_CONNECTIONS)]
    try:
        with socket.create_connection(address, 10) as late:
            assert late.recv(1) == b""
    finally:
        for each in idle:
            each.close()
    # Those that left make room again.
    for _ in range(200):
        try:
            assert house.add(house.log.request(0, 1)).status == 200
            break
        except (ConnectionError, http.client.HTTPException):
            threading.Event().wait(0.02)
    else:
        pytest.fail("the connections were not given back")


def test_its_own_trouble_is_for_its_operator(
    tmp_path: Path, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    assert house.add(house.log.request(0, 1)).status == 200
    (tmp_path / "state" / f"{origin_hash(ORIGIN)}.note").write_text("damaged")
    reply = house.add(house.log.request(1, 2))
    assert (reply.status, reply.body) == (500, b"the witness cannot answer\n")
    assert "cannot cosign: witness: its record is not one that it wrote" in caplog.text


def test_a_clock_that_goes_backwards_is_its_own_trouble(tmp_path: Path, log: Leaves) -> None:
    found_witness(tmp_path, "authority.example/w1", log.logs, "")
    Witness.open(tmp_path, lambda: NOON).add_checkpoint(log.request(0, 1))
    late = Witness.open(tmp_path, lambda: NOON - timedelta(days=1))
    with WitnessServer(late, (ORIGIN,), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        assert House(log, late, server).add(log.request(1, 2)).status == 500
        server.shutdown()
        thread.join()


def test_a_bug_is_named_without_the_caller(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_body: bytes) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(house.witness, "add_checkpoint", broken)
    with pytest.raises(http.client.HTTPException):
        house.add(b"old 0\n")
    for _ in range(200):
        if caplog.text:
            break
        threading.Event().wait(0.02)
    assert "a request failed: ZeroDivisionError" in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_it_listens_on_ipv6_too(tmp_path: Path, log: Leaves) -> None:
    found_witness(tmp_path, "authority.example/w1", log.logs, "")
    witness = Witness.open(tmp_path, lambda: NOON)
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with WitnessServer(witness, (ORIGIN,), "::1", 0) as server:
        assert server.port > 0
