from pathlib import Path

import pytest

from explain.catalogue import languages
from reports.wording import languages as letters
from service.settings import KNOWN, LANGUAGES, Settings, SettingsError


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environ({})
    assert settings.data == Path("data")
    assert settings.host == "127.0.0.1"
    assert settings.port == 8000
    assert settings.log_origin("decisions") == "localhost/ledger/log/decisions"
    assert settings.log_origin("access") == "localhost/ledger/log/access"


def test_a_misspelt_setting_stops_the_program() -> None:
    with pytest.raises(SettingsError, match="LEDGER_ORIGN: no such setting"):
        Settings.from_environ({"LEDGER_ORIGN": "ledger.example/demo"})


def test_other_programs_variables_are_left_alone() -> None:
    assert Settings.from_environ({"HOME": "/root", "LEDGERING": "1"}).port == 8000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEDGER_ORIGIN", "https://ledger.example"),
        ("LEDGER_ORIGIN", "ledger.example/a b"),
        ("LEDGER_ORIGIN", "ledger.example/a+b"),
        ("LEDGER_ORIGIN", "x" * 201),
        ("LEDGER_THREADS", "0"),
        ("LEDGER_THREADS", "-1"),
        ("LEDGER_THREADS", "\u0665"),
        ("LEDGER_HTTPS", "perhaps"),
        ("LEDGER_LANGUAGE", "English"),
        ("LEDGER_LANGUAGE", "fi"),
        ("LEDGER_KEY_PASSPHRASE_FILE", "/nonexistent/passphrase"),
        ("PORT", "65536"),
        ("PORT", "http"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environ({name: value})


def test_the_origin_chosen_at_init_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "origin.txt").write_text("ledger.example/demo\n")
    assert Settings(data=tmp_path).origin == "ledger.example/demo"
    assert Settings(data=tmp_path, origin="other.example").origin == "other.example"


def test_the_passphrase_never_shows(tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    settings = Settings.from_environ({"LEDGER_KEY_PASSPHRASE_FILE": str(secret)})
    assert settings.key_passphrase == b"correct horse"
    assert "correct horse" not in repr(settings)


def test_every_setting_is_described() -> None:
    description = Settings.__doc__ or ""
    assert [name for name in KNOWN if name not in description] == []


def test_the_databases_are_two() -> None:
    one = "postgresql://ledger@localhost/ledger"
    with pytest.raises(SettingsError, match="LEDGER_VAULT_URL"):
        Settings.from_environ({"LEDGER_DATABASE_URL": one, "LEDGER_VAULT_URL": one})


def test_a_database_s_password_never_shows() -> None:
    url = "postgresql://ledger:hunter2@localhost/"
    settings = Settings(data=Path("data"), database_url=f"{url}ledger", vault_url=f"{url}vault")
    assert "hunter2" not in repr(settings)


def test_the_clients_variable_is_left_to_the_client() -> None:
    from ledger.client.__main__ import KEY_VARIABLE

    assert Settings.from_environ({KEY_VARIABLE: "dl_x"}) == Settings.from_environ({})


def test_the_languages_offered_are_those_that_are_spoken() -> None:
    assert LANGUAGES == languages() == letters()
