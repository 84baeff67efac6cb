"""Marks of a suspected fork: whose presence stops, whose evidence stays, which only people remove."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, RefusedError, StoppedError
from ledger.operate.fork_marks import MAX_MARKS, MAX_NOTES, MAX_SAID, ForkMarks, Suspicion
from tests.ledger.operate.premises import Open, Premises
from tests.ledger.operate.witnessed import ORIGIN, Leaves, new_keys

AT = datetime(2026, 5, 14, 12, tzinfo=UTC)
SUSPICION = Suspicion(ORIGIN, "2026-05-14T12:00:00Z", "a witness says so", ("a note\n",))


@pytest.fixture
def marks(tmp_path: Path) -> ForkMarks:
    return ForkMarks(tmp_path / "fork-suspected", tmp_path / "fork-dismissed")


def test_a_mark_stops_until_it_is_dismissed_and_is_kept(marks: ForkMarks) -> None:
    marks.check()
    marks.add(SUSPICION)
    with pytest.raises(StoppedError, match="FORK SUSPECTED"):
        marks.check()
    assert marks.all() == (SUSPICION,)
    kept = marks.dismiss(AT)
    marks.check()
    assert marks.all() == ()
    (file,) = kept.iterdir()
    assert Suspicion.parse(file.read_bytes()) == SUSPICION
    with pytest.raises(RefusedError, match="no fork is suspected"):
        marks.dismiss(AT)


def test_the_same_evidence_again_is_one_mark(marks: ForkMarks) -> None:
    for at in range(3):
        marks.add(Suspicion(ORIGIN, f"2026-05-14T12:00:0{at}Z", "a witness says so"))
    assert [each.at for each in marks.all()] == ["2026-05-14T12:00:00Z"]


def test_a_liar_does_not_fill_the_disk(marks: ForkMarks) -> None:
    for size in range(MAX_MARKS + 5):
        marks.add(Suspicion(ORIGIN, "2026-05-14T12:00:00Z", f"it says {size}"))
    assert len(marks.all()) == MAX_MARKS


@pytest.mark.parametrize("left", ["nothing", "noise", "a file in its place"])
def test_what_a_crash_or_a_hand_left_stops_all_the_same(marks: ForkMarks, left: str) -> None:
    if left == "a file in its place":
        marks.directory.write_text("stop")
    else:
        marks.directory.mkdir()
    if left == "noise":
        (marks.directory / "x.json").write_text("noise")
        with pytest.raises(RefusedError, match=r"x\.json cannot be read"):
            marks.all()
    with pytest.raises(StoppedError):
        marks.check()


def test_a_mark_that_cannot_be_left_is_said_loudly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    marks = ForkMarks(tmp_path / "file" / "fork-suspected", tmp_path / "d")
    with pytest.raises(StoppedError, match="stop the service by hand"):
        marks.add(SUSPICION)


def test_what_cannot_be_moved_is_not_dismissed(marks: ForkMarks) -> None:
    marks.add(SUSPICION)
    marks.dismissed.write_text("in the way")
    with pytest.raises(RefusedError, match="cannot be moved"):
        marks.dismiss(AT)
    with pytest.raises(StoppedError):
        marks.check()


def test_only_what_the_log_signed_is_proof() -> None:
    ours, other = Leaves(new_keys(ORIGIN)), Leaves(new_keys("other.example/log/decisions"))
    notes = ("noise", other.note(9), Leaves(new_keys(ORIGIN)).note(8), ours.note(7))
    keys = [log.key for log in (*ours.logs, *other.logs)]
    signed = Suspicion(ORIGIN, "2026-05-14T12:00:00Z", "x", notes).signed(keys)
    assert [(note, each.size) for note, each in signed] == [(notes[-1], 7)]


@pytest.mark.parametrize(
    ("said", "notes"),
    [("x" * (MAX_SAID + 1), ()), ("x", ("n",) * (MAX_NOTES + 1)), (1, ()), ("x", (1,))],
)
def test_what_is_too_much_or_no_text_is_refused(said: str, notes: tuple[str, ...]) -> None:
    with pytest.raises(MalformedError):
        Suspicion(ORIGIN, "2026-05-14T12:00:00Z", said, notes)


@given(st.binary() | st.just(SUSPICION.format()).flatmap(
    lambda data: st.integers(0, len(data) - 1).map(lambda at: data[:at] + data[at + 1 :])
))  # fmt: skip
def test_any_bytes_are_a_suspicion_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        assert Suspicion.parse(data).format() == data


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b'{"at":"","notes":"","origin":"","said":""}',
        b'{"at":"","notes":[],"origin":1,"said":""}',
    ],
)
def test_another_shape_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Suspicion.parse(data)


def test_a_running_writer_notices_and_goes_on_after_the_dismissal(
    premises: Premises, ledger: Open, marks: ForkMarks
) -> None:
    from ledger.operate.sequencer import Sequencer

    keys = premises.keys["decisions"]
    log = Sequencer(
        premises.store(), premises.lock(), keys.origin, keys.signers(premises.clock),
        premises.clock, may_write=marks.check,
    )  # fmt: skip
    running = premises.open(log)
    running.decisions.record([premises.decision(0)])
    size = log.size()
    marks.add(SUSPICION)
    with pytest.raises(StoppedError, match="FORK SUSPECTED"):
        running.decisions.record([premises.decision(1)])
    with pytest.raises(StoppedError, match="FORK SUSPECTED"):
        log.check_running()
    assert log.size() == size
    log.checkpoint()  # reading goes on
    marks.dismiss(AT)
    log.check_running()
    running.decisions.record([premises.decision(1)])
    assert log.size() == size + 1
    assert ledger.log.size() == size + 1
