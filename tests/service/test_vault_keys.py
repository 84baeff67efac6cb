"""Rotating the key-encryption key, and asking what the vault holds, as an operator does."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import main
from service.founding import found
from service.runtime import Runtime
from service.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LEDGER_DATA", str(tmp_path / "data"))
    made = Settings.from_environ({"LEDGER_DATA": str(tmp_path / "data")})
    found(made)
    _read_something(made)
    return made


def _read_something(settings: Settings) -> None:
    from ledger.roles import Principal, Role
    from service.reading import Caller, Reading

    runtime = Runtime.open(settings)
    Reading(runtime, Caller(Principal("terminal", "operator", Role.AUDITOR))).note([], ("x",))
    runtime.close()


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["vault", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_a_rotation_from_start_to_end(settings: Settings, tmp_path: Path) -> None:
    old = run("keys").split()[0]
    assert "in force" in run("keys")
    new = run("rotate-key").partition("The key ")[2].split()[0]
    assert old != new
    lines = run("keys").splitlines()
    assert [(line.split()[0], "in force" in line) for line in lines] == [(new, True), (old, False)]
    run("retire-key", new, "--yes", code=1)
    kept = tmp_path / "kept.kek"
    assert not kept.exists()
    assert "kept.kek" in run("retire-key", old, "--keep", str(kept), "--yes")
    assert old in kept.read_text()
    assert len(run("keys").splitlines()) == 1
    assert "Nothing is lost" in run("check", "--open")
    Runtime.open(settings).close()


def test_a_passphrase_is_asked_for_from_then_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passphrase"
    file.write_text("correct horse\n")
    assert "LEDGER_VAULT_PASSPHRASE_FILE" in run("protect", "--new", str(file))
    assert "LEDGER_VAULT_PASSPHRASE_FILE" in run("rotate-key", code=1)
    monkeypatch.setenv("LEDGER_VAULT_PASSPHRASE_FILE", str(file))
    assert "encrypted under the passphrase" in run("keys")
    assert "Nothing is lost" in run("check", "--open")
    run("protect", code=2)


def test_what_is_lost_is_counted_by_month(settings: Settings) -> None:
    assert "1 there" in run("check")
    for path in settings.data.glob("vault.db*"):
        path.unlink()
    said = run("check", code=1)
    assert "1 LOST" in said
    assert "every receipt" in said
    assert '"lost": 1' in run("check", "--json", code=1)
    assert "1 LOST" in run("check", "--open", code=1)  # nor is the empty vault given keys


def test_another_file_of_keys_is_refused_at_the_start_and_the_one_needed_is_named(
    settings: Settings, tmp_path: Path
) -> None:
    other = Settings.from_environ({"LEDGER_DATA": str(tmp_path / "other")})
    found(other)
    needed = run("keys").split()[0]
    settings.kek_path.rename(tmp_path / "kept.kek")
    settings.kek_path.write_bytes(other.kek_path.read_bytes())
    before = {path: path.read_bytes() for path in settings.data.rglob("*.db")}
    done = CliRunner().invoke(main, ["serve"])
    assert done.exit_code == 1
    here = run("keys").split()[0]
    assert "vault.kek is not the file of keys that the vault was written with" in done.output
    assert f"under the key-encryption key {needed}, which is not here; here: {here}" in done.output
    said = run("check", code=1)
    assert f"The key-encryption key {needed} is not here, and 3 keys" in said
    assert "Nothing is lost" not in said
    assert f'"id": "{needed}"' in run("check", "--open", "--json", code=1)
    settings.kek_path.unlink()
    assert f"The key-encryption key {needed} is not here" in run("check", code=1)
    assert before == {path: path.read_bytes() for path in settings.data.rglob("*.db")}
    (tmp_path / "kept.kek").rename(settings.kek_path)
    assert "Nothing is lost" in run("check", "--open")
