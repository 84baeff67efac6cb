"""COSE receipts of a living log: what the key signs, and what it must never sign."""

import sqlite3

import pytest

from ledger.entries import SourceRegistered, parse_entry
from ledger.errors import InconsistencyError, LedgerError, NotFoundError, StoppedError
from ledger.operate.cose_receipts import CoseReceipts
from ledger.operate.sequencer import Draft, Sequencer
from ledger.storage.log_store import Head
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cose import CoseReceipt, LogHeader
from ledger.tlog.merkle import Frontier, leaf_hash
from ledger.tlog.note import SignedNote
from ledger.tlog.policy import Log, Policy
from ledger.verify.cose_receipt import verify_cose, verify_cose_growth
from tests.ledger.operate.premises import Open, Premises


def grow(premises: Premises, log: Sequencer, count: int = 1) -> list[str]:
    ids = [premises.new_id() for _ in range(count)]
    body = SourceRegistered(source="loan-desk", first=0)
    log.append([Draft.of(each, body) for each in ids])
    return ids


def made(premises: Premises, log: Sequencer) -> CoseReceipts:
    return CoseReceipts(log, lambda _: premises.keys["decisions"].cose_signer())


def policy(premises: Premises) -> Policy:
    keys = premises.keys["decisions"].verifier_keys(premises.clock)
    return Policy(tuple(Log(key) for key in keys))


def head(note: str) -> Checkpoint:
    return Checkpoint.parse(SignedNote.parse(note).text)


def test_an_entry_is_proved_to_whoever_has_the_policy(premises: Premises, ledger: Open) -> None:
    (record,) = grow(premises, ledger.log)
    data = made(premises, ledger.log).of_entry(record).encode()
    proved = verify_cose(data, policy(premises))
    assert proved.entry.id == record
    assert proved.checkpoint == head(ledger.log.own_checkpoint())
    with pytest.raises(NotFoundError):
        made(premises, ledger.log).of_entry(premises.new_id())


def test_growth_is_proved_from_a_checkpoint_that_somebody_kept(
    premises: Premises, ledger: Open
) -> None:
    kept = ledger.log.own_checkpoint()
    grow(premises, ledger.log, 5)
    receipts = made(premises, ledger.log)
    grown = verify_cose_growth(receipts.of_growth(head(kept)).encode(), kept, policy(premises))
    assert (grown.older, grown.newer) == (head(kept), head(ledger.log.own_checkpoint()))
    other = Checkpoint(ledger.log.origin, head(kept).size, bytes(32))
    with pytest.raises(InconsistencyError):
        receipts.of_growth(other)
    empty = Checkpoint("other.example", 1, bytes(32))
    for nothing in (grown.newer, empty):
        with pytest.raises(NotFoundError, match="no growth"):
            receipts.of_growth(nothing)


def test_a_log_of_one_entry_has_no_receipt(premises: Premises) -> None:
    log = premises.create()
    (genesis,) = log.entries()
    with pytest.raises(NotFoundError, match="one entry"):
        made(premises, log).of_entry(parse_id(genesis))


def parse_id(raw: bytes) -> str:
    return parse_entry(raw).id


def test_only_the_checkpoint_in_the_lock_is_signed(premises: Premises, ledger: Open) -> None:
    """Between the commit and the swap the database is ahead, and its head may yet be disowned."""
    grow(premises, ledger.log)
    note = premises.lock().read()
    (ahead,) = grow(premises, ledger.log)
    # The moment after the commit: the lock has the note before.
    premises.lock().swap(premises.lock().read(), note)
    receipts = made(premises, ledger.log)
    with pytest.raises(NotFoundError):
        receipts.of_entry(ahead)
    (first, *_) = ledger.log.entries()
    signed = receipts.of_entry(parse_id(first))
    assert LogHeader.parse(signed.protected).size == head(note).size


def test_a_root_that_the_key_did_not_sign_is_never_signed(
    premises: Premises, ledger: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = grow(premises, ledger.log)
    note = SignedNote.parse(premises.lock().read())
    kept = head(note.format())
    grow(premises, ledger.log, 3)
    # Somebody who can write to lock and database, and has no key.
    forged = SignedNote(
        Checkpoint(kept.origin, kept.size + 1, ledger_root(ledger, kept.size + 1)).format(),
        note.signatures,
    ).format()
    monkeypatch.setattr(ledger.log, "_head", lambda: Head(kept.size + 1, forged))
    with pytest.raises(StoppedError, match="not signed by its key"):
        made(premises, ledger.log).of_entry(record)
    with pytest.raises(StoppedError, match="not signed by its key"):
        made(premises, ledger.log).of_growth(kept)


def ledger_root(ledger: Open, size: int) -> bytes:
    return Frontier.empty().extend(map(leaf_hash, list(ledger.log.entries())[:size])).root()


def test_a_spoilt_cosigned_file_changes_nothing(premises: Premises, ledger: Open) -> None:
    (record,) = grow(premises, ledger.log)
    keys = premises.keys["decisions"]
    beside = premises.lock("cosigned")
    beside.create(SignedNote.parse(premises.lock().read()).format())
    log = Sequencer(
        premises.store(),
        premises.lock(),
        keys.origin,
        keys.signers(premises.clock),
        premises.clock,
        cosigned=beside,
    )
    beside.swap(beside.read(), "nonsense")
    receipt = made(premises, log).of_entry(record)
    assert CoseReceipt.decode(receipt.encode()) == receipt


def test_a_stopped_log_signs_nothing(premises: Premises, ledger: Open) -> None:
    (record,) = grow(premises, ledger.log)
    premises.clock.now = premises.clock.now.replace(year=2020)
    with pytest.raises(StoppedError):
        grow(premises, ledger.log)
    with pytest.raises(StoppedError, match="backwards"):
        made(premises, ledger.log).of_entry(record)


def test_what_does_not_verify_is_not_handed_out(premises: Premises, ledger: Open) -> None:
    record, other = grow(premises, ledger.log, 2)
    connection = sqlite3.connect(premises.directory / "ledger.db")
    connection.executescript(
        "DROP TRIGGER fence_log_entry_update;"
        f"UPDATE log_entry SET entry_id = 'moved' WHERE entry_id = '{record}';"
        f"UPDATE log_entry SET entry_id = '{record}' WHERE entry_id = '{other}'"
    )
    connection.close()
    with pytest.raises(LedgerError, match="another id"):
        made(premises, ledger.log).of_entry(record)
