"""Erasing while others work: every record ends erased and said so, or whole; never in between."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from ledger.errors import ConflictError, ErasedError, HoldInForce, LedgerError, WrongStage
from ledger.operate.decisions import DecisionQuery, Decisions
from ledger.operate.destruction import attached_to, check_destroyed
from ledger.operate.erasure import Ground, Stage
from ledger.operate.group_commit import GroupCommit
from ledger.operate.log_writer import Submission, Written
from ledger.roles import Principal, Role
from tests.ledger.operate.eraser import ANN, BEN, Eraser
from tests.ledger.operate.premises import Open, Premises

CAT = Principal("k-cat", "Cat", Role.DATA_PROTECTION_OFFICER)
OFFICERS = (BEN, CAT)


@pytest.fixture
def eraser(premises: Premises, ledger: Open) -> Eraser:
    return Eraser(premises, ledger)


def at_once(*works: Callable[[], object]) -> list[object]:
    """What each of these gives, or raises, when all begin together."""
    barrier = threading.Barrier(len(works))

    def done(work: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return work()
        except LedgerError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(done, works))


def test_decisions_that_arrive_meanwhile_are_erased_or_whole(eraser: Eraser) -> None:
    before = eraser.record(20, explained=0)
    asked = eraser.request()
    arriving = [eraser.premises.decision(seq, subject="MTG-7") for seq in range(40)]

    def arrive() -> list[str]:
        return [eraser.ledger.decisions.record([each])[0].id for each in arriving]

    meanwhile, done = at_once(arrive, lambda: eraser.erasing.approve(BEN, asked.id))
    assert meanwhile == [each.id for each in arriving], meanwhile
    certificate = eraser.erasing.certificate(asked.id)
    size = certificate.erasure.size
    assert (done, size is not None) == (certificate.erasure, True)
    erased = set(certificate.decisions)
    assert set(before) <= erased
    places = eraser.ledger.log.locate([each.id for each in arriving])
    for each, seq in places.items():
        assert (each in erased) is (seq < (size or 0))  # where the certificate draws the line
        if each in erased:
            with pytest.raises(ErasedError):
                eraser.ledger.decisions.read(each)
        else:
            assert eraser.ledger.decisions.read(each).seq == seq
    left = eraser.ledger.decisions.find(DecisionQuery(subject="MTG-7")).total
    assert left == len(arriving) + len(before) - len(erased)


def test_what_is_attached_meanwhile_goes_or_is_refused(eraser: Eraser) -> None:
    for _ in range(5):
        ids = eraser.record(6, explained=0)
        asked, _ = eraser.erasing.request(ANN, Ground.OBJECTION, records=ids)
        works = [partial(eraser.explain, each) for each in ids]
        *attached, done = at_once(*works, partial(eraser.erasing.approve, BEN, asked.id))
        assert getattr(done, "stage", done) is Stage.DONE
        names = {each for each in attached if isinstance(each, str)}
        refused = [each for each in attached if not isinstance(each, str)]
        assert all(isinstance(each, ErasedError) for each in refused), refused
        assert set(eraser.erasing.certificate(asked.id).attached) == names
        premises = eraser.premises
        assert attached_to(premises.engine, eraser.ledger.log.origin, ids) == names
        check_destroyed(premises.vault_engine, premises.engine, [*ids, *names])


class _Late:
    """Holds back what is submitted until it is let go, as a slow web process does."""

    def __init__(self, writer: GroupCommit) -> None:
        self._writer = writer
        self.prepared = threading.Event()
        self.go = threading.Event()

    def write(self, submission: Submission) -> Written:
        self.prepared.set()
        self.go.wait(10)
        return self._writer.write(submission)

    def check(self) -> None:
        self._writer.check()


def test_an_explanation_that_was_prepared_before_comes_too_late(eraser: Eraser) -> None:
    """Its key and payload were made while the decision stood; the writer refuses it."""
    (one,) = eraser.record(explained=0)
    ledger, premises = eraser.ledger, eraser.premises
    late = _Late(ledger.writer)
    slow = Decisions(
        ledger.log, late, ledger.vault, ledger.registry, premises.clock, premises.random
    )
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(slow.attach_explanation, one, {"a": "b"}, "0" * 64, "1" * 64)
        assert late.prepared.wait(10)
        eraser.erase(one)
        late.go.set()
        with pytest.raises(ErasedError) as refused:
            answer.result(10)
    assert refused.value.tombstone is not None
    assert attached_to(premises.engine, ledger.log.origin, [one]) == frozenset()
    assert ledger.vault.unsettled(ledger.log.origin) == ()


def test_the_rest_of_a_batch_is_written_beside_what_is_refused(eraser: Eraser) -> None:
    """A refusal is its own submission's: others that share the commit are written."""
    one, other = eraser.record(2, explained=0)
    ledger, premises = eraser.ledger, eraser.premises
    late = _Late(ledger.writer)
    slow = Decisions(
        ledger.log, late, ledger.vault, ledger.registry, premises.clock, premises.random
    )
    with ThreadPoolExecutor(2) as pool:
        works = [
            pool.submit(slow.attach_explanation, each, {"a": "b"}, "0" * 64, "1" * 64)
            for each in (one, other)
        ]
        assert late.prepared.wait(10)
        eraser.erase(one)
        late.go.set()
        with pytest.raises(ErasedError):
            works[0].result(10)
        works[1].result(10)
    assert ledger.decisions.explanation(other) == {"a": "b"}


def test_one_of_two_approvers_wins(eraser: Eraser) -> None:
    for _ in range(4):
        eraser.record(3)
        asked = eraser.request()
        answers = at_once(*(partial(eraser.erasing.approve, each, asked.id) for each in OFFICERS))
        done = eraser.erasing.read(asked.id)
        assert done.stage is Stage.DONE
        assert done.approver in {each.id for each in OFFICERS}
        lost = [each for each in answers if isinstance(each, LedgerError)]
        assert len(lost) == 1
        assert isinstance(lost[0], WrongStage)
        assert len(eraser.erasing.certificate(asked.id).receipts) == 2


def test_a_hold_and_an_approval_never_pass_each_other(eraser: Eraser) -> None:
    seen = set()
    for _ in range(8):
        (one,) = eraser.record(explained=0)
        asked, _ = eraser.erasing.request(ANN, Ground.OBJECTION, records=[one])
        held, done = at_once(
            partial(eraser.hold, one), partial(eraser.erasing.approve, BEN, asked.id)
        )
        stage = eraser.erasing.read(asked.id).stage
        seen.add(stage)
        if stage is Stage.DONE:
            # The hold came too late, and says so; or it was refused because it is gone.
            assert isinstance(held, ConflictError | ErasedError), held
        else:
            assert isinstance(done, HoldInForce)
            assert eraser.ledger.decisions.read(one).id == one
    assert seen <= {Stage.DONE, Stage.REFUSED}


def test_reads_in_flight_give_all_or_say_that_it_is_gone(eraser: Eraser) -> None:
    (one,) = eraser.record()
    asked = eraser.request()
    stop = threading.Event()
    answers: set[str] = set()

    def read() -> None:
        while not stop.is_set():
            for door in (eraser.ledger.decisions.read, eraser.ledger.decisions.explanation):
                try:
                    door(one)
                except ErasedError:
                    answers.add("gone")
                else:
                    answers.add("read")

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        while "read" not in answers:
            pass
        eraser.erasing.approve(BEN, asked.id)
        while "gone" not in answers:
            pass
        stop.set()
        for each in readers:
            each.result(10)  # nothing but the two answers
    assert answers == {"read", "gone"}
