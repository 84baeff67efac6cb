"""The file of key-encryption keys: how each is kept, and who may open it."""

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    PushbackError,
    RefusedError,
)
from ledger.operate.kek_file import MAX_KEYS, Encrypted, KeyFile, Plain, Served
from ledger.operate.kek_ring import HOLD_SECONDS, KekRing, Protection
from ledger.operate.key_wrapper import KeyEncryptionKey
from tests.ledger.operate.transit import Transit, serving

KEY = bytes(range(32))
UNDER_A_SERVICE = Protection(service="hv:vault")


@pytest.fixture
def transit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    with serving(monkeypatch) as one:
        one.make("vault")
        yield one


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "vault.kek"


def plain(secret: bytes) -> Plain:
    return Plain(KeyEncryptionKey(secret).id, secret)


# The file


@given(
    st.lists(
        st.one_of(
            st.binary(min_size=32, max_size=32).map(plain),
            st.builds(
                Encrypted,
                st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
                st.binary(min_size=16, max_size=16),
                st.binary(max_size=61),
            ),
            st.builds(
                Served,
                st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
                st.just("hv:x"),
                st.text("a"),
            ),
        ),
        min_size=1,
        max_size=MAX_KEYS,
        unique_by=lambda kept: kept.id,
    )
)
def test_a_file_reads_as_it_was_written(kept: list[Plain | Encrypted | Served]) -> None:
    file = KeyFile(tuple(kept))
    assert KeyFile.parse(file.format()) == file


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_file_or_malformed(data: bytes) -> None:
    with suppress(MalformedError):
        assert KeyFile.parse(data).format() == data


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"keys":[],"v":1}\n',
        '{"keys":[{"id":"0000000000000000","key":"AAAA"}],"v":1}\n',
        '{"keys":[{"id":"x","key":"AAAA"}],"v":1}\n',
        '{"keys":[{"id":"0000000000000000","other":"AAAA"}],"v":1}\n',
        '{"keys":[{"id":"0000000000000000","salt":"AA==","sealed":"AA=="}],"v":1}\n',
        '{"keys":[7],"v":1}\n',
        '{"keys":[],"v":2}\n',
        '{"keys":[{"id":"0000000000000000","service":"' + "x" * 300 + '","wrapped":""}],"v":1}\n',
    ],
)
def test_what_is_no_file_of_keys_is_refused(path: Path, text: str) -> None:
    KekRing.create(path)
    path.write_text(text)
    with pytest.raises(RefusedError, match="damaged"):
        KekRing(path)


def test_a_key_is_made_once_and_only_its_owner_reads_it(path: Path) -> None:
    with pytest.raises(NotFoundError, match="bring it back"):
        KekRing(path)
    KekRing.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConflictError):
        KekRing.create(path)


def test_a_key_under_another_keys_id_is_refused(path: Path) -> None:
    KeyFile((Plain("00" * 8, KEY),)).create(path)
    with pytest.raises(RefusedError, match="is another key"):
        KekRing(path)


def test_no_more_keys_than_a_file_can_hold(path: Path) -> None:
    ring = KekRing.create(path)
    for _ in range(MAX_KEYS - 1):
        ring.rotate()
    with pytest.raises(MalformedError):
        ring.rotate()
    assert len(KekRing(path).kept()) == MAX_KEYS


def test_the_key_in_force_and_an_unknown_one_stay(path: Path) -> None:
    ring = KekRing.create(path)
    with pytest.raises(ConflictError, match="in force"):
        ring.retire(ring.kept()[0].id)
    with pytest.raises(NotFoundError):
        ring.retire("00" * 8)


def test_a_file_that_is_gone_for_a_moment_stops_nothing(path: Path) -> None:
    ring = KekRing.create(path)
    wrapped = ring.wrap(KEY, "x")
    path.rename(path.with_suffix(".away"))
    assert ring.unwrap(wrapped, "x") == KEY


# Under a passphrase


def test_a_passphrase_covers_the_key(path: Path) -> None:
    wrapped = KekRing.create(path).wrap(KEY, "x")
    assert KekRing(path).protect(Protection(b"correct horse")) == 1
    kept = KekRing(path, Protection(b"correct horse")).kept()
    assert [type(each) for each in kept] == [Encrypted]
    assert KekRing(path, Protection(b"correct horse")).unwrap(wrapped, "x") == KEY
    with pytest.raises(RefusedError, match="LEDGER_VAULT_PASSPHRASE_FILE"):
        KekRing(path)
    with pytest.raises(RefusedError, match="passphrase is another"):
        KekRing(path, Protection(b"wrong horse"))


# By a key service


def test_a_service_is_asked_at_the_start_and_then_seldom(path: Path, transit: Transit) -> None:
    now = [0.0]
    wrapped = KekRing.create(path, UNDER_A_SERVICE).wrap(KEY, "x")
    ring = KekRing(path, UNDER_A_SERVICE, monotonic=lambda: now[0])
    before = transit.opened
    for _ in range(100):
        assert ring.unwrap(wrapped, "x") == KEY
    assert transit.opened == before
    now[0] = HOLD_SECONDS
    assert ring.unwrap(wrapped, "x") == KEY
    assert transit.opened == before + 1
    assert KEY not in path.read_bytes()


@pytest.mark.parametrize("mood", ["sealed", "nonsense", "wrong"])
def test_a_service_that_does_not_open_it_says_so(path: Path, transit: Transit, mood: str) -> None:
    KekRing.create(path, UNDER_A_SERVICE)
    transit.mood = mood
    with pytest.raises(LedgerError, match="key-encryption key"):
        KekRing(path, UNDER_A_SERVICE)


def test_a_service_that_is_away_is_waited_for(path: Path, transit: Transit) -> None:
    now = [0.0]
    KekRing.create(path, UNDER_A_SERVICE)
    ring = KekRing(path, UNDER_A_SERVICE, monotonic=lambda: now[0])
    now[0], transit.mood = HOLD_SECONDS, "sealed"
    with pytest.raises(PushbackError, match="Vault did not decrypt"):
        ring.wrap(KEY, "x")
    transit.mood = "well"
    assert ring.wrap(KEY, "x")


@pytest.mark.parametrize("address", ["vault", "hv:", "hv:a/b", "aws:x"])
def test_what_is_no_address_of_a_service_makes_no_file(path: Path, address: str) -> None:
    with pytest.raises(MalformedError):
        KekRing.create(path, Protection(service=address))
    assert not path.exists()
