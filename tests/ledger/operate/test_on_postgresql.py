"""The whole way of a decision on PostgreSQL: what the SQLite tests say holds there."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from ledger.errors import DuplicateSubmission, ErasedError
from ledger.operate.decisions import DecisionQuery
from tests.ledger.operate.premises import AUDITOR, Premises

pytestmark = pytest.mark.postgres


@pytest.fixture
def on_postgres(postgres_url: str, bare: Path, tmp_path: Path) -> Iterator[Premises]:
    vault = make_url(postgres_url)
    vault = vault.set(database=f"{vault.database}_vault")
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {vault.database}"))
    server.dispose()
    shutil.copytree(bare, tmp_path, dirs_exist_ok=True)
    one = Premises(tmp_path, postgres_url, vault.render_as_string(hide_password=False))
    yield one
    one.close()


def test_a_decision_goes_all_the_way(on_postgres: Premises) -> None:
    ledger = on_postgres.found()
    batch = [on_postgres.decision(seq, subject=f"person-{seq % 2}") for seq in range(5)]
    recorded = ledger.decisions.record(batch)
    assert [each.seq for each in recorded] == list(range(3, 8))
    again = on_postgres.open()
    assert {each.status for each in again.decisions.record(batch)} == {"duplicate"}
    with pytest.raises(DuplicateSubmission):
        again.decisions.record([on_postgres.decision(9, id=batch[0].id)])
    page = again.decisions.find(DecisionQuery(subject="person-1", limit=1))
    assert (page.total, page.rows[0].seq, page.facets.outcome) == (2, 6, (("declined", 2),))
    view = again.decisions.read(batch[0].id)
    assert view.payload.input == batch[0].input
    digest = "ab" * 32
    again.decisions.attach_explanation(batch[0].id, {"summary": "words"}, digest, digest)
    assert ledger.decisions.explanation(batch[0].id) == {"summary": "words"}
    entry = again.access_log.record(
        AUDITOR, purpose="audit", case="", records=[batch[0].id], fields=["input"], size=1
    )
    assert again.access_log.open(entry.id).records == (batch[0].id,)


def test_an_interrupted_record_is_swept(
    on_postgres: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = on_postgres.found()
    record_id = on_postgres.new_id()

    def died(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ledger.log, "append", died)
    with pytest.raises(ZeroDivisionError):
        ledger.decisions.record([on_postgres.decision(id=record_id)])
    assert ledger.vault.unsettled(ledger.log.origin) == (record_id,)
    vault = on_postgres.open().vault
    assert vault.unsettled(ledger.log.origin) == ()
    with pytest.raises(ErasedError):
        vault.key(record_id)
