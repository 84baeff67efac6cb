"""Every look is logged before anything is shown."""

from datetime import timedelta
from typing import Any

import pytest

from ledger.entries import Access, AccessDenied, parse_entry
from ledger.errors import ErasedError, LedgerError, MalformedError, NotFoundError, PushbackError
from ledger.operate.access_log import Manner
from ledger.operate.tombstones import forget
from ledger.storage.database import writing
from ledger.storage.models import access_detail, access_index
from tests.ledger.operate.premises import AUDITOR, Open, Premises


def look(premises: Premises, **members: Any) -> dict[str, Any]:
    return {
        "purpose": "audit",
        "case": "case 7",
        "records": [premises.new_id()],
        "fields": ["input.income", "output"],
        "size": 1,
    } | members


def test_a_look_is_an_entry_that_names_nobody(premises: Premises, ledger: Open) -> None:
    asked = look(premises)
    entry = ledger.access_log.record(AUDITOR, **asked)
    log = ledger.access_log.log
    assert log.origin.endswith("/log/access")
    raw = log.entry(entry.id)
    assert parse_entry(raw) == entry
    body = entry.body
    assert isinstance(body, Access)
    assert (body.role, body.purpose, body.size) == ("auditor", "audit", 1)
    for secret in (AUDITOR.id, AUDITOR.name, "case 7", asked["records"][0], "income"):
        assert secret.encode() not in raw.replace(entry.id.encode(), b"")
    assert log.receipt(entry.id).entry == raw


def test_what_was_shown_can_be_opened(premises: Premises, ledger: Open) -> None:
    asked = look(premises)
    entry = ledger.access_log.record(AUDITOR, **asked)
    detail = premises.open().access_log.open(entry.id)
    assert detail.records == tuple(asked["records"])
    assert detail.fields == tuple(asked["fields"])
    assert (detail.id, detail.at) == (entry.id, entry.at)
    with pytest.raises(NotFoundError):
        ledger.access_log.open(parse_entry(next(ledger.access_log.log.entries())).id)
    with writing(premises.vault_engine) as connection:
        connection.execute(access_detail.delete())
    with pytest.raises(ErasedError):
        ledger.access_log.open(entry.id)


def test_a_refusal_is_logged_too(premises: Premises, ledger: Open) -> None:
    asked = look(premises)
    del asked["size"]
    entry = ledger.access_log.deny(AUDITOR, **asked)
    assert isinstance(entry.body, AccessDenied)
    assert entry.body.size == 0
    assert ledger.access_log.open(entry.id).records == tuple(asked["records"])


def test_pseudonyms_last_a_month(premises: Premises, ledger: Open) -> None:
    def bodies(days: int) -> Access:
        premises.clock.now += timedelta(days=days)
        body = ledger.access_log.record(AUDITOR, **look(premises)).body
        assert isinstance(body, Access)
        return body

    may, still_may, june = bodies(0), bodies(1), bodies(30)
    assert (may.actor, may.case) == (still_may.actor, still_may.case)
    assert may.actor != june.actor
    assert may.case != june.case
    assert may.actor == ledger.vault.pseudonym(
        "actor", AUDITOR.id, premises.clock.now - timedelta(30)
    )


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"purpose": "curiosity"}, "purpose"),
        ({"case": "x" * 201}, "case"),
        ({"fields": ["x" * 257]}, "fields"),
        ({"fields": ["x"] * 1_001}, "fields"),
        ({"records": ["not an id"]}, "records"),
        ({"size": -1}, "size"),
    ],
)
def test_a_look_is_checked(
    premises: Premises, ledger: Open, members: dict[str, Any], member: str
) -> None:
    with pytest.raises(MalformedError) as raised:
        ledger.access_log.record(AUDITOR, **look(premises, **members))
    assert raised.value.member == member
    assert ledger.access_log.log.size() == 1


@pytest.mark.parametrize("place", ["vault", "log"])
def test_without_the_log_there_is_no_look(
    premises: Premises, ledger: Open, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise PushbackError("the database is away", retry_after=1)

    target, name = (ledger.vault, "keep") if place == "vault" else (ledger.access_log.log, "append")
    monkeypatch.setattr(target, name, away)
    with pytest.raises(LedgerError):
        ledger.access_log.record(AUDITOR, **look(premises))
    monkeypatch.undo()
    assert premises.open().vault.unsettled(ledger.access_log.log.origin) == ()
    assert ledger.access_log.log.size() == 1


def test_a_person_is_told_when_and_why_but_not_by_whom(premises: Premises, ledger: Open) -> None:
    decisions = [premises.decision(seq) for seq in range(3)]
    ledger.decisions.record(decisions)
    mine, other, unseen = (each.id for each in decisions)
    record, deny = ledger.access_log.record, ledger.access_log.deny
    record(AUDITOR, **look(premises, records=[other, mine, mine], size=2, manner=Manner.SEARCH))
    record(AUDITOR, **look(premises, records=[other]))
    asked = look(premises, records=[mine], purpose="complaint")
    del asked["size"]
    premises.clock.now += timedelta(days=40)
    deny(AUDITOR, **asked)
    searched, denied = premises.open().access_log.about([mine])
    assert (searched.manner, searched.denied, searched.purpose) == (Manner.SEARCH, False, "audit")
    assert (denied.manner, denied.denied, denied.purpose) == (Manner.READ, True, "complaint")
    assert set(searched.records) == set(denied.records) == {mine}
    assert searched.fields == ("input.income", "output")
    assert denied.at - searched.at >= timedelta(days=40)
    assert AUDITOR.id not in repr((searched, denied))
    assert len(ledger.access_log.about([mine, other])) == 3
    assert ledger.access_log.about([unseen]) == ledger.access_log.about([]) == ()


def test_looks_go_with_the_record_and_with_their_detail(premises: Premises, ledger: Open) -> None:
    decision = premises.decision()
    ledger.decisions.record([decision])
    first = ledger.access_log.record(AUDITOR, **look(premises, records=[decision.id]))
    ledger.access_log.record(AUDITOR, **look(premises, records=[decision.id]))
    with writing(premises.vault_engine) as connection:
        connection.execute(access_detail.delete().where(access_detail.c.record_id == first.id))
    gone, there = ledger.access_log.about([decision.id])
    assert (gone.manner, gone.records, gone.purpose) == (None, (), "audit")
    assert there.manner is Manner.READ
    forget(premises.vault_engine, [first.id])
    assert len(ledger.access_log.about([decision.id])) == 1
    forget(premises.vault_engine, [decision.id])
    ledger.access_log.record(AUDITOR, **look(premises, records=[decision.id]))
    with writing(premises.vault_engine) as connection:
        assert connection.execute(access_index.select()).all() == []


def test_a_forged_index_tells_a_person_nothing(premises: Premises, ledger: Open) -> None:
    decision = premises.decision()
    ledger.decisions.record([decision])
    entry = ledger.access_log.record(AUDITOR, **look(premises))
    for entry_id in (entry.id, premises.new_id()):
        with writing(premises.vault_engine) as connection:
            row = {"record_id": decision.id, "entry_id": entry_id}
            connection.execute(access_index.insert().values(**row))
    assert ledger.access_log.about([decision.id]) == ()
