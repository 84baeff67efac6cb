"""Founding: cut short anywhere it can be taken up again, and nothing is founded over another."""

import os
from pathlib import Path

import pytest

from ledger.errors import NotFoundError, RefusedError, SignatureError, VerificationError
from ledger.operate.kek_ring import KekRing
from ledger.operate.keys import LogKeys
from service.founding import found
from service.recording import record_lost_vault
from service.runtime import Runtime
from service.settings import Settings

ORIGIN = "ledger.example/demo"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", origin=ORIGIN)


class _Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@pytest.mark.parametrize("step", range(1, 40))
def test_founding_that_was_cut_short_is_taken_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The process dies at its `step`-th fsync: every file is made in one of those."""
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
            found(settings)
        except _Killed:
            pass
        else:
            assert step > calls  # it was all done before
    if not settings.policy_path.exists():
        found(settings)
    runtime = Runtime.open(settings)
    runtime.close()
    assert {log.size() for log in runtime.logs.values()} == {1}
    assert not list(settings.data.rglob("*.new"))


def test_other_keys_do_not_found_over_a_log(settings: Settings) -> None:
    found(settings)
    settings.policy_path.unlink()
    for name in ("access", "decisions"):
        for key in (settings.keys_dir / name).iterdir():
            key.unlink()
        LogKeys.generate(settings.keys_dir / name, settings.log_origin(name))
    with pytest.raises(SignatureError):
        found(settings)
    assert not settings.policy_path.exists()  # it would tell everyone to trust the wrong keys


def test_a_lost_policy_is_written_again(settings: Settings) -> None:
    found(settings)
    policy = settings.policy_path.read_bytes()
    settings.policy_path.unlink()
    found(settings)
    assert settings.policy_path.read_bytes() == policy


def test_an_empty_vault_beside_records_is_refused(settings: Settings) -> None:
    found(settings)
    _with_a_record(settings)
    for file in settings.data.glob("vault.db*"):
        file.unlink()
    with pytest.raises(RefusedError, match="vault is empty"):
        Runtime.open(settings)
    # Said on purpose, and on the record: go on without the old records.
    runtime = Runtime.open(settings, despite_gap=True)
    ((gap, entry),) = record_lost_vault(runtime, "the disk is gone", "administrator")[0]
    assert (gap.known, gap.newest) == (None, 1)
    assert runtime.incidents["access"].open(entry.id).members["reason"] == "the disk is gone"
    runtime.close()
    Runtime.open(settings).close()


@pytest.mark.parametrize("size", [0, 31])
def test_a_session_key_that_is_cut_short_is_refused(settings: Settings, size: int) -> None:
    found(settings)
    settings.session_key_path.write_bytes(bytes(size))
    with pytest.raises(RefusedError, match=r"session\.key"):
        Runtime.open(settings)


def test_another_key_encryption_key_is_refused(settings: Settings) -> None:
    found(settings)
    before = KekRing(settings.kek_path).kept()[0].id
    settings.kek_path.write_bytes(b"x")
    with pytest.raises(RefusedError, match=r"vault\.kek is damaged"):
        Runtime.open(settings)
    settings.kek_path.unlink()
    here = KekRing.create(settings.kek_path).kept()[0].id
    with pytest.raises(VerificationError, match=f"{before}, which is not here; here: {here}"):
        Runtime.open(settings)
    settings.kek_path.unlink()
    with pytest.raises(NotFoundError, match=r"vault\.kek is not there"):
        Runtime.open(settings)


def _with_a_record(settings: Settings) -> None:
    from ledger.roles import Principal, Role
    from service.reading import Caller, Reading

    runtime = Runtime.open(settings)
    caller = Caller(Principal("terminal", "operator", Role.AUDITOR))
    Reading(runtime, caller).note([], ("outcome",))
    runtime.close()
