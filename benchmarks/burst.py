"""A program that records decisions in a burst, and writes down what it was told, call by call.

    python -m benchmarks.burst JOURNAL SPOOL URL KEY_FILE POLICY SOURCE FIRST LAST PACE CHOICES

What it wrote down survives its own kill -9: a line before each call and one after it. It is
what an application knows afterwards, and what the ledger is then held against.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from benchmarks.measuring import share_of
from ledger.client import Client
from ledger.tlog.policy import Policy

FLUSH_SECONDS = 120.0


def main(arguments: list[str]) -> int:
    journal, spool, url, key, policy, source = arguments[:6]
    first, last, pace = int(arguments[6]), int(arguments[7]), float(arguments[8])
    choices = json.loads(arguments[9])
    deliver = choices.pop("deliver", True)
    example = json.loads(Path(choices.pop("example")).read_text())
    trusted = Policy.parse(Path(policy).read_text())
    log = os.open(journal, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    waits: list[float] = []
    with Client(
        url, Path(key), source=source, spool=Path(spool), policy=trusted, **choices
    ) as client:
        client.start()
        began = time.perf_counter()
        for number in range(first, last):
            ahead = began + (number - first) * pace - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)
            os.write(log, f"try {number}\n".encode())
            called = time.perf_counter()
            ticket = client.record(**example, subject=f"S-{number:06}")
            waits.append(time.perf_counter() - called)
            told = "ok" if ticket.accepted else f"no:{ticket.failure}"
            os.write(log, f"{told} {number} {ticket.id} {ticket.source} {ticket.seq}\n".encode())
        delivered = client.flush(FLUSH_SECONDS) if deliver else None
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        figures = {
            "delivered": delivered, "p50_us": 1e6 * share_of(waits, 0.5),
            "p99_us": 1e6 * share_of(waits, 0.99), "max_rss_kb": memory,
            "state": client.counters().state.value,
        }  # fmt: skip
        os.write(log, f"end {json.dumps(figures)}\n".encode())
        if not deliver:
            os._exit(0)  # what waits is for the next one
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
