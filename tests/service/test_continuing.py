"""Continuing under a new origin: what the first entries say, and what may not be continued."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ledger.entries import Incident, parse_entry
from ledger.errors import ConflictError, MalformedError, NotFoundError, RefusedError, SignatureError
from ledger.operate.backup_manifest import Part
from ledger.operate.fork_marks import Suspicion
from ledger.operate.incidents import IncidentCode
from service.continuing import continue_under, ended
from service.founding import found
from service.runtime import LOGS, fork_marks
from service.settings import Settings
from tests.service.deployment import ORIGIN, Deployment
from tests.service.test_restore import checkpoints

NEW = "ledger.example/again"
WHY = "the disk is gone"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    one = Deployment(Settings(data=tmp_path_factory.mktemp("made") / "data", origin=ORIGIN))
    one.found()
    return one.data


@pytest.fixture
def one(made: Path, tmp_path: Path) -> Deployment:
    shutil.copytree(made, tmp_path / "data")
    return Deployment(Settings(data=tmp_path / "data", origin=ORIGIN))


@pytest.fixture
def new(tmp_path: Path) -> Deployment:
    return Deployment(Settings(data=tmp_path / "new", origin=NEW))


def said(new: Deployment) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """The code and the detail of entry 1 of each log."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    with new.opened() as runtime:
        for name in LOGS:
            second = list(runtime.logs[name].entries())[1]
            entry = parse_entry(second)
            assert isinstance(entry.body, Incident)
            found[name] = (entry.body.code, runtime.incidents[name].open(entry.id).members)
    return found


def test_a_lost_history_is_acknowledged_first(
    one: Deployment, new: Deployment, tmp_path: Path
) -> None:
    one.back_up(tmp_path / "b", Part.LEDGER)
    one.grow(3)
    one.back_up(tmp_path / "later", Part.LEDGER)
    kept = checkpoints(tmp_path / "later/ledger", tmp_path)
    continue_under(new.settings, ended(tmp_path / "b", kept), WHY, "administrator")
    first = said(new)
    code, detail = first["decisions"]
    assert code == "history_lost"
    last = {path.name.partition("-")[0]: path.read_text("utf-8") for path in kept}
    before = json.loads((tmp_path / "b/ledger/manifest.json").read_bytes())["logs"][1]
    assert detail == {
        "old_origin": f"{ORIGIN}/log/decisions",
        "size": 3,
        "checkpoint": before["checkpoint"],
        "last_size": 6,
        "last_checkpoint": last["decisions"],
        "reason": WHY,
        "role": "administrator",
    }
    assert first["access"][0] == "history_lost"
    assert (first["access"][1]["size"], first["access"][1]["last_size"]) == (1, 2)
    with new.opened() as runtime:
        assert not any(
            WHY.encode() in raw for log in runtime.logs.values() for raw in log.entries()
        )
    # New keys, and the old ledger as it was.
    for name in LOGS:
        key = f"keys/{name}/ed25519.pem"
        assert (new.data / key).read_bytes() != (one.data / key).read_bytes()
    assert one.sizes() == {"decisions": 6, "access": 2}


def test_what_lies_beside_the_old_database_counts(one: Deployment, new: Deployment) -> None:
    backup = one.data / "ledger.db.old"
    one.sizes()  # leaves no write-ahead log
    shutil.copyfile(one.data / "ledger.db", backup)
    one.grow(2)
    for path in one.data.glob("ledger.db-*"):
        path.unlink()
    backup.replace(one.data / "ledger.db")
    old = ended(one.data, ())
    assert old["decisions"].here is not None
    assert old["decisions"].here.checkpoint.size == 3
    assert (old["decisions"].last.checkpoint.size, old["decisions"].last.who) == (
        5,
        "decisions.lock",
    )
    continue_under(new.settings, old, WHY, "administrator")
    assert said(new)["decisions"][0] == "history_lost"


def test_a_fork_is_called_one(one: Deployment, new: Deployment, tmp_path: Path) -> None:
    twin = Deployment(Settings(data=tmp_path / "twin", origin=ORIGIN))
    shutil.copytree(one.data, twin.data)
    one.grow(2)
    twin.grow(2)
    twin.back_up(tmp_path / "t", Part.LEDGER)
    kept = [path.read_text("utf-8") for path in checkpoints(tmp_path / "t/ledger", tmp_path)]
    for note in kept:
        origin = note.partition("\n")[0]
        fork_marks(one.settings).add(Suspicion(origin, "2026-05-14T12:00:00Z", "w", (note,)))
    old = ended(one.data, ())
    assert {log.code for log in old.values()} == {IncidentCode.FORK_ACKNOWLEDGED}
    assert all(log.forked for log in old.values())
    continue_under(new.settings, old, WHY, "administrator")
    assert said(new)["access"][0] == "fork_acknowledged"


def test_the_operator_may_say_what_no_checkpoint_tells(one: Deployment, new: Deployment) -> None:
    code = IncidentCode.KEYS_COMPROMISED
    continue_under(new.settings, ended(one.data, ()), WHY, "administrator", code=code)
    assert {each[0] for each in said(new).values()} == {"keys_compromised"}


def test_models_and_decisions_go_on_in_the_new_one(one: Deployment, new: Deployment) -> None:
    from tests.ledger.operate.premises import MODEL_FILE, model_manifest, policy_manifest

    continue_under(new.settings, ended(one.data, ()), WHY, "administrator")
    with new.opened() as runtime:
        runtime.registry.register_model(model_manifest(), {"model": MODEL_FILE})
        runtime.registry.register_policy(policy_manifest())
    new.grow()
    assert new.sizes() == {"decisions": 5, "access": 3}


def test_under_the_old_origin_nothing_is_continued(one: Deployment, tmp_path: Path) -> None:
    again = Settings(data=tmp_path / "new", origin=ORIGIN)
    with pytest.raises(ConflictError, match="under another origin"):
        continue_under(again, ended(one.data, ()), WHY, "administrator")
    assert not again.data.exists()


def test_a_ledger_that_lives_continues_nothing(one: Deployment, new: Deployment) -> None:
    new.found()
    old = ended(one.data, ())
    with pytest.raises(ConflictError, match="a ledger already"):
        continue_under(new.settings, old, WHY, "administrator")
    (new.data / "policy.txt").unlink()
    with pytest.raises(RefusedError, match="continues nothing"):
        continue_under(new.settings, old, WHY, "administrator")


class _Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@pytest.mark.parametrize("step", range(1, 50, 3))
def test_an_attempt_that_was_cut_short_is_taken_up(
    one: Deployment, new: Deployment, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    calls = 0
    real = os.fsync

    def dying(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise _Killed
        real(descriptor)

    old = ended(one.data, ())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", dying)
        try:
            continue_under(new.settings, old, WHY, "administrator")
        except _Killed:
            pass
        else:
            assert step > calls
    if not (new.data / "policy.txt").exists():
        continue_under(new.settings, old, WHY, "administrator")
    assert new.sizes() == {"decisions": 2, "access": 2}
    assert {each[1]["reason"] for each in said(new).values()} == {WHY}


def test_a_founding_writes_no_incident_by_itself(tmp_path: Path) -> None:
    found(Settings(data=tmp_path / "plain", origin=NEW))
    plain = Deployment(Settings(data=tmp_path / "plain", origin=NEW))
    assert plain.sizes() == {"decisions": 1, "access": 1}


def test_what_is_no_old_ledger_is_refused(one: Deployment, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is no backup"):
        ended(tmp_path / "nothing", ())
    one.back_up(tmp_path / "v", Part.VAULT)
    with pytest.raises(NotFoundError, match="only of a vault"):
        ended(tmp_path / "v", ())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copyfile(one.data / "policy.txt", elsewhere / "policy.txt")
    with pytest.raises(NotFoundError, match="back that ledger up"):
        ended(elsewhere, ())
    (tmp_path / "noise").write_bytes(b"\xff")
    with pytest.raises(MalformedError, match="not a signed checkpoint"):
        ended(one.data, (tmp_path / "noise",))
    stranger = Deployment(Settings(data=tmp_path / "s", origin=ORIGIN))
    stranger.found()
    note = (stranger.data / "checkpoints/access.lock").read_text("utf-8")
    (tmp_path / "note").write_text(note, encoding="utf-8")
    with pytest.raises(SignatureError):
        ended(one.data, (tmp_path / "note",))
    # With another's policy nothing that lies there is signed.
    shutil.copyfile(stranger.data / "policy.txt", one.data / "policy.txt")
    with pytest.raises(NotFoundError, match="nothing signed is left"):
        ended(one.data, ())
