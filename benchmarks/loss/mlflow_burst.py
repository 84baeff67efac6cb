"""The same burst against MLflow tracing: what is stored, against what the caller was told.

Traces are for looking at what a program did and are not meant as an audit log; the comparison
says what it would mean to use them as one. The server is MLflow's own, on SQLite like ours,
with two workers; a queue as it comes, and one that holds the whole burst.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.loss.burst import Act, Outcome, Watch
from benchmarks.loss.desk import ACCEPTED, Journal
from benchmarks.measuring import share_of

DESK = Path(__file__).with_name("mlflow_desk.py")
START_SECONDS = 120.0
FLUSH_SECONDS = 900.0  # until the burst is over and the application has flushed its queue
THREADS = 4
PAUSE = 0.001  # seconds between the calls of a thread: else all are over before anything is killed
READY_SECONDS = 0.5  # between questions to a server whether it is up
LOOK_SECONDS = 0.02
QUEUED = 4  # places in a queue for each decision; a trace takes two
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of the traces.

    Attributes:
        asked: predictions that were to be traced.
        told: those of which the caller heard no error.
        stored: those of which there is a trace in the server's store, with its span.
        partial: those of which there is a part.
        doubled: traces beside the first of a prediction.
        silent: predictions that the caller believes to be traced, and that are not stored whole.
        seconds: until the application had ended.
        waits: seconds of each call.
        memory: the most that an application's process took, in bytes.
        finished: whether the application flushed its queue in time.
    """

    asked: int
    told: int
    stored: int
    partial: int
    doubled: int
    silent: int
    seconds: float
    waits: tuple[float, ...]
    memory: int
    finished: bool


class _Server:
    """`mlflow server` on a free port, in a group of its own."""

    def __init__(self, python: Path, folder: Path) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.database = folder / "mlflow.db"
        self._python, self._folder = python, folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/health", timeout=READY_SECONDS)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    def start(self) -> None:
        """Start it; it is not ready yet."""
        command = [
            str(self._python), "-m", "mlflow", "server", "--host", "127.0.0.1",
            "--port", str(self._port), "--workers", "2",
            "--backend-store-uri", f"sqlite:///{self.database}",
            "--artifacts-destination", str(self._folder / "artifacts"),
        ]  # fmt: skip
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env=_environment({})
            )

    def wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not self.ready:
            assert time.monotonic() < until, (self._folder / "server.log").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class _Stage:
    """One burst with these settings of the tracing client."""

    def __init__(
        self, python: Path, folder: Path, decisions: Path, count: int, settings: Mapping[str, str]
    ) -> None:
        folder.mkdir()
        self._python, self._folder, self._count, self._settings = python, folder, count, settings
        self._server = _Server(python, folder)
        self._journal, self._config = folder / "journal", folder / "desk.json"
        self._watch = Watch()
        self._start_at, self._ask_at = float("inf"), 0.0
        document = {
            "url": self._server.url, "decisions": str(decisions), "journal": str(self._journal),
            "count": count, "threads": THREADS, "pause": PAUSE,
        }  # fmt: skip
        self._config.write_text(json.dumps(document))

    def play(self, acts: Sequence[Act]) -> Stored:
        """What became of the traces."""
        left = list(acts)
        self._server.start()
        self._server.wait()
        began = time.monotonic()
        self._process = self._desk()
        try:
            while self._process.poll() is None and time.monotonic() < began + FLUSH_SECONDS:
                self._step(left)
            ended = self._process.poll()
            seconds = time.monotonic() - began
        finally:
            self._kill_client()
            self._server.kill()
        journal = Journal.read(self._journal)
        for act in left:
            print(f"not done, because the application had ended: {act.what}")
        if ended:
            log = (self._folder / "desk.log").read_text()[-2_000:]
            raise AssertionError(f"the application ended with status {ended}: {log}")
        artifacts = self._folder / "artifacts"
        whole = {path.parts[-3] for path in artifacts.glob("*/traces/*/artifacts/traces.json")}
        return _counted(
            journal, self._server.database, whole, seconds, self._watch.most, finished=ended == 0
        )

    def _step(self, left: list[Act]) -> None:
        path = self._journal
        ended = path.read_bytes().count(b"\nend ") if path.exists() else 0
        if time.monotonic() >= self._start_at:
            self._server.start()
            self._start_at = float("inf")
        for act in [each for each in left if ended >= each.share * self._count]:
            if self._do(act):
                left.remove(act)
        self._watch.look(self._process.pid)
        time.sleep(LOOK_SECONDS)

    def _do(self, act: Act) -> bool:
        """Do it, or say that it has to wait: only a server that is up is killed."""
        if act.what == "kill client":
            self._kill_client()
            self._process = self._desk()
            return True
        if self._start_at < float("inf") or time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + READY_SECONDS
        if not self._server.ready:
            return False
        self._server.kill()
        self._start_at = time.monotonic() + act.seconds
        return True

    def _desk(self) -> subprocess.Popen[bytes]:
        with (self._folder / "desk.log").open("ab") as log:
            return subprocess.Popen(
                [str(self._python), str(DESK), str(self._config)], stdout=log, stderr=log,
                start_new_session=True, env=_environment(self._settings),
            )  # fmt: skip

    def _kill_client(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _counted(
    journal: Journal,
    database: Path,
    uploaded: set[str],
    seconds: float,
    memory: int,
    *,
    finished: bool,
) -> Stored:
    with closing(sqlite3.connect(database)) as connection:
        traces = dict(
            connection.execute("SELECT request_id, value FROM trace_tags WHERE key = 'decision'")
        )
        spans = {name for (name,) in connection.execute("SELECT DISTINCT trace_id FROM spans")}
    # Spans are in the database, or in a file beside it.
    whole = Counter(name for trace, name in traces.items() if trace in spans | uploaded)
    told = {each.id for _, each in journal.ended if each.outcome == ACCEPTED}
    return Stored(
        asked=len({number for number, _ in journal.begun}),
        told=len(told),
        stored=len(told & whole.keys()),
        partial=len((told & set(traces.values())) - whole.keys()),
        doubled=sum(number - 1 for number in whole.values()),
        silent=len(told - whole.keys()),
        seconds=seconds,
        waits=tuple(each.seconds for _, each in journal.ended),
        memory=memory,
        finished=finished,
    )


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true"} | dict(settings)


def show(python: Path, folder: Path, decisions: Path, acts: tuple[Act, ...], ours: Outcome) -> None:
    """Print MLflow's two columns beside ours."""
    count = ours.account.asked
    places = str(QUEUED * count)
    large = {
        "MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE": places,
        "MLFLOW_USE_BATCH_SPAN_PROCESSOR": "false",
    }
    version = subprocess.run(
        [str(python), "-c", "import mlflow; print(mlflow.__version__)"],
        capture_output=True, text=True, check=True, env=_environment({}),
    ).stdout.strip()  # fmt: skip
    columns = [
        _Stage(python, folder / name, decisions, count, settings).play(acts)
        for name, settings in (("mlflow-default", {}), ("mlflow-large", large))
    ]
    found = ours.account
    lost = len(found.unexplained) + found.excused
    rows: list[tuple[str, object, list[object]]] = [
        ("asked", found.asked, [each.asked for each in columns]),
        ("the caller heard: it is recorded", found.accepted, [each.told for each in columns]),
        ("… and it is stored", found.recorded, [each.stored for each in columns]),
        ("… and a part of it is", 0, [each.partial for each in columns]),
        ("… and it is not: missing without a word", lost, [each.silent for each in columns]),
        ("the caller heard: it is not recorded", sum(found.refused.values()),
         [each.asked - each.told for each in columns]),
        ("… and a statement in the log names it", found.named, ["-" for _ in columns]),
        ("stored twice", found.doubled, [each.doubled for each in columns]),
        ("the application ended by itself", "yes",
         ["yes" if each.finished else f"no, in {FLUSH_SECONDS:.0f} s" for each in columns]),
        ("seconds until it had", round(ours.delivered), [round(each.seconds) for each in columns]),
    ]  # fmt: skip
    for share, name in ((0.5, "median"), (0.99, "99th percentile")):
        mine, theirs = _ms(ours.waits, share), [_ms(each.waits, share) for each in columns]
        rows.append((f"a call, {name}, ms", mine, [*theirs]))
    memory = [round(each.memory / MEGABYTE) for each in columns]
    rows.append(("memory of the application, MB", round(ours.client / MEGABYTE), [*memory]))
    print(f"\n{'':<42}{'ledger':>14}{'MLflow ' + version:>18}{'large queue':>18}")
    for what, mine_, theirs_ in rows:
        print(f"{what:<42}{mine_!s:>14}" + "".join(f"{each!s:>18}" for each in theirs_))


def _ms(waits: tuple[float, ...], share: float) -> str:
    return f"{share_of(waits, share) * 1e3:.3f}"
