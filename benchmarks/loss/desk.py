"""The application: works through a list of decisions, and may be killed at any moment.

    python -m benchmarks.loss.desk CONFIG.json

What it has done it knows only from a journal, to which it adds a line before and after each
call, so that the next process goes on where this one was killed. A call that was begun and
not ended is made again, under the id that was written down: it may have been accepted.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.client import Client, SpoolFull
from ledger.entries import UUID7_RANDOM_BYTES, uuid7
from ledger.tlog.policy import Policy

NONE = "-"
ACCEPTED = "accepted"
RAISED = "raised"
FLUSH_SECONDS = 120.0
MEMBERS = ("model", "policy", "subject", "input", "output", "attributions", "context")


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that came back: with which lane, counter and outcome, after how many seconds."""

    id: str
    source: str
    seq: int | None
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Journal:
    """What an application wrote down: calls begun, by number, and calls ended."""

    begun: tuple[tuple[int, str], ...]
    ended: tuple[tuple[int, Ended], ...]

    @classmethod
    def read(cls, path: Path) -> Journal:
        begun: list[tuple[int, str]] = []
        ended: list[tuple[int, Ended]] = []
        text = path.read_text() if path.exists() else ""
        for line in text[: text.rfind("\n") + 1].splitlines():
            kind, number, name, *rest = line.split(" ")
            if kind == "begin":
                begun.append((int(number), name))
                continue
            source, seq, outcome, seconds = rest
            counter = None if seq == NONE else int(seq)
            ended.append((int(number), Ended(name, source, counter, outcome, float(seconds))))
        return cls(tuple(begun), tuple(ended))

    def left(self, count: int) -> list[tuple[int, str | None]]:
        """What is still to be done, and under which id if it was begun."""
        done = {number for number, _ in self.ended}
        doubt = dict(self.begun)
        return [(number, doubt.get(number)) for number in range(count) if number not in done]


def main(config: dict[str, Any]) -> None:
    decisions = json.loads(Path(config["decisions"]).read_text())
    journal = Path(config["journal"])
    left = iter(Journal.read(journal).left(config["count"]))
    log = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    options = dict(config["options"])
    if "spill" in options:
        options["spill"] = Path(options["spill"])
    client = Client(
        config["url"],
        Path(config["key"]),
        source=config["source"],
        spool=Path(config["spool"]),
        policy=Policy.parse(Path(config["policy"]).read_text()),
        **options,
    )
    client.start()
    began = time.monotonic()
    mutex = threading.Lock()

    def work() -> None:
        for number, name in _one_by_one(left, mutex):
            _call(client, log, number, name, decisions[number % len(decisions)])
            if config["pause"]:
                time.sleep(config["pause"])

    threads = [threading.Thread(target=work) for _ in range(config["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    burst = time.monotonic() - began
    delivered = client.close(FLUSH_SECONDS)
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(json.dumps({"delivered": delivered, "burst": burst, "peak": peak}), flush=True)


def _one_by_one(
    left: Iterator[tuple[int, str | None]], mutex: threading.Lock
) -> Iterator[tuple[int, str | None]]:
    while True:
        with mutex:
            each = next(left, None)
        if each is None:
            return
        yield each


def _call(
    client: Client, log: int, number: int, name: str | None, decision: dict[str, Any]
) -> None:
    if name is None:
        name = uuid7(time.time_ns() // 1_000_000, os.urandom(UUID7_RANDOM_BYTES))
    members = {each: decision[each] for each in MEMBERS if each in decision}
    # One write each: it is the kernel's when the process is killed.
    os.write(log, f"begin {number} {name}\n".encode())
    began = time.perf_counter()
    try:
        ticket = client.record(id=name, **members)
    except SpoolFull:
        source, seq, outcome = NONE, NONE, RAISED
    else:
        source, seq = ticket.source or NONE, str(ticket.seq or NONE)
        outcome = ticket.failure or ACCEPTED
    took = time.perf_counter() - began
    os.write(log, f"end {number} {name} {source} {seq} {outcome} {took:.7f}\n".encode())


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))


__all__ = ["ACCEPTED", "NONE", "RAISED", "Ended", "Journal"]
