"""Model files at an address: registered, read and explained with, and one place for each tenant."""

import hashlib
from pathlib import Path

import pytest

from ledger.errors import RefusedError
from ledger.operate.artefacts import place_of
from service.runtime import Runtime
from service.settings import Settings, SettingsError
from service.tenants import settings_of
from tests.ledger.operate.premises import MODEL_FILE
from tests.service.deployment import ORIGIN, Deployment

DIGEST = hashlib.sha256(MODEL_FILE).hexdigest()


def test_a_version_is_registered_and_read_there(tmp_path: Path) -> None:
    far = tmp_path / "far"
    settings = Settings(data=tmp_path / "data", origin=ORIGIN, artefacts_url=f"file://{far}")
    deployment = Deployment(settings)
    deployment.found()
    assert (far / place_of(DIGEST)).read_bytes() == MODEL_FILE
    (settings.artefacts_dir / place_of(DIGEST)).unlink()
    with deployment.opened() as runtime:
        assert runtime.registry.artefact(DIGEST) == MODEL_FILE
    assert (settings.artefacts_dir / place_of(DIGEST)).read_bytes() == MODEL_FILE


def test_an_address_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", origin=ORIGIN)
    Deployment(settings).found()
    wrong = Settings(data=tmp_path / "data", artefacts_url="s3://key:secret@bucket")
    with pytest.raises(RefusedError, match="LEDGER_ARTEFACTS_URL"):
        Runtime.open(wrong)
    assert "secret" not in repr(wrong)


def test_tenants_have_places_of_their_own(tmp_path: Path) -> None:
    told = {"LEDGER_DATA": str(tmp_path), "LEDGER_ARTEFACTS_URL": "s3://models/{tenant}"}
    assert settings_of(told, "bank-a").artefacts_url == "s3://models/bank-a"
    assert settings_of(told, "").artefacts_url == "s3://models/main"
    with pytest.raises(SettingsError, match=r"LEDGER_ARTEFACTS_URL.*\{tenant\}"):
        settings_of(told | {"LEDGER_ARTEFACTS_URL": "s3://models"}, "bank-a")
