"""What a tenant is told: the deployment's settings, with what must be its own in its place."""

from pathlib import Path
from typing import Any

import pytest

from ledger.errors import NotFoundError
from service.runtime import Runtime
from service.settings import Settings, SettingsError
from service.tenants import settings_of


@pytest.mark.parametrize("name", ["", "A", "-a", "a_b", "a/b", "..", "a.b", "a" * 32, "a\n", "ä"])
def test_other_names_are_refused(name: str, tmp_path: Path) -> None:
    environ = {"LEDGER_DATA": str(tmp_path)}
    if name:
        with pytest.raises(SettingsError, match="LEDGER_TENANT"):
            settings_of(environ, name)
    else:
        assert settings_of(environ, name).tenant == ""


def test_one_that_was_never_made_says_how(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="tenant add bank-a"):
        Runtime.open(settings_of({"LEDGER_DATA": str(tmp_path)}, "bank-a"))


def test_a_tenants_settings_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "origin.txt").write_text("ledger.example/demo\n")
    settings = settings_of({"LEDGER_DATA": str(tmp_path), "LEDGER_THREADS": "3"}, "bank-a")
    assert settings.data == tmp_path / "tenants" / "bank-a"
    assert settings.origin == "ledger.example/demo/bank-a"
    assert settings.database_url == f"sqlite:///{tmp_path}/tenants/bank-a/ledger.db"
    assert (settings.mount, settings.threads) == ("/bank-a", 3)
    assert Settings.from_environ({"LEDGER_DATA": str(tmp_path)}).mount == ""


DATABASES = {
    "LEDGER_DATABASE_URL": "postgresql://ledger@db.example/ledger_{tenant}",
    "LEDGER_VAULT_URL": "postgresql://ledger@db.example/vault_{tenant}",
}


def test_the_tenants_name_goes_into_the_databases_name() -> None:
    assert settings_of(DATABASES, "bank-a").database_url.endswith("/ledger_bank-a")
    assert settings_of(DATABASES, "bank-a").vault_url.endswith("/vault_bank-a")
    assert Settings.from_environ(DATABASES).database_url.endswith("/ledger_main")
    hosts = {name: f"postgresql://x@{{tenant}}.db.example/{name}" for name in DATABASES}
    assert "@bank-a.db.example/" in settings_of(hosts, "bank-a").vault_url


@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ledger@db.example/ledger",
        "postgresql://{tenant}:pass@db.example/ledger",
        "postgresql://ledger@db.example/ledger?application_name={tenant}",
        "sqlite:////var/lib/ledger.db",
    ],
)
def test_two_ledgers_never_share_a_database(name: str, address: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name}: with tenants.*may not share"):
        settings_of(DATABASES | {name: address}, "bank-a")
    alone = Settings.from_environ(DATABASES | {name: address})
    assert "{tenant}" not in f"{alone.database_url} {alone.vault_url}"


def test_letters_go_out_in_nobody_elses_name(tmp_path: Path) -> None:
    environ: dict[str, Any] = {"LEDGER_CONTACTS": str(tmp_path / "contacts.json")}
    assert settings_of(environ, "bank-a").contacts_path == Path("data/tenants/bank-a/contacts.json")
    environ = {"LEDGER_CONTACTS": str(tmp_path / "{tenant}.json")}
    assert settings_of(environ, "bank-a").contacts_path == tmp_path / "bank-a.json"
    assert Settings.from_environ(environ).contacts_path == tmp_path / "main.json"
