"""A vault that comes back: without what the logs say is gone, and never older unnoticed."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ledger.entries import Erased
from ledger.errors import ConflictError, ErasedError, RefusedError
from ledger.operate.backup_manifest import Part
from ledger.operate.sequencer import Draft
from service.inspecting import inspected
from service.recording import record_lost_vault
from service.restoring import put_back
from service.runtime import Runtime
from service.settings import Settings
from tests.service.deployment import ORIGIN, Deployment, quiet


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    one = Deployment(Settings(data=tmp_path_factory.mktemp("made") / "data", origin=ORIGIN))
    one.found()
    one.grow(2)
    return one.data


@pytest.fixture
def one(made: Path, tmp_path: Path) -> Deployment:
    shutil.copytree(made, tmp_path / "data")
    return Deployment(Settings(data=tmp_path / "data", origin=ORIGIN))


def entomb(one: Deployment, *records: str) -> None:
    """Log that these records were erased, as the erasure of a later issue does."""
    with one.opened() as runtime:
        body = Erased(records=tuple(sorted(records)), ground="request", method="key_destroyed",
                      approver_role="data_protection_officer")  # fmt: skip
        runtime.logs["decisions"].append([Draft.of(runtime.decisions.new_id(), body)])


def lose_the_vault(one: Deployment) -> None:
    for path in one.data.glob("vault.db*"):
        path.unlink()


def erased(runtime: Runtime, record: str) -> bool:
    try:
        runtime.decisions.read(record)
    except ErasedError:
        return True
    return False


def test_the_vault_alone_comes_back_without_what_was_erased_since(
    one: Deployment, tmp_path: Path
) -> None:
    first, second = one.grow(2)
    one.back_up(tmp_path / "v", Part.VAULT)
    entomb(one, first)
    lose_the_vault(one)
    with pytest.raises(RefusedError, match="vault is empty"), one.opened():
        pass
    lose_the_vault(one)
    with inspected([tmp_path / "v"], None, quiet) as inspection:
        replayed, made = put_back(one.settings, inspection, quiet, write_lock=False)
    assert (replayed.named, replayed.keys, replayed.payloads, made) == (1, 1, 1, ())
    with one.opened() as runtime:
        assert erased(runtime, first)
        assert not erased(runtime, second)


def test_a_person_of_whom_nothing_is_left_is_forgotten(one: Deployment, tmp_path: Path) -> None:
    """All decisions of the test are about one subject: with the last record its key goes."""
    one.back_up(tmp_path / "v", Part.VAULT)
    with one.opened() as runtime:
        logged = [entry for entry in runtime.logs["decisions"].entries() if b'"decision"' in entry]
    entomb(one, *(json.loads(entry)["id"] for entry in logged))
    lose_the_vault(one)
    with inspected([tmp_path / "v"], None, quiet) as inspection:
        put_back(one.settings, inspection, quiet, write_lock=False)
    with closing(sqlite3.connect(one.data / "vault.db")) as vault:
        assert vault.execute("SELECT count(*) FROM decision_index").fetchone() == (0,)
        tags = vault.execute("SELECT count(*) FROM subject_key").fetchone()
    assert tags == (1,)  # of the access log's month; nobody's


def test_a_vault_put_back_by_hand_forgets_at_the_next_start(
    one: Deployment, tmp_path: Path
) -> None:
    first, second = one.grow(2)
    shutil.copyfile(one.data / "vault.db", tmp_path / "vault.db")
    entomb(one, first)
    lose_the_vault(one)
    shutil.copyfile(tmp_path / "vault.db", one.data / "vault.db")
    with one.opened() as runtime:
        assert erased(runtime, first)
        assert not erased(runtime, second)


def test_an_older_vault_does_not_start_and_says_what_is_lost(
    one: Deployment, tmp_path: Path
) -> None:
    shutil.copyfile(one.data / "vault.db", tmp_path / "vault.db")
    one.grow(2)
    lose_the_vault(one)
    shutil.copyfile(tmp_path / "vault.db", one.data / "vault.db")
    with pytest.raises(RefusedError) as raised, one.opened():
        pass
    said = str(raised.value)
    assert "the vault is older than the logs" in said
    assert f"of {ORIGIN}/log/decisions it knows none after entry 4" in said
    assert "up to entry 6" in said
    assert "incident vault-lost" in said
    assert "vault check says exactly what is lost and what still holds" in said


def test_the_vault_alone_needs_its_logs(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "v", Part.VAULT)
    other = one.without_data(tmp_path / "new")
    with (
        inspected([tmp_path / "v"], None, quiet) as inspection,
        pytest.raises(RefusedError, match="the vault alone cannot be put back"),
    ):
        put_back(other.settings, inspection, quiet, write_lock=False)


def test_the_vault_of_another_deployment_is_refused(one: Deployment, tmp_path: Path) -> None:
    other = Deployment(Settings(data=tmp_path / "other", origin="ledger.example/other"))
    other.found()
    other.back_up(tmp_path / "v", Part.VAULT)
    lose_the_vault(one)
    with (
        inspected([tmp_path / "v"], None, quiet) as inspection,
        pytest.raises(RefusedError, match=r"is that of ledger\.example/other"),
    ):
        put_back(one.settings, inspection, quiet, write_lock=False)
    assert not (one.data / "vault.db").exists()


def test_a_ledger_from_before_an_erasure_loses_the_payload_again(
    one: Deployment, tmp_path: Path
) -> None:
    """A part that is older than a tombstone in it cannot be; but payloads may outlast one."""
    first, second = one.grow(2)
    entomb(one, first)  # by hand: neither key nor payload was destroyed
    one.back_up(tmp_path / "b")
    other = one.without_data(tmp_path / "new", "checkpoints")
    with inspected([tmp_path / "b"], None, quiet) as inspection:
        replayed, _ = put_back(other.settings, inspection, quiet, write_lock=False)
    assert (replayed.keys, replayed.payloads) == (1, 1)
    with other.opened() as runtime:
        assert erased(runtime, first)
        assert not erased(runtime, second)


def test_a_missing_payload_beside_a_missing_key_is_an_erasure_under_way(one: Deployment) -> None:
    """A crash between the two deletions and the tombstone is not a lost vault."""
    *_, newest = one.grow(2)
    with closing(sqlite3.connect(one.data / "ledger.db")) as ledger, ledger:
        ledger.execute("DELETE FROM sealed_payload WHERE record_id = ?", (newest,))
    with closing(sqlite3.connect(one.data / "vault.db")) as vault, vault:
        for table in ("decision_index", "record_key"):
            vault.execute(f"DELETE FROM {table} WHERE record_id = ?", (newest,))
    with one.opened() as runtime:
        assert erased(runtime, newest)


def test_nothing_is_lost_where_the_vault_knows_everything(one: Deployment) -> None:
    with one.opened() as runtime, pytest.raises(ConflictError, match="nothing is lost"):
        record_lost_vault(runtime, "why", "administrator")


def test_a_lost_vault_that_is_put_on_record_forgets_what_was_erased(
    one: Deployment, tmp_path: Path
) -> None:
    """An old vault, put back by hand: it knows a record that was erased since, and lacks others."""
    first, second = one.grow(2)
    shutil.copyfile(one.data / "vault.db", tmp_path / "vault.db")
    entomb(one, first)
    (third,) = one.grow()
    lose_the_vault(one)
    shutil.copyfile(tmp_path / "vault.db", one.data / "vault.db")
    runtime = Runtime.open(one.settings, despite_gap=True)
    recorded, keys = record_lost_vault(runtime, "the disk", "administrator")
    runtime.close()
    assert [gap.origin.rpartition("/")[2] for gap, _ in recorded] == ["decisions", "access"]
    assert keys == 1
    with one.opened() as runtime:
        assert erased(runtime, first)
        assert not erased(runtime, second)
        assert erased(runtime, third)
