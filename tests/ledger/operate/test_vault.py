"""Keys: each record its own, each subject's under theirs, none derived."""

from datetime import timedelta

import pytest

from ledger.errors import ConflictError, ErasedError, VerificationError
from ledger.operate.key_wrapper import LocalKeyWrapper
from ledger.operate.vault import IndexRow, KeyRequest, Vault, microseconds
from tests.ledger.operate.premises import NOON, Premises

ORIGIN = "ledger.example/log"


def row(record_id: str, tag: bytes) -> IndexRow:
    return IndexRow(record_id, tag, "declined", "ab" * 32, "cd" * 32, -5, microseconds(NOON))


def test_every_record_has_a_key_of_its_own(premises: Premises) -> None:
    vault = premises.vault()
    one, other = vault.subject_tag("one"), vault.subject_tag("other")
    ids = [premises.new_id() for _ in range(4)]
    requests = [KeyRequest(i, tag) for i, tag in zip(ids, (one, one, other, one), strict=True)]
    drawn = vault.draw_keys(requests)
    assert [holder.tag for holder in drawn.new_holders] == [one, other]
    assert len({record.key for record in drawn.records}) == 4
    with pytest.raises(ErasedError):  # drawn is not kept
        vault.key(ids[0])
    vault.keep(ORIGIN, drawn)
    again = premises.vault()
    for request, record in zip(requests, drawn.records, strict=True):
        assert again.key_and_holder(request.record_id) == (record.key, request.holder)
    later = again.draw_keys([KeyRequest(premises.new_id(), other)])
    assert later.new_holders == ()
    assert later.records[0].key_id == drawn.records[2].key_id


def test_a_record_has_one_key(premises: Premises) -> None:
    vault = premises.vault()
    request = KeyRequest(premises.new_id(), vault.subject_tag("one"))
    vault.keep(ORIGIN, vault.draw_keys([request]))
    with pytest.raises(ConflictError):
        vault.keep(ORIGIN, vault.draw_keys([request]))


def test_another_key_encryption_key_opens_nothing(premises: Premises) -> None:
    premises.vault()
    other = LocalKeyWrapper(bytes(32))
    with pytest.raises(VerificationError):
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
    drawn = vault.draw_keys([KeyRequest(record_id, tag) for record_id in ids])
    vault.keep(ORIGIN, drawn, index=[row(each, tag) for each in ids], details={ids[0]: b"sealed"})
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


def test_microseconds_are_exact() -> None:
    assert microseconds(NOON + timedelta(microseconds=1)) - microseconds(NOON) == 1
