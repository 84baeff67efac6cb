"""What is due expires, after a dry run, by two people, but for what is held or disputed."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ledger.entries import Expired, parse_entry
from ledger.errors import (
    ErasedError,
    HoldInForce,
    MalformedError,
    NotFoundError,
    PermissionRefused,
    RefusedError,
    SecondPersonNeeded,
    VerificationError,
    WrongStage,
)
from ledger.operate import due_records, expiring
from ledger.operate.erasure import Ending, Refusal, Stage
from ledger.operate.expiry import Scope
from ledger.operate.retention_file import read_rules
from tests.ledger.operate.eraser import ANN, BEN
from tests.ledger.operate.expirer import LOOKS, Expirer, report_on_disk
from tests.ledger.operate.premises import AUDITOR, Premises, policy_manifest
from tests.ledger.operate.retention_samples import retention_class, rule


@pytest.fixture
def one(premises: Premises) -> Expirer:
    return Expirer(premises, premises.found())


def expired(one: Expirer, record_id: str) -> bool:
    try:
        one.ledger.decisions.read(record_id)
    except ErasedError as error:
        return error.tombstone is not None and error.tombstone["kind"] == "expired"
    return False


def test_nothing_is_due_then_all_of_it_and_what_was_attached(one: Expirer) -> None:
    ids = one.record(3, explained=2)
    early = one.expiring.dry_run(ANN, Scope.DECISIONS)
    assert (early.count("listed"), early.count("due")) == (0, 0)
    with pytest.raises(WrongStage, match="nothing was due"):
        one.expiring.run(BEN, early.run)
    one.pass_by(31)
    plan = one.expiring.dry_run(ANN, Scope.DECISIONS)
    assert (plan.count("listed"), plan.count("due"), plan.count("left")) == (3, 3, 0)
    assert not any(expired(one, each) for each in ids), "a dry run erases nothing"
    done = one.expiring.run(BEN, plan.run)
    assert (done.stage, done.decisions, done.attached) == (Stage.DONE, 3, 2)
    assert [expired(one, each) for each in ids] == [True, True, True]


def test_the_evidence(one: Expirer) -> None:
    ids = one.record(2)
    one.pass_by(31)
    plan = one.expiring.dry_run(ANN, Scope.DECISIONS)
    on_disk = report_on_disk(one.reports, plan.run)
    assert on_disk == plan.members
    assert not any(each in str(on_disk) for each in (*ids, "MTG-7"))
    (share,) = on_disk["shares"]
    assert (share["name"], share["due"], share["recorded"]) == ("mortgage-cutoff@1.0.0", 2, 2)
    assert share["rules"] == {"class": "credit", "floors": ["test-floor"], "ceilings": []}
    assert share["first"] < share["last"] < share["due_before"]
    before = one.expiring.outcome(plan.run)
    assert (before["stage"], before["expired"]) == ("requested", 0)
    one.expiring.run(BEN, plan.run)
    after: Any = one.expiring.outcome(plan.run)
    assert (after["stage"], after["expired"], after["spared_since"]) == ("done", 2, 0)
    assert after["approver_role"] == "data_protection_officer"
    first = after["tombstones"]["first"]
    body = parse_entry(one.ledger.log.receipt_at(first).entry).body
    assert isinstance(body, Expired)
    assert (body.ground, body.records) == ("retention_ended", tuple(sorted(ids)))
    assert one.erasing.certificate(plan.run).to_json()["ground"] == "retention_ended"
    assert [each.id for each in one.expiring.runs(Scope.DECISIONS)] == [plan.run]


def test_two_people_and_only_officers(one: Expirer) -> None:
    one.record(1)
    one.pass_by(31)
    with pytest.raises(PermissionRefused):
        one.expiring.dry_run(AUDITOR, Scope.DECISIONS)
    plan = one.expiring.dry_run(ANN, Scope.DECISIONS)
    with pytest.raises(PermissionRefused):
        one.expiring.run(AUDITOR, plan.run)
    with pytest.raises(SecondPersonNeeded):
        one.expiring.run(ANN, plan.run)
    with pytest.raises(WrongStage, match="retention run"):
        one.erasing.approve(BEN, plan.run)
    assert one.expiring.run(BEN, plan.run).stage is Stage.DONE
    assert one.expiring.run(BEN, plan.run).stage is Stage.DONE, "asked again after a lost answer"


@pytest.mark.parametrize("over", ["decided_again", "decision_stands", "withdrawn"])
def test_a_correction_that_was_followed_up_keeps_no_record(one: Expirer, over: str) -> None:
    (corrected,) = one.record(1, explained=0)
    one.review(corrected, over)
    one.pass_by(31)
    assert one.expiring.dry_run(ANN, Scope.DECISIONS).members["held_back"] == {}


def test_holds_and_reviews_keep_records_before_and_after_the_dry_run(one: Expirer) -> None:
    held, disputed, settled, later_held, later_disputed, free = one.record(6, explained=0)
    hold = one.hold(held)
    for state in ("received", "assigned"):
        one.review(disputed, state)
    for state in ("received", "closed"):
        one.review(settled, state)
    one.pass_by(31)
    plan = one.expiring.dry_run(ANN, Scope.DECISIONS)
    assert plan.members["held_back"] == {"hold": 1, "review": 1}
    assert plan.members["holds"] == [hold.id]
    assert (plan.count("due"), plan.count("listed"), plan.count("left")) == (6, 4, 0)
    one.hold(later_held)
    one.review(later_disputed, "received")
    done = one.expiring.run(BEN, plan.run)
    assert (done.decisions, done.held) == (2, 1)
    gone = {each: expired(one, each) for each in (held, disputed, settled, later_held, free)}
    assert [each for each in gone if gone[each]] == [settled, free]
    assert not expired(one, later_disputed)
    outcome = one.expiring.outcome(plan.run)
    assert (outcome["held_since"], outcome["spared_since"]) == (1, 1)


def test_holds_on_all_of_it_refuse_the_run(one: Expirer) -> None:
    ids = one.record(2)
    one.pass_by(31)
    plan = one.expiring.dry_run(ANN, Scope.DECISIONS)
    one.hold(subject="MTG-7")
    with pytest.raises(HoldInForce):
        one.expiring.run(BEN, plan.run)
    assert one.expiring.outcome(plan.run)["refused_because"] == "hold_in_force"
    assert not any(expired(one, each) for each in ids)


def test_an_erasure_of_the_same_records_comes_first(one: Expirer) -> None:
    first, second = one.record(2, explained=0)
    one.pass_by(31)
    plan = one.expiring.dry_run(ANN, Scope.DECISIONS)
    one.erase(first)
    with pytest.raises(WrongStage, match="another request"):
        one.expiring.run(BEN, plan.run)
    again = one.expiring.dry_run(ANN, Scope.DECISIONS)
    assert again.count("listed") == 1
    assert one.erasing.read(plan.run).reason == Refusal.WITHDRAWN
    with pytest.raises(WrongStage):
        one.expiring.run(BEN, plan.run)
    one.expiring.run(BEN, again.run)
    assert expired(one, second)


def test_a_dry_run_that_is_old_or_by_other_rules_or_not_its_report(one: Expirer) -> None:
    one.record(2)
    one.pass_by(31)
    plan = one.expiring.dry_run(ANN, Scope.DECISIONS)
    other = Expirer(one.premises, one.ledger, [rule(period="P29D")])
    with pytest.raises(WrongStage, match="rules were changed"):
        other.expiring.run(BEN, plan.run)
    with one.premises.vault_engine.begin() as connection:
        connection.execute(text("DELETE FROM erasure_record WHERE record_id IN"
                                " (SELECT record_id FROM erasure_record LIMIT 1)"))  # fmt: skip
    with pytest.raises(VerificationError, match="not the one of the report"):
        one.expiring.run(BEN, plan.run)
    one.pass_by(8)
    with pytest.raises(WrongStage, match="older than 7 days"):
        one.expiring.run(BEN, plan.run)


@pytest.mark.parametrize("run", ["", "../rules/0", "a" * 36])
def test_there_is_no_such_run(one: Expirer, run: str) -> None:
    with pytest.raises(NotFoundError):
        one.expiring.run(BEN, run)


@pytest.mark.parametrize("change", [b"{}", b"[]", b"{", b'{"run":"?","v":1}'])
def test_a_report_that_was_changed(one: Expirer, change: bytes) -> None:
    plan = one.expiring.dry_run(ANN, Scope.DECISIONS)
    path = one.reports / f"{plan.run}.json"
    path.write_bytes(change.replace(b"?", plan.run.encode()))
    with pytest.raises(VerificationError):
        one.expiring.run(BEN, plan.run)


def test_a_run_is_bounded_and_the_next_one_takes_the_rest(
    one: Expirer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "MAX_RUN", 3)
    monkeypatch.setattr(due_records, "PAGE", 2)
    ids = one.record(5, explained=0)
    one.pass_by(31)
    for listed, left in ((3, 2), (2, 0)):
        plan = one.expiring.dry_run(ANN, Scope.DECISIONS)
        assert (plan.count("listed"), plan.count("left")) == (listed, left)
        one.expiring.run(BEN, plan.run)
    assert all(expired(one, each) for each in ids)


def test_decisions_of_one_moment_are_all_found(
    one: Expirer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_records, "PAGE", 2)
    moment = {"decided_at": "2026-05-14T12:00:00Z", "decision_role": "sole"}
    batch = [one.premises.decision(seq, context=moment) for seq in range(5)]
    one.ledger.decisions.record(batch)
    one.pass_by(31)
    assert one.expiring.dry_run(ANN, Scope.DECISIONS).count("listed") == 5


def test_what_has_no_class_or_an_open_floor_is_counted_and_kept(premises: Premises) -> None:
    ledger = premises.found()
    open_floor = rule(id="open", start="relationship_end")
    one = Expirer(premises, ledger, [open_floor])
    one.record(2)
    one.pass_by(4_000)
    (share,) = one.expiring.shares(Scope.DECISIONS)
    assert (share.due.count, share.recorded) == (0, 2)
    assert "the beginning of open is not on record" in share.why
    none = Expirer(premises, ledger, classes=[])
    (share,) = none.expiring.shares(Scope.DECISIONS)
    assert "no class credit" in share.why
    none.expiring.check()
    digest = ledger.registry.policies()[0].digest
    standing = none.expiring.standing(digest, premises.clock())
    assert (standing.class_id, standing.until) == (None, None)
    with pytest.raises(RefusedError, match="no class covers access_log"):
        none.expiring.dry_run(ANN, Scope.ACCESS)


def test_until_when_one_decision_is_kept(one: Expirer) -> None:
    view = one.ledger.decisions.read(one.record(1)[0])
    standing = one.expiring.standing(view.payload.policy, view.payload.decided_at)
    assert standing.class_id == "credit"
    assert standing.until is not None
    assert (standing.until - view.payload.decided_at).days == 30
    with pytest.raises(NotFoundError):
        one.expiring.standing("absent@1", view.payload.decided_at)


def test_contradictions_refuse_to_start(premises: Premises) -> None:
    ledger = premises.found()
    for rules, classes, says in (
        ([rule(period="P9Y")], None, "policy mortgage-cutoff|class credit: the floor test-floor"),
        ([rule()], [retention_class(), LOOKS, LOOKS | {"id": "two"}], "both cover access_log"),
        ([rule(period="P9Y")], [retention_class(id="unused")], "class unused"),
    ):
        with pytest.raises(RefusedError, match=says):
            Expirer(premises, ledger, rules, classes).expiring.check()
    wrong = policy_manifest(version="2.0.0", countries=7)
    ledger.registry.register_policy(wrong)
    with pytest.raises(MalformedError):
        Expirer(premises, ledger).expiring.check()
    shares = Expirer(premises, ledger).expiring.shares(Scope.DECISIONS)
    assert [bool(each.why) for each in shares] == [False, True]


def test_the_access_log_has_a_time_of_its_own(one: Expirer, monkeypatch: Any) -> None:
    monkeypatch.setattr(due_records, "PAGE", 2)
    (record,) = one.record(1)
    old = [one.look(AUDITOR, record) for _ in range(3)]
    one.pass_by(300)
    young = one.look(AUDITOR, record)
    one.pass_by(70)
    plan = one.expiring.dry_run(ANN, Scope.ACCESS)
    assert (plan.count("due"), plan.count("listed")) == (3, 3)
    with pytest.raises(NotFoundError):
        one.erasing.read(plan.run)
    done = one.expiring.run(BEN, plan.run)
    assert (done.stage, done.decisions, done.ground) == (Stage.DONE, 3, Ending.ACCESS_LOG_ENDED)
    for each in old:
        with pytest.raises(ErasedError):
            one.ledger.access_log.open(each)
    assert one.ledger.access_log.open(young).records == (record,)
    assert not expired(one, record)
    assert one.erasing.all() == ()
    after: Any = one.expiring.outcome(plan.run)
    entry = parse_entry(one.ledger.access_log.log.receipt_at(after["tombstones"]["first"]).entry)
    assert isinstance(entry.body, Expired)
    assert entry.body.ground == "access_log_ended"
    again = Expirer(one.premises, one.premises.open())  # the start-up rule lets it be taken up
    assert again.expiring.dry_run(ANN, Scope.ACCESS).count("due") == 0


def test_the_rules_in_effect_can_be_asked_for(one: Expirer, tmp_path: Path) -> None:
    assert one.expiring.book == read_rules(one.rules)
    assert one.expiring.of_class("credit").of.id == "credit"
