"""Backups: what is in one and what never is, of one moment while others write, cut short or whole."""

import json
import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    VerificationError,
)
from ledger.operate.backup_check import find_backups
from ledger.operate.backup_manifest import BackupManifest, Part
from service.inspecting import inspected
from service.settings import Settings
from tests.service.deployment import ORIGIN, Deployment, decision, note, quiet


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of two decisions, and everything that a backup may come across."""
    one = Deployment(Settings(data=tmp_path_factory.mktemp("made") / "data", origin=ORIGIN))
    one.found()
    one.grow(2)
    for name in (
        "cosigned/decisions.note",
        "timestamps/decisions/7.tsr",
        "fork-dismissed/a/b.json",
        "handover/decisions-3.note",
        "pruning/decisions.txt",
        "pruning/decisions.guard",
        "tsa.txt",
        "tsa-roots.pem",
        "tenants/acme/policy.txt",
    ):
        (one.data / name).parent.mkdir(parents=True, exist_ok=True)
        (one.data / name).write_text("x")
    (one.data / "contacts.json").write_text("{}")
    (one.data / "witnesses.txt").write_text("quorum none\n")
    (one.data / "artefacts" / "sha256" / "half.new").write_text("cut short")
    return one.data


@pytest.fixture
def one(made: Path, tmp_path: Path) -> Deployment:
    shutil.copytree(made, tmp_path / "data")
    return Deployment(Settings(data=tmp_path / "data", origin=ORIGIN))


def sound(*directories: Path) -> bool:
    with inspected(directories, None, quiet) as inspection:
        return inspection.sound


def test_each_part_has_what_it_needs_and_no_secret(one: Deployment, tmp_path: Path) -> None:
    ledger, vault = one.back_up(tmp_path / "b")
    paths = {file.path for file in ledger.files}
    (model,) = (path for path in paths if path.startswith("artefacts/"))
    assert paths - {model} == {
        "ledger.db",
        "contacts.json",
        "cosigned/decisions.note",
        "fork-dismissed/a/b.json",
        "handover/decisions-3.note",
        "origin.txt",
        "policy.txt",
        "pruning/decisions.txt",
        "timestamps/decisions/7.tsr",
        "tsa-roots.pem",
        "tsa.txt",
        "witnesses.txt",
    }
    assert [file.path for file in vault.files] == ["vault.db"]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "b").rglob("*") if path.is_file())
    for secret in ("vault.kek", "session.key", "keys/decisions/ed25519.pem"):
        assert (one.data / secret).read_bytes() not in kept
    assert {log.origin: log.size for log in ledger.logs} == {
        f"{ORIGIN}/log/access": 2,
        f"{ORIGIN}/log/decisions": 5,
    }
    assert sound(tmp_path / "b")
    assert sound(tmp_path / "b" / "ledger", tmp_path / "b" / "vault")


def test_only_its_owner_may_read_it(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b")
    for path in (tmp_path / "b", *(tmp_path / "b").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_part_can_be_made_alone(one: Deployment, tmp_path: Path) -> None:
    assert [each.part for each in one.back_up(tmp_path / "v", Part.VAULT)] == [Part.VAULT]
    assert [each.manifest.part for each in find_backups(tmp_path / "v")] == [Part.VAULT]
    assert not (tmp_path / "v" / "ledger").exists()


def test_nothing_is_written_over(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b", Part.VAULT)
    before = (tmp_path / "b/vault/manifest.json").read_bytes()
    with pytest.raises(ConflictError, match="a backup already"):
        one.back_up(tmp_path / "b")
    assert not (tmp_path / "b" / "ledger").exists()
    assert (tmp_path / "b/vault/manifest.json").read_bytes() == before
    (tmp_path / "b/vault/manifest.json").unlink()
    with pytest.raises(ConflictError, match="cut short"):
        one.back_up(tmp_path / "b")


class _Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@pytest.mark.parametrize("step", range(1, 36))
def test_a_backup_that_was_cut_short_is_recognised(
    one: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The process dies at its `step`-th fsync: every file and directory ends in one of those."""
    calls = 0
    real = os.fsync

    def dying(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise _Killed
        real(descriptor)

    target = tmp_path / "b"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", dying)
        try:
            one.back_up(target)
        except _Killed:
            pass
        else:
            assert step > calls
    for part in Part:
        if not (target / part / "manifest.json").exists():
            with pytest.raises(NotFoundError):
                find_backups(target / part)
        else:
            assert sound(target / part)
    with pytest.raises(ConflictError):
        one.back_up(target)  # never over what is there, whole or not


def test_a_backup_during_writes_is_of_one_moment(one: Deployment, tmp_path: Path) -> None:
    done = threading.Event()
    failed: list[BaseException] = []

    def write() -> None:
        try:
            while not done.is_set():
                runtime.decisions.record([decision(runtime) for _ in range(3)])
                note(runtime)
        except BaseException as error:  # noqa: BLE001  # shown by the test's own thread
            failed.append(error)

    writers = [threading.Thread(target=write) for _ in range(2)]
    with one.opened() as runtime:
        for writer in writers:
            writer.start()
        try:
            made = [one.back_up(tmp_path / str(at)) for at in range(4)]
        finally:
            done.set()
            for writer in writers:
                writer.join()
    assert failed == []
    sizes = [[log.size for log in ledger.logs] for ledger, _ in made]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]  # the writers were at work
    for at, (ledger, vault) in enumerate(made):
        assert sound(tmp_path / str(at))
        assert all(v.size >= k.size for v, k in zip(vault.logs, ledger.logs, strict=True))
        with closing(sqlite3.connect(tmp_path / str(at) / "vault/vault.db")) as database:
            database.execute("ATTACH ? AS ledger", (str(tmp_path / str(at) / "ledger/ledger.db"),))
            missing = database.execute(
                "SELECT count(*) FROM ledger.sealed_payload WHERE record_id NOT IN"
                " (SELECT record_id FROM record_key)"
            ).fetchone()
        assert missing == (0,)


def test_an_older_vault_is_not_backed_up_as_if_it_fitted(one: Deployment, tmp_path: Path) -> None:
    shutil.copyfile(one.data / "vault.db", tmp_path / "old.db")
    one.grow()
    for suffix in ("-wal", "-shm"):
        (one.data / f"vault.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(tmp_path / "old.db", one.data / "vault.db")
    with pytest.raises(RefusedError, match="an older one"):
        one.back_up(tmp_path / "b")
    assert (tmp_path / "b/ledger/manifest.json").exists()
    assert not (tmp_path / "b/vault/manifest.json").exists()


def test_a_head_that_its_policy_does_not_accept_is_no_backup(
    one: Deployment, tmp_path: Path
) -> None:
    other = Deployment(Settings(data=tmp_path / "other", origin=ORIGIN))
    other.found()
    shutil.copyfile(other.data / "policy.txt", one.data / "policy.txt")
    with pytest.raises(VerificationError):
        one.back_up(tmp_path / "b")
    with pytest.raises(NotFoundError, match="cut short"):
        find_backups(tmp_path / "b")


def test_a_file_that_no_ledger_has_is_named_and_not_left_out(
    one: Deployment, tmp_path: Path
) -> None:
    (one.data / "cosigned" / "my copy.note").write_text("x")
    with pytest.raises(MalformedError, match=r"'cosigned/my copy\.note'.*move it away"):
        one.back_up(tmp_path / "b")


def test_without_a_ledger_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no ledger"):
        Deployment(Settings(data=tmp_path / "none")).back_up(tmp_path / "b")
    assert not (tmp_path / "none").exists()


def test_a_lost_database_is_not_made_by_backing_it_up(one: Deployment, tmp_path: Path) -> None:
    for path in one.data.glob("ledger.db*"):
        path.unlink()
    with pytest.raises(LedgerError, match=r"ledger\.db cannot be copied"):
        one.back_up(tmp_path / "b")
    assert not (one.data / "ledger.db").exists()


# Checking


@pytest.fixture
def kept(one: Deployment, tmp_path: Path) -> Path:
    one.back_up(tmp_path / "b")
    return tmp_path / "b"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "name",
    ["ledger/ledger.db", "ledger/policy.txt", "ledger/cosigned/decisions.note", "vault/vault.db"],
)
def test_a_flipped_bit_is_found(kept: Path, name: str) -> None:
    flip(kept / name)
    with pytest.raises(VerificationError, match="not as it was backed up"):
        sound(kept)


def test_a_missing_and_an_added_file_are_found(kept: Path) -> None:
    (kept / "ledger/ledger.db-wal").write_bytes(b"a log to be applied")
    with pytest.raises(VerificationError, match=r"'ledger\.db-wal' does not belong to it"):
        sound(kept)
    (kept / "ledger/ledger.db-wal").unlink()
    (kept / "ledger/policy.txt").unlink()
    with pytest.raises(VerificationError, match=r"'policy\.txt' is missing from it"):
        sound(kept)


def rewrite(part: Path, **members: object) -> None:
    """Change the manifest, and make its digests right again: nobody signed it."""
    from hashlib import sha256

    from ledger import canonical

    document = json.loads((part / "manifest.json").read_bytes()) | members
    for file in document["files"]:
        data = (part / file["path"]).read_bytes()
        file |= {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
    (part / "manifest.json").write_bytes(canonical.encode(document))


def test_a_log_that_was_changed_with_the_manifest_is_found_by_the_audit(kept: Path) -> None:
    with closing(sqlite3.connect(kept / "ledger/ledger.db")) as database, database:
        for (name,) in database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE log_entry SET entry = CAST(entry || ' ' AS BLOB) WHERE seq = 1")
    rewrite(kept / "ledger")
    assert not sound(kept)


def test_a_manifest_that_promises_another_head_is_found(kept: Path) -> None:
    logs = json.loads((kept / "ledger/manifest.json").read_bytes())["logs"]
    logs[1]["size"] += 1
    rewrite(kept / "ledger", logs=logs)
    with pytest.raises(VerificationError, match="another newest checkpoint"):
        sound(kept / "ledger")
    logs[1]["checkpoint"] = "nonsense"
    rewrite(kept / "ledger", logs=logs)
    with pytest.raises(VerificationError, match="names no checkpoint"):
        sound(kept / "ledger")
    rewrite(kept / "ledger", logs=logs[:1])
    with pytest.raises(VerificationError, match="other logs"):
        sound(kept / "ledger")


def test_a_vault_from_before_the_ledger_is_refused(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "old", Part.VAULT)
    one.grow()
    one.back_up(tmp_path / "new", Part.LEDGER)
    with pytest.raises(RefusedError, match="does not open what lies between"):
        sound(tmp_path / "old", tmp_path / "new")
    one.back_up(tmp_path / "late", Part.VAULT)
    assert sound(tmp_path / "late", tmp_path / "new")
    with pytest.raises(RefusedError, match="more than one of the vault"):
        sound(tmp_path / "old", tmp_path / "late", tmp_path / "new")


def test_a_vault_of_another_deployment_is_refused(kept: Path, tmp_path: Path) -> None:
    other = Deployment(Settings(data=tmp_path / "other", origin="ledger.example/other"))
    other.found()
    other.back_up(tmp_path / "o", Part.VAULT)
    with pytest.raises(RefusedError, match="not of one deployment"):
        sound(kept / "ledger", tmp_path / "o")


def test_a_damaged_vault_is_found(kept: Path) -> None:
    path = kept / "vault/vault.db"
    path.write_bytes(path.read_bytes()[:8192] + bytes(4096) + path.read_bytes()[12288:])
    rewrite(kept / "vault")
    with pytest.raises((VerificationError, LedgerError)):
        sound(kept)
    path.write_bytes(b"not a database" * 1000)
    rewrite(kept / "vault")
    with pytest.raises(LedgerError, match="cannot be read"):
        sound(kept)


def test_a_directory_without_a_manifest_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is no backup"):
        find_backups(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(MalformedError, match=r"manifest\.json"):
        find_backups(tmp_path)


def test_a_manifest_reads_back_as_it_was_written(kept: Path) -> None:
    for part in Part:
        data = (kept / part / "manifest.json").read_bytes()
        assert BackupManifest.parse(data).format() == data
