"""A spool that is full: what was chosen happens, and nothing is missing without a word."""

import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ledger.client import Client, SpoolFull
from tests.ledger.client.clients import client_of, told, until
from tests.ledger.client.simulator import Ledger, decision, serving

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


def fill(client: Client) -> int:
    count = 0
    while client.record(**decision()).accepted:
        count += 1
    return count


def test_when_full_it_blocks_for_a_while_and_then_declares(
    ledger: Ledger, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    with client_of(NOWHERE, spool, max_bytes=65_536, block_seconds=0.05) as client:
        count = fill(client)
        began = time.perf_counter()
        ticket = client.record(**decision())
        assert time.perf_counter() - began >= 0.05
        assert (ticket.failure, ticket.seq) == ("spool_full", count + 2)
    with serving(ledger) as url, client_of(url, spool) as client:
        client.start()
        until(lambda: len(told(ledger)) == 2)
        assert client.flush()
    assert list(ledger.counters().values()) == [list(range(1, count + 1))]
    assert told(ledger) == dict.fromkeys((count + 1, count + 2), "spool_full")


def test_when_full_it_goes_on_as_soon_as_there_is_room(
    ledger: Ledger, url: str, spool: Path
) -> None:
    ledger.seconds = 0.02
    with client_of(url, spool, max_bytes=65_536, block_seconds=20, batch=10) as client:
        for _ in range(400):
            assert client.record(**decision()).accepted
        assert client.flush(30)
    assert list(ledger.counters().values()) == [list(range(1, 401))]


def test_when_full_it_raises_if_that_was_chosen(spool: Path) -> None:
    with client_of(NOWHERE, spool, max_bytes=65_536, when_full="raise") as client:
        with pytest.raises(SpoolFull):
            fill(client)
        assert client.counters().failed == 1


def test_when_full_it_spills_into_a_second_directory(
    ledger: Ledger, spool: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "max_bytes": 65_536,
        "when_full": "spill",
        "spill": tmp_path / "two",
        "max_spill_bytes": 65_536,
    }
    with client_of(NOWHERE, spool, **options) as client:
        count = fill(client)
        assert count > 150
    with serving(ledger) as url, client_of(url, spool) as client:
        client.start()
        until(lambda: len(ledger.decisions) == count)
        until(lambda: ledger.gaps)
    assert list(ledger.counters().values()) == [list(range(1, count + 1))]
    assert list((tmp_path / "two").rglob("*.seg")) == []


MEMORY = """
import sys
from pathlib import Path
from ledger.client import Client
from tests.ledger.client.simulator import decision

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

client = Client("http://127.0.0.1:9", "k", source="desk", spool=Path(sys.argv[1]))
for _ in range(100):
    client.record(**decision())
before = resident()
for number in range(10_000):
    assert client.record(**decision(subject=f"S-{number}")).seq == number + 101
print(resident() - before, flush=True)
client._running.abandon()
import os
os._exit(0)
"""


def test_a_burst_takes_disk_and_no_memory(spool: Path) -> None:
    command = [sys.executable, "-c", MEMORY, str(spool)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert sum(path.stat().st_size for path in spool.rglob("*.seg")) > 5_000_000
    assert int(done.stdout) < 8_000_000


def test_what_was_refused_last_is_declared_without_another_decision(
    ledger: Ledger, spool: Path
) -> None:
    with serving(ledger) as url, client_of(url, spool, max_bytes=65_536, block_seconds=0) as client:
        ledger.retry_after = "0"
        ledger.before.extend([503] * 1_000)
        fill(client)
        time.sleep(0.2)  # it is tried to spool the gap, in vain
        ledger.before.clear()
        until(lambda: told(ledger))
