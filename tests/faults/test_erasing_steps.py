"""An erasure that is cut short before any of its commits: whole before, gone after, never half.

Each round erases another person in the same ledger and dies one commit later than the round
before, until one runs through. What lies between two commits is a crash after the first and
before the second. After each the ledger is taken up anew.
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

from ledger.errors import ErasedError, NotFoundError, PushbackError
from ledger.operate.destruction import check_destroyed
from ledger.operate.erasure import UNDER_WAY, Stage
from ledger.operate.vault_standing import find_gap
from tests.ledger.operate.eraser import BEN, Eraser
from tests.ledger.operate.premises import Premises

MANY = 40  # commits; an erasure of this size has fewer


class Death:
    """Ends a process before its n-th commit of a write from now on, whatever it writes."""

    def __init__(self, *engines: Engine) -> None:
        self.left = 0
        for engine in engines:
            event.listen(engine, "commit", self._about_to_commit)

    def _about_to_commit(self, connection: Connection) -> None:
        if self.left and "sqlite_begin" in connection.get_execution_options():
            self.left -= 1
            if not self.left:
                raise PushbackError("the machine died", retry_after=1)


@pytest.fixture
def on_sqlite(bare: Path, tmp_path: Path) -> Iterator[Premises]:
    shutil.copytree(bare, tmp_path, dirs_exist_ok=True)
    one = Premises(tmp_path)
    yield one
    one.close()


@pytest.fixture
def on_postgres(postgres_url: str, bare: Path, tmp_path: Path) -> Iterator[Premises]:
    with second_database(postgres_url) as vault:
        shutil.copytree(bare, tmp_path, dirs_exist_ok=True)
        one = Premises(tmp_path, postgres_url, vault)
        yield one
        one.close()


@contextmanager
def second_database(url: str) -> Iterator[str]:
    vault = make_url(url).set(database=f"{make_url(url).database}_vault")
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {vault.database}"))
    server.dispose()
    yield vault.render_as_string(hide_password=False)


def test_every_step_on_sqlite(on_sqlite: Premises) -> None:
    cut_short_everywhere(on_sqlite)


@pytest.mark.postgres
def test_every_step_on_postgresql(on_postgres: Premises) -> None:
    cut_short_everywhere(on_postgres)


def cut_short_everywhere(premises: Premises) -> None:
    eraser = Eraser(premises, premises.found())
    death = Death(premises.engine, premises.vault_engine)
    bystander = eraser.record(1, "somebody else")
    stages = []
    for commits in range(1, MANY):
        person = f"MTG-{commits}"
        ids = eraser.record(3, person, explained=2)
        asked = eraser.request(person)
        death.left = commits
        try:
            eraser.erasing.approve(BEN, asked.id)
        except PushbackError:
            death.left = 0
        else:
            break
        eraser = Eraser(premises, premises.open())  # as a start does
        standing(premises, eraser)
        stage = eraser.erasing.read(asked.id).stage
        stages.append(stage)
        seen = {served(eraser, each) for each in ids}
        if stage is Stage.REQUESTED:
            assert seen == {"read"}
            assert eraser.erasing.under_way() == ()
            eraser.erasing.approve(BEN, asked.id)
        elif stage in UNDER_WAY:
            # Tombstones of one commit: all of them are read as before, or none.
            assert seen in ({"read"}, {"gone"}) if stage is Stage.APPROVED else seen == {"gone"}
            assert [each.id for each in eraser.erasing.under_way()] == [asked.id]
            eraser.erasing.resume(asked.id)
        done(eraser, asked.id, ids)
    assert set(stages) == {Stage.REQUESTED, *UNDER_WAY}
    assert len(stages) > 8
    done(eraser, asked.id, ids)
    assert served(eraser, bystander[0]) == "read"
    standing(premises, eraser)


def served(eraser: Eraser, record_id: str) -> str:
    """Whether the record is read whole or gone, by every door alike."""
    doors = (eraser.ledger.decisions.read, eraser.ledger.decisions.openings,
             eraser.ledger.decisions.explanation)  # fmt: skip
    answers = set()
    for door in doors:
        try:
            door(record_id)
        except ErasedError as error:
            answers.add("gone" if error.tombstone else "gone, unsaid")
        else:
            answers.add("read")
    (answer,) = answers
    return answer


def standing(premises: Premises, eraser: Eraser) -> None:
    """The start-up rule of the vault is content: an erasure is never taken for a loss."""
    log = eraser.ledger.log
    assert find_gap(premises.store(), log.origin, log.size(), premises.vault_engine) is None


def done(eraser: Eraser, erasure_id: str, ids: list[str]) -> None:
    assert eraser.erasing.read(erasure_id).stage is Stage.DONE
    certificate = eraser.erasing.certificate(erasure_id)
    assert certificate.decisions == tuple(sorted(ids))
    assert len(certificate.attached) == 2
    assert len(certificate.receipts) == 2  # one for the decisions, one for what was attached
    every = [*certificate.decisions, *certificate.attached]
    check_destroyed(eraser.premises.vault_engine, eraser.premises.engine, every)
    assert {served(eraser, each) for each in ids} == {"gone"}
    with pytest.raises(NotFoundError):
        eraser.ledger.decisions.explanation(certificate.attached[0])


@pytest.mark.parametrize("repeat", range(3))
def test_two_go_on_with_the_same_erasure(on_sqlite: Premises, repeat: int) -> None:
    """A start and a command, or two of either: each step may be done twice at once."""
    del repeat
    eraser = Eraser(on_sqlite, on_sqlite.found())
    ids = eraser.record(30, explained=4)
    asked = eraser.request()
    size = eraser.ledger.log.size()
    eraser.erasing._store.approve(  # the intent, and then the machine died
        asked.id, BEN.id, BEN.role.value, on_sqlite.clock(), size
    )
    errors: list[Exception] = []

    def go_on() -> None:
        try:
            eraser.erasing.resume(asked.id)
        except Exception as error:  # noqa: BLE001  # judged below
            errors.append(error)

    threads = [threading.Thread(target=go_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    certificate = eraser.erasing.certificate(asked.id)
    assert (certificate.decisions, len(certificate.attached)) == (tuple(sorted(ids)), 4)
    assert eraser.ledger.log.size() == size + 2
