"""The ledger as `decision-ledger serve` runs it, and the plain service beside it.

Real processes on loopback ports. The plain service is another application in the web server
that `serve` runs: same server, same processes, same threads.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import lender, plain
from examples.demo import training
from ledger.roles import Role
from ledger.storage.database import open_database
from service.founding import found
from service.runtime import Runtime
from service.settings import Settings

SECONDS = 120  # for a service to be ready, on a busy machine

_PLAINLY = "import sys; from service import web; sys.exit(web.main('benchmarks.plain:served'))"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """A service that is under load from a process of its own."""

    server: subprocess.Popen[bytes]
    client: subprocess.Popen[str]

    def send(self, requests: int, size: int, clients: int) -> tuple[float, list[float]]:
        """Return the seconds for all of these requests, and for each."""
        asked = {"requests": requests, "size": size, "clients": clients}
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        self.client.stdin.write(json.dumps(asked) + "\n")
        self.client.stdin.flush()
        answer = json.loads(self.client.stdout.readline())
        return answer["seconds"], answer["latencies"]

    def processes(self) -> Mapping[str, list[int]]:
        """The ids of the service's processes: `writer`, `web` and those `aside`."""
        every: dict[str, list[int]] = {}
        for pid in _descendants(self.server.pid):
            every.setdefault(_kind(pid), []).append(pid)
        return every

    def processor_seconds(self) -> Mapping[str, float]:
        """What each kind of process took from the processors so far."""
        found = self.processes().items()
        return {kind: sum(map(_processor_seconds, pids)) for kind, pids in found}

    def most_memory(self) -> Mapping[str, int]:
        """The most memory that any process of each kind ever held, in bytes."""
        found = self.processes().items()
        return {kind: max(map(_most_memory, pids)) for kind, pids in found}


@contextmanager
def ledger(folder: Path, settings: Mapping[str, str]) -> Iterator[Load]:
    """A new ledger with the lender's model, served; `settings` are of its databases."""
    environ = {"LEDGER_DATA": str(folder), "LEDGER_ORIGIN": "ledger.example/benchmarks", **settings}
    chosen = Settings.from_environ(environ)
    found(chosen)
    runtime = Runtime.open(chosen)
    try:
        trained = lender.trained()
        runtime.registry.register_model(trained.manifest, trained.artefacts)
        runtime.registry.register_policy(training.policy())
        key = runtime.api_keys.issue("loan desk", Role.SOURCE)[0]
    finally:
        runtime.close()
    command = [sys.executable, "-m", "service.cli", "serve"]
    port = _free_port()
    with _loaded(folder, command, {**environ, "PORT": str(port)}, port, key) as load:
        yield load


@contextmanager
def plainly(folder: Path, beside: Load, url: str) -> Iterator[Load]:
    """The plain service on a database of its own, in the web server of `beside`."""
    folder.mkdir(exist_ok=True)
    engine = open_database(url)
    plain.create(engine)
    engine.dispose()
    commands = [_command(pid) for pid in _descendants(beside.server.pid)]
    assert any("service.web" in each for each in commands), "`serve` has another web server now"
    port = _free_port()
    environ = {"PORT": str(port), plain.ADDRESS: url}
    with _loaded(folder, [sys.executable, "-c", _PLAINLY], environ, port, "plain") as load:
        yield load


@contextmanager
def _loaded(
    folder: Path, command: Sequence[str], environ: Mapping[str, str], port: int, key: str
) -> Iterator[Load]:
    decisions = folder / "decisions.json"
    decisions.write_text(json.dumps(lender.decisions()))
    clean = {name: text for name, text in os.environ.items() if not name.startswith("LEDGER_")}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, env=clean | dict(environ), stdout=log, stderr=log, start_new_session=True
        )
    client = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", str(port), key, str(decisions)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _await(server, port, folder / "server.log")
        yield Load(server, client)
    finally:
        client.kill()
        client.communicate()
        server.send_signal(signal.SIGTERM)
        server.wait(SECONDS)


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [*map(int, children), *(far for near in children for far in _descendants(int(near)))]


def _kind(pid: int) -> str:
    command = _command(pid)
    if "service.writer" in command:
        return "writer"
    return "aside" if "service.attributor" in command or "service.exporter" in command else "web"


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _most_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
