"""Attributions that came later: true to the archived model, attached once, and said to be late."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from explain.errors import AdditivityError
from explain.model import Model
from ledger.canonical import JsonValue
from ledger.commitments import commit, verify_opening
from ledger.entries import AttributionsAttached, parse_entry
from ledger.errors import MalformedError, NotFoundError
from ledger.operate.decision import ABSENT, Decision, gathered, spread
from ledger.operate.tombstones import delete_sealed, forget
from ledger.roles import Principal, Role
from ledger.tlog.policy import Policy
from ledger.verify.disclosure import verify_disclosure
from service.attributing import MAX_CRASHES, Attributing, State, Trouble
from service.cli import main
from service.disclosing import Disclosing, Wanted
from service.opened_models import opened_models
from service.reading import Caller
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


def task(lender: Lender) -> Attributing:
    return Attributing.of(lender.runtime)


def bare(lender: Lender, seq: int = 100, **changes: Any) -> Decision:
    """The second decision again, under another id and without attributions."""
    first = lender.runtime.decisions.read(lender.ids[1]).payload
    document = first.to_json() | {
        "id": lender.runtime.decisions.new_id(),
        "source": {"id": "x", "seq": seq},
    }
    del document["attributions"]
    decision = Decision.from_json(document | changes)
    lender.runtime.decisions.record([decision])
    return decision


def attached(lender: Lender, decision: Decision) -> list[AttributionsAttached]:
    history = lender.runtime.decisions.history(decision.id)
    return [e.body for e in history if isinstance(e.body, AttributionsAttached)]


def of(lender: Lender, decision: Decision) -> Any:
    return lender.runtime.attributions.of(lender.runtime.decisions.read(decision.id))


def test_they_are_those_that_would_have_come_with_it(lender: Lender) -> None:
    decision = bare(lender)
    assert not decision.attributed
    assert of(lender, decision).computed == "pending"
    assert task(lender).work() == 1
    later = of(lender, decision)
    with_it = lender.runtime.decisions.read(lender.ids[1])
    assert later.value == with_it.payload.to_json()["attributions"]
    assert later.computed == "later"
    assert later.at is not None
    receipt, opening = lender.runtime.attributions.evidence(decision.id)
    entry = parse_entry(receipt.entry)
    assert entry.id == later.entry
    assert isinstance(entry.body, AttributionsAttached)
    verify_opening(opening, entry.body.attributions)
    assert task(lender).work() == 0
    assert lender.runtime.attributions.standing() == ()


def test_the_entry_commits_to_their_absence(lender: Lender) -> None:
    decision = bare(lender)
    openings = lender.runtime.decisions.openings(decision.id)
    assert [o.disclosed() for o in openings if o.section == "attributions"] == [dict(ABSENT)]


def test_decisions_that_bring_them_are_left_alone(lender: Lender) -> None:
    assert lender.runtime.attributions.standing() == ()
    assert task(lender).work() == 0
    view = lender.runtime.decisions.read(lender.ids[0])
    assert lender.runtime.attributions.of(view).computed == "at_decision"


def test_absence_cannot_be_claimed_in_words(lender: Lender) -> None:
    document = lender.runtime.decisions.read(lender.ids[0]).payload.to_json()
    wrongs: list[JsonValue] = [{"status": "late"}, {"status": "absent", "base": 0}, {}]
    for wrong in wrongs:
        with pytest.raises(MalformedError):
            Decision.from_json(document | {"attributions": wrong})


def test_another_margin_gets_a_status_and_no_numbers(lender: Lender) -> None:
    first = lender.runtime.decisions.read(lender.ids[1]).payload
    margin = first.margin + (101 if first.margin >= 0 else -101)
    decision = bare(lender, output=dict(first.output) | {"margin": margin})
    task(lender).work()
    assert of(lender, decision).value == {"status": "not_reproduced", "margin": first.margin}
    assert not of(lender, decision).complete


def test_a_margin_within_the_tolerance_is_added_up_to_exactly(lender: Lender) -> None:
    first = lender.runtime.decisions.read(lender.ids[1]).payload
    margin = first.margin + (1 if first.margin >= 0 else -1)
    decision = bare(lender, output=dict(first.output) | {"margin": margin})
    task(lender).work()
    value = of(lender, decision).value
    assert value["base"] + sum(value["values"].values()) + value["residual"] == margin


def test_an_input_that_was_not_sent_explains_nothing(lender: Lender) -> None:
    decision = bare(lender, input={"input_hash": "ab" * 32})
    assert task(lender).work() == 1
    assert of(lender, decision).value == {"status": "input_not_kept"}


def test_contributions_that_do_not_add_up_are_not_attached(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions = [bare(lender, seq) for seq in (100, 101)]
    opened = lender.runtime.explaining.opened(lender.runtime.registry.model(decisions[0].model))

    class Broken:
        def attribute(self, _rows: Any) -> Any:
            raise AdditivityError("off")

    broken = dataclasses.replace(opened, attributor=Broken())
    monkeypatch.setattr(type(lender.runtime.explaining), "opened", lambda *_: broken)
    assert task(lender).work() == 2
    assert {of(lender, each).value["status"] for each in decisions} == {"does_not_add_up"}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e12])
def test_a_margin_that_cannot_be_recorded_holds_up_no_other(
    lender: Lender, monkeypatch: pytest.MonkeyPatch, number: float
) -> None:
    first, second = bare(lender, 100), bare(lender, 101)
    opened = lender.runtime.explaining.opened(lender.runtime.registry.model(first.model))

    class Undefined:
        space = opened.predictor.space

        def margin(self, rows: Any) -> Any:
            margins = opened.predictor.margin(rows).copy()
            margins[0] = number
            return margins

    changed = dataclasses.replace(opened, predictor=Undefined())
    monkeypatch.setattr(type(lender.runtime.explaining), "opened", lambda *_: changed)
    assert task(lender).work() == 2
    found = [of(lender, each) for each in (first, second)]
    assert sorted(each.complete for each in found) == [False, True]
    assert {"status": "not_reproduced"} in [each.value for each in found]
    assert State(lender.runtime.settings.attributions_path).read() == {}


def test_two_workers_attach_once(lender: Lender) -> None:
    decision = bare(lender)
    value = {"status": "input_incomplete"}
    attach = lender.runtime.attributions.attach
    assert attach({decision.id: value}) == 1
    assert attach({decision.id: {"status": "not_reproduced", "margin": 1}}) == 1
    assert len(attached(lender, decision)) == 1
    assert of(lender, decision).value == value
    counts = lender.runtime.attributions.counts()  # of what stands, not of what came second
    assert (counts.impossible["input_incomplete"], counts.impossible["not_reproduced"]) == (1, 0)


def test_killed_between_attaching_and_noting_it_attaches_once(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = bare(lender)
    monkeypatch.setattr(type(lender.runtime.attributions), "_note", lambda *_: None)
    task(lender).work()
    monkeypatch.undo()
    assert len(lender.runtime.attributions.standing()) == 1
    assert task(lender).work() == 1
    assert len(attached(lender, decision)) == 1
    assert lender.runtime.attributions.counts().done == 1


def test_what_is_erased_meanwhile_is_passed_over(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = bare(lender, 100), bare(lender, 101)
    ledger, vault = lender.runtime.databases
    read = lender.runtime.decisions.read

    def erased(record_id: str) -> Any:
        view = read(record_id)
        if record_id == first.id:
            delete_sealed(ledger, [first.id])
            forget(vault, [first.id])
        return view

    monkeypatch.setattr(lender.runtime.decisions, "read", erased)
    assert task(lender).work() == 1
    monkeypatch.undo()
    assert lender.runtime.attributions.standing() == ()
    assert of(lender, second).complete


def test_a_version_that_kills_the_worker_is_set_aside(
    lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = bare(lender)
    state = State(lender.runtime.settings.attributions_path)

    class Killed(BaseException):
        pass

    def kill(*_: object) -> Model:
        raise Killed

    monkeypatch.setattr(type(lender.runtime.explaining), "opened", kill)
    for _ in range(MAX_CRASHES):
        with pytest.raises(Killed):
            task(lender).work()
    assert task(lender).work() == 0  # it is left alone
    monkeypatch.undo()
    assert task(lender).work() == 0
    said = status(lender, 1)
    assert "SET ASIDE" in said
    assert "mortgage" in said
    invoke(lender, 0, "retry")
    assert state.read() == {}
    assert task(lender).work() == 1
    assert of(lender, decision).complete


def test_a_model_file_that_is_gone_is_named_and_waited_for(lender: Lender) -> None:
    decision = bare(lender)
    moved = [p for p in lender.settings.artefacts_dir.rglob("*") if p.is_file()]
    for path in moved:
        path.rename(path.with_suffix(".away"))
    opened_models().forget(decision.model)
    one = task(lender)
    assert one.work() == 0
    assert "not in the archive" in status(lender, 1)
    for path in moved:
        path.with_suffix(".away").rename(path)
    assert one.work() == 0  # not at once again
    assert task(lender).work() == 1
    assert "0 pending, 1 worked out" in status(lender, 0)


def invoke(lender: Lender, code: int, *arguments: str) -> str:
    done = CliRunner().invoke(
        main, ["attributions", *arguments], env={"LEDGER_DATA": str(lender.settings.data)}
    )
    assert done.exit_code == code, done.output
    return done.output


def status(lender: Lender, code: int) -> str:
    return invoke(lender, code, "status")


def test_the_command_works_out_what_is_pending(lender: Lender) -> None:
    bare(lender)
    assert json.loads(invoke(lender, 0, "status", "--json"))["waiting"][0]["pending"] == 1
    assert "1 settled, 0 left" in invoke(lender, 0, "work")


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', '{"x": {"unknown": 1}}', "{"])
def test_a_broken_state_is_no_state(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    assert State(path).read() == {}
    State(path).note("ab", Trouble(1, "x"))
    assert State(path).read() == {"ab": Trouble(1, "x")}


# What people see


def test_an_explanation_says_that_they_came_later(lender: Lender) -> None:
    decision = bare(lender)
    later = lender.runtime.explaining
    from explain.errors import NotAttributed

    with pytest.raises(NotAttributed, match="not been worked out yet"):
        later.explain(decision.id, "en")
    assert later.replay(decision.id).verdict == "reproduced"
    assert "no contributions were recorded" in later.replay(decision.id).why
    task(lender).work()
    method = later.explain(decision.id, "en").method
    assert "worked out later, on" in method
    assert "2026" in method
    assert "recorded with the decision and" not in method
    with_it = later.explain(lender.ids[1], "en")
    assert "They were recorded with the decision" in with_it.method
    assert later.replay(decision.id).exact


def test_an_explanation_says_why_there_are_none(lender: Lender) -> None:
    from explain.errors import NotAttributed

    decision = bare(lender, input={"input_hash": "ab" * 32})
    task(lender).work()
    with pytest.raises(NotAttributed, match="not kept"):
        lender.runtime.explaining.explain(decision.id, "en")


def test_the_interface_takes_a_decision_without_and_shows_when_they_came(
    lender: Lender, client: FlaskClient
) -> None:
    document = lender.runtime.decisions.read(lender.ids[1]).payload.to_json()
    document |= {"id": lender.runtime.decisions.new_id(), "source": {"id": "y", "seq": 1}}
    del document["attributions"]
    key = {"Authorization": f"Bearer {lender.keys[Role.SOURCE]}"}
    for status_code in (201, 200):  # the same again is the same
        assert client.post("/v1/decisions", json=document, headers=key).status_code == status_code
    reader = {"Authorization": f"Bearer {lender.keys[Role.AUDITOR]}"}
    address = f"/v1/decisions/{document['id']}"
    before = client.get(address, headers=reader).json["attributions"]  # type: ignore[index]
    assert (before["computed"], before["entry"]) == ("pending", None)
    problem = client.get(f"{address}/explanation", headers=reader)
    assert problem.status_code in (404, 409, 422)
    task(lender).work()
    after = client.get(address, headers=reader).json["attributions"]  # type: ignore[index]
    assert after["computed"] == "later"
    assert after["value"]["engine"]
    assert after["logged_at"].endswith("Z")
    assert after["seq"] == lender.runtime.attributions.evidence(str(document["id"]))[0].index


def test_gathering_undoes_spreading() -> None:
    value: dict[str, JsonValue] = {"engine": "x", "values": {"a": 1, "values.b": 2}, "base": 0}
    assert gathered(spread(value)) == value
    assert gathered(spread({"status": "absent"})) == {"status": "absent"}
    assert commit(bytes(32), "attributions", spread(value))


def test_they_are_disclosed_from_their_own_entry(lender: Lender) -> None:
    decision = bare(lender)
    officer = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
    disclosing = Disclosing(lender.runtime, Caller(officer))
    field = "attributions.values.late"
    wanted = Wanted((decision.id,), (field,), "The Court", "legal_claims", "Evidence")
    assert "values.late" not in disclosing.choices(decision.id)["attributions"]
    with pytest.raises(NotFoundError, match="still worked out"):
        disclosing.issue(wanted)
    task(lender).work()
    (name, value) = ("values.late", of(lender, decision).value["values"]["late"])
    assert disclosing.choices(decision.id)["attributions"][name] == value
    _, package = disclosing.issue(wanted)
    policy = Policy.parse(lender.settings.policy_path.read_text())
    (part,) = verify_disclosure(package, policy).parts
    assert part.part == "attributions"
