"""What every Signer promises, on every implementation."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger.errors import PushbackError, SignatureError, StoppedError
from ledger.operate.checked_signer import CheckedSigner
from ledger.operate.key_service import MLDSA44_BYTES, RemoteKey, ServiceSigner, find_ed25519
from ledger.operate.keys import LogKeys
from ledger.tlog.cosignature import verify_mldsa44
from ledger.tlog.note import PublicKey, Signer, verify_ed25519
from tests.ledger.operate.transit import Transit, serving

MESSAGES = (b"", b"x", b"a text\n", bytes(range(256)) * 64)


@pytest.fixture
def transit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    with serving(monkeypatch) as one:
        yield one


@pytest.fixture(
    params=["file-ed25519", "file-mldsa44", "vault-ed25519", "vault-mldsa44", "encrypted-ed25519"]
)
def signer(request: pytest.FixtureRequest, tmp_path: Path, transit: Transit) -> Signer:
    kind, algorithm = request.param.split("-")
    if kind == "vault":
        key: Ed25519PrivateKey | MLDSA44PrivateKey = MLDSA44PrivateKey.generate()
        if algorithm == "ed25519":
            key = Ed25519PrivateKey.generate()
        transit.keys["ledger"] = [key]
        remote = RemoteKey("hv:ledger/1", key.public_key().public_bytes_raw())
        served: Signer = ServiceSigner(remote)
        make = CheckedSigner.ed25519 if algorithm == "ed25519" else CheckedSigner.mldsa44
        return make(served)
    passphrase = b"correct horse" if kind == "encrypted" else None
    LogKeys.generate(tmp_path / "keys", "ledger.example/log", passphrase)
    keys = LogKeys.load(tmp_path / "keys", "ledger.example/log", passphrase)
    if algorithm == "ed25519":
        return CheckedSigner.ed25519(keys.ed25519)
    return CheckedSigner.mldsa44(keys.mldsa44)


def verify(signer: Signer, signature: bytes, message: bytes) -> None:
    public = signer.public_key().public_bytes_raw()
    check = verify_mldsa44 if len(public) == MLDSA44_BYTES else verify_ed25519
    check(public, signature, message)


def test_it_signs_exactly_these_bytes(signer: Signer) -> None:
    for message in MESSAGES:
        signature = signer.sign(message)
        verify(signer, signature, message)
        with pytest.raises(SignatureError):
            verify(signer, signature, message + b"\n")


def test_its_public_half_never_changes(signer: Signer) -> None:
    before = signer.public_key().public_bytes_raw()
    signer.sign(b"x")
    assert signer.public_key().public_bytes_raw() == before


def test_threads_may_share_it(signer: Signer) -> None:
    messages = [b"%d" % number for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        for message, signature in zip(messages, pool.map(signer.sign, messages), strict=True):
            verify(signer, signature, message)


# What goes wrong: only behind a service can it be arranged


@pytest.fixture
def served(transit: Transit) -> CheckedSigner:
    transit.make("ledger")
    return CheckedSigner.ed25519(ServiceSigner(find_ed25519("hv:ledger"), seconds=0.5))


@pytest.mark.parametrize("mood", ["sealed", "nonsense", "silent"])
def test_whoever_does_not_sign_now_may_later(
    served: CheckedSigner, transit: Transit, mood: str
) -> None:
    transit.mood = mood
    with pytest.raises(PushbackError, match="nothing was signed") as raised:
        served.sign(b"x")
    assert raised.value.retry_after > 0
    transit.mood = "well"
    transit.may_answer.set()
    for _ in range(100):  # the question before may still be under way
        try:
            verify(served, served.sign(b"x"), b"x")
        except PushbackError:
            threading.Event().wait(0.02)
        else:
            return
    pytest.fail("it never signed again")


def test_a_question_that_hangs_is_not_asked_twice(served: CheckedSigner, transit: Transit) -> None:
    transit.mood = "silent"
    with pytest.raises(PushbackError, match=r"within 0\.5 seconds"):
        served.sign(b"x")
    with pytest.raises(PushbackError, match="still not answered"):
        served.sign(b"y")


def test_a_service_that_is_away_pushes_back(
    transit: Transit, monkeypatch: pytest.MonkeyPatch
) -> None:
    transit.make("ledger")
    remote = find_ed25519("hv:ledger")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    with pytest.raises(PushbackError, match="ConnectionError"):
        ServiceSigner(remote).sign(b"x")


def test_credentials_that_were_renewed_are_used(
    transit: Transit, monkeypatch: pytest.MonkeyPatch
) -> None:
    transit.make("ledger")
    remote = find_ed25519("hv:ledger")
    token = "hvs.run-out"
    good = transit.address
    monkeypatch.setenv("VAULT_TOKEN", token)
    signer = CheckedSigner.ed25519(ServiceSigner(remote))
    with pytest.raises(PushbackError, match="Forbidden"):
        signer.sign(b"x")
    monkeypatch.setenv("VAULT_ADDR", good)
    monkeypatch.setenv("VAULT_TOKEN", "hvs.a-token")
    verify(signer, signer.sign(b"x"), b"x")


class Flipping:
    """A key whose hardware has a fault."""

    def __init__(self, key: Signer, change: Callable[[bytes], bytes]) -> None:
        self._key = key
        self._change = change

    def public_key(self) -> PublicKey:
        return self._key.public_key()

    def sign(self, data: bytes, /) -> bytes:
        return self._change(self._key.sign(data))


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit": lambda signature: bytes([signature[0] ^ 1]) + signature[1:],
    "cut short": lambda signature: signature[:-1],
    "nothing": lambda _signature: b"",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_wrong_signature_never_leaves(signer: Signer, change: Callable[[bytes], bytes]) -> None:
    assert isinstance(signer, CheckedSigner)
    faulty = CheckedSigner(Flipping(signer.signer, change), signer.verify)
    with pytest.raises(StoppedError, match="does not verify"):
        faulty.sign(b"x")


def test_a_service_that_signs_wrongly_is_stopped(served: CheckedSigner, transit: Transit) -> None:
    transit.mood = "wrong"
    with pytest.raises(StoppedError):
        served.sign(b"x")
