"""Rows handed to the driver as they stand: what arrives, and what becomes of errors."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select, text

from ledger.errors import ConflictError, PushbackError
from ledger.storage import database
from ledger.storage.database import Schema, asking, migrate, open_database, reading, writing
from ledger.storage.driver import COPY_FROM, fetch, insert_rows, run, run_each
from ledger.storage.models import decision_index

FEW, MANY = COPY_FROM - 1, 3 * COPY_FROM


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/vault.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    engine = open_database(url)
    migrate(engine, Schema.VAULT)
    yield engine
    engine.dispose()


def rows(count: int) -> list[tuple[object, ...]]:
    digest = "ab" * 32
    return [
        (f"id-{at}", None if at % 2 else bytes((0, at)), "ä\t", digest, digest, -at, 2**40, at, None, 1, None)
        for at in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, FEW, MANY])
def test_rows_arrive_as_they_were(engine: Engine, count: int) -> None:
    with writing(engine) as connection:
        insert_rows(connection, decision_index, rows(count))
    with reading(engine) as connection:
        found = connection.execute(select(decision_index)).all()
    assert sorted(map(tuple, found), key=repr) == sorted(rows(count), key=repr)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_row_that_is_refused_leaves_none(engine: Engine, count: int) -> None:
    twice = [*rows(count), rows(1)[0]]
    with pytest.raises(ConflictError), writing(engine) as connection:
        insert_rows(connection, decision_index, twice)
    with asking(engine) as connection:
        assert fetch(connection, "SELECT count(*) FROM decision_index", ()) == [(0,)]


def test_statements_say_how_many_rows_they_changed(engine: Engine) -> None:
    with writing(engine) as connection:
        insert_rows(connection, decision_index, rows(3))
        move = "UPDATE decision_index SET seq = ? WHERE record_id = ?"
        assert run(connection, move, (7, "id-1")) == 1
        assert run(connection, move, (7, "id-9")) == 0
        run_each(connection, move, [(8, "id-0"), (9, "id-2")])
        run_each(connection, move, [])
        found = fetch(connection, "SELECT seq FROM decision_index WHERE seq > ? ORDER BY seq", (7,))
        assert found == [(8,), (9,)]


@pytest.mark.postgres
def test_a_lost_connection_is_replaced_before_or_after_it_is_noticed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, other = open_database(postgres_url), open_database(postgres_url)
    connected: list[object] = []
    event.listen(engine, "connect", lambda connection, _entry: connected.append(connection))

    def lose() -> None:
        with asking(engine) as connection:
            ((pid,),) = fetch(connection, "SELECT pg_backend_pid()", ())
        with writing(other) as connection:
            connection.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))

    lose()
    with pytest.raises(PushbackError), writing(engine) as connection:
        fetch(connection, "SELECT 1", ())  # it was in use a moment ago, so nobody asked
    with writing(engine) as connection:
        assert fetch(connection, "SELECT 1", ()) == [(1,)]
    monkeypatch.setattr(database, "_PING_AFTER_SECONDS", 0)
    lose()
    with writing(engine) as connection:
        assert fetch(connection, "SELECT 1", ()) == [(1,)]
    assert len(connected) == 3
    engine.dispose()
    other.dispose()
