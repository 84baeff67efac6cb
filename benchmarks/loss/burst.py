"""One burst: an application, the real server, and what is done to both in the meantime."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.loss.account import Account, account, entries_of, verified_receipts
from benchmarks.loss.desk import Journal
from ledger.tlog.policy import Policy
from tests.functional.real_server import RealServer
from tests.small_disk import fill, small_disk

ROOT = Path(__file__).parents[2]
LOOK_SECONDS = 0.005
SECONDS = 300.0  # for a burst, and for all that is left to be delivered


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger with a model and a policy, and decisions that it takes."""

    data: Path
    key: Path
    decisions: Path
    server: RealServer

    @property
    def policy(self) -> Path:
        return self.data / "policy.txt"


@dataclass(frozen=True, slots=True)
class Act:
    """What is done once this share of the calls has come back."""

    share: float
    what: str  # `kill server`, `kill client`, or `fill disk`
    seconds: float = 0.0  # until the server is started, or the disk has room again


@dataclass(frozen=True, slots=True)
class Burst:
    """How many decisions, from how many threads, on which disk, and what happens to it."""

    name: str
    count: int
    threads: int = 4
    pause: float = 0.0  # seconds between the calls of a thread
    options: Mapping[str, Any] = field(default_factory=dict)
    disk: int | None = None  # bytes of a disk of its own; None: an ordinary directory
    acts: tuple[Act, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a burst came to.

    Attributes:
        account: the count.
        seconds: until the last call came back, and
        delivered: until everything was delivered.
        waits: seconds of each call that was accepted.
        client: the most memory that an application's process took, in bytes, and
        server: that the server's processes took together.
    """

    account: Account
    seconds: float
    delivered: float
    waits: tuple[float, ...]
    client: int
    server: int


class Watch:
    """The highest memory of each process of a group, looked at now and then."""

    def __init__(self) -> None:
        self._peaks: dict[int, dict[int, int]] = {}

    def look(self, group: int) -> None:
        peaks = self._peaks.setdefault(group, {})
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(path.name)) != group:
                    continue
                status = (path / "status").read_text()
            except OSError:
                continue  # it ended meanwhile
            _, found, rest = status.partition("VmHWM:")
            if found:
                # The latest look counts: before it runs its own program, it is its parent's copy.
                peaks[int(path.name)] = int(rest.split()[0]) * 1024

    @property
    def most(self) -> int:
        return max((sum(each.values()) for each in self._peaks.values()), default=0)


def run(burst: Burst, ledger: Ledger, folder: Path) -> Outcome:
    """The outcome of a burst; the server runs before and after it.

    Raises:
        NoSmallDisk: the machine has none for us.
    """
    folder.mkdir()
    with ExitStack() as stack:
        disk = folder / "disk"
        if burst.disk is not None:
            stack.enter_context(small_disk(disk, burst.disk))
        stage = _Stage(burst, ledger, folder, disk)
        stack.callback(stage.end)
        return stage.play()


class _Stage:
    def __init__(self, burst: Burst, ledger: Ledger, folder: Path, disk: Path) -> None:
        self._burst, self._ledger, self._disk = burst, ledger, disk
        self._spool = disk / "spool"
        self._journal = folder / "journal"
        self._config = folder / "desk.json"
        self._log = folder / "desk.log"
        self._client, self._server = Watch(), Watch()
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._desk: subprocess.Popen[str] | None = None
        options = dict(burst.options)
        if options.get("when_full") == "spill":
            options["spill"] = str(folder / "spill")
        config = {
            "url": ledger.server.url, "key": str(ledger.key), "source": burst.name,
            "spool": str(self._spool), "policy": str(ledger.policy), "count": burst.count,
            "decisions": str(ledger.decisions), "journal": str(self._journal),
            "threads": burst.threads, "pause": burst.pause, "options": options,
        }  # fmt: skip
        self._config.write_text(json.dumps(config))

    def play(self) -> Outcome:
        began = time.monotonic()
        acts = list(self._burst.acts)
        self._start()
        calls = 0.0
        while self._process.poll() is None:
            assert time.monotonic() < began + SECONDS, self._log.read_text()
            self._look()
            ended = self._ended()
            calls = calls or (time.monotonic() - began if ended >= self._burst.count else 0.0)
            for act in [each for each in acts if ended >= each.share * self._burst.count]:
                if act.what != "kill server" or self._ledger.server.runs:
                    acts.remove(act)
                    self._do(act)
            time.sleep(LOOK_SECONDS)
            self._due(time.monotonic())
        assert self._process.returncode == 0, self._log.read_text()
        assert not acts, acts
        self._due(float("inf"))
        self._look()
        said = json.loads(self._process.communicate()[0])
        self._ship()
        seconds = time.monotonic() - began
        journal = Journal.read(self._journal)
        receipts = verified_receipts(self._spool, Policy.parse(self._ledger.policy.read_text()))
        entries = entries_of(self._ledger.data / "ledger.db")
        return Outcome(
            account=account(self._burst.name, journal, entries, receipts),
            seconds=calls or seconds,
            delivered=seconds,
            waits=tuple(each.seconds for _, each in journal.ended if each.outcome == "accepted"),
            client=max(self._client.most, said["peak"]),
            server=self._server.most,
        )

    def end(self) -> None:
        """Leave no application behind, whatever went wrong."""
        if self._desk is not None and self._desk.poll() is None:
            os.killpg(self._desk.pid, signal.SIGKILL)
            self._desk.wait()

    @property
    def _process(self) -> subprocess.Popen[str]:
        assert self._desk is not None
        return self._desk

    def _start(self) -> None:
        command = [sys.executable, "-m", "benchmarks.loss.desk", str(self._config)]
        with self._log.open("a") as log:
            self._desk = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True,
            )  # fmt: skip

    def _ended(self) -> int:
        try:
            return self._journal.read_bytes().count(b"\nend ")
        except FileNotFoundError:
            return 0

    def _look(self) -> None:
        self._client.look(self._process.pid)
        process = self._ledger.server.process
        if process is not None:
            self._server.look(process.pid)

    def _do(self, act: Act) -> None:
        if act.what == "kill client":
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._start()
        elif act.what == "kill server":
            self._ledger.server.kill()
            self._at(act.seconds, self._ledger.server.start)
        elif act.what == "fill disk":
            self._at(act.seconds, fill(self._disk).unlink)
        else:
            raise AssertionError(act)

    def _at(self, seconds: float, work: Callable[[], object]) -> None:
        self._later.append((time.monotonic() + seconds, work))

    def _due(self, now: float) -> None:
        due = [work for at, work in self._later if at <= now]
        self._later = [each for each in self._later if each[0] > now]
        for work in due:
            work()
            self._look()

    def _ship(self) -> None:
        """What an operator does at the end of the day."""
        command = [
            sys.executable, "-m", "ledger.client", "ship", str(self._spool),
            "--url", self._ledger.server.url, "--key-file", str(self._ledger.key),
            "--policy", str(self._ledger.policy),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        assert "STOPPED" not in done.stdout, done.stdout


def audit(ledger: Ledger) -> str:
    """What `python -m ledger.verify` says of the log, which is fine.

    Raises:
        AssertionError: it is not.
    """
    command = [
        sys.executable, "-m", "ledger.verify", str(ledger.data / "ledger.db"),
        "--policy", str(ledger.policy),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
