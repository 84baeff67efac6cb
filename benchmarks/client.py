"""What a prediction pays for its record, while the worker delivers to a ledger nearby.

The ledger is simulated, in a process of its own: what is measured is the caller's thread.
Decisions come as they are made, in bursts of any size and with pauses in between; from eight
threads, each a decision every few milliseconds; and in one burst without any pause, from one
thread and from eight.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import lender
from benchmarks.measuring import Measured, at_most, share_of, time_ratios, timed
from explain.boosters import XGBoostPredictor
from explain.watched import watched
from ledger.client import Client, CutOff, watch
from tests.ledger.client.simulator import KEY, POLICY

SECONDS = 0.001  # the goal is a share of this
RUNS = 7
CALLS = 2_000
BURST = 50  # decisions one after another, then a pause as long as their deadline
PAUSE = 0.01
SHARE = 0.99
FLUSH_SECONDS = 120.0
BURST_RUNS = 3
BURST_CALLS = 10_000
PACE = 0.005
THREADS = (1, 8)

_LEDGER = """
import sys
from tests.ledger.client.simulator import Ledger, serving
with serving(Ledger()) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def measure(folder: Path) -> Iterator[Measured]:
    yield Measured("record_call_p99", at_most(1), tuple(_run(folder / str(n)) for n in range(RUNS)))
    yield Measured("watched_call", at_most(2), _watched(folder / "watched", attribute=True))
    yield Measured("watched_unattributed", at_most(1), _watched(folder / "bare", attribute=False))
    paced = [_burst(folder / f"paced-{n}", THREADS[-1], PACE, CALLS) for n in range(BURST_RUNS)]
    shown = tuple(share_of(each, SHARE) / SECONDS for each in paced)
    yield Measured("record_paced_8_p99", at_most(1), shown)
    for threads in THREADS:
        waits = [_burst(folder / f"{threads}-{n}", threads) for n in range(BURST_RUNS)]
        for name, share in (("p50", 0.5), ("p99", SHARE)):
            runs = tuple(share_of(each, share) / SECONDS for each in waits)
            yield Measured(f"record_burst_{threads}_{name}", at_most(1), runs)


def _watched(folder: Path, *, attribute: bool) -> tuple[float, ...]:
    """One row through a watched model, against its bare prediction and contributions."""
    trained = lender.trained()
    predictor = XGBoostPredictor(trained.artefacts["model"])
    booster, names = predictor.booster, trained.model.schema.names
    row = trained.model.background[:1]
    with (
        _ledger() as url,
        Client(url, KEY, source="desk", spool=folder, policy=POLICY) as client,
    ):
        client.start()
        model = watch(
            watched(booster, names=names, attribute=attribute),
            client,
            model="m@1",
            policy="p@1",
            outcome=CutOff(0, "approved", "declined"),
            calls={"inplace_predict"},
            strict=True,
        )

        def bare() -> None:
            booster.inplace_predict(row)
            predictor.contributions(row)

        for warm in (lambda: model.inplace_predict(row), bare):
            warm()
        found = time_ratios(
            timed(lambda: model.inplace_predict(row), BURST), timed(bare, BURST), RUNS
        )
        assert client.flush(FLUSH_SECONDS)
    return found


def _burst(folder: Path, threads: int, pace: float = 0.0, calls: int = BURST_CALLS) -> list[float]:
    """How long each call takes, with `pace` seconds in between; delivery goes on meanwhile."""
    with (
        _ledger() as url,
        Client(url, KEY, source="desk", spool=folder, policy=POLICY) as client,
        ThreadPoolExecutor(threads) as pool,
    ):
        client.start()
        lender.decisions()
        shares = [range(start, calls, threads) for start in range(threads)]
        each = pool.map(lambda share: [_timed(client, n, pace, 1) for n in share], shares)
        waits = list(itertools.chain.from_iterable(each))
        assert client.counters().accepted == calls
        client.close(0.0)  # what is left is the next process's
    return waits


def _run(folder: Path) -> float:
    with (
        _ledger() as url,
        Client(url, KEY, source="desk", spool=folder, policy=POLICY) as client,
    ):
        client.start()
        waits = [_timed(client, number) for number in range(CALLS)]
        assert client.flush(FLUSH_SECONDS)
        counters = client.counters()
        assert (counters.accepted, counters.recorded, counters.failed) == (CALLS, CALLS, 0)
    return share_of(waits, SHARE) / SECONDS


def _timed(client: Client, number: int, pause: float = PAUSE, every: int = BURST) -> float:
    """How long one call takes; every member was made before."""
    decisions = lender.decisions()
    body = decisions[number % len(decisions)]
    if pause and number % every == 0:
        time.sleep(pause)
    began = time.perf_counter()
    client.record(
        model=body["model"],
        policy=body["policy"],
        input=body["input"],
        output=body["output"],
        attributions=body["attributions"],
        context=body["context"],
        subject=body.get("subject"),
    )
    return time.perf_counter() - began


@contextmanager
def _ledger() -> Iterator[str]:
    command = [sys.executable, "-c", _LEDGER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate()
