"""docs/formats.md is enough: a reader written from it alone agrees with what we write."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from ledger import commitments
from ledger.entries import SourceRegistered
from ledger.operate.key_ring import KeyRing
from ledger.operate.key_rotation import rotate
from ledger.operate.sequencer import Draft, Sequencer
from ledger.tlog.note import SignedNote, sign_note
from ledger.tlog.policy import Log, Policy
from tests import second_reader
from tests.ledger.operate.premises import BASE, Premises

RECORDED = 9  # with genesis, model and policy a dozen entries: no power of two, some levels


@pytest.fixture(scope="module")
def premises(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    one = Premises(tmp_path_factory.mktemp("premises"))
    yield one
    one.close()


@pytest.fixture(scope="module")
def ids(premises: Premises) -> list[str]:
    ledger = premises.found()
    batches = [premises.decision(seq) for seq in range(RECORDED)]
    for decision in batches:
        ledger.decisions.record([decision])
    ledger.decisions.attach_explanation(batches[0].id, {"language": "en"}, "0" * 64, "1" * 64)
    return [decision.id for decision in batches]


@pytest.fixture(scope="module")
def keys(premises: Premises) -> second_reader.Keys:
    logs = [
        Log(key) for pair in premises.keys.values() for key in pair.verifier_keys(premises.clock)
    ]
    return second_reader.read_keys(Policy(tuple(logs)).format())


def test_a_database_audits(premises: Premises, ids: list[str], keys: second_reader.Keys) -> None:
    entries = second_reader.audit(premises.directory / "ledger.db", f"{BASE}/log/decisions", keys)
    kinds = [entry["kind"] for entry in entries]
    assert kinds[:3] == ["log_created", "model_version_registered", "policy_registered"]
    assert [entry["id"] for entry in entries if entry["kind"] == "decision"] == ids
    assert kinds[-1] == "explanation_issued"
    assert (entries[-1]["decision"], entries[-1]["template"]) == (ids[0], "0" * 64)


def test_a_log_whose_keys_were_rotated_audits(tmp_path: Path) -> None:
    one = Premises(tmp_path)
    one.create()
    directory, origin = tmp_path / "keys" / "decisions", f"{BASE}/log/decisions"
    ring = KeyRing(directory, origin, one.clock)
    log = Sequencer(one.store(), one.lock(), origin, ring, one.clock)
    old, policies = ring.known(), []
    for _ in range(2):
        note = rotate(log, ring, one.new_id())
        log.append([Draft.of(one.new_id(), SourceRegistered(source="loan-desk", first=0))])
        policies += [ring.old_keys(), ring.new_keys(), ring.new_keys()[:1]]
        ring.retire(note, keep=False)
        log.append([Draft.of(one.new_id(), SourceRegistered(source="loan-desk", first=0))])
    for trusted in policies:
        text = Policy(tuple(map(Log, trusted))).format()
        entries = second_reader.audit(tmp_path / "ledger.db", origin, second_reader.read_keys(text))
        assert [entry["kind"] for entry in entries].count("log_key_rotated") == 2
    # The thief of the first keys signs on.
    thief = next(iter(one.keys.values())).signers(one.clock)
    assert tuple(each.verifier_key for each in thief) == old
    text = SignedNote.parse(log.checkpoint()).text
    one.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        fences = database.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        for (name,) in fences.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(
            "UPDATE log_checkpoint SET note = ? WHERE size = 7", (sign_note(text, thief),)
        )
    keys = second_reader.read_keys(Policy(tuple(map(Log, policies[0]))).format())
    with pytest.raises(AssertionError):
        second_reader.audit(tmp_path / "ledger.db", origin, keys)


def test_a_receipt_proves_its_entry(
    premises: Premises, ids: list[str], keys: second_reader.Keys
) -> None:
    log = premises.open().log
    for decision_id in ids:
        text = log.receipt(decision_id).format()
        assert second_reader.read_receipt(text, keys)["id"] == decision_id
    strangers = dict(zip(keys, reversed(keys.values()), strict=True))
    with pytest.raises((InvalidSignature, AssertionError, ValueError)):
        second_reader.read_receipt(text, strangers)


def test_openings_open_what_was_logged(
    premises: Premises, ids: list[str], keys: second_reader.Keys
) -> None:
    ledger = premises.open()
    entry = second_reader.read_receipt(ledger.log.receipt(ids[4]).format(), keys)
    sent: dict[str, Any] = dict(ledger.decisions.read(ids[4]).payload.to_json())
    for opening in ledger.decisions.openings(ids[4]):
        document = json.loads(json.dumps(opening.to_json()))
        commitment, shown = second_reader.open_section(document)
        assert commitment == entry[opening.section]
        expected = dict(sent[opening.section])
        values = expected.pop("values", {})
        assert shown == expected | {f"values.{name}": units for name, units in values.items()}


def test_a_partial_opening_shows_no_more(
    premises: Premises, ids: list[str], keys: second_reader.Keys
) -> None:
    ledger = premises.open()
    entry = second_reader.read_receipt(ledger.log.receipt(ids[4]).format(), keys)
    openings = ledger.decisions.openings(ids[4], ["input.loan_to_value"])
    commitment, shown = second_reader.open_section(openings[0].to_json())
    assert (commitment, shown) == (entry["input"], {"loan_to_value": 92.5})


def test_commitments_agree_from_the_key_on() -> None:
    key = bytes(range(32))
    members: dict[str, Any] = {"b": None, "a": 1, "c": [True, "x"]}
    ours = commitments.open_section(key, "input", members)
    assert second_reader.open_section(ours.to_json())[0] == second_reader.commit(
        key, "input", members
    )


def test_the_second_reader_shares_no_code() -> None:
    text = Path(second_reader.__file__).read_text("utf-8")
    assert "from ledger" not in text
    assert "import ledger" not in text
