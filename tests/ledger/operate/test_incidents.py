"""Incidents: a code and a commitment in the log, the detail sealed like any other record."""

from hashlib import sha256

import pytest

from ledger.canonical import JsonValue
from ledger.commitments import verify_opening
from ledger.entries import Incident
from ledger.errors import ErasedError, NotFoundError, VerificationError
from ledger.operate.incidents import IncidentCode, Incidents
from ledger.operate.tombstones import forget
from tests.ledger.operate.premises import Open, Premises

DETAIL: dict[str, JsonValue] = {"reason": "a witness was wrong", "role": "administrator", "size": 7}


@pytest.fixture(params=["decisions", "access"])
def incidents(request: pytest.FixtureRequest, premises: Premises, ledger: Open) -> Incidents:
    here = request.param == "decisions"
    return Incidents(
        ledger.log if here else ledger.access_log.log,
        ledger.writer if here else ledger.access_writer,
        ledger.vault,
        premises.clock,
        premises.random,
        sealed_in_vault=request.param == "access",
    )


def test_it_is_on_record_and_its_detail_is_not_in_the_log(incidents: Incidents) -> None:
    entry = incidents.record(IncidentCode.FORK_DISMISSED, DETAIL)
    assert isinstance(entry.body, Incident)
    assert entry.body.code == "fork_dismissed"
    assert b"witness" not in entry.format()
    found = incidents.open(entry.id)
    assert (found.code, found.members) == ("fork_dismissed", DETAIL)
    verify_opening(found.opening, entry.body.detail)
    assert incidents.all() == (entry,)


def test_every_incident_is_listed_and_nothing_else(
    incidents: Incidents, premises: Premises, ledger: Open
) -> None:
    ledger.decisions.record([premises.decision(0)])
    first = incidents.record(IncidentCode.HISTORY_LOST, DETAIL)
    ledger.decisions.record([premises.decision(1)])
    second = incidents.record(IncidentCode.KEYS_COMPROMISED, DETAIL)
    assert incidents.all() == (first, second)


def test_only_an_incident_is_opened_as_one(
    incidents: Incidents, premises: Premises, ledger: Open
) -> None:
    entry = incidents.record(IncidentCode.HISTORY_LOST, DETAIL)
    (recorded,) = ledger.decisions.record([premises.decision(0)])
    with pytest.raises(NotFoundError):
        incidents.open(recorded.id)
    with pytest.raises(NotFoundError):
        incidents.open(premises.new_id())
    forget(premises.vault_engine, [entry.id])
    with pytest.raises(ErasedError):
        incidents.open(entry.id)


def test_a_detail_that_was_exchanged_is_found(premises: Premises, ledger: Open) -> None:
    incidents = Incidents(ledger.log, ledger.writer, ledger.vault, premises.clock, premises.random)
    entry = incidents.record(IncidentCode.HISTORY_LOST, DETAIL)
    with premises.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM sealed_payload WHERE record_id = ?", (entry.id,))
        connection.exec_driver_sql(
            "INSERT INTO sealed_payload SELECT ?, 1, ?",
            (entry.id, b"\x01" + sha256(b"x").digest() * 4),
        )
    with pytest.raises(VerificationError):
        incidents.open(entry.id)
