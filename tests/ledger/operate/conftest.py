from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.operate.premises import Open, Premises


@pytest.fixture
def premises(tmp_path: Path) -> Iterator[Premises]:
    one = Premises(tmp_path)
    yield one
    one.close()


@pytest.fixture
def ledger(premises: Premises) -> Open:
    return premises.found()
