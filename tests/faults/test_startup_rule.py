"""What a restart makes of every combination of lock and database that can befall it."""

import shutil
import sqlite3
from collections.abc import Callable

import pytest

from ledger.entries import SourceRegistered
from ledger.errors import (
    InconsistencyError,
    NotFoundError,
    RefusedError,
    RootMismatchError,
    SignatureError,
)
from ledger.operate.sequencer import Draft, Sequencer
from ledger.storage.database import Schema, migrate, open_database
from ledger.storage.sql_log_store import SqlLogStore
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote, sign_note
from tests.ledger.operate.premises import Premises


@pytest.fixture(autouse=True)
def _a_log_of_one_entry(premises: Premises) -> None:
    premises.create()


def grow(premises: Premises, log: Sequencer, count: int = 1) -> None:
    body = SourceRegistered(source="loan-desk", first=0)
    log.append([Draft.of(premises.new_id(), body) for _ in range(count)])


def backup(premises: Premises) -> Callable[[], None]:
    """Copy the database now; calling the result restores it."""
    kept = premises.directory / "backup.db"
    target = sqlite3.connect(kept)
    source = sqlite3.connect(premises.directory / "ledger.db")
    source.backup(target)
    source.close()
    target.close()

    def restore() -> None:
        premises.engine.dispose()
        for suffix in ("-wal", "-shm"):
            (premises.directory / f"ledger.db{suffix}").unlink(missing_ok=True)
        shutil.copyfile(kept, premises.directory / "ledger.db")

    return restore


def test_a_restored_backup_is_refused(premises: Premises) -> None:
    log = premises.sequencer()
    grow(premises, log, 3)
    restore = backup(premises)
    grow(premises, log, 2)
    restore()
    with pytest.raises(RefusedError, match="restored backup"):
        premises.sequencer()


def test_a_writer_that_runs_on_meets_the_rule_as_well(premises: Premises) -> None:
    log = premises.sequencer()
    restore = backup(premises)
    grow(premises, log, 2)
    restore()
    with pytest.raises(RefusedError, match="restored backup"):
        grow(premises, log)


def test_a_lost_database_is_refused(premises: Premises) -> None:
    engine = open_database(f"sqlite:///{premises.directory}/empty.db")
    migrate(engine, Schema.LEDGER)
    with pytest.raises(RefusedError, match="does not have"):
        premises.sequencer(store=SqlLogStore(engine))
    engine.dispose()


def test_a_missing_lock_is_never_made_silently(premises: Premises) -> None:
    path = premises.directory / "checkpoints" / "decisions.lock"
    path.unlink()
    with pytest.raises(NotFoundError):
        premises.sequencer()
    assert not path.exists()


def test_a_database_ahead_of_the_lock_advances_it(premises: Premises) -> None:
    log = premises.sequencer()
    grow(premises, log, 300)
    earlier = premises.lock().read()
    grow(premises, log, 300)
    latest = log.checkpoint()
    premises.lock().swap(latest, earlier)
    again = premises.sequencer()
    assert premises.lock().read() == again.checkpoint() == latest
    grow(premises, again)


def fork(premises: Premises, size: int) -> str:
    """A checkpoint that our own stolen keys signed, over a tree that never was."""
    keys = premises.keys["decisions"]
    text = Checkpoint(keys.origin, size, b"\x07" * 32).format()
    return sign_note(text, keys.signers(premises.clock))


@pytest.mark.parametrize("size", [5, 3])
def test_another_history_is_refused_with_its_evidence(premises: Premises, size: int) -> None:
    log = premises.sequencer()
    grow(premises, log, 4)
    forked, latest = fork(premises, size), log.checkpoint()
    premises.lock().swap(latest, forked)
    with pytest.raises(InconsistencyError) as raised:
        premises.sequencer()
    assert raised.value.older == forked
    assert raised.value.newer == latest
    assert premises.lock().read() == forked  # what the lock remembers is evidence too


@pytest.mark.parametrize("name", ["access", "stranger"])
def test_a_lock_that_another_log_signed_is_refused(premises: Premises, name: str) -> None:
    log = premises.sequencer()
    other = premises.create("access", lock=premises.lock("access"))
    note = other.checkpoint()
    if name == "stranger":
        text = SignedNote.parse(log.checkpoint()).text
        note = sign_note(text, premises.keys["access"].signers(premises.clock))
    premises.lock().swap(log.checkpoint(), note)
    with pytest.raises(SignatureError):
        premises.sequencer()


TAMPERING = {
    "a tile is changed": "UPDATE log_tile SET hashes = zeroblob(length(hashes)) WHERE level = 0",
    "a tile is cut short": "UPDATE log_tile SET hashes = substr(hashes, 1, 32) WHERE level = 0",
    "a tile is gone": "DELETE FROM log_tile",
    "the last entry is changed": "UPDATE log_entry SET entry = zeroblob(3) WHERE seq = 4",
    "the last entry is gone": "DELETE FROM log_entry WHERE seq = 4",
}


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING.keys())
def test_a_log_whose_bytes_do_not_give_its_root_is_refused(
    premises: Premises, statement: str
) -> None:
    grow(premises, premises.sequencer(), 4)
    tamper(premises, statement)
    with pytest.raises(RootMismatchError):
        premises.sequencer()


def test_a_head_that_is_not_its_checkpoints_is_refused(premises: Premises) -> None:
    grow(premises, premises.sequencer(), 4)
    tamper(
        premises, "UPDATE log_checkpoint SET size = 6 WHERE size = 5; UPDATE log_head SET size = 6"
    )
    with pytest.raises(RefusedError, match="not its checkpoint"):
        premises.sequencer()


def tamper(premises: Premises, statements: str) -> None:
    """Change the file as its owner can, past every fence."""
    connection = sqlite3.connect(premises.directory / "ledger.db")
    fences = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    connection.executescript("".join(f"DROP TRIGGER {name};" for (name,) in fences) + statements)
    connection.close()
