"""Stages of model versions: two people, legal steps only, and everything in the log."""

import sqlite3
from typing import Any

import pytest

from ledger.entries import ModelVersionAct, ModelVersionStatus, parse_entry
from ledger.errors import (
    MalformedError,
    NotFoundError,
    PermissionRefused,
    PushbackError,
    RefusedError,
    SecondPersonNeeded,
    VerificationError,
    WrongStage,
)
from ledger.operate.approvals import Approvals, pending
from ledger.operate.model_stage import FOLLOWING, PROPOSALS, Act, Stage, check_step
from ledger.operate.sequencer import Sequencer
from ledger.roles import Principal, Role
from tests.ledger.operate.premises import Open, Premises, enter

MODEL = "mortgage-approval@1.0.0"
OWNER = Principal("k-owner", "Olivia Owner", Role.MODEL_OWNER)
RISK = Principal("k-risk", "Rae Risk", Role.MODEL_RISK)
WHY = "validated on 2026-05-12, report V-17"


def approvals_of(premises: Premises, ledger: Open) -> Approvals:
    parts = (ledger.log, ledger.writer, ledger.vault, ledger.registry)
    return Approvals(*parts, premises.clock, premises.random)


@pytest.fixture
def approvals(premises: Premises, ledger: Open) -> Approvals:
    return approvals_of(premises, ledger)


def proposal(approvals: Approvals) -> str:
    found = pending(approvals.history(MODEL))
    assert found is not None
    return found.id


def approved(approvals: Approvals) -> None:
    approvals.propose(OWNER, MODEL, "approved", WHY)
    approvals.agree(RISK, MODEL, proposal(approvals), "agreed")


def test_a_life_from_registration_to_retirement(ledger: Open, approvals: Approvals) -> None:
    assert approvals.propose(OWNER, MODEL, "approved", f"  {WHY} ").status == "registered"
    asked = proposal(approvals)
    assert approvals.agree(RISK, MODEL, asked, "agreed").status == "approved"
    assert approvals.promote(OWNER, MODEL, "goes live").status == "promoted"
    assert approvals.suspend(RISK, MODEL, "drift in channel phone").status == "suspended"
    assert approvals.propose(OWNER, MODEL, "retired", "replaced by 1.1.0").status == "suspended"
    assert approvals.agree(RISK, MODEL, proposal(approvals), "agreed").status == "retired"
    history = approvals.history(MODEL)
    assert [(each.act, each.stage, each.actor, each.role) for each in history] == [
        ("registered", Stage.REGISTERED, None, ""),
        ("approval_proposed", None, "k-owner", "model_owner"),
        ("approved", Stage.APPROVED, "k-risk", "model_risk"),
        ("promoted", Stage.PROMOTED, "k-owner", "model_owner"),
        ("suspended", Stage.SUSPENDED, "k-risk", "model_risk"),
        ("retirement_proposed", None, "k-owner", "model_owner"),
        ("retired", Stage.RETIRED, "k-risk", "model_risk"),
    ]
    assert history[1].reason == WHY
    assert (history[1].id, history[2].proposal) == (asked, asked)
    assert [each.seq for each in history] == sorted(each.seq for each in history)
    for step in ("approved", "retired"):
        with pytest.raises(WrongStage, match="nothing"):
            approvals.propose(OWNER, MODEL, step, WHY)
    assert ledger.registry.model(MODEL).status == "retired"


def test_the_log_says_what_was_done_and_not_by_whom(ledger: Open, approvals: Approvals) -> None:
    approved(approvals)
    raws = ledger.log.referring(ledger.registry.model(MODEL).digest)
    bodies = [parse_entry(raw).body for raw in raws[1:]]
    assert [type(each) for each in bodies] == [ModelVersionAct, ModelVersionAct, ModelVersionStatus]
    assert [each.act for each in bodies if isinstance(each, ModelVersionAct)] == [
        "approval_proposed",
        "approved",
    ]
    for secret in (b"Olivia", b"k-owner", b"k-risk", b"V-17"):
        assert not any(secret in raw for raw in raws)


def test_nobody_agrees_to_what_they_proposed(approvals: Approvals) -> None:
    both = Principal(OWNER.id, "Olivia Owner", Role.MODEL_RISK)  # the key's role was changed
    approvals.propose(OWNER, MODEL, "approved", WHY)
    with pytest.raises(SecondPersonNeeded):
        approvals.agree(both, MODEL, proposal(approvals), "agreed")
    assert len(approvals.history(MODEL)) == 2


@pytest.mark.parametrize("role", [each for each in Role if not each.startswith("model_")])
def test_other_roles_do_nothing_about_stages(approvals: Approvals, role: Role) -> None:
    who = Principal("k", "Somebody", role)
    approvals.propose(OWNER, MODEL, "approved", WHY)
    asked = proposal(approvals)
    with pytest.raises(PermissionRefused):
        approvals.propose(who, MODEL, "retired", WHY)
    with pytest.raises(PermissionRefused):
        approvals.agree(who, MODEL, asked, WHY)
    with pytest.raises(PermissionRefused):
        approvals.refuse(who, MODEL, asked, WHY)
    with pytest.raises(PermissionRefused):
        approvals.promote(who, MODEL, WHY)
    with pytest.raises(PermissionRefused):
        approvals.suspend(who, MODEL, WHY)
    assert proposal(approvals) == asked


def test_owner_and_risk_do_each_their_own(approvals: Approvals) -> None:
    with pytest.raises(PermissionRefused):
        approvals.propose(RISK, MODEL, "approved", WHY)
    approvals.propose(OWNER, MODEL, "approved", WHY)
    with pytest.raises(PermissionRefused):
        approvals.agree(OWNER, MODEL, proposal(approvals), WHY)
    with pytest.raises(PermissionRefused):
        approvals.promote(RISK, MODEL, WHY)


def test_a_proposal_stands_until_something_else_happens(approvals: Approvals) -> None:
    approvals.propose(OWNER, MODEL, "approved", WHY)
    first = proposal(approvals)
    approvals.suspend(RISK, MODEL, "a fault was found")
    assert pending(approvals.history(MODEL)) is None
    with pytest.raises(WrongStage):  # it was about a version that nobody had stopped
        approvals.agree(RISK, MODEL, first, "agreed")
    approvals.propose(OWNER, MODEL, "retired", "never used")
    second = proposal(approvals)
    approvals.propose(OWNER, MODEL, "approved", "repaired")
    for gone in (first, second, "nothing"):
        with pytest.raises(WrongStage):
            approvals.agree(RISK, MODEL, gone, "agreed")
    assert approvals.agree(RISK, MODEL, proposal(approvals), "agreed").status == "approved"


@pytest.mark.parametrize("who", [OWNER, RISK])
def test_a_proposal_is_refused_or_taken_back(approvals: Approvals, who: Principal) -> None:
    approvals.propose(OWNER, MODEL, "approved", WHY)
    asked = proposal(approvals)
    assert approvals.refuse(who, MODEL, asked, "the data is too old").status == "registered"
    refused = approvals.history(MODEL)[-1]
    assert (refused.act, refused.stage, refused.proposal) == ("proposal_refused", None, asked)
    with pytest.raises(WrongStage):
        approvals.agree(RISK, MODEL, asked, "agreed")


@pytest.mark.parametrize("stage", ["promoted", "suspended", "registered", "", "perfect"])
def test_what_takes_one_person_is_not_proposed(approvals: Approvals, stage: str) -> None:
    with pytest.raises(MalformedError) as raised:
        approvals.propose(OWNER, MODEL, stage, WHY)
    assert raised.value.member == "status"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\nlines"])
def test_every_act_has_a_reason(approvals: Approvals, reason: str) -> None:
    for act in (approvals.promote, approvals.suspend):
        with pytest.raises(MalformedError) as raised:
            act(OWNER, MODEL, reason)
        assert raised.value.member == "reason"
    assert len(approvals.history(MODEL)) == 1


def test_only_legal_steps(approvals: Approvals) -> None:
    with pytest.raises(WrongStage, match="approved, retired, suspended"):
        approvals.promote(OWNER, MODEL, WHY)
    with pytest.raises(NotFoundError):
        approvals.suspend(OWNER, "nobody@1", WHY)
    legal = {(now, then) for now in Stage for then in FOLLOWING[now]}
    for now in Stage:
        for then in Stage:
            if (now, then) not in legal:
                with pytest.raises(WrongStage):
                    check_step(now, then)
    assert {act.value for act in Act} >= {stage.value for stage in PROPOSALS.values()}


def test_a_stage_without_an_act_says_nobody(ledger: Open, approvals: Approvals) -> None:
    enter(ledger.writer, ledger.registry.model(MODEL).digest, "approved")
    (_, event) = approvals.history(MODEL)
    assert (event.act, event.stage, event.actor, event.reason) == ("approved", "approved", None, "")


def test_what_cannot_be_opened_any_more_is_not_agreed_to(
    premises: Premises, approvals: Approvals
) -> None:
    approvals.propose(OWNER, MODEL, "approved", WHY)
    connection = sqlite3.connect(premises.directory / "ledger.db")
    connection.execute("DELETE FROM sealed_payload")
    connection.commit()
    connection.close()
    assert approvals.history(MODEL)[-1].actor is None
    with pytest.raises(RefusedError, match="proposed again"):
        approvals.agree(RISK, MODEL, proposal(approvals), "agreed")


def test_a_changed_detail_raises_the_alarm(premises: Premises, approvals: Approvals) -> None:
    approvals.propose(OWNER, MODEL, "approved", WHY)
    connection = sqlite3.connect(premises.directory / "ledger.db")
    connection.execute("CREATE TEMP TABLE kept AS SELECT * FROM sealed_payload")
    connection.execute("DELETE FROM sealed_payload")
    connection.execute(
        "INSERT INTO sealed_payload SELECT record_id, log_id, CAST(sealed || x'00' AS BLOB) FROM kept"
    )
    connection.commit()
    connection.close()
    with pytest.raises(VerificationError):
        approvals.history(MODEL)


class _DiesAfterwards(Sequencer):
    def append(self, *arguments: Any) -> Any:
        super().append(*arguments)
        raise PushbackError("the machine died", retry_after=1)


class _DiesBefore(Sequencer):
    def append(self, *_: Any) -> Any:
        raise PushbackError("the machine died", retry_after=1)


@pytest.mark.parametrize("dies", [_DiesBefore, _DiesAfterwards])
def test_a_crash_leaves_both_entries_or_none(
    premises: Premises, ledger: Open, approvals: Approvals, dies: type[Sequencer]
) -> None:
    approvals.propose(OWNER, MODEL, "approved", WHY)
    asked, keys = proposal(approvals), premises.keys["decisions"]
    log = dies(
        premises.store(), premises.lock(), keys.origin, keys.signers(premises.clock), premises.clock
    )
    with pytest.raises(PushbackError):
        approvals_of(premises, premises.open(log)).agree(RISK, MODEL, asked, "agreed")
    again = approvals_of(premises, premises.open())
    if dies is _DiesBefore:
        assert again.history(MODEL)[-1].id == asked
        again.agree(RISK, MODEL, asked, "agreed")
    else:
        with pytest.raises(WrongStage):
            again.agree(RISK, MODEL, asked, "agreed")
    assert [each.act for each in again.history(MODEL)] == [
        "registered",
        "approval_proposed",
        "approved",
    ]
    assert again.history(MODEL)[-1].actor == "k-risk"
    assert ledger.registry.model(MODEL).status == "approved"
