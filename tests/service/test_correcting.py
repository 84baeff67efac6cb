"""Setting wrong data right: beside the record, at every door, until somebody decided again."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.entries import Correction, Review
from ledger.errors import (
    ConflictError,
    ErasedError,
    MalformedError,
    NotFoundError,
    PermissionRefused,
    WrongStage,
)
from ledger.operate.corrections import AGAIN, Corrections, Follow
from ledger.operate.decision import Decision
from ledger.operate.erasure import Ground
from ledger.operate.vault import Vault
from ledger.roles import Principal, Role
from service.cli import main
from service.correcting import Correcting
from service.disclosing import Disclosing, Wanted
from service.reading import Caller
from service.runtime import Runtime
from service.subject_copy.making import CopyRequest, make_copy
from service.vault_keys import kek_ring
from tests.service.api.conftest import CONTACTS, Door
from tests.service.ui.lender import POLICY, Lender

HANDLER = Principal("k-carol", "Carol", Role.CASE_HANDLER)
ANN = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("corrections") / "data")
    made.record(8)
    (made.settings.data / "contacts.json").write_text(json.dumps(CONTACTS))
    yield made
    made.runtime.close()


@pytest.fixture
def acting(lender: Lender) -> Correcting:
    return Correcting(lender.runtime, Caller(HANDLER, "case_handling", ""))


def fresh(lender: Lender, subject: str, **changes: Any) -> str:
    payload: dict[str, Any] = lender.runtime.decisions.read(lender.ids[0]).payload.to_json()
    payload |= {"id": lender.runtime.decisions.new_id(), "subject": subject} | changes
    lender.runtime.decisions.record([Decision.from_json(payload)])
    return str(payload["id"])


def test_the_record_stays_and_the_right_value_stands_beside_it(
    lender: Lender, acting: Correcting
) -> None:
    one = fresh(lender, "P-1")
    before = lender.runtime.decisions.read(one)
    entry = acting.correct(one, {"input.loan_to_value": 110.0}, "the bank statement of May")
    assert isinstance(entry.body, Correction)
    assert lender.runtime.decisions.read(one).raw == before.raw
    case = acting.case(one)
    assert case.view.payload == before.payload
    assert case.current.input["loan_to_value"] == 110.0
    assert [each.role for each in case.corrections] == ["case_handler"]
    assert case.rescored is not None
    assert case.rescored.outcome == "declined"  # a much larger loan, by the same model
    assert case.rescored.margin != before.payload.margin
    assert case.recipients == ()


def test_rules_that_do_not_fit_the_model_give_no_outcome(
    lender: Lender, acting: Correcting
) -> None:
    rule = {"id": "young", "reason": "LATE", "when": {"feature": "age", "op": "<", "value": 18}}
    lender.runtime.registry.register_policy(POLICY | {"name": "unfit", "rules": [rule]})
    one = fresh(lender, "P-unfit", policy="unfit@1.0.0")
    acting.correct(one, {"input.loan_to_value": 31.0}, "the bank statement of May")
    rescored = acting.case(one).rescored
    assert rescored is not None
    assert rescored.outcome == ""
    assert "the model has no such feature" in rescored.why


def test_whoever_was_shown_the_record_is_to_be_told(lender: Lender, acting: Correcting) -> None:
    one = fresh(lender, "P-told")
    officer = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
    shown = Wanted((one,), ("output",), "The Court", "legal_claims", "Evidence in a case")
    Disclosing(lender.runtime, Caller(officer, "complaint", "C-1")).issue(shown)
    assert acting.case(one).recipients == ("The Court",)


def test_the_last_correction_of_a_field_is_the_one_in_force(
    lender: Lender, acting: Correcting
) -> None:
    one = fresh(lender, "P-2")
    acting.correct(one, {"input.late": 7}, "first")
    acting.correct(one, {"input.late": 8, "context.branch": "Main"}, "second")
    current = acting.case(one).current
    assert (current.input["late"], current.context["branch"]) == (8, "Main")


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({}, "changes"),
        ({"input.unknown": 1}, "input.unknown"),
        ({"input.": 1}, "input."),
        ({"output.outcome": "approved"}, "output.outcome"),
        ({"context.decided_at": "2026-01-01T00:00:00Z"}, "context.decided_at"),
        ({"input.late": 10**6}, "input.late"),
        ({"input.late": "many"}, "input.late"),
        ({"input.late": {"a": 1}}, "input.late"),
    ],
)
def test_what_does_not_fit_is_refused(
    lender: Lender, acting: Correcting, changes: dict[str, Any], member: str
) -> None:
    with pytest.raises(MalformedError) as error:
        acting.correct(lender.ids[1], changes, "why")
    assert error.value.member == member
    assert lender.ids[1] not in acting.tasks()


def test_the_same_value_is_no_correction(lender: Lender, acting: Correcting) -> None:
    late = lender.runtime.decisions.read(lender.ids[1]).payload.input["late"]
    with pytest.raises(MalformedError, match="already"):
        acting.correct(lender.ids[1], {"input.late": late}, "why")


@pytest.mark.parametrize("why", ["", "  ", "x" * 501, "a\nb"])
def test_it_needs_a_reason(acting: Correcting, lender: Lender, why: str) -> None:
    with pytest.raises(MalformedError) as error:
        acting.correct(lender.ids[1], {"input.late": 3}, why)
    assert error.value.member == "why"


def test_the_task_ends_with_the_new_decision(lender: Lender, acting: Correcting) -> None:
    one = fresh(lender, "P-3")
    earlier = fresh(lender, "P-3")
    made = acting.correct(one, {"input.late": 7}, "why")
    assert one in acting.tasks()
    stranger, new = fresh(lender, "P-other"), fresh(lender, "P-3")
    for wrong in (one, earlier, stranger):
        with pytest.raises(MalformedError) as error:
            acting.close(one, made.id, "decided again", wrong)
        assert error.value.member == "decision"
    closed = acting.close(one, made.id, "decided again", new)
    assert isinstance(closed.body, Review)
    assert closed.body.state == Follow.DECIDED_AGAIN
    assert one not in acting.tasks()
    (correction,) = acting.case(one).corrections
    assert (correction.follow, correction.decision) == (Follow.DECIDED_AGAIN, new)
    with pytest.raises(WrongStage):
        acting.close(one, made.id, "again")


def test_a_decision_may_stand_and_other_tasks_of_it_wait_on(
    lender: Lender, acting: Correcting
) -> None:
    one = fresh(lender, "P-4")
    first = acting.correct(one, {"input.late": 7}, "why")
    acting.correct(one, {"input.late": 8}, "why")
    acting.close(one, first.id, "it makes no difference")
    assert one in acting.tasks()
    with pytest.raises(NotFoundError):
        acting.close(one, lender.ids[0], "no such correction")


def test_of_two_at_once_the_second_is_told(lender: Lender, acting: Correcting) -> None:
    one = fresh(lender, "P-11")
    made = lender.runtime
    ahead: list[int] = []

    def random(count: int) -> bytes:  # drawn after looking and before writing: a peer slips in
        if not ahead:
            ahead.append(count)
            acting.correct(one, {"input.late": 7}, "first")
        return os.urandom(count)

    late = Corrections(
        made.logs["decisions"], made.writers["decisions"], vault_of(made, random), made.registry,
        made.decisions, made.attachments, made.clock, random,
    )  # fmt: skip
    with pytest.raises(ConflictError):
        late.correct(HANDLER, one, {"input.late": 8}, "second")
    assert [each.changes for each in acting.case(one).corrections] == [{"input.late": 7}]


def vault_of(runtime: Runtime, random: Callable[[int], bytes]) -> Vault:
    """The same vault, which draws from another source."""
    return Vault(runtime.databases[1], kek_ring(runtime.settings), runtime.clock, random)


def test_a_mark_that_a_crash_left_is_taken_away(lender: Lender, acting: Correcting) -> None:
    one = fresh(lender, "P-5")
    lender.runtime.corrections._mark(one, AGAIN)
    assert one not in acting.tasks()
    assert one not in lender.runtime.corrections.tasks()


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.REGULATOR, Role.ADMINISTRATOR, Role.SOURCE])
def test_others_may_not_correct(lender: Lender, role: Role) -> None:
    acting = Correcting(lender.runtime, Caller(replace(HANDLER, role=role)))
    with pytest.raises(PermissionRefused):
        acting.correct(lender.ids[1], {"input.late": 3}, "why")
    with pytest.raises(PermissionRefused):
        lender.runtime.corrections.correct(acting._caller.principal, lender.ids[1], {}, "why")


def test_it_is_erased_with_the_decision(lender: Lender, acting: Correcting) -> None:
    one = fresh(lender, "P-6")
    entry = acting.correct(one, {"input.late": 7}, "why")
    found, _ = lender.runtime.erasing.request(ANN, Ground.OBJECTION, subject="P-6")
    lender.runtime.erasing.approve(BEN, found.id)
    with pytest.raises(ErasedError):
        lender.runtime.logs["decisions"].sealed(entry.id)
    with pytest.raises(ErasedError):
        acting.case(one)
    assert one not in acting.tasks()


def test_the_copy_shows_both(lender: Lender, acting: Correcting) -> None:
    one = fresh(lender, "P-7")
    acting.correct(one, {"input.late": 7}, "the statement")
    copy = make_copy(lender.runtime, Caller(ANN), CopyRequest("P-7", lender.now.date(), "en"))
    with copy.file, zipfile.ZipFile(copy.file) as packed:
        page, data = packed.read("index.html").decode(), json.loads(packed.read("data.json"))
    assert "corrected: 7" in page
    (decision,) = data["decisions"]
    (event,) = [each for each in decision["events"] if each["kind"] == "correction"]
    assert event["detail"]["input.late"] == 7
    assert decision["input"]["late"] != 7


def test_over_http(lender: Lender) -> None:
    door = Door(lender, lender.app().test_client())
    one = fresh(lender, "P-8")
    path = f"/v1/decisions/{one}/corrections"
    body = {"changes": {"input.late": 7}, "why": "the statement"}
    made = door.ask(Role.CASE_HANDLER, "POST", path, body)
    assert made.status_code == 201
    assert door.ask(Role.AUDITOR, "POST", path, body).status_code == 403
    wrong = door.ask(Role.CASE_HANDLER, "POST", path, body | {"changes": {"input.late": 99}})
    assert (wrong.status_code, wrong.get_json()["member"]) == (422, "input.late")
    shown = door.ask(Role.CASE_HANDLER, "GET", path).get_json()
    assert shown["corrections"][0]["changes"] == {"input.late": 7}
    assert set(shown["rescored"]) == {"margin", "outcome"}
    told = door.ask(Role.CASE_HANDLER, "GET", f"/v1/decisions/{one}").get_json()
    assert told["corrections"] == shown["corrections"]
    assert one in door.ask(Role.CASE_HANDLER, "GET", "/v1/corrections").get_json()["decisions"]
    end = f"{path}/{made.get_json()['id']}/close"
    assert door.ask(Role.CASE_HANDLER, "POST", end, {"why": "stands"}).status_code == 201
    assert door.ask(Role.CASE_HANDLER, "POST", end, {"why": "stands"}).status_code == 409


def test_at_the_command_line(lender: Lender, tmp_path: Path) -> None:
    one = fresh(lender, "P-9")
    key = tmp_path / "key"
    key.write_text(lender.keys[Role.CASE_HANDLER])
    data = shutil.copytree(lender.settings.data, tmp_path / "data")  # its clock is the system's

    def run(*arguments: str, code: int = 0) -> str:
        runner = CliRunner(env={"LEDGER_DATA": str(data), "LEDGER_ORIGIN": "ledger.example/demo"})
        done = runner.invoke(main, ("correction", *arguments, "--key-file", str(key)))
        assert done.exit_code == code, done.output
        return done.stdout.strip()

    made = run("make", one, "--set", "input.late=7", "--set", "context.note=moved", "--why", "why")
    assert one in run("list")
    shown = json.loads(run("show", one))
    assert shown["corrections"][0]["changes"] == {"input.late": 7, "context.note": "moved"}
    run("close", one, made, "--why", "no difference")
    assert one not in run("list")
    run("make", one, "--set", "late", "--why", "why", code=2)


def test_in_the_browser(lender: Lender) -> None:
    client = lender.app().test_client()
    signed = client.get("/sign-in").get_data(as_text=True)
    client.post("/sign-in", data={"key": lender.keys[Role.CASE_HANDLER], "purpose": "case_handling",
                                  "case": "", "csrf_token": token(signed)})  # fmt: skip
    one = fresh(lender, "P-10")
    path = f"/decisions/{one}/corrections"
    page = client.get(path).get_data(as_text=True)
    assert "Nothing of this decision was corrected." in page
    form = {"field": "input.late", "value": "7", "why": "<b>", "csrf_token": token(page)}
    assert client.post(path, data=form).status_code == 303
    page = client.get(path).get_data(as_text=True)
    assert "With the corrected data the same model gives" in page
    assert "&lt;b&gt;" in page
    assert "input.late, corrected on" in client.get(f"/decisions/{one}").get_data(as_text=True)
    assert one in client.get("/corrections").get_data(as_text=True)
    end = page.split(f'action="{path}/')[1].split('"')[0]
    closing = {"why": "stands", "decision": "", "csrf_token": token(page)}
    assert client.post(f"{path}/{end}", data=closing).status_code == 303
    assert one not in client.get("/corrections").get_data(as_text=True)


def token(page: str) -> str:
    return page.split('name="csrf_token" value="')[1].split('"', maxsplit=1)[0]
