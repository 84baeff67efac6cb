"""An operator rewrites rows beside the log: what is shown is what was logged, or an alarm.

The triggers are dropped first, as whoever owns the file can; the vault's keys are the
operator's too.
"""

import hashlib
from dataclasses import replace
from typing import Any, cast

import pytest

from ledger import canonical
from ledger.commitments import commit
from ledger.entries import ExplanationIssued, parse_entry
from ledger.errors import VerificationError
from ledger.sealing import NONCE_BYTES, seal
from tests.ledger.operate.premises import Open, Premises, model_manifest

DIGEST = "0" * 64


def _change(premises: Premises, statement: str, *values: Any) -> None:
    with premises.engine.begin() as connection:
        fences = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        for (name,) in fences.all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql(statement, values)


def _explained(premises: Premises, ledger: Open, seq: int) -> tuple[str, str]:
    """The id of a decision, and of the entry that committed to its explanation."""
    (recorded,) = ledger.decisions.record([premises.decision(seq)])
    said = {"summary": f"explanation {seq}"}
    entry = ledger.decisions.attach_explanation(recorded.id, said, DIGEST, DIGEST)
    return recorded.id, entry.id


def test_a_rewritten_explanation_with_a_rewritten_entry_raises_the_alarm(
    premises: Premises, ledger: Open
) -> None:
    decision, entry_id = _explained(premises, ledger, 0)
    assert ledger.decisions.explanation(decision) == {"summary": "explanation 0"}
    key = ledger.vault.key(entry_id)
    said: dict[str, Any] = {"summary": "something kinder"}
    entry = parse_entry(ledger.log.entry(entry_id))
    body = replace(
        cast("ExplanationIssued", entry.body), explanation=commit(key, "explanation", said)
    )
    forged = replace(entry, body=body).format()
    nonce = premises.random(NONCE_BYTES)
    sealed = seal(key, ledger.log.origin, entry_id, canonical.encode(said), nonce)
    _change(premises, "UPDATE log_entry SET entry = ? WHERE entry_id = ?", forged, entry_id)
    _change(premises, "UPDATE sealed_payload SET sealed = ? WHERE record_id = ?", sealed, entry_id)
    with pytest.raises(VerificationError):
        ledger.decisions.explanation(decision)
    with pytest.raises(VerificationError):
        ledger.decisions.history(decision)


def test_another_persons_explanation_raises_the_alarm(premises: Premises, ledger: Open) -> None:
    mine, _ = _explained(premises, ledger, 0)
    other, _ = _explained(premises, ledger, 1)
    _change(
        premises,
        "UPDATE log_reference SET reference = ? WHERE reference = ?", mine + "x", mine,
    )  # fmt: skip
    _change(premises, "UPDATE log_reference SET reference = ? WHERE reference = ?", mine, other)
    with pytest.raises(VerificationError):
        ledger.decisions.explanation(mine)


def test_entries_that_changed_ids_raise_the_alarm(premises: Premises, ledger: Open) -> None:
    one, two = (each.id for each in ledger.decisions.record([premises.decision(0),
                                                             premises.decision(1)]))  # fmt: skip
    for old, new in ((one, "x"), (two, one), ("x", two)):
        _change(premises, "UPDATE log_entry SET entry_id = ? WHERE entry_id = ?", new, old)
    with pytest.raises(VerificationError):
        ledger.log.receipt(one)
    with pytest.raises(VerificationError):
        ledger.log.entry(two)


def test_a_model_that_the_log_never_registered_raises_the_alarm(
    premises: Premises, ledger: Open
) -> None:
    manifest = model_manifest() | {"version": "6.6.6"}
    raw = canonical.encode(manifest)
    logged = ledger.registry.model("mortgage-approval@1.0.0")
    some_entry = parse_entry(ledger.log.referring(logged.digest)[0]).id
    _change(
        premises,
        "INSERT INTO model_version (digest, name, version, manifest, entry_id)"
        " VALUES (?, ?, ?, ?, ?)",
        hashlib.sha256(raw).hexdigest(), manifest["name"], "6.6.6", raw, some_entry,
    )  # fmt: skip
    with pytest.raises(VerificationError, match="never registered"):
        ledger.registry.model("mortgage-approval@6.6.6")
    with pytest.raises(VerificationError, match="never registered"):
        ledger.registry.models()
