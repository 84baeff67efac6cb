"""The database itself refuses to change what was logged, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ledger.errors import ConflictError
from ledger.storage.database import Schema, migrate, open_database, reading, writing

FILLED = (
    "INSERT INTO log (id, origin) VALUES (1, 'o')",
    "INSERT INTO log_entry VALUES (1, 0, 'a', {b}, {b})",
    "INSERT INTO log_entry VALUES (1, 1, 'b', {b}, {b})",
    "INSERT INTO log_reference VALUES (1, 'a', 1)",
    "INSERT INTO log_tile VALUES (1, 0, 0, 2, {bb})",
    "INSERT INTO log_checkpoint VALUES (1, 2, 'note')",
    "INSERT INTO log_head VALUES (1, 2)",
    "INSERT INTO sealed_payload VALUES ('a', 1, {b})",
)
FORBIDDEN = (
    "UPDATE log SET origin = 'p'",
    "DELETE FROM log",
    "UPDATE log_entry SET entry = {bb} WHERE seq = 1",
    "UPDATE log_entry SET leaf_hash = {bb} WHERE seq = 1",
    "UPDATE log_entry SET seq = 5 WHERE seq = 1",
    "DELETE FROM log_entry WHERE seq = 1",
    "INSERT INTO log_entry VALUES (1, 3, 'c', {b}, {b})",
    "INSERT INTO log_entry VALUES (1, 1, 'c', {b}, {b})",
    "INSERT INTO log_entry VALUES (1, 2, 'a', {b}, {b})",
    "INSERT INTO log_entry VALUES (1, 2, 'c', {b}, {b}), (1, 4, 'd', {b}, {b})",
    "INSERT INTO log_entry VALUES (1, 3, 'c', {b}, {b}), (1, 4, 'd', {b}, {b})",
    "INSERT INTO log_entry VALUES (1, -1, 'c', {b}, {b})",
    "INSERT INTO log_entry VALUES (2, 0, 'c', {b}, {b})",
    "UPDATE log_reference SET reference = 'b'",
    "DELETE FROM log_reference",
    "UPDATE log_tile SET hashes = {b}",
    "DELETE FROM log_tile",
    "INSERT INTO log_tile VALUES (1, 0, 0, 1, {b})",
    "UPDATE log_checkpoint SET note = 'other'",
    "DELETE FROM log_checkpoint",
    "INSERT INTO log_checkpoint VALUES (1, 1, 'older')",
    "UPDATE log_head SET size = 1",
    "UPDATE log_head SET size = 2",
    "UPDATE log_head SET size = 3",
    "DELETE FROM log_head",
    "UPDATE sealed_payload SET sealed = {bb}",
    "INSERT INTO sealed_payload VALUES ('a', 1, {bb})",
    "INSERT INTO sealed_payload VALUES ('b', 2, {b})",
)
REPLACING = (
    "INSERT OR REPLACE INTO log VALUES (1, 'p')",
    "INSERT OR REPLACE INTO log_entry VALUES (1, 1, 'b', {bb}, {bb})",
    "INSERT OR REPLACE INTO log_entry VALUES (1, 2, 'b', {bb}, {bb})",
    "INSERT OR REPLACE INTO log_reference VALUES (1, 'a', 1)",
    "INSERT OR REPLACE INTO log_tile VALUES (1, 0, 0, 2, {b})",
    "INSERT OR REPLACE INTO log_checkpoint VALUES (1, 2, 'other')",
    "INSERT OR REPLACE INTO log_head VALUES (1, 1)",
    "INSERT OR REPLACE INTO sealed_payload VALUES ('a', 1, {bb})",
    "UPDATE OR REPLACE log_entry SET seq = 0 WHERE seq = 1",
)
TRUNCATED = ("log", "log_entry", "log_reference", "log_tile", "log_checkpoint", "log_head")


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine, Schema.LEDGER)
    fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql(postgres_url: str) -> Iterator[Engine]:
    engine = open_database(postgres_url)
    migrate(engine, Schema.LEDGER)
    fill(engine)
    yield engine
    engine.dispose()


def run(engine: Engine, *statements: str) -> None:
    empty = {"sqlite": ("x'00'", "x'0001'"), "postgresql": ("'\\x00'", "'\\x0001'")}[engine.name]
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(text(statement.format(b=empty[0], bb=empty[1])))


def fill(engine: Engine) -> None:
    run(engine, *FILLED)


def rows(engine: Engine) -> list[object]:
    with reading(engine) as connection:
        return [
            sorted(map(str, connection.execute(text(f"SELECT * FROM {table}"))))
            for table in (*TRUNCATED, "sealed_payload")
        ]


@pytest.mark.parametrize("statement", [*FORBIDDEN, *REPLACING])
def test_sqlite_refuses(sqlite: Engine, statement: str) -> None:
    before = rows(sqlite)
    with pytest.raises(ConflictError):
        run(sqlite, statement)
    assert rows(sqlite) == before


@pytest.mark.postgres
def test_postgresql_refuses(postgresql: Engine) -> None:
    before = rows(postgresql)
    truncating = [f"TRUNCATE {table} CASCADE" for table in TRUNCATED]
    # A session may call itself a replica, for which ordinary triggers do not fire.
    replica = "SET LOCAL session_replication_role = replica"
    for statement in (*FORBIDDEN, *truncating):
        for before_it in ((), (replica,)):
            with pytest.raises(ConflictError):
                run(postgresql, *before_it, statement)
    assert rows(postgresql) == before


def allowed(engine: Engine) -> None:
    run(
        engine,
        "INSERT INTO log_entry VALUES (1, 2, 'c', {b}, {b})",
        "INSERT INTO log_entry VALUES (1, 3, 'd', {b}, {b}), (1, 4, 'e', {b}, {b})",
        "INSERT INTO log_tile VALUES (1, 0, 0, 3, {bb})",
        "DELETE FROM log_tile WHERE width = 2",
        "INSERT INTO log_checkpoint VALUES (1, 3, 'note')",
        "UPDATE log_head SET size = 3",
        "DELETE FROM sealed_payload",
    )
    run(engine, "INSERT INTO log_tile VALUES (1, 0, 0, 4, {b})")
    with pytest.raises(ConflictError):  # the wider tile does not hold what the narrower held
        run(engine, "DELETE FROM log_tile WHERE width = 3")


def test_sqlite_lets_a_log_grow_and_payloads_go(sqlite: Engine) -> None:
    allowed(sqlite)


@pytest.mark.postgres
def test_postgresql_lets_a_log_grow_and_payloads_go(postgresql: Engine) -> None:
    allowed(postgresql)
