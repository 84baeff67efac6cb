"""A log that may not be written says so as an outage: never as the caller's fault."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import ErasedError, NotFoundError, StoppedError
from service.problems import problem_of
from tests.ledger.operate.premises import Open, Premises

Sabotage = Callable[[Path], None]


def _guard_is_taken_away(locks: Path) -> None:
    for guard in locks.glob("*.guard"):
        guard.unlink()
    for lock in locks.glob("*.lock"):
        lock.with_suffix(".guard").mkdir()


def _lock_cannot_be_replaced(locks: Path) -> None:
    for lock in locks.glob("*.lock"):
        lock.with_suffix(".new").mkdir()


def _lock_is_lost(locks: Path) -> None:
    for lock in locks.glob("*.lock"):
        lock.unlink()


@pytest.mark.parametrize(
    "sabotage", [_guard_is_taken_away, _lock_cannot_be_replaced, _lock_is_lost]
)
def test_recording_is_refused_as_unavailable(
    premises: Premises, ledger: Open, sabotage: Sabotage
) -> None:
    sabotage(_locks(premises))
    with pytest.raises(StoppedError) as raised:
        ledger.decisions.record([premises.decision(0)])
    problem = problem_of(raised.value)
    assert problem.kind.status == 503
    assert int(problem.headers["Retry-After"]) >= 1


def test_reading_without_a_lock_is_unavailable_and_not_unknown(
    premises: Premises, ledger: Open
) -> None:
    (recorded,) = ledger.decisions.record([premises.decision(0)])
    _lock_is_lost(_locks(premises))
    with pytest.raises(StoppedError):
        ledger.decisions.read(recorded.id)


def test_a_rolled_back_database_stops_a_log_that_is_running(
    premises: Premises, ledger: Open
) -> None:
    database = premises.directory / "ledger.db"
    before = premises.directory / "backup.db"
    _checkpointed(premises)
    shutil.copy(database, before)
    ledger.decisions.record([premises.decision(0)])
    premises.engine.dispose()
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (premises.directory / name).unlink(missing_ok=True)
    shutil.copy(before, database)
    with pytest.raises(StoppedError, match="restored backup"):
        ledger.decisions.record([premises.decision(1)])


def test_a_log_that_stopped_is_not_running(premises: Premises, ledger: Open) -> None:
    ledger.log.check_running()
    _lock_cannot_be_replaced(_locks(premises))
    with pytest.raises(StoppedError):
        ledger.decisions.record([premises.decision(0)])
    with pytest.raises(StoppedError):
        ledger.log.check_running()


def test_stopped_is_neither_unknown_nor_erased() -> None:
    assert not issubclass(StoppedError, NotFoundError | ErasedError)


def _locks(premises: Premises) -> Path:
    return premises.directory / "checkpoints"


def _checkpointed(premises: Premises) -> None:
    with premises.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
