"""After an erasure and its clean-up no file holds the person, the keys or what was sealed.

Everything under the data directory is read as bytes, free pages of SQLite and heap files of
PostgreSQL included. The control comes first: before the erasure all of it is found.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, select, text

from ledger.errors import RefusedError
from ledger.operate.cleaning import LEDGER_TABLES, VAULT_TABLES, cut_write_ahead_log, rewrite
from ledger.operate.event_halves import REQUEST, EventHalves
from ledger.storage.database import reading
from ledger.storage.models import event_half, record_key, sealed_payload, subject_key
from tests.faults.test_erasing_steps import second_database
from tests.ledger.operate.eraser import Eraser
from tests.ledger.operate.premises import Premises

PERSON = "MTG-of-Ann-Other"
BESIDE = 60  # decisions of others before, between and after: pages are split and shared


def secrets(premises: Premises, record_ids: Iterable[str]) -> list[bytes]:
    """What is kept of these records and must go: wrapped keys and sealed payloads."""
    ids = list(record_ids)
    found: list[bytes] = []
    with reading(premises.vault_engine) as connection:
        keys = record_key.c.record_id.in_(ids)
        found += connection.scalars(select(record_key.c.wrapped).where(keys))
        theirs = select(record_key.c.key_id).where(keys)
        found += connection.scalars(
            select(subject_key.c.wrapped).where(subject_key.c.id.in_(theirs))
        )
    with reading(premises.engine) as connection:
        found += connection.scalars(
            select(sealed_payload.c.sealed).where(sealed_payload.c.record_id.in_(ids))
        )
    assert len(found) == 3 * len(ids)
    # A part is as bad as the whole, and a long value is cut up over pages.
    return [bytes(each)[at : at + 24] for each in found for at in (0, len(each) // 2)]


def holding(files: Iterable[Path], wanted: Iterable[bytes]) -> set[str]:
    """The names of the files in which one of these is."""
    found = set()
    wanted = list(wanted)
    for path in files:
        data = path.read_bytes()
        if any(each in data for each in wanted):
            found.add(path.name)
    return found


def files_of(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def recorded(eraser: Eraser) -> list[str]:
    ids: list[str] = []
    for number in range(4):
        eraser.record(BESIDE // 4, f"somebody {number}", explained=3)
        ids += eraser.record(3, PERSON, explained=2)
    return ids


def erased(eraser: Eraser, ids: list[str]) -> list[bytes]:
    """Erase the person; the bytes that must be gone."""
    attached = [entry.id for each in ids for entry in eraser.ledger.decisions.history(each)[1:]]
    gone = secrets(eraser.premises, [*ids, *attached])
    done = eraser.erase(subject=PERSON)
    assert (done.decisions, done.attached) == (len(ids), len(attached))
    return gone


@pytest.mark.parametrize(
    "many", [1, pytest.param(6, marks=pytest.mark.slow)], ids=["a few", "many pages"]
)
def test_no_file_of_sqlite_holds_them(bare: Path, tmp_path: Path, many: int) -> None:
    shutil.copytree(bare, tmp_path, dirs_exist_ok=True)
    premises = Premises(tmp_path)
    eraser = Eraser(premises, premises.found())
    ids = [each for _ in range(many) for each in recorded(eraser)]
    plain = [PERSON.encode(), b"You asked for too much."]
    assert not holding(files_of(tmp_path), plain)  # nobody ever wrote them in clear
    before = secrets(premises, ids)
    assert holding(files_of(tmp_path), before) >= {"ledger.db-wal", "vault.db-wal"}
    gone = erased(eraser, ids)
    for engine in (premises.engine, premises.vault_engine):
        rewrite(engine, ())
    left = files_of(tmp_path)
    assert {"ledger.db", "vault.db"} <= {path.name for path in left}
    assert holding(left, [*gone, *before, *plain]) == set()
    tag = eraser.ledger.vault.subject_tag(PERSON)
    with reading(premises.vault_engine) as connection:
        keys = connection.scalar(select(subject_key.c.id).where(subject_key.c.tag == tag))
    assert keys is None
    premises.close()
    assert holding(files_of(tmp_path), gone) == set()


def test_a_reader_in_the_way_is_told_apart(bare: Path, tmp_path: Path) -> None:
    shutil.copytree(bare, tmp_path, dirs_exist_ok=True)
    premises = Premises(tmp_path)
    eraser = Eraser(premises, premises.found())
    with premises.vault_engine.connect() as reader:
        reader.execute(select(record_key.c.record_id)).all()  # an old snapshot, held open
        eraser.record(1)
        with premises.vault_engine.connect() as impatient:  # of the pool: the next to be used
            impatient.connection.cursor().execute("PRAGMA busy_timeout=1")
        assert not cut_write_ahead_log(premises.vault_engine)
    assert cut_write_ahead_log(premises.vault_engine)
    premises.close()


@pytest.fixture
def on_postgres(postgres_url: str, bare: Path, tmp_path: Path) -> Iterator[Premises]:
    with second_database(postgres_url) as vault:
        shutil.copytree(bare, tmp_path, dirs_exist_ok=True)
        one = Premises(tmp_path, postgres_url, vault)
        yield one
        one.close()


def half_of_an_exchange(premises: Premises, eraser: Eraser) -> list[bytes]:
    """What was kept of a model server's request about the person, until it was recorded."""
    halves = EventHalves(eraser.ledger.vault, premises.clock, premises.random)
    tag = halves.tag("desk", "http://desk/", "e-1")
    halves.keep(tag, REQUEST, "desk", {"data": {"late": 2}, "subject": PERSON, "at": "now"})
    with reading(premises.vault_engine) as connection:
        kept = connection.execute(select(event_half.c.wrapped, event_half.c.sealed)).one()
    found = halves.read(tag)
    assert found is not None
    halves.settle(found)
    return list(map(bytes, kept))


def heap_of(engine: Engine) -> list[Path]:
    """The files of the engine's database, as the server has them on the disk."""
    with engine.connect() as connection:
        base = connection.scalar(text("SHOW data_directory"))
        number = connection.scalar(
            text("SELECT oid FROM pg_database WHERE datname = current_database()")
        )
    return files_of(Path(str(base)) / "base" / str(number))


@pytest.mark.postgres
def test_no_heap_file_of_postgresql_holds_them(on_postgres: Premises) -> None:
    eraser = Eraser(on_postgres, on_postgres.found())
    ids = recorded(eraser)
    engines = {on_postgres.engine: LEDGER_TABLES, on_postgres.vault_engine: VAULT_TABLES}

    def on_disk() -> list[Path]:
        for engine in engines:
            alone = engine.execution_options(isolation_level="AUTOCOMMIT")
            with alone.connect() as connection:
                connection.execute(text("CHECKPOINT"))
        return [path for engine in engines for path in heap_of(engine)]

    before = secrets(on_postgres, ids)
    assert holding(on_disk(), before)
    gone = erased(eraser, ids)
    halves = half_of_an_exchange(on_postgres, eraser)
    assert holding(on_disk(), gone)  # dead rows: deleting them is not enough
    assert holding(on_disk(), halves)
    gone += halves
    for engine, tables in engines.items():
        rewrite(engine, tables)
    assert holding(on_disk(), [*gone, *before, PERSON.encode()]) == set()


@pytest.mark.postgres
def test_who_does_not_own_the_tables_is_refused(on_postgres: Premises) -> None:
    url = make_url(on_postgres.engine.url)
    with on_postgres.engine.begin() as connection:
        connection.execute(text("CREATE ROLE cleaner LOGIN PASSWORD 'x'"))
    other = create_engine(url.set(username="cleaner", password="x"))
    try:
        with pytest.raises(RefusedError, match="owns the tables"):
            rewrite(other, LEDGER_TABLES)
    finally:
        other.dispose()
        with on_postgres.engine.begin() as connection:
            connection.execute(text("DROP ROLE cleaner"))
