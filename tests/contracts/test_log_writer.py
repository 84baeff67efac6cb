"""What every `LogWriter` promises: in this process, and through the writer's socket."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.entries import SourceRegistered, parse_entry
from ledger.errors import MalformedError, PushbackError, StoppedError
from ledger.operate.group_commit import MAX_WAITING, GroupCommit
from ledger.operate.log_writer import LogWriter, Place, Record, Submission, Written
from ledger.operate.sequencer import Sequencer
from ledger.operate.vault import VaultRow
from ledger.operate.writer_client import RemoteWriter, WriterConnection
from ledger.operate.writer_process import WriterProcess
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote
from ledger.tlog.proof import Receipt
from tests.ledger.operate.fixtures import _no_waiting_for_the_disk, bare, founded, ledger, premises
from tests.ledger.operate.premises import Open, Premises

__all__ = ["_no_waiting_for_the_disk", "bare", "founded", "ledger", "premises"]


@pytest.fixture(params=["here", "apart"])
def writer(request: pytest.FixtureRequest, ledger: Open, premises: Premises) -> Iterator[LogWriter]:
    if request.param == "here":
        yield ledger.writer
        return
    with ExitStack() as stack:
        path = premises.directory / "writer.sock"
        process = stack.enter_context(WriterProcess(path, {"decisions": ledger.writer}))
        thread = threading.Thread(target=process.serve)
        thread.start()
        stack.callback(thread.join)
        stack.callback(process.stop)
        connection = WriterConnection(path)
        stack.callback(connection.close)
        yield RemoteWriter(connection, "decisions")


def record(premises: Premises, name: str = "desk") -> Record:
    return Record.of(premises.new_id(), SourceRegistered(source=name, first=0))


def secret(premises: Premises, ledger: Open, payload: bytes = b"sealed") -> Record:
    one = record(premises)
    _, held = ledger.vault.draw_key(one.id, ledger.vault.subject_tag("MTG-1"))
    return replace(one, sealed=payload, kept=VaultRow(one.id, held))


def proved(written: Written, place: Place) -> None:
    assert place.raw is not None
    head = Checkpoint.parse(SignedNote.parse(written.note).text)
    Receipt(place.raw, place.seq, place.proof, written.note).verify_inclusion(head)


def test_what_is_written_stands_in_order_and_is_proved(
    premises: Premises, ledger: Open, writer: LogWriter
) -> None:
    writer.check()
    size = ledger.log.size()
    records = [record(premises) for _ in range(5)]
    written = writer.write(Submission(tuple(records)))
    assert [each.seq for each in written.places] == list(range(size, size + 5))
    for one, place in zip(records, written.places, strict=True):
        proved(written, place)
        assert parse_entry(place.raw or b"").id == one.id
    assert written.note == ledger.log.checkpoint()


def test_an_id_is_written_once(premises: Premises, ledger: Open, writer: LogWriter) -> None:
    one, other = record(premises), record(premises)
    first = writer.write(Submission((one, other, one)))
    assert [each.raw is None for each in first.places] == [False, False, True]
    assert first.places[2].seq == first.places[0].seq
    again = writer.write(Submission((other, record(premises), one)))
    assert [each.raw is None for each in again.places] == [True, False, True]
    assert [again.places[0].seq, again.places[2].seq] == [
        first.places[1].seq,
        first.places[0].seq,
    ]


def test_whole_or_not_at_all(premises: Premises, ledger: Open, writer: LogWriter) -> None:
    known, fresh = record(premises), record(premises)
    seq = writer.write(Submission((known,), whole=True)).places[0].seq
    size = ledger.log.size()
    refused = writer.write(Submission((fresh, known), whole=True))
    assert refused.places == (Place(-1), Place(seq))
    assert ledger.log.size() == size
    written = writer.write(Submission((fresh, fresh), whole=True))
    assert written.places[0].seq == size


def test_payloads_and_keys_are_kept_with_the_entry(
    premises: Premises, ledger: Open, writer: LogWriter
) -> None:
    one = secret(premises, ledger)
    (place,) = writer.write(Submission((one,))).places
    assert ledger.log.sealed(one.id) == b"sealed"
    assert ledger.vault.key(one.id)
    assert ledger.vault.unsettled(ledger.log.origin) == (one.id,)
    writer.write(Submission((record(premises),)))  # has no secrets, so the vault is left alone
    writer.write(Submission((secret(premises, ledger),)))  # settles what landed before
    assert one.id not in ledger.vault.unsettled(ledger.log.origin)
    assert ledger.log.locate([one.id]) == {one.id: place.seq}


def test_many_callers_share_commits_and_get_their_own_answers(
    premises: Premises, ledger: Open, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = ledger.log.size()
    batches = [Submission(tuple(record(premises) for _ in range(3))) for _ in range(60)]
    commits = []
    append = Sequencer.append

    def counted(log: Sequencer, drafts: list[object]) -> object:
        commits.append(len(drafts))
        return append(log, drafts)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(Sequencer, "append", counted)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(writer.write, batches))
    assert sum(commits) == 180
    assert len(commits) < 60
    places = sorted(place.seq for written in answers for place in written.places)
    assert places == list(range(size, size + 180))
    for batch, written in zip(batches, answers, strict=True):
        for one, place in zip(batch.records, written.places, strict=True):
            proved(written, place)
            assert parse_entry(place.raw or b"").id == one.id


def test_one_that_cannot_be_written_costs_no_other(
    premises: Premises, ledger: Open, writer: LogWriter
) -> None:
    good, bad = record(premises), record(premises)
    too_long = replace(bad, entry=replace(bad.entry, after_seq=b'"v":1' + b" " * 70_000 + b","))
    with ThreadPoolExecutor(2) as pool:
        wrong = pool.submit(writer.write, Submission((too_long,)))
        right = pool.submit(writer.write, Submission((good,)))
        with pytest.raises(MalformedError):
            wrong.result()
        proved(right.result(), right.result().places[0])


def test_a_log_that_stopped_says_so(premises: Premises, ledger: Open, writer: LogWriter) -> None:
    premises.clock.now = premises.clock.now.replace(year=2020)
    for _ in range(2):
        with pytest.raises(StoppedError, match="clock"):
            writer.write(Submission((record(premises),)))
    with pytest.raises(StoppedError, match="clock"):
        writer.check()


def test_what_does_not_fit_is_pushed_back(
    premises: Premises, ledger: Open, writer: LogWriter
) -> None:
    heavy = replace(record(premises), sealed=bytes(4_096 * 2_000))
    crowd = Submission(tuple(replace(heavy, id=premises.new_id()) for _ in range(9)))
    assert MAX_WAITING < 9 * 2_000
    with pytest.raises((PushbackError, MalformedError)):
        writer.write(crowd)
    proved(written := writer.write(Submission((record(premises),))), written.places[0])


def test_a_submission_has_records() -> None:
    with pytest.raises(MalformedError):
        Submission(())


def test_nothing_is_written_by_a_writer_that_is_away(premises: Premises) -> None:
    connection = WriterConnection(Path(premises.directory) / "writer.sock")
    away = RemoteWriter(connection, "decisions")
    with pytest.raises(PushbackError, match="away"):
        away.write(Submission((record(premises),)))
    with pytest.raises(PushbackError):
        away.check()
    connection.close()


def test_here_is_a_group_commit(ledger: Open) -> None:
    assert isinstance(ledger.writer, GroupCommit)
