"""Signing keys and the key-encryption key: files for their owner only."""

import stat
from pathlib import Path

import pytest

from ledger.errors import ConflictError, NotFoundError, RefusedError
from ledger.operate.keys import LogKeys
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note
from ledger.tlog.merkle import EMPTY_ROOT
from ledger.tlog.note import ED25519, MLDSA44_COSIGNATURE, sign_note
from tests.ledger.operate.premises import Clock

ORIGIN = "ledger.example/log"


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_keys_are_the_same_when_loaded(tmp_path: Path, passphrase: bytes | None) -> None:
    clock = Clock()
    made = LogKeys.generate(tmp_path / "keys", ORIGIN, passphrase)
    loaded = LogKeys.load(tmp_path / "keys", ORIGIN, passphrase)
    assert loaded.verifier_keys(clock) == made.verifier_keys(clock)
    assert [key.kind for key in made.verifier_keys(clock)] == [ED25519, MLDSA44_COSIGNATURE]
    text = Checkpoint(ORIGIN, 0, EMPTY_ROOT).format()
    opened = open_note(sign_note(text, loaded.signers(clock)), made.verifier_keys(clock))
    assert [each.timestamp is not None for each in opened.signatures] == [False, True]
    files = list((tmp_path / "keys").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    encrypted = all(b"ENCRYPTED" in file.read_bytes() for file in files)
    assert encrypted == (passphrase is not None)


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    LogKeys.generate(tmp_path, ORIGIN)
    with pytest.raises(ConflictError):
        LogKeys.generate(tmp_path, ORIGIN)


@pytest.mark.parametrize(
    ("made_with", "read_with"), [(b"one", b"other"), (b"one", None), (None, b"one")]
)
def test_another_passphrase_opens_nothing(
    tmp_path: Path, made_with: bytes | None, read_with: bytes | None
) -> None:
    LogKeys.generate(tmp_path, ORIGIN, made_with)
    with pytest.raises(RefusedError):
        LogKeys.load(tmp_path, ORIGIN, read_with)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        LogKeys.load(tmp_path, ORIGIN)
    LogKeys.generate(tmp_path, ORIGIN)
    ed25519 = (tmp_path / "ed25519.pem").read_bytes()
    (tmp_path / "mldsa44.pem").write_bytes(ed25519)
    with pytest.raises(RefusedError, match="another kind"):
        LogKeys.load(tmp_path, ORIGIN)
    (tmp_path / "mldsa44.pem").write_bytes(b"not a key")
    with pytest.raises(RefusedError):
        LogKeys.load(tmp_path, ORIGIN)
