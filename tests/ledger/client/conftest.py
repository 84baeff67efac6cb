"""A simulated ledger, and a client whose worker does not wait long."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.client import shipping
from tests.ledger.client.simulator import Ledger, serving


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(shipping, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(shipping, "TIDY_SECONDS", 0.05)
    monkeypatch.setattr(shipping, "ADOPT_SECONDS", 0.05)
    monkeypatch.setattr(shipping, "GROWTH_SECONDS", 0.05)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def url(ledger: Ledger) -> Iterator[str]:
    with serving(ledger) as address:
        yield address


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"
