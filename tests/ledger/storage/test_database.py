"""Opening, migrating and translating errors, on both databases."""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import alembic.autogenerate
import alembic.migration
import pytest
from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.exc import InvalidRequestError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from ledger.errors import ConflictError, LedgerError, PushbackError
from ledger.storage import models
from ledger.storage.database import (
    Schema,
    give_room,
    migrate,
    open_database,
    reading,
    translated,
    writing,
)

METADATA = {Schema.LEDGER: models.ledger, Schema.VAULT: models.vault}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/new/one.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    opened = open_database(url)
    yield opened
    opened.dispose()


@pytest.mark.parametrize("schema", Schema)
def test_migrations_lead_from_nothing_to_the_models(engine: Engine, schema: Schema) -> None:
    migrate(engine, schema)
    assert differences(engine, METADATA[schema]) == []
    tables = set(inspect(engine).get_table_names())
    assert tables == {*METADATA[schema].tables, "alembic_version"}


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine, Schema.LEDGER)
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO log (id, origin) VALUES (1, 'o')"))
    migrate(engine, Schema.LEDGER)
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM log")) == 1


def differences(engine: Engine, metadata: MetaData) -> list[object]:
    with engine.connect() as connection:
        context = alembic.migration.MigrationContext.configure(connection)
        return list(alembic.autogenerate.compare_metadata(context, metadata))


def test_a_failed_write_leaves_nothing(engine: Engine) -> None:
    migrate(engine, Schema.LEDGER)
    with pytest.raises(ZeroDivisionError), writing(engine) as connection:
        interrupted(connection)
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM log")) == 0


def interrupted(connection: Connection) -> None:
    connection.execute(text("INSERT INTO log (id, origin) VALUES (1, 'o')"))
    raise ZeroDivisionError


def test_a_read_is_of_one_moment(engine: Engine) -> None:
    migrate(engine, Schema.LEDGER)
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM log")) == 0
        with writing(engine) as other:
            other.execute(text("INSERT INTO log (id, origin) VALUES (1, 'o')"))
        assert connection.scalar(text("SELECT count(*) FROM log")) == 0


def test_errors_of_the_database_become_ours(engine: Engine) -> None:
    migrate(engine, Schema.LEDGER)
    with pytest.raises(ConflictError), writing(engine) as connection:
        connection.execute(text("INSERT INTO log_head (log_id, size) VALUES (7, 1)"))
    with pytest.raises(LedgerError), reading(engine) as connection:
        connection.execute(text("SELECT * FROM there_is_no_such_table"))
    with pytest.raises(LedgerError), translated():
        raise InvalidRequestError


def test_an_error_quotes_no_values(engine: Engine) -> None:
    migrate(engine, Schema.LEDGER)
    statement = text("INSERT INTO log_head (log_id, size) VALUES (7, :size)")
    with pytest.raises(ConflictError) as raised, writing(engine) as connection:
        connection.execute(statement, {"size": 123_456})
    assert "123456" not in f"{raised.value} {raised.value.__cause__}"


@pytest.mark.postgres
def test_a_database_that_is_away_asks_for_patience(postgres_url: str) -> None:
    engine = open_database(f"{postgres_url}_gone")
    with pytest.raises(PushbackError) as raised, reading(engine):
        pass
    assert raised.value.retry_after > 0
    engine.dispose()


def test_sqlite_is_durable_fenced_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "ledger.db"
    engine = open_database(f"sqlite:///{path}")
    with reading(engine) as connection:
        pragmas = {
            name: connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "recursive_triggers": 1,
    }
    migrate(engine, Schema.LEDGER)
    files = sorted(path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    for directory in (path.parent, path.parent.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    engine.dispose()


def test_the_writer_holds_more_of_a_database_than_others(tmp_path: Path) -> None:
    roomy, other = (open_database(f"sqlite:///{tmp_path}/ledger.db") for _ in range(2))
    with reading(roomy):
        pass  # a connection from before it is given room
    give_room(roomy)

    def pragma(engine: Engine, name: str) -> int:
        with reading(engine) as connection:
            return int(connection.scalar(text(f"PRAGMA {name}")) or 0)

    assert pragma(roomy, "cache_size") < pragma(other, "cache_size") < 0  # in KiB, and negative
    assert pragma(roomy, "wal_autocheckpoint") > pragma(other, "wal_autocheckpoint")
    assert pragma(roomy, "synchronous") == pragma(other, "synchronous")
    for engine in (roomy, other):
        engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(LedgerError):
        open_database(url)


@pytest.mark.parametrize(
    "url", ["postgres//ledger", "postgresql://ledger@host:hunter2/ledger", "hunter2"]
)
def test_an_address_that_does_not_read_is_not_repeated(url: str) -> None:
    with pytest.raises(LedgerError, match="does not read") as raised:
        open_database(url)
    assert (raised.value.__cause__, raised.value.__suppress_context__) == (None, True)
    assert "hunter2" not in str(raised.value)


@pytest.mark.postgres
def test_a_missing_privilege_is_named(postgres_url: str) -> None:
    engine = open_database(postgres_url)
    make_role = text("CREATE ROLE nobody_much; SET LOCAL ROLE nobody_much")
    with engine.begin() as connection:
        connection.execute(make_role)
        with pytest.raises(LedgerError, match="GRANT"), translated():
            connection.execute(text("CREATE TABLE public.mine (id integer)"))
    engine.dispose()


def test_waiting_in_vain_for_a_connection_is_no_fault_of_the_statement() -> None:
    with pytest.raises(PushbackError), translated():
        raise NoConnectionFree


def test_a_file_that_cannot_be_written_is_said_to_be_so() -> None:
    refused = sqlite3.OperationalError("attempt to write a readonly database")
    refused.sqlite_errorname = "SQLITE_READONLY_DIRECTORY"
    with pytest.raises(PushbackError, match="cannot be written"), translated():
        raise OperationalError("INSERT", None, refused)
