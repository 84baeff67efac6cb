"""Keys: each record its own, each subject's under theirs, none derived."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from ledger.errors import ConflictError, ErasedError
from ledger.operate.kek_ring import KekRing
from ledger.operate.key_wrapper import KeyUnknown
from ledger.operate.vault import IndexRow, Vault, VaultRow, microseconds
from ledger.storage.database import reading
from ledger.storage.models import subject_key
from tests.ledger.operate.premises import NOON, Premises

ORIGIN = "ledger.example/log"


def row(record_id: str, tag: bytes) -> IndexRow:
    return IndexRow(record_id, tag, "declined", "ab" * 32, "cd" * 32, -5, microseconds(NOON))


def kept(vault: Vault, record_id: str, tag: bytes) -> tuple[bytes, VaultRow]:
    key, held = vault.draw_key(record_id, tag)
    return key, VaultRow(record_id, held)


def test_every_record_has_a_key_of_its_own(premises: Premises) -> None:
    vault = premises.vault()
    one, other = vault.subject_tag("one"), vault.subject_tag("other")
    tags = (one, one, other, one)
    ids = [premises.new_id() for _ in tags]
    drawn = [kept(vault, each, tag) for each, tag in zip(ids, tags, strict=True)]
    assert len({key for key, _ in drawn}) == 4
    assert len({row.key.id for _, row in drawn}) == 4
    with pytest.raises(ErasedError):  # drawn is not kept
        vault.key(ids[0])
    vault.keep(ORIGIN, [row for _, row in drawn])
    again = premises.vault()
    for record_id, tag, (key, _) in zip(ids, tags, drawn, strict=True):
        assert again.key_and_holder(record_id) == (key, tag)


def test_a_record_has_one_key(premises: Premises) -> None:
    vault = premises.vault()
    record_id, tag = premises.new_id(), vault.subject_tag("one")
    vault.keep(ORIGIN, [kept(vault, record_id, tag)[1]])
    with pytest.raises(ConflictError):
        vault.keep(ORIGIN, [kept(vault, record_id, tag)[1]])


def test_another_key_encryption_key_opens_nothing(premises: Premises) -> None:
    premises.vault()
    other = KekRing.create(premises.directory / "other.kek")
    with pytest.raises(KeyUnknown, match=premises.wrapper.kept()[0].id):
        Vault(premises.vault_engine, other, premises.clock, premises.random)


def test_tags_tell_subjects_apart_and_nothing_else(premises: Premises) -> None:
    vault = premises.vault()
    tag = vault.subject_tag("MTG-1")
    assert tag == premises.vault().subject_tag("MTG-1")
    month = vault.period_tag("credit", NOON)
    assert len({tag, vault.subject_tag("MTG-2"), month, vault.period_tag("other", NOON)}) == 4
    assert month == vault.period_tag("credit", NOON + timedelta(days=10))
    assert month != vault.period_tag("credit", NOON + timedelta(days=30))


def test_what_is_discarded_is_gone_and_only_that(premises: Premises) -> None:
    vault = premises.vault()
    tag = vault.subject_tag("one")
    ids = [premises.new_id() for _ in range(3)]
    rows = [
        VaultRow(each, vault.draw_key(each, tag)[1], row(each, tag), sealed)
        for each, sealed in zip(ids, (b"sealed", None, None), strict=True)
    ]
    vault.keep(ORIGIN, rows)
    assert vault.detail(ids[0]) == b"sealed"
    assert sorted(vault.unsettled(ORIGIN)) == sorted(ids)
    assert vault.unsettled("ledger.example/other") == ()
    vault.settle({ids[2]: 7})
    vault.settle({})
    assert sorted(vault.unsettled(ORIGIN)) == sorted(ids[:2])
    vault.discard("ledger.example/other", ids)  # another log's records are not ours to discard
    assert vault.key(ids[0])
    vault.discard(ORIGIN, ids[:1])
    for ask in (vault.key, vault.detail):
        with pytest.raises(ErasedError):
            ask(ids[0])
    assert vault.key(ids[1])
    assert vault.unsettled(ORIGIN) == (ids[1],)
    with reading(vault.engine) as connection:  # nor is the holder's key left behind
        assert connection.scalar(select(func.count()).select_from(subject_key)) == 2


def test_microseconds_are_exact() -> None:
    assert microseconds(NOON + timedelta(microseconds=1)) - microseconds(NOON) == 1
