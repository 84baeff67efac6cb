"""What every KeyWrapper promises, on every implementation."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.errors import MalformedError, VerificationError
from ledger.operate.kek_ring import KekRing, Protection
from ledger.operate.key_wrapper import KEY_ID_BYTES, KeyUnknown, KeyWrapper, key_id_of
from tests.ledger.operate.transit import Transit, serving

KEY = bytes(range(32))


@pytest.fixture
def transit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    with serving(monkeypatch) as one:
        one.make("vault")
        yield one


PROTECTIONS = {
    "plain": Protection(),
    "passphrase": Protection(b"correct horse"),
    "service": Protection(service="hv:vault"),
}


@pytest.fixture(params=list(PROTECTIONS))
def ring(request: pytest.FixtureRequest, tmp_path: Path, transit: Transit) -> KekRing:
    return KekRing.create(tmp_path / "vault.kek", PROTECTIONS[request.param])


@pytest.fixture
def wrapper(ring: KekRing) -> KeyWrapper:
    return ring


def test_a_wrapped_key_opens_for_what_it_is_bound_to_only(wrapper: KeyWrapper) -> None:
    wrapped = wrapper.wrap(KEY, "id-1")
    assert wrapper.unwrap(wrapped, "id-1") == KEY
    assert KEY not in wrapped
    assert wrapper.wrap(KEY, "id-1") != wrapped
    with pytest.raises(VerificationError):
        wrapper.unwrap(wrapped, "id-2")


def test_changed_bytes_do_not_open(wrapper: KeyWrapper) -> None:
    wrapped = wrapper.wrap(KEY, "id-1")
    for at in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[at] ^= 1
        with pytest.raises((VerificationError, MalformedError)):
            wrapper.unwrap(bytes(changed), "id-1")
    for cut in (b"", wrapped[:1], wrapped[: 1 + KEY_ID_BYTES], wrapped[:-1], wrapped + b"\0"):
        with pytest.raises((VerificationError, MalformedError)):
            wrapper.unwrap(cut, "id-1")


def test_only_keys_of_32_bytes_are_wrapped(wrapper: KeyWrapper) -> None:
    for wrong in (b"", KEY[1:], KEY + b"x"):
        with pytest.raises(MalformedError):
            wrapper.wrap(wrong, "id-1")


def test_another_key_is_told_from_changed_bytes(wrapper: KeyWrapper, tmp_path: Path) -> None:
    other = KekRing.create(tmp_path / "other.kek")
    wrapped = wrapper.wrap(KEY, "id-1")
    assert wrapper.knows(wrapped)
    assert wrapper.is_current(wrapped)
    assert not other.knows(wrapped)
    assert not other.is_current(wrapped)
    with pytest.raises(KeyUnknown, match=f"{key_id_of(wrapped)}.*{other.kept()[0].id}"):
        other.unwrap(wrapped, "id-1")


def test_a_key_that_follows_leaves_the_old_one_readable(
    ring: KekRing, reopened: Callable[[], KekRing]
) -> None:
    wrapped = ring.wrap(KEY, "id-1")
    elsewhere = reopened()  # another process, that has opened the file before
    ring.rotate()
    for each in (ring, elsewhere, reopened()):
        assert each.unwrap(wrapped, "id-1") == KEY
        assert each.knows(wrapped)
        assert not each.is_current(wrapped)
        assert each.is_current(each.wrap(KEY, "id-1"))
    ring.retire(key_id_of(wrapped))
    for each in (ring, elsewhere, reopened()):
        assert not each.knows(wrapped)
        with pytest.raises(KeyUnknown):
            each.unwrap(wrapped, "id-1")


@pytest.fixture
def reopened(
    request: pytest.FixtureRequest, ring: KekRing, tmp_path: Path
) -> Callable[[], KekRing]:
    protection = PROTECTIONS[request.node.callspec.params["ring"]]
    return lambda: KekRing(tmp_path / "vault.kek", protection)
