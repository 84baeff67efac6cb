"""The server is killed while it records: what it acknowledged is there, once, as it was signed."""

import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from ledger.entries import UUID7_RANDOM_BYTES, uuid7
from ledger.tlog.proof import Receipt
from service.cli import main
from tests.functional.real_server import RealServer
from tests.functional.test_first_run import declined, register

WRITERS = 3
KILLS = 3
ENOUGH = 12  # decisions acknowledged before the server is killed

pytestmark = pytest.mark.slow


class Desk:
    """Sends decisions from several threads until nobody answers, and keeps the receipts."""

    def __init__(self, example: dict[str, Any]) -> None:
        self._example = example
        self._chance = random.Random(7)
        self._lock = threading.Lock()
        self.sent: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}

    def send(self, client: httpx.Client) -> None:
        while True:
            decision = self._next()
            try:
                answer = client.post("/v1/decisions", json=decision)
            except httpx.TransportError:
                return
            assert answer.status_code == 201, answer.text
            with self._lock:
                self.answers[decision["id"]] = answer.json()

    def insist(self, client: httpx.Client, stopped: threading.Event) -> None:
        """Send decisions, each until it is answered: an outage is no answer."""
        while not stopped.is_set():
            decision = self._next()
            while decision["id"] not in self.answers:
                answer = client.post("/v1/decisions", json=decision)
                if answer.status_code == 503:
                    assert int(answer.headers["Retry-After"]) >= 1
                    time.sleep(0.05)
                    continue
                assert answer.status_code in {200, 201}, answer.text
                with self._lock:
                    self.answers[decision["id"]] = answer.json()

    def _next(self) -> dict[str, Any]:
        with self._lock:
            seq = len(self.sent) + 1
            name = uuid7(int(time.time() * 1000), self._chance.randbytes(UUID7_RANDOM_BYTES))
            self.sent[name] = self._example | {
                "id": name,
                "source": {"id": "loan-desk", "seq": seq},
            }
            return self.sent[name]


def test_a_writer_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    place = tmp_path / "data"
    settings = {"LEDGER_DATA": str(place)}

    def run(*arguments: str) -> Any:
        done = CliRunner(env=settings).invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done

    run("init")
    desk = Desk(declined(*register(run, tmp_path)))
    key = run("key", "issue", "--name", "loan desk", "--role", "source").stdout.strip()
    with RealServer(settings, tmp_path / "server.log") as server, server.client(key) as client:
        stopped = threading.Event()
        senders = [
            threading.Thread(target=desk.insist, args=(client, stopped)) for _ in range(WRITERS)
        ]
        for sender in senders:
            sender.start()
        for kill in range(KILLS):
            while len(desk.answers) < ENOUGH * (kill + 1) and any(s.is_alive() for s in senders):
                time.sleep(0.01)
            server.kill_writer()
        stopped.set()
        for sender in senders:
            sender.join()
    assert len(desk.answers) >= ENOUGH * KILLS
    assert desk.answers.keys() == desk.sent.keys()  # whoever insists is answered in the end
    assert (tmp_path / "server.log").read_text().count("is started again") == KILLS
    with closing(sqlite3.connect(place / "ledger.db")) as database:
        logged = database.execute("SELECT entry FROM log_entry").fetchall()
    for answer in desk.answers.values():
        assert logged.count((Receipt.parse(answer["receipt"]).entry,)) == 1
    verified(place / "ledger.db", "--policy", place / "policy.txt")
    run("sources")  # exit status 0: no counter is missing without a reason


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    place = tmp_path / "data"
    settings = {"LEDGER_DATA": str(place)}

    def run(*arguments: str) -> Any:
        done = CliRunner(env=settings).invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done

    run("init")
    desk = Desk(declined(*register(run, tmp_path)))
    key = run("key", "issue", "--name", "loan desk", "--role", "source").stdout.strip()
    with RealServer(settings, tmp_path / "server.log") as server:
        record_until_killed(server, desk, key)
        server.start()
        with server.client(key) as client:
            for name, decision in desk.sent.items():
                again = client.post("/v1/decisions", json=decision)
                assert again.status_code == 200 or name not in desk.answers, again.text
                assert again.json()["seq"] == desk.answers.get(name, again.json())["seq"]

    receipts = [Receipt.parse(answer["receipt"]) for answer in desk.answers.values()]
    with closing(sqlite3.connect(place / "ledger.db")) as database:
        logged = database.execute("SELECT entry FROM log_entry").fetchall()
        signed = {note for (note,) in database.execute("SELECT note FROM log_checkpoint")}
    for receipt in receipts:
        assert logged.count((receipt.entry,)) == 1
    # A head that was shown is the stored one of its size: nothing was signed in two ways.
    assert {receipt.checkpoint_note for receipt in receipts} <= signed
    kept = tmp_path / "kept"
    kept.write_text(max(receipts, key=lambda receipt: receipt.index).checkpoint_note)
    verified(place / "ledger.db", "--policy", place / "policy.txt", "--checkpoint", kept)


def record_until_killed(server: RealServer, desk: Desk, key: str) -> None:
    with server.client(key) as client:
        writers = [threading.Thread(target=desk.send, args=(client,)) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        while len(desk.answers) < ENOUGH and all(writer.is_alive() for writer in writers):
            time.sleep(0.01)
        server.kill()
        for writer in writers:
            writer.join()
    assert len(desk.answers) >= ENOUGH


def verified(*arguments: object) -> None:
    command = [sys.executable, "-m", "ledger.verify", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
