"""Premises for a test: copied from ones made once, so that a test costs no founding."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.operate.premises import NOON, Open, Premises

__all__ = ["_no_waiting_for_the_disk", "bare", "founded", "ledger", "premises"]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and empty databases."""
    directory = tmp_path_factory.mktemp("bare")
    Premises(directory).close()
    return directory


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory, bare: Path) -> Path:
    """A ledger with a model and a policy."""
    directory = tmp_path_factory.mktemp("founded")
    shutil.copytree(bare, directory, dirs_exist_ok=True)
    one = Premises(directory)
    one.clock.now = NOON
    one.found()
    one.close()
    return directory


@pytest.fixture
def premises(bare: Path, tmp_path: Path) -> Iterator[Premises]:
    """Premises without a ledger."""
    shutil.copytree(bare, tmp_path, dirs_exist_ok=True)
    one = Premises(tmp_path)
    yield one
    one.close()


@pytest.fixture
def ledger(founded: Path, premises: Premises) -> Open:
    """The ledger of `premises`, taken up, with a model and a policy."""
    premises.engine.dispose()
    premises.vault_engine.dispose()
    shutil.copytree(founded, premises.directory, dirs_exist_ok=True)
    return premises.open()
