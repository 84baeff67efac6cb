"""Keys that a service keeps: their addresses, and a log that signs with one."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.entries import SourceRegistered
from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    PushbackError,
    RefusedError,
    StoppedError,
)
from ledger.operate.key_ring import KeyRing
from ledger.operate.key_rotation import rotate
from ledger.operate.key_service import MAX_ADDRESS_CHARS, RemoteKey, ServiceSigner, find_ed25519
from ledger.operate.keys import LogKeys
from ledger.operate.sequencer import Draft, Sequencer
from ledger.tlog.note import encode_base64
from tests.ledger.operate.premises import BASE, Premises
from tests.ledger.operate.transit import Transit, serving

PUBLIC = bytes(32)


@pytest.fixture
def transit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    with serving(monkeypatch) as one:
        yield one


# Addresses


def test_an_address_is_two_lines() -> None:
    key = RemoteKey("hv:ledger/3", PUBLIC)
    assert key.format() == f"hv:ledger/3\n{encode_base64(PUBLIC)}\n"
    assert RemoteKey.parse(key.format()) == key
    assert key.scheme == "hv"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("", PUBLIC),
        ("hv:", PUBLIC),
        ("ledger", PUBLIC),
        ("hv:a b", PUBLIC),
        ("hv:a\nb", PUBLIC),
        ("HV:ledger", PUBLIC),
        ("hv:" + "a" * MAX_ADDRESS_CHARS, PUBLIC),
        ("hv:ledger/1", PUBLIC[:31]),
    ],
)
def test_what_is_no_address_is_refused(address: str, public: bytes) -> None:
    with pytest.raises(MalformedError):
        RemoteKey(address, public)


@given(
    st.text(max_size=60)
    | st.from_regex(r"[a-z+.-]{1,4}:[!-~ ]{0,9}\n[A-Za-z0-9+/]{43}=?\n?", fullmatch=True)
)
def test_only_what_we_would_have_written_is_read(text: str) -> None:
    with suppress(MalformedError):
        assert RemoteKey.parse(text).format() == text


@pytest.mark.parametrize("text", ["hv:a/1\n", "hv:a/1\nAAAA\n", "hv:a/1\nx\n", "hv:a/1\n\n\n"])
def test_a_broken_file_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        RemoteKey.parse(text)


def test_the_newest_version_of_a_vault_key_is_found(transit: Transit) -> None:
    newest = transit.make("ledger", versions=12)
    found = find_ed25519("hv:ledger")
    assert found == RemoteKey("hv:ledger/12", newest.public_key().public_bytes_raw())
    assert find_ed25519("hv:ledger/3").address == "hv:ledger/3"
    assert find_ed25519("hv:ledger/3", PUBLIC) == RemoteKey("hv:ledger/3", PUBLIC)  # is not asked
    with pytest.raises(RefusedError, match="another public key"):
        find_ed25519("hv:ledger", PUBLIC)


@pytest.mark.parametrize("address", ["hv:nobody", "hv:ledger/9"])
def test_a_vault_key_that_is_not_there(transit: Transit, address: str) -> None:
    transit.make("ledger")
    with pytest.raises(LedgerError, match="Vault tells no Ed25519 key"):
        find_ed25519(address)


def test_elsewhere_the_public_key_has_to_be_given() -> None:
    with pytest.raises(MalformedError, match="public key too"):
        find_ed25519("gcpkms:projects/p/locations/l")
    with pytest.raises(MalformedError, match="not Ed25519"):
        find_ed25519("gcpkms:projects/p", bytes(1312))


@pytest.mark.parametrize("address", ["nosuch:key", "hv:no-version", "hv:name/x"])
def test_an_address_that_no_service_has_is_refused(address: str) -> None:
    with pytest.raises(RefusedError, match="no key service is addressed"):
        ServiceSigner(RemoteKey(address, PUBLIC))


def test_what_a_service_needs_and_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("securesystemslib")
    with pytest.raises(RefusedError, match="google-cloud-kms"):
        ServiceSigner(RemoteKey("gcpkms:projects/p", PUBLIC))
    monkeypatch.setitem(sys.modules, "securesystemslib.signer", None)
    monkeypatch.setitem(sys.modules, "hvac", None)
    for ask in (lambda: ServiceSigner(RemoteKey("hv:a/1", PUBLIC)), lambda: find_ed25519("hv:a")):
        with pytest.raises(RefusedError, match=r"pip install 'decision-ledger\[kms\]'"):
            ask()


# Files


def test_keys_of_a_log_may_be_kept_apart(tmp_path: Path, transit: Transit) -> None:
    private = transit.make("ledger")
    LogKeys.generate(tmp_path / "keys", "ledger.example/log", ed25519=find_ed25519("hv:ledger"))
    assert sorted(each.name for each in (tmp_path / "keys").iterdir()) == [
        "ed25519.uri", "mldsa44.pem",
    ]  # fmt: skip
    keys = LogKeys.load(tmp_path / "keys", "ledger.example/log")
    assert keys.places() == ("hv:ledger/1", "file")
    signer = keys.ed25519
    assert signer.public_key().public_bytes_raw() == private.public_key().public_bytes_raw()
    (tmp_path / "keys" / "ed25519.pem").write_bytes(b"a file too many")
    with pytest.raises(RefusedError, match="for the same key"):
        LogKeys.load(tmp_path / "keys", "ledger.example/log")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\xff", RefusedError),
        (b"hv:ledger\n", MalformedError),
        (RemoteKey("hv:a/1", bytes(1312)).format().encode(), RefusedError),
    ],
)
def test_a_file_that_leads_to_no_key(
    tmp_path: Path, content: bytes, error: type[LedgerError]
) -> None:
    LogKeys.generate(tmp_path / "keys", "ledger.example/log")
    (tmp_path / "keys" / "ed25519.pem").unlink()
    (tmp_path / "keys" / "ed25519.uri").write_bytes(content)
    with pytest.raises(error):
        LogKeys.load(tmp_path / "keys", "ledger.example/log")


def test_an_ml_dsa_key_of_a_service_signs_too(tmp_path: Path, transit: Transit) -> None:
    LogKeys.generate(tmp_path / "keys", "ledger.example/log")
    private = MLDSA44PrivateKey.generate()
    transit.keys["pq"] = [private]
    (tmp_path / "keys" / "mldsa44.pem").unlink()
    remote = RemoteKey("hv:pq/1", private.public_key().public_bytes_raw())
    (tmp_path / "keys" / "mldsa44.uri").write_text(remote.format())
    keys = LogKeys.load(tmp_path / "keys", "ledger.example/log")
    private.public_key().verify(keys.mldsa44.sign(b"x"), b"x")


# A log


@pytest.fixture
def ring(premises: Premises) -> KeyRing:
    premises.create()
    return KeyRing(
        premises.directory / "keys" / "decisions", f"{BASE}/log/decisions", premises.clock
    )


def taken_up(premises: Premises, ring: KeyRing) -> Sequencer:
    return Sequencer(premises.store(), premises.lock(), ring.origin, ring, premises.clock)


def draft(premises: Premises) -> Draft:
    return Draft.of(premises.new_id(), SourceRegistered(source="loan-desk", first=0))


def moved(premises: Premises, ring: KeyRing, transit: Transit) -> Sequencer:
    """A log whose Ed25519 key is the service's alone."""
    transit.make("ledger")
    log = taken_up(premises, ring)
    note = rotate(log, ring, premises.new_id(), ed25519=find_ed25519("hv:ledger"))
    ring.retire(note, keep=False)
    return log


def test_a_log_moves_its_key_into_a_service(
    premises: Premises, ring: KeyRing, transit: Transit
) -> None:
    log = moved(premises, ring, transit)
    log.append([draft(premises)])
    assert transit.signed[-1].decode() == log.checkpoint().partition("\n\n")[0] + "\n"
    assert taken_up(premises, ring).size() == 3
    assert set(ring.places().values()) == {"hv:ledger/1", "file"}


def test_while_the_service_is_away_nothing_is_committed(
    premises: Premises, ring: KeyRing, transit: Transit
) -> None:
    log = moved(premises, ring, transit)
    transit.mood = "sealed"
    wanted = draft(premises)
    with pytest.raises(PushbackError):
        log.append([wanted])
    assert log.locate([wanted.id]) == {}
    log.check_running()
    assert taken_up(premises, ring).size() == 2  # starting takes no signature
    transit.mood = "well"
    (appended,) = log.append([wanted])
    assert appended.entry.seq == 2


def test_a_service_that_signs_wrongly_ends_the_writing(
    premises: Premises, ring: KeyRing, transit: Transit
) -> None:
    log = moved(premises, ring, transit)
    transit.mood = "wrong"
    with pytest.raises(StoppedError, match="does not verify"):
        log.append([draft(premises)])
    transit.mood = "well"
    with pytest.raises(StoppedError):
        log.append([draft(premises)])
    with pytest.raises(StoppedError):
        log.check_running()
    again = taken_up(premises, ring)
    assert again.size() == 2
    again.append([draft(premises)])


@pytest.mark.parametrize("mood", ["sealed", "wrong"])
def test_a_key_that_does_not_sign_is_not_rotated_to(
    premises: Premises, ring: KeyRing, transit: Transit, mood: str
) -> None:
    transit.make("ledger")
    remote = find_ed25519("hv:ledger")
    log = taken_up(premises, ring)
    transit.mood = mood
    with pytest.raises((PushbackError, StoppedError)):
        rotate(log, ring, premises.new_id(), ed25519=remote)
    assert ring.new_keys() == ()
    log.append([draft(premises)])
    assert log.size() == 2


def test_a_rotation_is_to_one_key(premises: Premises, ring: KeyRing, transit: Transit) -> None:
    transit.make("ledger")
    transit.make("other")
    log = taken_up(premises, ring)
    assert ring.make_next(find_ed25519("hv:ledger"))
    with pytest.raises(ConflictError, match="other ones"):
        rotate(log, ring, premises.new_id(), ed25519=find_ed25519("hv:other"))
    rotate(log, ring, premises.new_id(), ed25519=find_ed25519("hv:ledger"))
    for _ in range(2):
        with pytest.raises(ConflictError, match="other ones"):
            rotate(log, ring, premises.new_id(), ed25519=find_ed25519("hv:other"))
        rotate(log, ring, premises.new_id(), ed25519=find_ed25519("hv:ledger"))
    assert log.size() == 2
