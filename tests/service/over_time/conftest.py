"""One lender with decisions of half a year, and monitoring as the command runs it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.roles import Principal, Role
from service.over_time import counting
from service.over_time.figures import OverTime, Period
from service.over_time.monitoring import monitor
from service.reading import Caller, Reading
from service.runtime import Runtime
from service.settings import Settings
from tests.service.ui.lender import Lender

MODEL = "mortgage-approval@1.0.0"
COUNT = 80  # two days apart: 15 in March, 45 in the second quarter, 20 in the third
ANN = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)

Monitor = Callable[..., OverTime]


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    """A lender to read; nothing is written to it but accesses."""
    made = Lender(tmp_path_factory.mktemp("over_time") / "data")
    made.record(COUNT)
    yield made
    made.runtime.close()


@pytest.fixture
def own(lender: Lender, tmp_path: Path) -> Iterator[Runtime]:
    """A copy of its ledger, to write to, of which nothing is counted yet."""
    counts = shutil.ignore_patterns("monitoring")
    shutil.copytree(lender.settings.data, tmp_path / "data", ignore=counts)
    settings = Settings(data=tmp_path / "data", origin=lender.settings.origin)
    runtime = Runtime.open(settings, lender.clock)
    yield runtime
    runtime.close()


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "STRETCH", 32)


def monitored(runtime: Runtime, **changes: Any) -> OverTime:
    caller = Caller(ANN, "model_monitoring")
    values: dict[str, Any] = {
        "by": Period.QUARTER,
        "reference": None,
        "anew": False,
        "told": lambda _done, _of: None,
    }
    return monitor(runtime, Reading(runtime, caller), MODEL, **(values | changes))
