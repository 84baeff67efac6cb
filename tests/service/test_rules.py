"""Knock-out rules and failed checks, from the registered policy to every door."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explain.errors import LetterWithheld
from ledger.entries import SourceCounter
from ledger.errors import MalformedError
from ledger.operate.decisions import Decision
from ledger.roles import Principal, Role
from ledger.verify.verifier import DisclosedSections
from service.disclosing import Disclosing, Wanted
from service.reading import Caller
from service.subject_copy.gathering import Gathering
from tests.service.api.conftest import CONTACTS, Door
from tests.service.ui.lender import POLICY, Lender

LATE = {"id": "late", "reason": "C1-17", "when": {"feature": "late", "op": ">=", "value": 4}}
RULED = POLICY | {
    "name": "ruled",
    "rules": [LATE],
    "standard_reasons": "reg-b-c1",
    "regimes": ["gdpr_15"],
}
# Scored well above the limit.
GOOD = {"loan_to_value": 30.0, "late": 4, "bankrupt": False}


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("ruled") / "data")
    made.record(2)
    made.runtime.registry.register_policy(RULED)
    (made.settings.data / "contacts.json").write_text(json.dumps(CONTACTS))
    yield made
    made.runtime.close()


@pytest.fixture(scope="module")
def door(lender: Lender) -> Door:
    return Door(lender, lender.app().test_client())


def recorded(
    lender: Lender,
    row: dict[str, Any],
    outcome: str,
    model_version: str = "mortgage-approval@1.0.0",
    **context: str,
) -> str:
    runtime = lender.runtime
    version = runtime.registry.model(model_version)
    model = runtime.explaining.opened(version)
    (attribution,) = model.attributor.attribute(model.schema.row(row)[None, :])
    lender._counter += 1
    decision = Decision(
        id=runtime.decisions.new_id(),
        model=version.digest,
        policy="ruled@1.0.0",
        source=SourceCounter("rules-desk", lender._counter),
        subject="MTG-RULED",
        input=row,
        output={
            "margin": attribution.margin, "scale": 6, "space": "log-odds", "outcome": outcome
        },
        attributions=attribution.to_json(),
        context={"decided_at": "2026-03-20T10:00:00Z", "decision_role": "sole"} | context,
    )  # fmt: skip
    runtime.decisions.record([decision])
    return decision.id


def test_a_rule_that_decided_is_stated_told_and_written(lender: Lender, door: Door) -> None:
    with pytest.raises(MalformedError, match="no rule is stated"):
        recorded(lender, GOOD, "declined")
    record = recorded(lender, GOOD, "declined", rule="late")
    explanation = lender.runtime.explaining.issue(record, "en").explanation
    assert (explanation.fired, explanation.failed) == (("late",), ())
    (reason,) = explanation.reasons
    assert (reason.code, reason.rule) == ("C1-17", "late")
    page = door.ask(
        Role.CASE_HANDLER, "GET", f"/v1/decisions/{record}/explanation", Accept="text/html"
    )
    assert page.status_code == 200, page.text
    assert "Delinquent past or present credit obligations with others" in page.text
    assert "a rule of the policy decided" in page.text
    view = lender.runtime.decisions.read(record)
    assert lender.runtime.explaining.rescore(view, GOOD)[1] == "declined"
    assert lender.runtime.explaining.rescore(view, GOOD | {"late": 3})[1] == "approved"
    assert lender.runtime.explaining.replay(record).grade == "A"


def test_what_a_failed_check_withholds_is_withheld_everywhere(lender: Lender, door: Door) -> None:
    record = recorded(lender, GOOD, "declined", rule="another")
    issued = lender.runtime.explaining.issue(record, "en")
    with pytest.raises(LetterWithheld, match="outcome"):
        issued.explanation.check_automatic()
    path = f"/v1/decisions/{record}/explanation"
    for accept in ("text/html", "application/pdf"):
        got = door.ask(Role.CASE_HANDLER, "GET", path, Accept=accept)
        assert (got.status_code, got.get_json()["gates"]) == (422, ["outcome"])
    told = door.ask(Role.CASE_HANDLER, "GET", path).get_json()["explanation"]
    (gate,) = [gate for gate in told["gates"] if not gate["passed"]]
    assert (gate["name"], told["automatic_text_allowed"]) == ("outcome", False)
    gathered = Gathering(lender.runtime, "en", ()).gather(record)
    assert (gathered.shown.reasons, gathered.shown.summary) == ((), "")
    assert gathered.shown.unexplained == "ask us for it"
    assert all(item.points == "" for item in gathered.shown.items)
    assert (gathered.stored["explanation"], gathered.stored["unexplained"]) == (
        None,
        "ask us for it",
    )
    proof = json.loads(gathered.proofs[f"proofs/{issued.entry_id}.openings.json"])
    (opening,) = DisclosedSections.parse(json.dumps(proof).encode()).openings
    assert opening.disclosed() == {}
    assert told["summary"].encode() not in b"".join(gathered.proofs.values())
    officer = Caller(
        Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER), "data_subject_request", "C-1"
    )
    disclosing = Disclosing(lender.runtime, officer)
    for field in ("explanation", "explanation.summary"):
        wanted = Wanted((record,), ("output", field), "The person", "data_subject_request", "Copy")
        with pytest.raises(MalformedError, match="a check of an explanation failed") as refused:
            disclosing.issue(wanted)
        assert refused.value.member == "explanation"
    assert "explanation" not in disclosing.choices(record)
    assert "output" in disclosing.choices(record)


@pytest.mark.parametrize(
    ("version", "regimes"), [("2.0.0", 0), ("2.0.1", [["gdpr"]]), ("2.0.2", "gdpr")]
)
def test_regimes_that_are_no_texts_cost_a_letter_and_say_so(
    lender: Lender, door: Door, version: str, regimes: Any
) -> None:
    registry = lender.runtime.registry
    manifest: dict[str, Any] = dict(registry.model("mortgage-approval@1.0.0").manifest)
    listed = manifest["artefacts"]
    files = {name: registry.artefact(each["sha256"]) for name, each in listed.items()}
    registry.register_model(manifest | {"version": version, "regimes": regimes}, files)
    record = recorded(lender, GOOD, "declined", f"mortgage-approval@{version}", rule="late")
    path = f"/v1/decisions/{record}/explanation"
    got = door.ask(Role.CASE_HANDLER, "GET", path, Accept="text/html")
    assert (got.status_code, got.get_json()["member"]) == (422, "regimes")
    assert door.ask(Role.CASE_HANDLER, "GET", path).status_code == 200


def test_a_policy_whose_rules_could_not_be_told_is_not_registered(door: Door) -> None:
    def ask(**changes: Any) -> Any:
        body = {"manifest": RULED | {"name": "other"} | changes}
        return door.ask(Role.MODEL_OWNER, "POST", "/v1/policies", body)

    refused = ask(rules=[LATE | {"reason": "UNKNOWN"}])
    assert refused.status_code == 422, refused.text
    assert refused.get_json()["member"].endswith("rules[0].reason")
    wrong = ask(rules=[LATE | {"when": {"feature": "late", "op": "~", "value": 1}}])
    assert wrong.get_json()["member"].endswith("rules[0].when.op")
    assert ask(standard_reasons="mine").status_code == 422
    assert ask(standard_reasons=["reg-b-c1"]).status_code == 422
    for points in ({"offset": 600, "per_log_odds": "1E+30"}, {"offset": 600}, 5):
        huge = ask(points=points)
        assert (huge.status_code, "points" in huge.get_json()["member"]) == (422, True)
    assert ask().status_code == 201


def test_the_command_withholds_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from service.cli import main

    own = Lender(tmp_path / "data")
    try:
        own.record(1)
        own.runtime.registry.register_policy(RULED)
        record = recorded(own, GOOD, "declined", rule="another")
    finally:
        own.runtime.close()
    monkeypatch.setenv("LEDGER_DATA", str(own.settings.data))
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(main, ["letter", record])
    assert (told.exit_code, "a check of this explanation failed (outcome)" in told.stderr) == (
        1,
        True,
    )
    assert not list(tmp_path.glob("explanation-*"))
    told = CliRunner().invoke(main, ["explain", record])
    assert told.exit_code == 0
    assert "No letter is made automatically" in told.stdout
    assert "  outcome: The recorded outcome is not the one" in told.stdout
