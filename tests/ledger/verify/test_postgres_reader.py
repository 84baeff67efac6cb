"""PostgreSQL by its address: what cannot be read could not be checked."""

import builtins
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.verify.__main__ import main
from ledger.verify.audit import audit
from ledger.verify.findings import Code
from ledger.verify.postgres_reader import PostgresLogReader
from ledger.verify.processes import Processes, check_tiles
from ledger.verify.reader import UnreadableError
from tests.ledger.verify.audits import found, log
from tests.ledger.verify.tile_log import POLICY, Liar


@pytest.fixture
def address(postgres_url: str) -> str:
    return postgres_url.replace("postgresql+psycopg", "postgresql")


@pytest.mark.postgres
def test_the_command_checks_a_database(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Liar(log(20)).postgres(address)
    (tmp_path / "policy.txt").write_text(POLICY.format())
    arguments = [address, "--policy", str(tmp_path / "policy.txt")]
    assert main([*arguments, "--state", str(tmp_path / "state")]) == 0
    assert main([*arguments, "--state", str(tmp_path / "state")]) == 0
    assert "0 new ones were read now" in capsys.readouterr().out
    with psycopg.connect(address) as db:
        db.execute("UPDATE log_entry SET entry = 'x' WHERE seq = 19")
    assert main([*arguments, "--state", str(tmp_path / "state")]) == 1
    assert "entry 19: its stored hash is" in capsys.readouterr().out


@pytest.mark.postgres
def test_it_is_read_as_of_one_moment_and_writes_nothing(address: str) -> None:
    Liar(log(300)).postgres(address)
    with PostgresLogReader.open(address) as (reader,), psycopg.connect(address) as db:
        db.execute("DELETE FROM log_entry")
        db.commit()
        assert audit(reader, POLICY).findings == ()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader._connection.execute("DELETE FROM log_tile")


@pytest.mark.postgres
def test_several_processes_read_a_database(address: str) -> None:
    Liar(log(600)).postgres(address)
    with PostgresLogReader.open(address) as (reader,):
        assert all(check_tiles(reader.reopen, 256, 512))
        with Processes(1, reader.reopen) as checked:
            assert audit(reader, POLICY, checked=checked) == audit(reader, POLICY)
        assert "test_" not in repr(reader.reopen)  # it may hold a password


@pytest.mark.postgres
def test_stray_tiles_and_a_head_that_is_gone_are_seen(address: str) -> None:
    Liar(log(20)).postgres(address)
    with psycopg.connect(address) as db:
        db.execute("INSERT INTO log_tile VALUES (1, 0, 2, 100, 'x'), (1, 9, 0, 1, 'x')")
        db.execute("DELETE FROM log_head")
    with PostgresLogReader.open(address) as (reader,):
        codes = {code for code, _ in found(audit(reader, POLICY))}
    assert codes == {Code.HEAD_DIFFERS, Code.TILE_STRAY}


@pytest.mark.postgres
def test_a_database_without_a_log(address: str) -> None:
    with pytest.raises(UnreadableError, match="not a readable ledger database"):
        PostgresLogReader.open(address).__enter__()
    Liar(log(3)).postgres(address)
    with psycopg.connect(address) as db:
        db.execute("DELETE FROM log")
    with pytest.raises(UnreadableError, match="no log"):
        PostgresLogReader.open(address).__enter__()


@pytest.mark.postgres
@pytest.mark.parametrize("table", ["log_entry", "log_tile", "log_checkpoint", "log_head"])
def test_a_database_that_lacks_a_table(address: str, table: str) -> None:
    Liar(log(3)).postgres(address)
    with psycopg.connect(address) as db:
        db.execute(f"DROP TABLE {table}".encode())
    with pytest.raises(UnreadableError), PostgresLogReader.open(address) as (reader,):
        audit(reader, POLICY)


@pytest.mark.parametrize(
    "address", ["postgresql://u:secret@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?nonsense=1"]
)
def test_a_server_that_is_not_there(address: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        PostgresLogReader.open(address).__enter__()
    assert "secret" not in str(caught.value)


@pytest.fixture
def _no_psycopg(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "psycopg":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    yield
    assert "psycopg" in sys.modules


@pytest.mark.usefixtures("_no_psycopg")
def test_without_the_driver_it_says_what_to_install() -> None:
    with pytest.raises(UnreadableError, match=r"pip install 'psycopg\[binary\]'"):
        PostgresLogReader.open("postgresql://127.0.0.1/x").__enter__()
