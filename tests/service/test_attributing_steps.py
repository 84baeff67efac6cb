"""The worker on attributions between its steps: what counts as a crash, and what is passed over."""

import json
import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ledger.errors import (
    ErasedError,
    MalformedError,
    NotFoundError,
    PushbackError,
    VerificationError,
)
from ledger.operate.tombstones import forget
from ledger.roles import Principal, Role
from ledger.verify.verifier import DisclosedSections
from reports.html import report_html
from reports.wording import load_wording
from service import attributing
from service.attributing import BATCH, MAX_CRASHES, State, Trouble
from service.auditing import AuditRequest, audit_report
from service.opened_models import opened_models
from service.reading import Caller, Reading
from service.ui.decision_page import PENDING, Shown
from tests.ledger.operate.premises import enter
from tests.service.test_attributing import attached, bare, invoke, of, status, task
from tests.service.ui.lender import Lender


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    made = Lender(tmp_path / "data")
    made.record(2)
    yield made
    made.runtime.close()


@pytest.fixture
def client(lender: Lender) -> FlaskClient:
    return lender.app().test_client()


def noted(lender: Lender) -> dict[str, Trouble]:
    return State(lender.runtime.settings.attributions_path).read()


# What is a crash, and what is not


def test_a_writer_that_is_busy_is_no_crash_of_the_model(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare(lender)

    def busy(*_: object) -> int:
        raise PushbackError("busy", retry_after=1.0)

    monkeypatch.setattr(type(lender.runtime.attributions), "attach", busy)
    for _ in range(MAX_CRASHES):
        with pytest.raises(PushbackError):
            task(lender).work()
    monkeypatch.undo()
    assert noted(lender) == {}
    assert task(lender).work() == 1


def test_a_stop_ends_it_between_two_batches_and_is_no_crash(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq in (100, 101, 102):
        bare(lender, seq)
    monkeypatch.setattr(attributing, "BATCH", 1)
    one = task(lender)
    one.stopping = lambda: lender.runtime.attributions.counts().done == 1
    assert one.work() == 1
    assert noted(lender) == {}
    assert one.work() == 0
    assert task(lender).work() == 2


def test_a_person_who_stops_the_command_is_no_crash(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare(lender)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(attributing, "worked_out", stop)
    with pytest.raises(KeyboardInterrupt):
        task(lender).work()
    assert noted(lender) == {}


@pytest.mark.parametrize("place", ["opening", "asking"])
def test_an_error_of_a_library_counts_says_only_its_class_and_stops_nobody(
    lender: Lender,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    decision = bare(lender)

    def fail(*_: object) -> None:
        raise ValueError("somebody's income")

    if place == "opening":
        monkeypatch.setattr(type(lender.runtime.explaining), "opened", fail)
    else:
        monkeypatch.setattr(attributing, "worked_out", fail)
    with caplog.at_level(logging.ERROR, "service.attributing"):
        for _ in range(MAX_CRASHES):
            assert task(lender).work() == 0
    assert "ValueError" in caplog.text
    assert "income" not in caplog.text + str(noted(lender))
    assert "SET ASIDE" in status(lender, 1)
    monkeypatch.undo()
    invoke(lender, 0, "retry")
    assert task(lender).work() == 1
    assert of(lender, decision).complete


def test_crashes_count_only_in_a_row(lender: Lender) -> None:
    decision = bare(lender)
    State(lender.runtime.settings.attributions_path).note(decision.model, Trouble(MAX_CRASHES - 1))
    assert task(lender).work() == 1
    assert noted(lender) == {}


# What is passed over


def test_a_key_that_is_gone_leaves_nothing_pending(lender: Lender) -> None:
    gone, kept = bare(lender, 100), bare(lender, 101)
    _, vault = lender.runtime.databases
    later = lender.runtime.attributions
    assert len(later.pending(BATCH, gone.model)) == 2
    forget(vault, [gone.id])
    assert task(lender).work() == 1
    assert later.counts().pending == 0
    assert of(lender, kept).complete


def test_what_reads_as_erased_is_expected_no_longer(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = bare(lender)

    def erased(_: str) -> None:
        raise ErasedError("gone")

    monkeypatch.setattr(lender.runtime.decisions, "read", erased)
    assert task(lender).work() == 0
    assert lender.runtime.attributions.counts().pending == 0
    monkeypatch.undo()
    assert attached(lender, decision) == []


def test_what_is_not_in_the_log_yet_is_looked_at_again(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare(lender)

    def absent(_: str) -> None:
        raise NotFoundError("not yet")

    one = task(lender)
    monkeypatch.setattr(lender.runtime.decisions, "read", absent)
    assert one.work() == 0
    monkeypatch.undo()
    assert one.work() == 1  # at once: the same task has not turned away from the version


def test_one_that_the_writer_refuses_holds_up_none_of_its_batch(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions = [bare(lender, seq) for seq in (100, 101, 102)]
    gone = decisions[1].id
    records = lender.runtime.attributions._records
    write = type(records).write

    def guarded(self: Any, new: Any, **how: Any) -> Any:
        """A writer that sees a tombstone which came after the decision was read."""
        bodies = [each.body(bytes(32)) for each in new]
        if any(getattr(body, "decision", "") == gone for body in bodies):
            raise ErasedError("gone")
        return write(self, new, **how)

    monkeypatch.setattr(type(records), "write", guarded)
    assert task(lender).work() == 2
    assert [of(lender, each).computed for each in decisions] == ["later", "pending", "later"]


def test_a_record_that_was_changed_is_named_and_holds_up_no_other(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, other = bare(lender, 100), bare(lender, 101)
    read = lender.runtime.decisions.read

    def guarded(record_id: str) -> Any:
        if record_id == changed.id:
            raise VerificationError("not as it was logged")
        return read(record_id)

    monkeypatch.setattr(lender.runtime.decisions, "read", guarded)
    one = task(lender)
    assert one.work() == 1
    assert one.work() == 0  # it waits, and does not say so every two seconds
    assert "run decision-ledger verify" in status(lender, 1)
    assert of(lender, other).complete


@pytest.mark.parametrize("stage", ["suspended", "retired"])
def test_a_version_that_left_service_still_explains_what_it_decided(
    lender: Lender, stage: str
) -> None:
    decision = bare(lender)
    enter(lender.runtime.writers["decisions"], decision.model, stage)
    assert task(lender).work() == 1
    assert of(lender, decision).complete


def test_a_model_file_that_was_changed_gives_no_numbers(lender: Lender) -> None:
    decision = bare(lender)
    for path in lender.settings.artefacts_dir.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(path.read_bytes() + b" ")
    opened_models().forget(decision.model)
    assert task(lender).work() == 0
    assert of(lender, decision).computed == "pending"
    assert "waits:" in status(lender, 1)


# How it stands


def test_they_are_counted_by_how_it_ended(lender: Lender) -> None:
    later = lender.runtime.attributions
    assert later.counts().oldest_us is None
    bare(lender, 100)
    bare(lender, 101, input={"input_hash": "ab" * 32})
    before = later.counts()
    assert (before.pending, before.done) == (2, 0)
    assert before.oldest_us == later.standing()[0].oldest_us
    task(lender).work()
    counts = later.counts()
    assert (counts.pending, counts.done, counts.oldest_us) == (0, 1, None)
    assert counts.impossible["input_not_kept"] == 1
    assert "1 cannot be: the source sent a hash" in status(lender, 0)
    told = json.loads(invoke(lender, 0, "status", "--json"))
    assert (told["done"], told["impossible"]["input_not_kept"]) == (1, 1)


def test_a_pass_goes_through_more_than_one_batch(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attributing, "BATCH", 2)
    for seq in range(100, 105):
        bare(lender, seq)
    assert task(lender).work() == 5
    assert lender.runtime.attributions.counts().done == 5


# What shows it


def test_the_proof_of_what_came_later_is_handed_out(lender: Lender, client: FlaskClient) -> None:
    decision = bare(lender)
    address = f"/v1/decisions/{decision.id}/attributions/proof"
    key = {"Authorization": f"Bearer {lender.keys[Role.AUDITOR]}"}
    assert client.get(address, headers=key).status_code == 404
    task(lender).work()
    text = client.get(address, headers=key | {"Accept": "text/plain"})
    assert text.text.startswith("c2sp.org/tlog-proof@v1")
    found = client.get(address, headers=key | {"Accept": "application/json"}).json
    assert found is not None
    assert found["entry"]["kind"] == "attributions_attached"
    assert found["entry"]["decision"] == decision.id
    assert "engine" in str(found["openings"])
    assert client.get(address).status_code == 401
    other = f"/v1/decisions/{lender.ids[0]}/attributions/proof"
    assert client.get(other, headers=key).status_code == 404


def test_one_field_is_shown_and_the_others_stay_closed(lender: Lender, tmp_path: Path) -> None:
    decision = bare(lender)
    task(lender).work()
    receipt, openings = tmp_path / "a.tlog-proof", tmp_path / "o.json"
    invoke(lender, 0, "proof", decision.id, "-o", str(receipt), "--openings", str(openings),
           "--show", "values.late")  # fmt: skip
    shown = DisclosedSections.parse(openings.read_bytes())
    (opening,) = shown.openings
    assert list(opening.disclosed()) == ["values.late"]
    assert invoke(lender, 0, "proof", decision.id).startswith("c2sp.org/tlog-proof@v1")
    with pytest.raises(MalformedError):
        lender.runtime.attributions.evidence(decision.id, ["values.unknown"])


def test_the_audit_report_says_which_came_later_and_which_never_will(lender: Lender) -> None:
    auditor = Caller(Principal("a", "auditor", Role.AUDITOR))
    request = AuditRequest(
        model="mortgage-approval@1.0.0",
        since=date(2026, 1, 1),
        until=date(2026, 12, 31),
        sample=4,
        seed=7,
        groups={},
        groups_source="",
    )
    bare(lender, 100)
    bare(lender, 101, input={"input_hash": "ab" * 32})
    reading = Reading(lender.runtime, auditor)
    before = audit_report(lender.runtime, reading, request, "Bank")
    assert "2 of them have no contributions, and are in no figure about those." in before.scope
    task(lender).work()
    after = audit_report(lender.runtime, reading, request, "Bank")
    assert any("1 of them came without contributions: these" in each for each in after.scope)
    assert "1 of them have no contributions, and are in no figure about those." in after.scope
    assert after.recomputation.matched == 3
    assert [each.code for each in after.findings if "replay" in each.code] == ["replay_impossible"]
    assert "after the decision" in report_html(after)


def test_the_letter_carries_the_evidence_of_what_came_later(lender: Lender) -> None:
    decision = bare(lender)
    task(lender).work()
    names = [
        each.name
        for each in lender.runtime.reporting._later_attachments(decision.id, load_wording("en").say)
    ]
    assert names == ["attributions.tlog-proof", "attributions-openings.json"]
    assert lender.runtime.reporting._later_attachments(lender.ids[0], load_wording("en").say) == ()


def test_the_page_says_that_they_are_to_come_and_then_when_they_came(lender: Lender) -> None:
    decision = bare(lender)
    caller = Caller(Principal("a", "auditor", Role.AUDITOR))
    shown = Shown(lender.runtime, caller, receipt="/r", letter="/l", issue="/i")
    assert shown.decision(decision.id).why_missing == PENDING
    task(lender).work()
    page = shown.decision(decision.id)
    assert page.why is not None
    assert page.why.late.startswith("The contributions were worked out on ")
    assert f"in entry {of(lender, decision).seq}" in page.why.late
    assert "Worked out after the decision" in page.timeline[-1].text
    with_it = shown.decision(lender.ids[1])
    assert with_it.why is not None
    assert with_it.why.late == ""
