"""Clients of the simulated ledger, quick to try again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.client import Client
from tests.ledger.client.simulator import KEY, POLICY, Ledger


@contextmanager
def client_of(url: str, spool: Path | None, **options: Any) -> Iterator[Client]:
    """A client that is closed at the end, whatever became of its ledger."""
    chosen: dict[str, Any] = {"source": "loan-desk", "policy": POLICY} | options
    made = Client(url, chosen.pop("key", KEY), spool=spool, **chosen)
    try:
        yield made
    finally:
        made.close(0.2)


def until(true: Callable[[], object], seconds: float = 20) -> None:
    """Return once it is true; fail if it does not become so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.01)


def told(ledger: Ledger) -> dict[int, str]:
    """The counters that are declared missing, each with its reason."""
    return {seq: why for _, first, last, why in ledger.gaps for seq in range(first, last + 1)}
