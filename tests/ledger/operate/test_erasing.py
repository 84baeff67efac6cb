"""Erasing: two people, one tombstone, nothing left that opens, and a log that still verifies."""

import hashlib
import json
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.commitments import commit
from ledger.entries import Erased, parse_entry
from ledger.errors import (
    ErasedError,
    HoldInForce,
    MalformedError,
    NotFoundError,
    PermissionRefused,
    SecondPersonNeeded,
    VerificationError,
    WrongStage,
)
from ledger.operate.decisions import DecisionQuery
from ledger.operate.destruction import attached_to, check_destroyed
from ledger.operate.erasure import Ground, Refusal, Stage
from ledger.operate.tombstones import delete_sealed, forget
from ledger.roles import Principal, Role
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote, encode_base64
from ledger.tlog.policy import Log, Policy
from ledger.tlog.proof import Receipt
from ledger.verify.audit import audit
from ledger.verify.postgres_reader import PostgresLogReader
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.ledger.operate.eraser import ANN, BEN, ONE, ZERO, Eraser
from tests.ledger.operate.premises import Open, Premises

SCHEMA = Path(__file__).parents[3] / "docs" / "erasure-certificate.schema.json"


@pytest.fixture
def eraser(premises: Premises, ledger: Open) -> Eraser:
    return Eraser(premises, ledger)


def audited(premises: Premises) -> int:
    keys = premises.keys["decisions"].verifier_keys(premises.clock)
    url = premises.engine.url
    if url.get_backend_name() == "sqlite":
        opened: Any = SqliteLogReader.open(premises.directory / "ledger.db")
    else:
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        opened = PostgresLogReader.open(plain)
    with opened as readers:
        (reader,) = (each for each in readers if each.origin.endswith("/decisions"))
        result = audit(reader, Policy(tuple(map(Log, keys))))
    assert result.findings == ()
    return result.size


def verified(receipt: Receipt) -> None:
    note = SignedNote.parse(receipt.checkpoint_note)
    receipt.verify_inclusion(Checkpoint.parse(note.text))


def test_a_person_is_erased_and_the_log_verifies(eraser: Eraser, premises: Premises) -> None:
    ids, other = eraser.record(3), eraser.record(1, "MTG-8")
    kept = [eraser.ledger.log.receipt(each) for each in ids]
    done = eraser.erase(subject="MTG-7")
    assert (done.stage, done.decisions, done.attached, done.held) == (Stage.DONE, 3, 1, 0)
    for each in ids:
        for door in (
            eraser.ledger.decisions.read,
            eraser.ledger.decisions.explanation,
            eraser.ledger.decisions.openings,
            eraser.explain,
        ):
            with pytest.raises(ErasedError) as gone:
                door(each)
            assert gone.value.tombstone is not None
            assert gone.value.tombstone["ground"] == "objection"
        verified(eraser.ledger.log.receipt(each))
    assert eraser.ledger.decisions.find(DecisionQuery(subject="MTG-7")).total == 0
    assert eraser.ledger.decisions.read(other[0]).payload.subject == "MTG-8"
    assert audited(premises) == eraser.ledger.log.size()
    for receipt in kept:
        verified(receipt)
    with pytest.raises(ErasedError):  # not as if it were new
        eraser.ledger.decisions.record([premises.decision(0, id=ids[0])])


def test_the_certificate_names_what_went_and_proves_it(eraser: Eraser) -> None:
    ids = eraser.record(2)
    explanations = {eraser.explain(ids[1]), *_explanations(eraser, ids[0])}
    size = eraser.ledger.log.size()
    done = eraser.erase(subject="MTG-7")
    said = eraser.erasing.certificate(done.id).to_json()
    jsonschema.validate(said, json.loads(SCHEMA.read_text("utf-8")))
    assert (said["scope"], said["covers_below"]) == ("person", size)
    assert said["decisions"] == sorted(ids)
    assert said["attached"] == sorted(explanations)
    named: set[str] = set()
    for each in cast("list[dict[str, str]]", said["tombstones"]):
        receipt = Receipt.parse(each["receipt"])
        verified(receipt)
        body = parse_entry(receipt.entry).body
        assert isinstance(body, Erased)
        named |= set(body.records)
    assert named == {*ids, *explanations}
    text = json.dumps(said)
    assert "MTG-7" not in text
    assert "declined" not in text
    assert "nonym" not in text  # never "anonymised"
    assert eraser.erasing.certificate(done.id).to_json() == said


def _explanations(eraser: Eraser, record_id: str) -> list[str]:
    return [each.id for each in eraser.ledger.decisions.history(record_id)[1:]]


def test_single_records_are_erased_and_the_others_stay(eraser: Eraser) -> None:
    first, second = eraser.record(2)
    done = eraser.erase(first)
    assert (done.decisions, done.size, done.whole_person) == (1, None, False)
    assert eraser.ledger.decisions.read(second).id == second
    with pytest.raises(ErasedError) as again:
        eraser.erasing.request(ANN, Ground.OBJECTION, records=[first])
    assert again.value.erasure == done.id


def test_erasing_a_person_again_gives_the_same_certificate(eraser: Eraser) -> None:
    eraser.record(2)
    one = eraser.request()
    same, new = eraser.erasing.request(BEN, Ground.CONSENT_WITHDRAWN, subject="MTG-7")
    assert (same, new) == (one, False)
    done = eraser.erasing.approve(BEN, one.id)
    assert eraser.erasing.approve(BEN, one.id) == done  # an answer was lost
    with pytest.raises(ErasedError) as again:
        eraser.request()
    assert again.value.erasure == done.id
    with pytest.raises(NotFoundError) as unknown:
        eraser.request("MTG-unknown")
    assert not isinstance(unknown.value, ErasedError)


def test_two_people_are_needed_and_the_right_ones(eraser: Eraser) -> None:
    eraser.record()
    one = eraser.request()
    with pytest.raises(SecondPersonNeeded):
        eraser.erasing.approve(ANN, one.id)
    for role in set(Role) - {Role.DATA_PROTECTION_OFFICER}:
        other = Principal("k-other", "Other", role)
        with pytest.raises(PermissionRefused):
            eraser.erasing.approve(other, one.id)
        with pytest.raises(PermissionRefused):
            eraser.erasing.request(other, Ground.OBJECTION, subject="MTG-7")
        with pytest.raises(PermissionRefused):
            eraser.erasing.refuse(other, one.id, Refusal.LEGAL_CLAIMS)
    assert eraser.erasing.read(one.id).stage is Stage.REQUESTED


def test_a_request_is_one_person_or_some_decisions(eraser: Eraser) -> None:
    (one,) = eraser.record()
    (explanation,) = _explanations(eraser, one)
    request = eraser.erasing.request
    with pytest.raises(MalformedError):
        request(ANN, Ground.OBJECTION)
    with pytest.raises(MalformedError):
        request(ANN, Ground.OBJECTION, subject="MTG-7", records=[one])
    with pytest.raises(MalformedError):
        request(ANN, Ground.OBJECTION, records=["Ann Other"])
    for absent in (explanation, eraser.premises.new_id()):
        with pytest.raises(NotFoundError):
            request(ANN, Ground.OBJECTION, records=[absent])
    with pytest.raises(NotFoundError):
        eraser.erasing.approve(BEN, eraser.premises.new_id())


def test_a_refused_request_stays_refused(eraser: Eraser) -> None:
    eraser.record()
    one = eraser.request()
    refused = eraser.erasing.refuse(BEN, one.id, Refusal.IDENTITY_NOT_SHOWN)
    assert (refused.stage, refused.reason) == (Stage.REFUSED, "identity_not_shown")
    for late in (BEN, Principal("k-cat", "Cat", Role.DATA_PROTECTION_OFFICER)):
        with pytest.raises(WrongStage):
            eraser.erasing.approve(late, one.id)
    with pytest.raises(WrongStage):
        eraser.erasing.refuse(BEN, one.id, Refusal.WITHDRAWN)
    with pytest.raises(WrongStage):
        eraser.erasing.certificate(one.id)
    assert eraser.erase(subject="MTG-7").stage is Stage.DONE


def test_what_comes_later_stays_and_the_certificate_says_where(eraser: Eraser) -> None:
    before = eraser.record(2)
    one = eraser.request()
    during = eraser.record(1)
    done = eraser.erasing.approve(BEN, one.id)
    after = eraser.record(1)
    assert done.size is not None
    said = eraser.erasing.certificate(one.id).to_json()
    assert said["decisions"] == sorted([*before, *during])
    assert eraser.ledger.decisions.read(after[0]).seq >= done.size
    assert eraser.request().id != one.id  # of what came later


def test_a_record_is_erased_by_one_request_only(eraser: Eraser) -> None:
    first, second = eraser.record(2)
    person = eraser.request()
    single, _ = eraser.erasing.request(ANN, Ground.OBJECTION, records=[first])
    eraser.erasing.approve(BEN, single.id)
    done = eraser.erasing.approve(BEN, person.id)
    assert eraser.erasing.certificate(done.id).to_json()["decisions"] == [second]
    (third,) = eraser.record()
    one, _ = eraser.erasing.request(ANN, Ground.OBJECTION, records=[third])
    two, _ = eraser.erasing.request(ANN, Ground.OBJECTION, records=[third])
    eraser.erasing.approve(BEN, one.id)
    with pytest.raises(WrongStage, match="another request"):
        eraser.erasing.approve(BEN, two.id)


def test_a_hold_keeps_its_records_and_no_others(eraser: Eraser) -> None:
    first, second = eraser.record(2)
    hold = eraser.hold(first)
    done = eraser.erase(subject="MTG-7")
    assert (done.decisions, done.held) == (1, 1)
    said = eraser.erasing.certificate(done.id).to_json()
    assert said["kept"] == [{"decision": first, "hold": hold.id}]
    assert eraser.ledger.decisions.read(first).id == first
    with pytest.raises(HoldInForce) as refused:
        eraser.erase(subject="MTG-7")
    assert refused.value.holds == (hold.id,)
    assert hold.id in str(refused.value)
    assert "Other" not in str(refused.value)
    last = eraser.erasing.all()[-1]
    assert (last.stage, last.reason) == (Stage.REFUSED, "hold_in_force")
    assert eraser.erasing.kept_by(last.id) == ((first, hold.id),)
    eraser.release(hold)
    assert eraser.erase(first).stage is Stage.DONE
    with pytest.raises(ErasedError):
        eraser.ledger.decisions.read(second)


def test_a_hold_on_a_person_keeps_later_records_too(eraser: Eraser) -> None:
    eraser.record()
    eraser.hold(subject="MTG-7")
    (first,) = eraser.record()
    with pytest.raises(HoldInForce):
        eraser.erase(first)
    with pytest.raises(HoldInForce):
        eraser.erase(subject="MTG-7")


def test_more_records_than_one_tombstone_names(eraser: Eraser) -> None:
    ids = [each for _ in range(3) for each in eraser.record(400, explained=0)]
    done = eraser.erase(subject="MTG-7")
    tombstones = eraser.erasing.certificate(done.id).receipts
    assert [len(parse_entry(each.entry).body.records) for each in tombstones] == [1024, 176]  # type: ignore[attr-defined]  # tombstones
    assert done.decisions == len(ids) == 1200
    audited(eraser.premises)


def test_everything_attached_goes_whatever_it_is(eraser: Eraser) -> None:
    (one,) = eraser.record(explained=2)
    notice = eraser.ledger.decisions.attach_notice(one, {"sent": "x"}, ZERO, ONE).id
    again = eraser.explain(one)
    engine, origin = eraser.premises.engine, eraser.ledger.log.origin
    attached = attached_to(engine, origin, [one])
    assert {notice, again} < attached
    eraser.erase(one)
    check_destroyed(eraser.premises.vault_engine, engine, [one, *attached])
    assert attached_to(engine, origin, [one]) == attached  # tombstones are not attached


def test_the_self_test_finds_what_was_left(eraser: Eraser) -> None:
    (one,) = eraser.record()
    vault, engine = eraser.premises.vault_engine, eraser.premises.engine
    with pytest.raises(VerificationError, match="record_key"):
        check_destroyed(vault, engine, [one])
    forget(vault, [one])
    with pytest.raises(VerificationError, match="sealed_payload"):
        check_destroyed(vault, engine, [one])
    delete_sealed(engine, [one])
    check_destroyed(vault, engine, [one])


def test_few_possible_values_are_not_found_by_trying_them(eraser: Eraser) -> None:
    """Loan-to-value by years: 300 inputs that could be, tried against the real entries."""
    (one,) = eraser.record(explained=0)
    ledger = eraser.ledger
    key, real = ledger.vault.key(one), dict(ledger.decisions.read(one).payload.input)
    guesses = [
        real | {"loan_to_value": tenths / 10, "years": years}
        for tenths in range(900, 950)
        for years in range(6)
    ]
    eraser.erase(one)
    every = b"".join(ledger.log.entries())
    public = (bytes(32), hashlib.sha256(one.encode()).digest(), ledger.log.origin.encode())

    def tried(key: bytes, guess: dict[str, JsonValue]) -> bytes:
        return encode_base64(commit(key, "input", guess)).encode()

    for guess in guesses:
        plain = hashlib.sha256(canonical.encode(guess))
        assert plain.hexdigest().encode() not in every
        assert encode_base64(plain.digest()).encode() not in every
        assert all(tried(each[:32].ljust(32), guess) not in every for each in public)
    # The control: with the key, which is gone, it is found at once.
    assert [guess for guess in guesses if tried(key, guess) in every] == [real]
