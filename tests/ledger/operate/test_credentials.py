"""API keys: shown once, stored as a hash, refused without a reason."""

from datetime import timedelta
from pathlib import Path

import pytest

from ledger.errors import KeyExpired, MalformedError, NotFoundError, RefusedError
from ledger.operate.credentials import MAX_DAYS, REMEMBER_SECONDS, ApiKeys
from ledger.roles import Role
from tests.ledger.operate.premises import Premises


@pytest.fixture
def keys(premises: Premises) -> ApiKeys:
    return ApiKeys(premises.engine, premises.clock, premises.random)


def test_a_key_says_who_calls(keys: ApiKeys) -> None:
    text, key_id = keys.issue("Audit desk", Role.AUDITOR)
    assert text.startswith(f"dl_{key_id}_")
    principal = keys.authenticate(text)
    assert (principal.id, principal.name, principal.role) == (key_id, "Audit desk", Role.AUDITOR)
    assert keys.principal(key_id) == principal


def test_the_secret_is_not_stored(premises: Premises, keys: ApiKeys) -> None:
    text, _ = keys.issue("Audit desk", Role.AUDITOR)
    premises.close()
    secret = text.split("_", 2)[2].encode()  # it may hold a "_" itself
    stored = b"".join(Path(p).read_bytes() for p in premises.directory.glob("ledger.db*"))
    assert b"Audit desk" in stored
    assert secret not in stored


def test_any_other_text_is_nobodys(keys: ApiKeys) -> None:
    text, key_id = keys.issue("Audit desk", Role.AUDITOR)
    last = "A" if text[-1] != "A" else "B"
    for wrong in (
        "",
        text[:-1],
        text[:-1] + last,
        text + "A",
        f"{text} ",
        text.replace(key_id, "0" * 16),
        text.upper(),
        f"dl_{key_id}_",
    ):
        with pytest.raises(RefusedError) as raised:
            keys.authenticate(wrong)
        assert str(raised.value) == "API key: not one that is in force"


def test_a_revoked_key_is_refused(keys: ApiKeys) -> None:
    text, key_id = keys.issue("Audit desk", Role.AUDITOR)
    other, _ = keys.issue("Other desk", Role.SOURCE)
    keys.revoke(key_id)
    revoked_at = keys.list()[0].revoked_at
    keys.revoke(key_id)
    with pytest.raises(RefusedError):
        keys.authenticate(text)
    with pytest.raises(RefusedError):
        keys.principal(key_id)
    assert keys.authenticate(other).role is Role.SOURCE
    listed = keys.list()
    assert [(key.name, key.revoked_at) for key in listed] == [
        ("Audit desk", revoked_at),
        ("Other desk", None),
    ]
    assert revoked_at is not None
    assert listed[0].created_at < revoked_at
    with pytest.raises(NotFoundError):
        keys.revoke("0" * 16)


def test_a_key_revoked_by_another_process_is_refused_within_a_second(premises: Premises) -> None:
    now = [0.0]
    here = ApiKeys(premises.engine, premises.clock, premises.random, lambda: now[0])
    elsewhere = ApiKeys(premises.engine, premises.clock, premises.random)
    text, key_id = here.issue("Audit desk", Role.AUDITOR)
    assert here.authenticate(text).id == key_id
    elsewhere.revoke(key_id)
    now[0] = REMEMBER_SECONDS - 0.001
    assert here.authenticate(text).id == key_id
    now[0] = REMEMBER_SECONDS
    for _ in range(2):
        with pytest.raises(RefusedError):
            here.authenticate(text)


def test_not_more_keys_are_remembered_than_fit(
    premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.operate.credentials.MAX_REMEMBERED", 2)
    keys = ApiKeys(premises.engine, premises.clock, premises.random, lambda: 0.0)
    texts = [keys.issue("Audit desk", Role.AUDITOR)[0] for _ in range(3)]
    named = [keys.authenticate(text).id for text in (*texts, *texts)]
    assert named == [text.split("_")[1] for text in (*texts, *texts)]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 101,
        "two\nlines",
        "Ann\u200b Lee",
        "Ann\u034f Lee",
        "Ann Lee\u3164",
        "Ann\ufe0f Lee",
    ],
)
def test_a_name_is_short_and_printable(keys: ApiKeys, name: str) -> None:
    with pytest.raises(MalformedError) as raised:
        keys.issue(name, Role.AUDITOR)
    assert raised.value.member == "name"


def test_a_key_ends_by_itself(premises: Premises, keys: ApiKeys) -> None:
    text, key_id = keys.issue("Audit desk", Role.AUDITOR, days=90)
    (listed,) = keys.list()
    assert listed.expires_at is not None
    premises.clock.now = listed.expires_at - timedelta(seconds=1)
    assert keys.authenticate(text).id == keys.principal(key_id).id == key_id
    premises.clock.now = listed.expires_at
    with pytest.raises(KeyExpired):
        keys.authenticate(text)
    with pytest.raises(KeyExpired):
        keys.principal(key_id)
    assert not listed.in_force(premises.clock.now)


def test_only_its_holder_learns_that_a_key_has_expired(premises: Premises, keys: ApiKeys) -> None:
    text, key_id = keys.issue("Audit desk", Role.AUDITOR, days=1)
    premises.clock.now += timedelta(days=2)
    with pytest.raises(RefusedError) as raised:
        keys.authenticate(text[:-1] + ("A" if text[-1] != "A" else "B"))
    assert not isinstance(raised.value, KeyExpired)
    keys.revoke(key_id)
    with pytest.raises(RefusedError) as raised:
        keys.authenticate(text)
    assert not isinstance(raised.value, KeyExpired)


@pytest.mark.parametrize("days", [0, -1, MAX_DAYS + 1])
def test_a_key_lasts_some_days(keys: ApiKeys, days: int) -> None:
    with pytest.raises(MalformedError) as raised:
        keys.issue("Audit desk", Role.AUDITOR, days)
    assert raised.value.member == "expires"
