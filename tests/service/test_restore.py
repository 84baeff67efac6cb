"""Restoring: what is put back, what must agree before, and what a crash anywhere leaves."""

import json
import os
import shutil
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.errors import (
    ConflictError,
    ForkSuspected,
    MalformedError,
    RefusedError,
    SignatureError,
    VerificationError,
)
from ledger.operate.backup_manifest import Part
from service.inspecting import inspected
from service.restoring import Compared, Evidence, check_newest, compare, put_back
from service.settings import Settings
from tests.service.deployment import ORIGIN, Deployment, quiet

NOTHING = Evidence()


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


def restore(
    to: Deployment, *directories: Path, evidence: Evidence = NOTHING, write_lock: bool = False
) -> tuple[str, ...]:
    """What the command does; returns whose lock was made."""
    with inspected(directories, None, quiet) as inspection:
        assert inspection.sound
        check_newest(compare(to.settings, inspection, evidence), write_lock=write_lock)
        return put_back(to.settings, inspection, quiet, write_lock=write_lock)[1]


def checkpoints(directory: Path, place: Path) -> tuple[Path, ...]:
    """The checkpoints in a backup, as somebody else might have kept them."""
    document = json.loads((directory / "manifest.json").read_bytes())
    paths = []
    for log in document["logs"]:
        path = place / f"{log['origin'].rpartition('/')[2]}-{log['size']}.txt"
        path.write_text(log["checkpoint"], encoding="utf-8")
        paths.append(path)
    return tuple(paths)


def test_the_newest_state_is_put_back_where_the_lock_knows_it(
    one: Deployment, tmp_path: Path
) -> None:
    (decision, *_) = one.grow(3)
    (one.data / "contacts.json").write_text("{}")
    one.back_up(tmp_path / "b")
    sizes = one.sizes()
    other = one.without_data(tmp_path / "new", "checkpoints")
    restore(other, tmp_path / "b")
    assert other.sizes() == sizes
    assert (other.data / "contacts.json").read_text() == "{}"
    with other.opened() as runtime:
        assert runtime.decisions.read(decision).payload.subject == "MTG-000001"
    other.grow()
    assert not (other.data / "restoring.json").exists()
    for name in ("ledger.db", "vault.db", "policy.txt", "session.key"):
        assert stat.S_IMODE((other.data / name).stat().st_mode) == 0o600


def test_an_older_backup_is_refused_by_the_lock(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b")
    one.grow(3)
    other = one.without_data(tmp_path / "new", "checkpoints")
    with pytest.raises(ForkSuspected) as raised:
        restore(other, tmp_path / "b", write_lock=True)
    said = str(raised.value)
    assert "nothing was restored" in said
    assert "this machine's checkpoint lock holds a signed checkpoint of 8 entries" in said
    assert "there are 5 here: 3 missing" in said
    assert {path.name for path in other.data.iterdir()} == {"keys", "vault.kek", "checkpoints"}


def test_an_older_backup_is_refused_by_a_kept_checkpoint(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b")
    one.grow(3)
    one.back_up(tmp_path / "later")
    other = one.without_data(tmp_path / "new")
    kept = Evidence(checkpoints(tmp_path / "later/ledger", tmp_path))
    with pytest.raises(
        ForkSuspected, match=r"access-3\.txt holds a signed checkpoint of 3 entries"
    ):
        restore(other, tmp_path / "b", evidence=kept, write_lock=True)


def test_another_history_is_refused(one: Deployment, tmp_path: Path) -> None:
    """The keys were used for a second history of the same length."""
    twin = one.without_data(tmp_path / "twin", "checkpoints", "ledger.db", "vault.db",
                            "policy.txt", "origin.txt", "artefacts", "session.key")  # fmt: skip
    one.grow(3)
    twin.grow(3)
    one.back_up(tmp_path / "b")
    twin.back_up(tmp_path / "t")
    other = one.without_data(tmp_path / "new")
    kept = Evidence(checkpoints(tmp_path / "t/ledger", tmp_path))
    with pytest.raises(ForkSuspected, match="two histories were signed"):
        restore(other, tmp_path / "b", evidence=kept, write_lock=True)
    locks = one.without_data(tmp_path / "mixed")
    shutil.copytree(twin.data / "checkpoints", locks.data / "checkpoints")
    with pytest.raises(ForkSuspected, match="two histories were signed"):
        restore(locks, tmp_path / "b")


def test_a_lock_is_never_made_silently(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b")
    other = one.without_data(tmp_path / "new")
    for word in (False, True):
        with pytest.raises(RefusedError, match="nothing outside the backup was compared"):
            restore(other, tmp_path / "b", write_lock=word)
    kept = Evidence(checkpoints(tmp_path / "b/ledger", tmp_path))
    with pytest.raises(RefusedError, match="say so with --write-checkpoint-lock"):
        restore(other, tmp_path / "b", evidence=kept)
    with pytest.raises(RefusedError, match=f"compared with {ORIGIN}/log/decisions"):
        restore(other, tmp_path / "b", evidence=Evidence(kept.checkpoints[:1]), write_lock=True)
    assert {path.name for path in other.data.iterdir()} == {"keys", "vault.kek"}
    made = restore(other, tmp_path / "b", evidence=kept, write_lock=True)
    assert sorted(made) == [f"{ORIGIN}/log/access", f"{ORIGIN}/log/decisions"]
    other.grow()


def test_a_lock_that_is_half_there_is_completed_only_on_a_word(
    one: Deployment, tmp_path: Path
) -> None:
    one.back_up(tmp_path / "b")
    other = one.without_data(tmp_path / "new", "checkpoints")
    (other.data / "checkpoints/access.lock").unlink()
    kept = Evidence(checkpoints(tmp_path / "b/ledger", tmp_path))
    with pytest.raises(RefusedError, match="nobody remembers"):
        restore(other, tmp_path / "b", evidence=kept)
    assert restore(other, tmp_path / "b", evidence=kept, write_lock=True) == (
        f"{ORIGIN}/log/access",
    )
    other.grow()


def test_a_witness_that_cannot_be_asked_may_know_more() -> None:
    silent = Compared("o", "the witness at w", None, "it cannot be reached")
    lock = Compared("o", "the lock", 7, newest=True)
    no_lock = Compared("o", "the lock", None, "it is not here", newest=True)
    kept = Compared("o", "a file", 7)
    check_newest((lock, silent), write_lock=False)
    with pytest.raises(RefusedError, match=r"could not be asked about o \(it cannot be reached\)"):
        check_newest((no_lock, kept, silent), write_lock=True)
    check_newest((no_lock, kept), write_lock=True)


def test_what_is_there_is_never_written_over(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b")
    before = {path: path.read_bytes() for path in one.data.rglob("*") if path.is_file()}
    with pytest.raises(ConflictError, match="is there already"):
        restore(one, tmp_path / "b")
    assert {p: p.read_bytes() for p in one.data.rglob("*") if p.is_file()} == before
    other = one.without_data(tmp_path / "new", "checkpoints")
    (other.data / "ledger.db-wal").write_bytes(b"of another database: it would be applied")
    with pytest.raises(ConflictError, match=r"ledger\.db-wal"):
        restore(other, tmp_path / "b")


def test_strange_evidence_is_refused(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b")
    stranger = Deployment(Settings(data=tmp_path / "s", origin="ledger.example/stranger"))
    stranger.found()
    stranger.back_up(tmp_path / "sb")
    twin = Deployment(Settings(data=tmp_path / "twin", origin=ORIGIN))
    twin.found()  # the same name and other keys
    twin.back_up(tmp_path / "tb")
    (tmp_path / "noise").write_bytes(b"\xff")
    for path, error, says in (
        (
            checkpoints(tmp_path / "sb/ledger", stranger.data)[0],
            MalformedError,
            "not in the backup",
        ),
        (checkpoints(tmp_path / "tb/ledger", twin.data)[0], SignatureError, "--policy"),
        (tmp_path / "noise", MalformedError, "not a signed checkpoint"),
    ):
        with pytest.raises(error, match=says):
            restore(one, tmp_path / "b", evidence=Evidence((path,)))


def test_a_file_that_changed_after_the_check_is_not_used(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b")
    other = one.without_data(tmp_path / "new", "checkpoints")
    with inspected([tmp_path / "b"], None, quiet) as inspection:
        (tmp_path / "b/ledger/policy.txt").write_text("quorum none\n")
        with pytest.raises(VerificationError, match="not as it was backed up"):
            put_back(other.settings, inspection, quiet, write_lock=False)
    with pytest.raises(RefusedError, match="was cut short"), other.opened():
        pass


class _Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@pytest.mark.parametrize("step", range(1, 31))
def test_a_restore_that_was_cut_short_is_taken_up(
    one: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The process dies at its `step`-th fsync; until it was run again, nothing is used."""
    one.back_up(tmp_path / "b")
    other = one.without_data(tmp_path / "new")
    kept = Evidence(checkpoints(tmp_path / "b/ledger", tmp_path))
    calls = 0
    real = os.fsync

    def dying(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise _Killed
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", dying)
        try:
            restore(other, tmp_path / "b", evidence=kept, write_lock=True)
        except _Killed:
            if (other.data / "restoring.json").exists():
                with pytest.raises(RefusedError, match="cut short"), other.opened():
                    pass
        else:
            assert step > calls
    if (other.data / "restoring.json").exists() or not (other.data / "policy.txt").exists():
        restore(other, tmp_path / "b", evidence=kept, write_lock=True)
    assert other.sizes() == {"decisions": 5, "access": 2}
    other.grow()


def test_another_backup_does_not_take_up_what_was_cut_short(
    one: Deployment, tmp_path: Path
) -> None:
    one.back_up(tmp_path / "b")
    one.back_up(tmp_path / "c", Part.LEDGER)
    other = one.without_data(tmp_path / "new", "checkpoints")
    victim = tmp_path / "victim"
    victim.write_text("not theirs to remove")
    digests = sorted(
        sha256((tmp_path / "b" / part / "manifest.json").read_bytes()).hexdigest() for part in Part
    )
    for said in ({"backups": digests, "targets": [str(victim)]}, "noise"):
        (other.data / "restoring.json").write_text(json.dumps(said))
        with pytest.raises(RefusedError, match=r"another restore was cut short|cannot be read"):
            restore(other, tmp_path / "b")
    assert victim.exists()


def test_a_ledger_on_another_kind_of_database_is_refused(one: Deployment, tmp_path: Path) -> None:
    one.back_up(tmp_path / "b")
    other = one.without_data(tmp_path / "new", "checkpoints")
    elsewhere = Deployment(
        Settings(data=other.data, origin=ORIGIN, database_url="postgresql://nobody@localhost/none")
    )
    with pytest.raises(RefusedError, match="was backed up from sqlite"):
        restore(elsewhere, tmp_path / "b")
    assert not (other.data / "restoring.json").exists()
