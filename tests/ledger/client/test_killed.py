"""kill -9 in the middle of recording: what was accepted arrives, once, in order."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ledger.client.clients import client_of, until
from tests.ledger.client.simulator import Ledger

ROUNDS = 6
RECORDER = """
import os, sys, threading
from pathlib import Path
from ledger.client import Client
from tests.ledger.client.simulator import KEY, POLICY, decision

client = Client(sys.argv[1], KEY, source="loan-desk", spool=Path(sys.argv[2]), policy=POLICY)
told = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND)

def work():
    while True:
        ticket = client.record(**decision())
        if ticket.accepted:  # one write: it is the kernel's when the process dies
            os.write(told, f"{ticket.source} {ticket.seq} {ticket.id}\\n".encode())

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
"""


@pytest.mark.slow
def test_nothing_that_was_accepted_is_lost_or_doubled(
    ledger: Ledger, url: str, spool: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    told.touch()
    for number in range(ROUNDS):
        command = [sys.executable, "-c", RECORDER, url, str(spool), str(told)]
        recorder = subprocess.Popen(command, cwd=Path(__file__).parents[3])
        before = told.stat().st_size
        until(lambda before=before: told.stat().st_size > before)  # type: ignore[misc]
        time.sleep(0.03 * number)
        os.kill(recorder.pid, signal.SIGKILL)
        assert recorder.wait() == -signal.SIGKILL
    with client_of(url, spool) as client:
        client.start()
        accepted = {tuple(line.split()) for line in told.read_text().splitlines()}
        until(lambda: len(ledger.decisions) >= len(accepted), 60)
        assert client.flush()
        assert client.counters().alarms == 0
    recorded = {
        (each["source"]["id"], str(each["source"]["seq"]), name)
        for name, each in ledger.decisions.items()
    }
    assert accepted <= recorded
    # At most what each thread had accepted when it was killed, before it could say so.
    assert len(recorded - accepted) <= 2 * ROUNDS
    ((_, counters),) = ledger.counters().items()  # one lane was enough for all of them
    assert counters == list(range(1, len(counters) + 1))
    assert ledger.gaps == []
