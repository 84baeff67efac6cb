"""Legal holds: a named matter, two people to end it, and nothing of it in the log."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.entries import HoldReleased, HoldSet, parse_entry
from ledger.errors import (
    ConflictError,
    ErasedError,
    MalformedError,
    NotFoundError,
    PermissionRefused,
    PushbackError,
    SecondPersonNeeded,
    StoppedError,
    VerificationError,
    WrongStage,
)
from ledger.operate.erasure import HoldTerms, Stage
from ledger.operate.erasure_store import ErasureStore
from ledger.operate.holds import MAX_HELD, Holds
from ledger.operate.log_writer import Submission, Written
from ledger.roles import Principal, Role
from tests.ledger.operate.eraser import ANN, BEN, Eraser
from tests.ledger.operate.premises import AUDITOR, Open, Premises


@pytest.fixture
def eraser(premises: Premises, ledger: Open) -> Eraser:
    return Eraser(premises, ledger)


def test_a_hold_is_in_the_log_without_its_text(eraser: Eraser) -> None:
    first, second = eraser.record(2)
    hold = eraser.hold(first)
    assert (hold.logged, hold.records, hold.whole_person, hold.released_at) == (
        True,
        1,
        False,
        None,
    )
    entry = parse_entry(eraser.ledger.log.entry(hold.entry_id))
    assert isinstance(entry.body, HoldSet)
    assert entry.body.hold == hold.id
    every = b"".join(eraser.ledger.log.entries())
    for hidden in (b"Other", b"claim", b"legal", b"records"):
        assert hidden not in every
    assert eraser.holds.terms(hold) == {
        "matter": "Other v Bank, 12 O 34/26",
        "ground": "defence of a claim",
        "owner": "legal",
        "review_at": hold.review_at.isoformat(),
        "scope": "records",
        "records": [first],
    }
    assert eraser.holds.of([first, second]) == {first: hold.id}


def test_a_hold_is_released_by_two(eraser: Eraser) -> None:
    (one,) = eraser.record()
    hold = eraser.hold(one)
    asked = eraser.holds.release(ANN, hold.id, "settled")
    assert (asked.releaser, asked.released_at) == (ANN.id, None)
    assert eraser.holds.of([one]) == {one: hold.id}
    with pytest.raises(SecondPersonNeeded):
        eraser.holds.release(ANN, hold.id, "settled")
    released = eraser.holds.release(BEN, hold.id, "settled")
    assert released.released_at is not None
    assert eraser.holds.of([one]) == {}
    bodies = [parse_entry(raw).body for raw in eraser.ledger.log.entries()]
    assert [each.hold for each in bodies if isinstance(each, HoldReleased)] == [hold.id]
    with pytest.raises(WrongStage):
        eraser.holds.release(BEN, hold.id, "settled")
    assert eraser.holds.all() == (released,)


def test_a_hold_is_overdue_when_its_review_is_past(eraser: Eraser) -> None:
    eraser.record()
    hold = eraser.hold(subject="MTG-7")
    assert not eraser.holds.overdue(hold)
    eraser.premises.clock.now += timedelta(days=91)
    assert eraser.holds.overdue(hold)
    assert not eraser.holds.overdue(eraser.release(hold))


def test_who_may_and_what(eraser: Eraser) -> None:
    (one,) = eraser.record()
    terms = eraser.terms()
    with pytest.raises(PermissionRefused):
        eraser.holds.set(AUDITOR, terms, records=[one])
    with pytest.raises(PermissionRefused):
        eraser.holds.release(Principal("k", "C", Role.ADMINISTRATOR), one, "x")
    ids = [eraser.premises.new_id() for _ in range(MAX_HELD + 1)]
    for records, subject in (((), None), ((one,), "MTG-7"), (ids, None), (("x",), None)):
        with pytest.raises(MalformedError):
            eraser.holds.set(ANN, terms, records=records, subject=subject)
    for days in (-1, 0, 400):
        with pytest.raises(MalformedError):
            eraser.holds.set(ANN, eraser.terms(days), records=[one])
    with pytest.raises(NotFoundError):
        eraser.holds.set(ANN, terms, records=ids[:1])
    (_, explanation) = eraser.ledger.decisions.history(one)
    with pytest.raises(NotFoundError):
        eraser.holds.set(ANN, terms, records=[explanation.id])
    with pytest.raises(NotFoundError):
        eraser.holds.release(ANN, ids[0], "x")
    hold = eraser.hold(one)
    for reason in ("", " ", "x" * 501, "a\nb"):
        with pytest.raises(MalformedError):
            eraser.holds.release(ANN, hold.id, reason)
    assert len(eraser.holds.all()) == 1


@pytest.mark.parametrize("member", ["matter", "ground", "owner"])
@pytest.mark.parametrize("text", ["", " ", "x" * 501, "a\nb"])
def test_terms_are_named_in_a_sentence(eraser: Eraser, member: str, text: str) -> None:
    good = {"matter": "m", "ground": "g", "owner": "o"} | {member: text}
    with pytest.raises(MalformedError) as raised:
        HoldTerms(**good, review_at=eraser.premises.clock())
    assert raised.value.member == member
    with pytest.raises(MalformedError):
        HoldTerms("m", "g", "o", eraser.premises.clock().replace(tzinfo=None))


def test_it_is_too_late_to_hold_what_is_being_erased(eraser: Eraser) -> None:
    (one,) = eraser.record()
    asked = eraser.request()
    store = ErasureStore(eraser.premises.vault_engine)
    size = eraser.ledger.log.size()
    store.approve(asked.id, BEN.id, BEN.role.value, eraser.premises.clock(), size)
    with pytest.raises(ConflictError, match="being erased"):
        eraser.hold(one)
    with pytest.raises(ConflictError, match="being erased"):
        eraser.hold(subject="MTG-7")
    with pytest.raises(NotFoundError):
        eraser.hold(subject="a slip of the pen")
    assert eraser.holds.all() == ()
    assert eraser.erasing.resume(asked.id).stage is Stage.DONE
    with pytest.raises(ErasedError):
        eraser.hold(one)


class _Broken:
    """A writer that fails, before or after it wrote."""

    def __init__(self, eraser: Eraser, error: Exception, *, wrote: bool) -> None:
        self._writer = eraser.ledger.writer
        self._error = error
        self._wrote = wrote

    def write(self, submission: Submission) -> Written:
        if self._wrote:
            self._writer.write(submission)
        raise self._error

    def check(self) -> None:
        raise self._error


def broken(eraser: Eraser, error: Exception, *, wrote: bool) -> Holds:
    one, two = eraser.ledger, eraser.premises
    writer = _Broken(eraser, error, wrote=wrote)
    return Holds(one.log, writer, one.vault, two.clock, two.random)


def test_a_hold_that_cannot_be_logged_is_none(eraser: Eraser) -> None:
    (one,) = eraser.record()
    holds = broken(eraser, StoppedError("log: it stopped"), wrote=False)
    with pytest.raises(StoppedError):
        holds.set(ANN, eraser.terms(), records=[one])
    assert eraser.holds.all() == ()


@pytest.mark.parametrize("wrote", [True, False], ids=["after it wrote", "before it wrote"])
def test_a_hold_of_which_the_log_gave_no_answer_holds(eraser: Eraser, wrote: bool) -> None:
    (one,) = eraser.record()
    holds = broken(eraser, PushbackError("no answer", retry_after=1), wrote=wrote)
    with pytest.raises(PushbackError):
        holds.set(ANN, eraser.terms(), records=[one])
    (hold,) = eraser.holds.all()
    assert not hold.logged
    assert eraser.holds.of([one]) == {one: hold.id}
    assert eraser.holds.terms(hold) is None
    known = eraser.holds.read(hold.id)
    assert known.logged is wrote
    assert (eraser.holds.terms(known) is not None) is wrote
    assert eraser.release(hold).released_at is not None
    assert eraser.holds.of([one]) == {}


def test_a_release_that_was_cut_short_is_done_again(eraser: Eraser) -> None:
    (one,) = eraser.record()
    hold = eraser.hold(one)
    eraser.holds.release(ANN, hold.id, "settled")
    size = eraser.ledger.log.size()
    holds = broken(eraser, PushbackError("no answer", retry_after=1), wrote=True)
    with pytest.raises(PushbackError):
        holds.release(BEN, hold.id, "settled")
    assert eraser.holds.of([one]) == {one: hold.id}
    eraser.holds.release(BEN, hold.id, "settled")
    assert eraser.ledger.log.size() == size + 1
    assert eraser.holds.of([one]) == {}


def test_a_changed_detail_is_not_believed(eraser: Eraser) -> None:
    (one,) = eraser.record()
    first, second = eraser.hold(one), eraser.hold(one)
    with pytest.raises((VerificationError, NotFoundError)):
        eraser.holds.terms(replace(first, entry_id=one))
    assert eraser.holds.of([one]) == {one: min(first.id, second.id)}
