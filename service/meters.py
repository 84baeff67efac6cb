"""What the processes of a server count: requests, problems, decisions, commits.

Each process keeps its numbers in files of its own, which the process that shows them adds up
(`service.exporter`). A label is a word of a closed list: a rule and never an address, a kind of
problem, a log. Nobody's data, no id and no name of a source or model is one.
"""

import contextlib
import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

from ledger.private_files import FILE_MODE, private_directory

__all__ = ["DIRECTORY_VARIABLE", "Meters", "WriterMeters", "clear", "keep", "meters"]

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"  # where the library looks, too
FILE_BYTES: Final = 1_048_576  # of one kind of numbers of one process; some 100 kB are used
_KINDS: Final = ("counter", "histogram", "gauge_livesum")

_REQUEST_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_COMMIT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_COMMIT_RECORDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Meters:
    """The numbers of this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Begin at nothing, in files of this process or in memory."""
        self.requests = Counter(
            "ledger_http_requests", "Requests answered.", ("method", "rule", "status"),
            registry=registry,
        )  # fmt: skip
        self.request_seconds = Histogram(
            "ledger_http_request_seconds", "Time to answer, once a thread was free.",
            ("method", "rule"), buckets=_REQUEST_SECONDS, registry=registry,
        )  # fmt: skip
        self.problems = Counter(
            "ledger_problems", "Requests answered with a problem.", ("type",), registry=registry
        )
        self.decisions = Counter(
            "ledger_decisions", "Decisions by what became of them.", ("outcome", "type"),
            registry=registry,
        )  # fmt: skip
        self.commits = Counter(
            "ledger_commits", "Commits of the writer.", ("log", "outcome"), registry=registry
        )
        self.commit_seconds = Histogram(
            "ledger_commit_seconds", "Time of a commit, both databases and the lock.", ("log",),
            buckets=_COMMIT_SECONDS, registry=registry,
        )  # fmt: skip
        self.commit_records = Histogram(
            "ledger_commit_records", "Records that shared a commit.", ("log",),
            buckets=_COMMIT_RECORDS, registry=registry,
        )  # fmt: skip
        self.waiting = Gauge(
            "ledger_writer_waiting", "Weight of what waits to be written.",
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        self.pushbacks = Counter(
            "ledger_writer_pushbacks", "Submissions refused because too much waited.",
            registry=registry,
        )  # fmt: skip

    def answered(self, method: str, rule: str, status: int, seconds: float) -> None:
        """One request was answered; `rule` is the address's, never the address."""
        self.requests.labels(method, rule, status).inc()
        self.request_seconds.labels(method, rule).observe(seconds)

    def decided(self, outcomes: Iterable[str]) -> None:
        """Decisions were recorded, or found to be there: `recorded` or `duplicate`."""
        for outcome in outcomes:
            self.decisions.labels(outcome, "").inc()

    def refused(self, slug: str, status: int) -> None:
        """A decision was not recorded, for this kind of problem."""
        outcome = "refused" if status < 500 else "failed"  # noqa: PLR2004  # RFC 9110 §15.6
        self.decisions.labels(outcome, slug).inc()


class WriterMeters:
    """What the writer process tells of itself (`ledger.operate.writer_process.Watch`)."""

    def __init__(self, kept: Meters) -> None:
        self._meters = kept

    def committed(self, log: str, records: int, seconds: float, *, well: bool) -> None:
        """A commit ended."""
        self._meters.commits.labels(log, "done" if well else "failed").inc()
        self._meters.commit_seconds.labels(log).observe(seconds)
        self._meters.commit_records.labels(log).observe(records)

    def waits(self, weight: int) -> None:
        """So much waits now."""
        self._meters.waiting.set(weight)

    def crowded(self) -> None:
        """A submission was refused for want of room."""
        self._meters.pushbacks.inc()


def clear(directory: Path) -> None:
    """Make an empty directory for the numbers of a server that is about to start."""
    private_directory(directory)
    for file in directory.glob("*.db"):
        file.unlink(missing_ok=True)


def keep() -> None:
    """Keep this process's numbers where `DIRECTORY_VARIABLE` says; call it before any is made.

    Without the variable, or where there is no room, they are kept in memory and shown to nobody.
    """
    directory = os.environ.get(DIRECTORY_VARIABLE)
    values.ValueClass = values.MutexValue
    if directory:
        with contextlib.suppress(OSError):
            _make_room(Path(directory))
            values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]


def _make_room(directory: Path) -> None:
    """Take the room of the files at once: a page that a full disk lacks would end the process."""
    for kind in _KINDS:
        path = directory / f"{kind}_{os.getpid()}.db"
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, FILE_MODE)
        try:
            os.posix_fallocate(descriptor, 0, FILE_BYTES)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


@functools.cache
def meters() -> Meters:
    """The numbers of this process, made when they are first asked for."""
    return Meters(CollectorRegistry())
