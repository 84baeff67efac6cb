"""What keeps a ledger from working is named in a closed word, and nothing else is said."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from flask import Flask

from ledger.roles import Role
from service.assembly import assemble
from service.founding import found
from service.readiness import LOW_FREE, MIN_FREE, Part, Readiness, Standing
from service.runtime import Runtime
from service.settings import Settings

NOW = datetime(2026, 5, 14, 12, tzinfo=UTC)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("founded") / "data"
    found(Settings(data=data), lambda: NOW)
    return data


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runtime(founded: Path, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    shutil.copytree(founded, tmp_path / "data")
    opened = Runtime.open(Settings(data=tmp_path / "data"), clock)
    yield opened
    opened.close()


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    return assemble(runtime)


def standing(runtime: Runtime) -> Standing:
    return Readiness(runtime).standing()


def test_all_is_well(runtime: Runtime, app: Flask) -> None:
    assert standing(runtime) == Standing((), ())
    got = app.test_client().get("/readyz")
    assert (got.status_code, got.get_json()) == (200, {"status": "ready"})


def test_a_clock_that_was_set_back(runtime: Runtime, clock: Clock) -> None:
    clock.now -= timedelta(hours=1)
    assert standing(runtime).failed == (Part.CLOCK,)
    clock.now += timedelta(hours=1)
    assert standing(runtime).ready


@pytest.mark.parametrize(("file", "part"), [("vault.db", Part.VAULT), ("ledger.db", Part.DATABASE)])
def test_a_database_that_was_moved_away(runtime: Runtime, file: str, part: Part) -> None:
    watch = Readiness(runtime)
    path = runtime.settings.data / file
    path.rename(path.with_suffix(".away"))
    assert watch.standing().failed == (part, Part.WRITER)
    path.with_suffix(".away").rename(path)
    assert watch.standing().ready


def test_a_lock_that_is_lost(runtime: Runtime, app: Flask) -> None:
    (runtime.settings.locks_dir / "access.lock").unlink()
    got = app.test_client().get("/readyz")
    assert got.status_code == 503
    assert got.get_json()["detail"] == "Not ready: lock, writer."
    assert int(got.headers["Retry-After"]) >= 1
    assert str(runtime.settings.data) not in got.text


def test_a_suspected_fork(runtime: Runtime) -> None:
    runtime.settings.fork_marks_dir.mkdir()
    assert standing(runtime).failed == (Part.FORK, Part.WRITER)


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (MIN_FREE - 1, Standing((Part.DISK,), ())),
        (MIN_FREE, Standing((), (Part.DISK,))),
        (LOW_FREE, Standing((), ())),
    ],
)
def test_a_disk_that_is_nearly_full(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, free: int, expected: Standing
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(1, 1, free))
    assert standing(runtime) == expected


def test_an_api_key_that_ends_soon(runtime: Runtime, app: Flask, clock: Clock) -> None:
    for days in (15, 400, None):
        runtime.api_keys.issue("desk", Role.SOURCE, days)
    assert standing(runtime).warned == ()
    clock.now += timedelta(days=2)
    assert standing(runtime).warned == (Part.API_KEYS,)
    assert app.test_client().get("/readyz").get_json()["warnings"] == ["api_keys"]
    clock.now += timedelta(days=14)  # over: nobody has to hurry any more
    assert standing(runtime).warned == ()


def test_who_waits_for_a_look_shares_the_next_one(runtime: Runtime) -> None:
    looks: list[int] = []
    watch = Readiness(runtime)
    look = watch._look

    def slow() -> Standing:
        looks.append(1)
        time.sleep(0.1)
        return look()

    watch._look = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(8) as pool:
        assert all(each.ready for each in pool.map(lambda _: watch.standing(), range(8)))
    assert len(looks) < 8
    (runtime.settings.locks_dir / "access.lock").unlink()
    assert not watch.standing().ready


def test_every_part_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if "`/readyz`" in line]
    assert [part for part in Part if f"`{part}`" not in row] == []
