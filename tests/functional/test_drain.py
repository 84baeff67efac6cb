"""The real server with slow clients, with broken ones, and told to end while it is busy."""

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from ledger.tlog.proof import Receipt
from service.cli import main
from service.web import DRAIN_SECONDS, MAX_HEAD
from tests.functional.real_server import RealServer
from tests.functional.test_first_run import declined, register
from tests.functional.test_killed import Desk, verified

SENDERS = 4
ENOUGH = 12  # decisions acknowledged before the server is told to end
SECRET = "Ann-Other"

pytestmark = pytest.mark.slow


class Slow:
    """A client that sends a head or a body a byte at a time, for as long as it may."""

    def __init__(self, server: RealServer, start: bytes) -> None:
        port = int(server.url.rpartition(":")[2])
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(start)

    def go_on(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self, seconds: float) -> bytes:
        self._socket.settimeout(seconds)
        with suppress(ConnectionResetError):
            return self._socket.recv(65_536)
        return b""

    def close(self) -> None:
        self._socket.close()


def head(key: str, length: int) -> bytes:
    return (
        "POST /v1/decisions HTTP/1.1\r\nHost: ledger\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def settings(place: Path) -> dict[str, str]:
    # Two threads in all: whoever held them would be noticed at once.
    return {"LEDGER_DATA": str(place), "LEDGER_WORKERS": "1", "LEDGER_THREADS": "2",
            "LEDGER_LOG_FORMAT": "json"}  # fmt: skip


def test_slow_clients_hold_nobody_up_and_a_drain_loses_nothing(
    place: Path, settings: dict[str, str], tmp_path: Path
) -> None:
    def run(*arguments: str) -> Any:
        done = CliRunner(env=settings).invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done

    run("init")
    desk = Desk(declined(*register(run, tmp_path)))
    key = run("key", "issue", "--name", "loan desk", "--role", "source").stdout.strip()
    log = tmp_path / "server.log"
    with RealServer(settings, log) as server, server.client(key) as client:
        heads = [Slow(server, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ") for _ in range(8)]
        bodies = [Slow(server, head(key, 90_000) + b'{"subject": "') for _ in range(8)]
        for each in (*heads, *bodies):
            each.go_on(SECRET.encode())
        assert httpx.get(f"{server.url}/readyz").json()["status"] == "ready"
        refused_before_anybody_sees_them(server)
        for each in bodies:
            each.close()
        under_way = finished_while_it_ends(server, client, desk, key)
        for each in heads:
            assert each.answer(1) == b""  # they were cut off, or the server would not have ended
            each.close()
    with closing(sqlite3.connect(place / "ledger.db")) as database:
        logged = database.execute("SELECT entry FROM log_entry").fetchall()
    for answer in (*desk.answers.values(), under_way):
        assert logged.count((Receipt.parse(answer["receipt"]).entry,)) == 1
    verified(place / "ledger.db", "--policy", place / "policy.txt")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert {"service.requests"} <= {line["logger"] for line in lines}
    assert SECRET not in log.read_text()


def refused_before_anybody_sees_them(server: RealServer) -> None:
    for sent, status in (
        (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 2 * MAX_HEAD, b"431"),
        (b"GET /" + b"a" * 2 * MAX_HEAD, b"431"),
        (b"".join((b"GET / HTTP/1.1\r\n", *([b"X-A: b\r\n"] * 200), b"\r\n")), b"431"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (f"GET /?subject={SECRET}\x01 HTTP/1.1\r\n\r\n".encode(), b"400"),
        (b"GET / HTTP/1.1\r\nAnn-Other\r\n\r\n", b"400"),
    ):
        client = Slow(server, sent)
        assert status in client.answer(10).partition(b"\r\n")[0]
        client.close()


def finished_while_it_ends(
    server: RealServer, client: httpx.Client, desk: Desk, key: str
) -> dict[str, Any]:
    """The answer to a request that was under way when the server was told to end, under load."""
    body = json.dumps(desk._next()).encode()
    begun = Slow(server, head(key, len(body)) + body[:100])
    senders = [threading.Thread(target=desk.send, args=(client,)) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    while len(desk.answers) < ENOUGH and any(sender.is_alive() for sender in senders):
        time.sleep(0.01)
    process = server.ask_to_end()
    time.sleep(1)
    begun.go_on(body[100:])
    status, _, text = begun.answer(30).partition(b"\r\n\r\n")
    assert b" 201 " in status
    answer: dict[str, Any] = json.loads(text)
    begun.close()
    process.wait(DRAIN_SECONDS)
    assert process.returncode == 0
    for sender in senders:
        sender.join()
    with pytest.raises(httpx.ConnectError):  # a clean refusal, at once
        httpx.get(f"{server.url}/healthz")
    return answer


def test_worker_processes_end_with_the_server_and_come_back_by_themselves(
    settings: dict[str, str], tmp_path: Path
) -> None:
    assert CliRunner(env=settings).invoke(main, ["init"]).exit_code == 0
    server = RealServer(settings, tmp_path / "server.log")
    server.start()
    first = workers(server)
    assert len(first) == 1
    os.kill(first[0], signal.SIGKILL)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            if workers(server) not in ([], first) and httpx.get(f"{server.url}/healthz").is_success:
                break
        time.sleep(0.2)
    again = workers(server)
    assert again not in ([], first)
    process = server.ask_to_end()  # told first, so that its end is not waited for
    process.kill()
    process.wait()
    while any(Path(f"/proc/{each}").exists() for each in again) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{each}").exists() for each in again)


def workers(server: RealServer) -> list[int]:
    """The processes below the web server's first one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            words = (path / "cmdline").read_bytes()
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if b"service.web" in words:
                parents[int(path.name)] = parent
    assert server._process is not None
    firsts = [pid for pid, parent in parents.items() if parent == server._process.pid]
    return [pid for pid, parent in parents.items() if parent in firsts]
