"""The loss test: a burst of decisions while everything is killed, and what the ledger has then.

    python -m benchmarks.loss [COUNT]      10,000 decisions unless you say so

The server is killed twice with -9 while it takes the burst, the program that records once,
and a third program finds its disk full. Afterwards the log itself is read, by the offline
verifier's reader, and every call that was told `accepted` is looked for: in the log exactly
once, in the order of its counters, with a receipt that verifies; or named in a gap.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import lender
from benchmarks.journal import Journal
from examples.demo import training
from ledger.client.receipts import FileReceipts
from ledger.entries import Decision, SourceGap, parse_entry
from ledger.errors import NotFoundError
from ledger.roles import Role
from ledger.tlog.policy import Policy
from ledger.verify.sqlite_reader import SqliteLogReader
from ledger.verify.verifier import verify_receipt
from service.founding import found
from service.runtime import Runtime
from service.settings import Settings
from tests.functional.real_server import RealServer

COUNT = 10_000
PACE = 0.0005  # seconds from call to call: 2,000 a second
QUOTA_BYTES = 1_000  # of the third program's disk for each of its calls: too little
SOURCE, DISK = "desk", "full-disk"


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log has: places by id, counters by source in the log's order, declared ranges."""

    places: Mapping[str, Sequence[int]]
    counters: Mapping[str, Sequence[int]]
    gaps: Sequence[SourceGap]

    @classmethod
    def read(cls, database: Path, origin: str) -> Logged:
        places: dict[str, list[int]] = {}
        counters: dict[str, list[int]] = {}
        gaps = []
        with SqliteLogReader.open(database) as readers:
            (reader,) = (each for each in readers if each.origin == origin)
            for raw in itertools.chain.from_iterable(run.raws for run in reader.runs()):
                entry = parse_entry(raw)
                if isinstance(entry.body, Decision):
                    places.setdefault(entry.id, []).append(entry.seq)
                    counters.setdefault(entry.body.source.id, []).append(entry.body.source.seq)
                elif isinstance(entry.body, SourceGap):
                    gaps.append(entry.body)
        return cls(places, counters, gaps)

    def names(self, source: str, seq: int) -> str:
        """The reason of a gap that names a counter; "" if none does."""
        for gap in self.gaps:
            if gap.source == source and gap.first <= seq <= gap.last:
                return gap.reason
        return ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the ledger compares with what the programs were told."""

    asked: int
    accepted: int
    recorded_once: int
    doubled: int
    out_of_order: int
    named_in_gaps: int
    not_accepted_and_named: int
    in_doubt: int
    counters_unexplained: int
    receipts: int
    lost: tuple[int, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is lost, doubled or out of order, and every counter is explained."""
        clean = not (self.lost or self.doubled or self.out_of_order or self.counters_unexplained)
        return clean and self.receipts == self.recorded_once


def judge(journal: Journal, logged: Logged, receipts: FileReceipts, policy: Policy) -> Verdict:
    """Hold the log against what the programs wrote down."""
    once = doubled = named = refused_named = proved = 0
    lost = []
    for call in journal.calls.values():
        places = logged.places.get(call.id, ())
        gap = logged.names(call.source, call.seq)
        if not call.accepted:
            refused_named += bool(gap)
            continue
        once += len(places) == 1
        doubled += len(places) > 1
        named += not places and bool(gap)
        if not places and not gap:
            lost.append(call.number)
        with suppress(NotFoundError):
            receipt = receipts.find(call.id)
            verify_receipt(receipt.format(), policy)
            proved += receipt.index == places[0]
    return Verdict(
        asked=len(journal.tried),
        accepted=sum(call.accepted for call in journal.calls.values()),
        recorded_once=once,
        doubled=doubled,
        out_of_order=sum(_descents(seqs) for seqs in logged.counters.values()),
        named_in_gaps=named,
        not_accepted_and_named=refused_named,
        in_doubt=len(journal.in_doubt),
        counters_unexplained=sum(
            not logged.names(source, seq)
            for source, seqs in logged.counters.items()
            for seq in set(range(1, max(seqs) + 1)) - set(seqs)
        ),
        receipts=proved,
        lost=tuple(lost),
    )


def _descents(seqs: Sequence[int]) -> int:
    return sum(later <= earlier for earlier, later in itertools.pairwise(seqs))


@dataclass(slots=True)
class Stage:
    """A ledger to be killed, and the programs that record into it."""

    folder: Path
    server: RealServer
    key: Path
    policy: Path
    origin: str
    _programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    @contextmanager
    def set(cls, folder: Path) -> Iterator[Stage]:
        settings = Settings(data=folder / "ledger", origin="ledger.example/loss")
        found(settings)
        runtime = Runtime.open(settings)
        trained = lender.trained()
        runtime.registry.register_model(trained.manifest, trained.artefacts)
        runtime.registry.register_policy(training.policy())
        key = folder / "key"
        key.write_text(runtime.api_keys.issue("desk", Role.SOURCE)[0])
        runtime.close()
        example = dict(lender.decisions()[0])
        for name in ("id", "source", "subject"):
            example.pop(name, None)
        (folder / "example.json").write_text(json.dumps(example))
        server = RealServer({"LEDGER_DATA": str(settings.data)}, folder / "server.log")
        stage = cls(folder, server, key, settings.policy_path, settings.log_origin("decisions"))
        try:
            yield stage
        finally:
            for program in stage._programs:
                program.kill()
                program.wait()
            server.kill()

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    def record(
        self, first: int, last: int, *, spool: Path, source: str = SOURCE, **choices: Any
    ) -> subprocess.Popen[bytes]:
        """Start a program that records these numbers."""
        choices["example"] = str(self.folder / "example.json")
        command = [
            sys.executable, "-m", "benchmarks.burst", self.journal, spool, self.server.url,
            self.key, self.policy, source, first, last, PACE, json.dumps(choices),
        ]  # fmt: skip
        with (self.folder / "programs.log").open("ab") as log:
            program = subprocess.Popen([str(each) for each in command], stdout=log, stderr=log)
        self._programs.append(program)
        return program

    def wait_for(self, calls: int, seconds: float = 120.0) -> int:
        """Wait until so many calls were tried; how many were."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            tried = self.journal.read_bytes().count(b"try ") if self.journal.exists() else 0
            if tried >= calls:
                return tried
            time.sleep(0.01)
        raise AssertionError((self.folder / "programs.log").read_text())

    def finish(self, program: subprocess.Popen[bytes]) -> None:
        """Wait until a program has delivered everything."""
        assert program.wait(300) == 0, (self.folder / "programs.log").read_text()

    def server_memory_kb(self) -> int:
        """The high-water marks of the server's processes, added up."""
        total, leader = 0, self.server.pid
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError, IndexError):
                group = int((path / "stat").read_text().rpartition(")")[2].split()[2])
                if group == leader:
                    text = (path / "status").read_text()
                    total += int(text.partition("VmHWM:")[2].split()[0])
        return total


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path | None]:
    """A directory on a file system of so many bytes; None where this user may not make one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    made = subprocess.run(command, check=False, capture_output=True)
    if made.returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def burst(stage: Stage, count: int) -> Path:
    """Record `count` decisions; the server is killed twice, the program once. The spool."""
    spool = stage.folder / "spool"
    stage.server.start()
    program = stage.record(0, count, spool=spool)
    stage.wait_for(count // 5)
    stage.server.kill()
    coming = threading.Thread(target=stage.server.start)  # takes some seconds
    coming.start()
    stage.wait_for(count // 2)
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    tried = len(Journal.read(stage.journal).tried)
    program = stage.record(tried, count, spool=spool)
    coming.join()
    stage.wait_for(tried + (count - tried) // 2)
    stage.server.kill()
    stage.server.start()
    stage.finish(program)
    return spool


def fill_disk(stage: Stage, first: int, count: int, disk: Path) -> None:
    """Record while the ledger is away, until the disk is full and beyond; then deliver."""
    stage.server.stop()
    choices: dict[str, Any] = {"when_full": "block", "block_seconds": 0.0, "source": DISK}
    stage.finish(stage.record(first, first + count, spool=disk / "spool", deliver=False, **choices))
    stage.server.start()
    last = first + count
    stage.finish(stage.record(last, last + 1, spool=disk / "spool", **choices))


def run(folder: Path, count: int = COUNT) -> tuple[Verdict, Journal, dict[str, Any]]:
    """The whole test; the verdict, what the programs wrote down, and figures."""
    began = time.perf_counter()
    with Stage.set(folder) as stage:
        spool = burst(stage, count)
        policy = Policy.parse(stage.policy.read_text())
        figures: dict[str, Any] = {"disk": "not tried: this user may not mount"}
        with small_disk(folder / "disk", QUOTA_BYTES * count // 4) as disk:
            kept = [FileReceipts(spool / "receipts")]
            if disk is not None:
                fill_disk(stage, count, count // 4, disk)
                kept.append(FileReceipts(disk / "spool" / "receipts"))
                figures["disk"] = "filled"
            figures["server_max_rss_kb"] = stage.server_memory_kb()
            stage.server.stop()
            database = stage.folder / "ledger" / "ledger.db"
            command = [
                sys.executable,
                "-m",
                "ledger.verify",
                str(database),
                "--policy",
                str(stage.policy),
            ]
            audit = subprocess.run(command, check=False, capture_output=True)
            journal = Journal.read(stage.journal)
            logged = Logged.read(database, stage.origin)
            verdict = judge(journal, logged, _Any(kept), policy)  # type: ignore[arg-type]
    figures |= {"audit": audit.returncode, "seconds": time.perf_counter() - began}
    return verdict, journal, figures


@dataclass(frozen=True, slots=True)
class _Any:
    """Receipts that were kept in several places."""

    places: Sequence[FileReceipts]

    def find(self, identifier: str) -> Any:
        for place in self.places:
            with suppress(NotFoundError):
                return place.find(identifier)
        raise NotFoundError("no receipt")


def table(verdict: Verdict, journal: Journal, figures: Mapping[str, Any]) -> str:
    """The result, for people."""
    why = Counter(call.why for call in journal.calls.values() if not call.accepted)
    refused = ", ".join(f"{count:,} {name}" for name, count in why.items()) or "none"
    end = journal.ends[0] if journal.ends else {}
    rows = [
        ("calls of record()", f"{verdict.asked:,}"),
        ("accepted", f"{verdict.accepted:,}"),
        ("  in the log exactly once", f"{verdict.recorded_once:,}"),
        ("  named in a declared gap", f"{verdict.named_in_gaps:,}"),
        ("  LOST without a word", f"{len(verdict.lost):,}"),
        ("  in the log twice", f"{verdict.doubled:,}"),
        ("not accepted, and the caller was told", refused),
        ("  of these named in a declared gap", f"{verdict.not_accepted_and_named:,}"),
        ("cut short by the kill, nothing told", f"{verdict.in_doubt:,}"),
        ("out of the order of their counters", f"{verdict.out_of_order:,}"),
        ("counters that nothing explains", f"{verdict.counters_unexplained:,}"),
        ("receipts kept and verified", f"{verdict.receipts:,}"),
        ("the full disk", str(figures["disk"])),
        ("offline audit of the whole ledger, exit status", str(figures["audit"])),
        ("record(), 50th and 99th percentile",
         f"{end.get('p50_us', 0):,.0f} and {end.get('p99_us', 0):,.0f} microseconds"),
        ("most memory of the recording program", f"{end.get('max_rss_kb', 0) / 1024:,.0f} MB"),
        ("most memory of all processes of the server",
         f"{figures['server_max_rss_kb'] / 1024:,.0f} MB"),
        ("time for all of it", f"{figures['seconds']:,.0f} s"),
    ]  # fmt: skip
    return "\n".join(f"{label:<50}{value}" for label, value in rows)


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else COUNT
    with tempfile.TemporaryDirectory(prefix="loss-") as folder:
        verdict, journal, figures = run(Path(folder), count)
    print(table(verdict, journal, figures))
    print("HOLDS" if verdict.holds else f"DOES NOT HOLD: {verdict}")
    return 0 if verdict.holds and figures["audit"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
