"""The whole way of a decision on PostgreSQL: what the SQLite tests say holds there."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from ledger.errors import DuplicateSubmission, ErasedError
from ledger.operate.decisions import DecisionQuery
from ledger.operate.event_halves import EventHalves
from ledger.operate.own_references import OwnReferences
from ledger.operate.rewrapping import retire, rewrap, wrapped_under
from ledger.operate.sequencer import Appended, Draft
from ledger.operate.vault import Vault
from ledger.storage.database import reading
from tests.ledger.operate import test_erasing, test_erasing_together
from tests.ledger.operate.eraser import Eraser
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


def test_events_that_come_at_once_are_counted_once_each(on_postgres: Premises) -> None:
    on_postgres.found()
    halves = EventHalves(
        Vault(on_postgres.vault_engine, on_postgres.wrapper, on_postgres.clock, os.urandom),
        on_postgres.clock,
        os.urandom,
    )
    tags = [halves.tag("a/b", "pod", str(number)) for number in range(6)]
    content = {"data": {"instances": [[1]]}, "subject": None, "at": 0}
    drawn: list[int] = []
    together = threading.Barrier(2 * len(tags))

    def go_on(tag: bytes, part: str) -> None:
        together.wait(20)
        halves.keep(tag, part, "a/b", content)
        first = halves.draw_counters(tag, "kserve.b", 2)
        drawn.append(first)
        together.wait(20)  # the other half is there by now, and both go on with it
        assert halves.draw_counters(tag, "kserve.b", 2) == first
        exchange = halves.read(tag)
        together.wait(20)
        if exchange is not None:
            halves.settle(exchange)

    with ThreadPoolExecutor(2 * len(tags)) as pool:
        list(pool.map(go_on, tags * 2, ["request"] * len(tags) + ["response"] * len(tags)))
    assert sorted(drawn) == sorted([2 * number for number in range(len(tags))] * 2)
    assert halves.waiting() == ()
    assert all(halves.is_done(tag, "request", content) for tag in tags)


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


def test_a_second_machine_waits_for_its_turn(
    on_postgres: Premises, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a copy of the directory, so it does not see the first one's checkpoint lock."""
    ledger = on_postgres.found()
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path, elsewhere, ignore=shutil.ignore_patterns("elsewhere"))
    second = Premises(elsewhere, _url(on_postgres.engine), _url(on_postgres.vault_engine))
    second.clock = on_postgres.clock
    starting = threading.Thread(target=second.open)  # sweeps what has keys and no entry
    append = ledger.log.append

    def slowly(drafts: Sequence[Draft]) -> tuple[Appended, ...]:
        starting.start()
        starting.join(0.5)
        return append(drafts)

    monkeypatch.setattr(ledger.log, "append", slowly)
    (recorded,) = ledger.decisions.record([on_postgres.decision(1)])
    starting.join()
    assert ledger.decisions.read(recorded.id).payload.subject == "MTG-000001"
    again = second.open()
    (next_one,) = again.decisions.record([on_postgres.decision(2)])
    assert next_one.seq == recorded.seq + 1
    assert again.decisions.read(recorded.id).seq == recorded.seq
    second.close()


def _url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def test_the_key_encryption_key_is_rotated_and_retired(on_postgres: Premises) -> None:
    ledger = on_postgres.found()
    recorded = ledger.decisions.record([on_postgres.decision(seq) for seq in range(5)])
    ring, old = on_postgres.wrapper, on_postgres.wrapper.kept()[0].id
    new = ring.rotate()
    assert rewrap(ledger.vault.engine, ring) > len(recorded)
    assert [each.key_id for each in wrapped_under(ledger.vault.engine)] == [new]
    with reading(ledger.vault.engine):  # somebody who reads keeps nobody waiting
        retire(ledger.vault.engine, ring, old)
    for each in recorded:
        assert on_postgres.open().decisions.read(each.id).seq == each.seq


@pytest.mark.parametrize(
    "holds",
    [
        test_erasing_together.test_decisions_that_arrive_meanwhile_are_erased_or_whole,
        test_erasing_together.test_a_hold_and_an_approval_never_pass_each_other,
        test_erasing.test_erasing_a_person_again_gives_the_same_certificate,
        test_erasing.test_a_hold_keeps_its_records_and_no_others,
    ],
    ids=["while decisions arrive", "beside a hold", "twice", "under a hold"],
)
def test_an_erasure(on_postgres: Premises, holds: Callable[[Eraser], None]) -> None:
    holds(Eraser(on_postgres, on_postgres.found()))


def test_the_whole_log_verifies_after_an_erasure(on_postgres: Premises) -> None:
    eraser = Eraser(on_postgres, on_postgres.found())
    test_erasing.test_a_person_is_erased_and_the_log_verifies(eraser, on_postgres)


def test_own_references(on_postgres: Premises) -> None:
    ledger = on_postgres.found()
    (mine, other) = (
        ledger.decisions.record([on_postgres.decision(seq, subject=subject)])[0].id
        for seq, subject in enumerate(("MTG-7", "MTG-8"))
    )
    own = OwnReferences(ledger.vault, on_postgres.clock)
    assert [own.declare("k1", "MTG-7") for _ in range(2)] == [True, False]
    own.declare("k2", "MTG-8")
    entry = ledger.access_log.record(
        AUDITOR, purpose="audit", case="", records=[mine, other], fields=["input"], size=2
    )
    assert own.among(["k1"], [entry.id, mine]) == {entry.id: {mine}}
    assert own.among(["k1", "k2"], [entry.id]) == {entry.id: {mine, other}}
    assert own.counts() == {"k1": 1, "k2": 1}
    assert (own.withdraw("k1", "MTG-8"), own.withdraw("k1", "MTG-7")) == (0, 1)
    assert own.among(["k1"], [entry.id]) == {}
