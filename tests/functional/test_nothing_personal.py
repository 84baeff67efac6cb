"""Unmistakable values go into the real server; nothing it writes beside the vault has them.

Not its lines, in any process, not its metrics, not its temporary files, not what is left when
processes are taken down in the middle. Then the person is erased, and it is not in a spool, an
export or a backup either, while the log, what was published of it and the receipt verify.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from ledger.client import Client
from ledger.verify.__main__ import main as verify
from service.cli import main
from tests.functional.real_server import SECONDS, RealServer, parent
from tests.functional.test_first_run import CONTACTS, declined, register, write

SECRET = "Zebedee-Quux-4711"
NUMBER = 98.765  # of an input; its digits stand nowhere else

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc"),
]


class Run:
    """A ledger with a key for each role, and a server that keeps all it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place, self.temporary, self.log = (
            folder / name for name in ("data", "temporary", "server.log")
        )
        self.temporary.mkdir()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.metrics = f"http://127.0.0.1:{port}/metrics"
        self.settings = {"LEDGER_DATA": str(self.place), "LEDGER_METRICS_PORT": str(port)}
        self.command("init")
        self.model, self.files = register(self.command, folder)
        write(self.place / "contacts.json", CONTACTS)
        environment = {"TMPDIR": str(self.temporary), "PYTHONFAULTHANDLER": "1"}
        self.server = RealServer(self.settings | environment, self.log, folder)

    def command(self, *arguments: str) -> Any:
        done = CliRunner(env=self.settings).invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done

    def client(self, role: str, name: str = "One") -> httpx.Client:
        key = self.command("key", "issue", "--name", f"{name} {role}", "--role", role)
        return self.server.client(key.stdout.strip(), **{"Ledger-Case": "C-1"})

    def decision(self, seq: int, **members: Any) -> dict[str, Any]:
        one = declined(self.model, self.files) | {"subject": SECRET}
        one["source"] = {"id": "loan-desk", "seq": seq}
        one["context"] = one["context"] | {"branch": SECRET}
        return one | members


def by_the_client(run: Run) -> tuple[str, str]:
    """A decision by way of a spool that is left lying; its id, and the receipt kept."""
    key = run.command("key", "issue", "--name", "One spool", "--role", "source").stdout.strip()
    policy = run.place / "policy.txt"
    one = run.decision(1)
    del one["source"]
    with Client(
        run.server.url, key=key, source="teller", spool=run.folder / "spool", policy=policy
    ) as client:
        ticket = client.record(**one)
        assert client.flush(SECONDS)
        return ticket.id, str(client.receipt(ticket.id))


def erase(run: Run) -> None:
    """Everything about the person, by two officers; then all that a ledger leaves elsewhere."""
    body = {"subject": SECRET, "ground": "objection"}
    with run.client("data_protection_officer") as ann:
        asked = ann.post("/v1/erasures", json=body).json()
    with run.client("data_protection_officer", "Another") as ben:
        done = ben.post(f"/v1/erasures/{asked['id']}/approve")
        assert (done.status_code, done.json()["stage"]) == (200, "done")
        assert ben.post("/v1/erasures", json=body).status_code == 410
    run.command("export", str(run.folder / "published"))
    run.command("backup", str(run.folder / "backup"))


def plant(run: Run) -> tuple[str, str]:
    """By every door, well and badly; the id of a decision, and its receipt."""
    with run.client("source") as source:
        late = run.decision(2, attributions=None)
        late["input"] = late["input"] | {"loan_to_value": NUMBER}
        del late["attributions"]
        assert source.post("/v1/decisions", json=late).status_code == 201
        for body in (run.decision(3, model=SECRET), run.decision(4, **{SECRET: SECRET})):
            source.post("/v1/decisions", json=body)
        source.post("/v1/decisions", content=b'{"subject": "' + SECRET.encode() + b'"')
        source.post("/v1/events", content=SECRET.encode(), headers={"ce-id": SECRET})
    record, receipt = by_the_client(run)
    with run.client("data_protection_officer") as officer:
        found = officer.post("/v1/decisions/search", json={"subject": SECRET}).json()
        assert found["total"] >= 1
        letter = officer.get(
            f"/v1/decisions/{record}/explanation", headers={"Accept": "application/pdf"}
        )
        assert letter.content.startswith(b"%PDF")
        copy = officer.post(
            "/v1/subjects/export", json={"subject": SECRET, "received_on": "2026-01-01"}
        )
        assert copy.content.startswith(b"PK")
        shown = {
            "records": [record], "fields": ["context.branch"], "recipient": SECRET,
            "ground": "consent", "purpose": SECRET,
        }  # fmt: skip
        assert officer.post("/v1/disclosures", json=shown).content.startswith(b"PK")
        key = officer.get("/v1/own-references").json()
        assert key == {"declared": []}
        officer.post("/v1/own-references", json={"key": SECRET, "subject": SECRET})
        officer.get(f"/v1/decisions/{SECRET}?subject={SECRET}")
        officer.get(f"/v1/accesses/{SECRET}")
    # What the web server refuses before anything of ours sees it.
    address = ("127.0.0.1", int(run.server.url.rpartition(":")[2]))
    for head in (b"GET /%b\x01 HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n%b\r\n\r\n"):
        with socket.create_connection(address, timeout=SECONDS) as raw:
            raw.sendall(head % SECRET.encode())
            assert b"400" in raw.recv(100)
    return record, receipt


def counted(url: str) -> str:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:  # the exporter starts beside the server
        try:
            text = httpx.get(url, timeout=SECONDS).text
        except httpx.TransportError:
            text = ""
        if "ledger_decisions_total" in text:
            return text
        time.sleep(0.2)
    raise AssertionError("no metrics")


def files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()


def crash(server: RealServer) -> int:
    """Take the writer and the web workers down as native code does; how many there were."""
    processes = server.processes()
    web = {pid for pid, words in processes.items() if b"service.web" in words}
    workers = {pid for pid in web if parent(pid) in web}
    assert workers
    pids = workers | {pid for pid, words in processes.items() if b"service.writer" in words}
    for pid in pids:
        os.kill(pid, signal.SIGABRT)
    return len(pids)


def core_limits(server: RealServer) -> list[list[str]]:
    """How large a core file each process may leave: softly, and at most."""
    texts = [Path(f"/proc/{pid}/limits").read_text() for pid in server.processes()]
    lines = [line for text in texts for line in text.splitlines()]
    return [line.split()[4:6] for line in lines if line.startswith("Max core file size")]


def said(log: Path, words: str, times: int) -> bool:
    until = time.monotonic() + SECONDS
    while log.read_text("utf-8", "replace").count(words) < times:
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def test_no_line_no_metric_and_no_file_has_them(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with run.server:
        record, receipt = plant(run)
        erase(run)
        assert SECRET not in counted(run.metrics)
        limits = core_limits(run.server)
        assert len(limits) >= 6  # serve, writer, web server, two of its workers, exporter
        assert all(each == ["0", "0"] for each in limits)
        assert said(run.log, "Fatal Python error", crash(run.server))
    run.command("erasure", "clean-up")
    lines = run.log.read_bytes()
    for needle in (SECRET.encode(), str(NUMBER).encode()):
        assert needle not in lines
        assert [path for path, data in files(run.folder) if needle in data] == []
    kept = run.folder / f"{record}.tlog-proof"
    kept.write_text(receipt)
    policy = ["--policy", str(run.place / "policy.txt")]
    for proof in (kept, run.folder / "published" / "decisions", run.place / "ledger.db"):
        assert verify([str(proof), *policy]) == 0
    assert list(run.folder.rglob("core*")) == []
