"""What became of decisions: fed back at every door, sealed, superseded, and gone with the decision."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.entries import OutcomeObserved, parse_entry
from ledger.errors import (
    ConflictError,
    ErasedError,
    LedgerError,
    MalformedError,
    NotFoundError,
    PermissionRefused,
)
from ledger.operate import outcomes as outcomes_module
from ledger.operate.erasure import Ground
from ledger.operate.log_writer import MAX_RECORDS
from ledger.operate.outcomes import Event, Fed, Outcome, Outcomes
from ledger.operate.vault import Vault
from ledger.roles import PERMISSIONS, Permission, Principal, Role
from service.cli import main
from service.reading import Caller
from service.runtime import Runtime
from service.subject_copy.making import CopyRequest, make_copy
from service.vault_keys import kek_ring
from tests.service.api.conftest import CONTACTS, Door
from tests.service.test_correcting import fresh
from tests.service.ui.lender import Lender

SERVICING = Principal("k-servicing", "Servicing", Role.SOURCE)
ANN = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)
NOBODY = "01a20aa6-1a5c-7fcf-9ba7-5831c882ac71"


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("outcomes") / "data")
    made.record(3)
    (made.settings.data / "contacts.json").write_text(json.dumps(CONTACTS))
    yield made
    made.runtime.close()


def said(lender: Lender, decision: str, **changes: Any) -> Outcome:
    outcome = Outcome(decision, Event.DEFAULTED, True, lender.now.date(), "servicing")
    return replace(outcome, **changes)


def feed(lender: Lender, *outcomes: Outcome) -> tuple[Fed | LedgerError, ...]:
    return lender.runtime.outcomes.record_each(SERVICING, outcomes)


def fed(lender: Lender, outcome: Outcome) -> Fed:
    (found,) = feed(lender, outcome)
    assert isinstance(found, Fed)
    return found


def test_an_outcome_is_sealed_beside_the_decision_and_the_log_does_not_say_which(
    lender: Lender,
) -> None:
    one = fresh(lender, "O-1")
    before = lender.runtime.decisions.read(one)
    made = fed(lender, said(lender, one))
    assert made.status == "recorded"
    raw = lender.runtime.logs["decisions"].entry(made.id)
    entry = parse_entry(raw)
    assert isinstance(entry.body, OutcomeObserved)
    assert entry.body.decision == one
    for hidden in (b"defaulted", b"occurred", b"servicing"):
        assert hidden not in raw
    assert lender.runtime.decisions.read(one).raw == before.raw
    (found,) = lender.runtime.outcomes.of(one)
    assert (found.id, found.outcome, found.superseded) == (made.id, said(lender, one), False)


def test_the_same_again_is_the_original_and_another_value_supersedes(lender: Lender) -> None:
    one = fresh(lender, "O-2")
    first = fed(lender, said(lender, one))
    assert fed(lender, said(lender, one)) == replace(first, status="duplicate")
    second = fed(lender, said(lender, one, occurred=False))
    assert (second.status, second.supersedes) == ("recorded", first.id)
    assert fed(lender, said(lender, one, occurred=False)) == replace(second, status="duplicate")
    third = fed(lender, said(lender, one))  # what was said first, again: a change of mind
    assert (third.status, third.supersedes) == ("recorded", second.id)
    other = fed(lender, said(lender, one, source="collections"))
    assert (other.status, other.supersedes) == ("recorded", None)
    found = lender.runtime.outcomes.of(one)
    assert [each.id for each in found] == [first.id, second.id, third.id, other.id]
    assert [each.superseded for each in found] == [True, True, False, False]


def test_one_call_may_say_more_of_one_decision(lender: Lender) -> None:
    one, two = fresh(lender, "O-3"), fresh(lender, "O-3b")
    results = feed(
        lender,
        said(lender, one),
        said(lender, two),
        said(lender, one, source="collections"),
        said(lender, one, occurred=False),
        said(lender, one, occurred=False),
    )
    assert all(isinstance(each, Fed) for each in results)
    statuses = [each.status for each in results if isinstance(each, Fed)]
    assert statuses == ["recorded"] * 4 + ["duplicate"]
    assert len(lender.runtime.outcomes.of(one)) == 3


@pytest.mark.parametrize("days", [-400, -2, 2, 4000])
def test_a_day_that_cannot_be_is_refused(lender: Lender, days: int) -> None:
    decided = lender.runtime.decisions.read(lender.ids[0]).payload.decided_at.date()
    base = decided if days < 0 else lender.now.date()
    (found,) = feed(lender, said(lender, lender.ids[0], observed_on=base + timedelta(days=days)))
    assert isinstance(found, MalformedError)
    assert found.member == "observed_on"


def test_each_stands_or_falls_by_itself(lender: Lender) -> None:
    one, gone = fresh(lender, "O-4"), fresh(lender, "O-gone")
    erase(lender, "O-gone")
    other = fed(lender, said(lender, one, source="collections"))
    results = feed(
        lender, said(lender, NOBODY), said(lender, gone), said(lender, other.id),
        said(lender, one),
    )  # fmt: skip
    assert [type(each) for each in results] == [NotFoundError, ErasedError, NotFoundError, Fed]


@pytest.mark.parametrize("source", ["", "Ann Other", "-a", "a" * 65, "ä"])
def test_a_source_is_a_name_of_a_system(source: str) -> None:
    with pytest.raises(MalformedError):
        Outcome(NOBODY, Event.REPAID, True, date(2026, 5, 1), source)


def test_a_call_and_a_decision_are_bounded(lender: Lender, monkeypatch: pytest.MonkeyPatch) -> None:
    one = fresh(lender, "O-5")
    with pytest.raises(MalformedError):
        feed(lender)
    with pytest.raises(MalformedError):
        feed(lender, *[said(lender, one)] * (MAX_RECORDS + 1))
    monkeypatch.setattr(outcomes_module, "MAX_OF_ONE", 2)
    many = [said(lender, one, source=f"s{n}") for n in range(8)]
    results = feed(lender, *many)
    assert [type(each) for each in results] == [Fed] * 2 + [ConflictError] * 6
    assert len(lender.runtime.outcomes.of(one)) == 2


@pytest.mark.parametrize(
    "role", [role for role in Role if Permission.OUTCOMES_RECORD not in PERMISSIONS[role]]
)
def test_others_may_not_feed_back(lender: Lender, role: Role) -> None:
    with pytest.raises(PermissionRefused):
        lender.runtime.outcomes.record_each(
            replace(SERVICING, role=role), [said(lender, lender.ids[0])]
        )


@pytest.mark.parametrize("same", [True, False])
def test_whoever_comes_second_builds_on_what_the_first_said(lender: Lender, *, same: bool) -> None:
    one, made = fresh(lender, f"O-6{same}"), lender.runtime
    ahead: list[Fed] = []

    def random(count: int) -> bytes:  # drawn after looking and before writing: a peer slips in
        if not ahead:
            ahead.append(fed(lender, said(lender, one, occurred=same)))
        return os.urandom(count)

    late = outcomes_of(made, random)
    (found,) = late.record_each(SERVICING, [said(lender, one)])
    assert isinstance(found, Fed)
    if same:
        assert found == replace(ahead[0], status="duplicate")
    else:
        assert (found.status, found.supersedes) == ("recorded", ahead[0].id)


def test_one_that_goes_while_others_are_written_is_the_only_one_refused(lender: Lender) -> None:
    one, two, made = fresh(lender, "O-7"), fresh(lender, "O-8"), lender.runtime
    gone: list[str] = []

    def random(count: int) -> bytes:
        if not gone:
            gone.append(one)
            erase(lender, "O-7")
        return os.urandom(count)

    first, second = outcomes_of(made, random).record_each(
        SERVICING, [said(lender, one), said(lender, two)]
    )
    assert isinstance(first, ErasedError)
    assert isinstance(second, Fed)


def outcomes_of(runtime: Runtime, random: Callable[[int], bytes]) -> Outcomes:
    """The same outcomes, by a process that draws from another source."""
    vault = Vault(runtime.databases[1], kek_ring(runtime.settings), runtime.clock, random)
    return Outcomes(
        runtime.logs["decisions"], runtime.writers["decisions"], vault, runtime.decisions,
        runtime.attachments, runtime.clock, random,
    )  # fmt: skip


def erase(lender: Lender, subject: str) -> None:
    found, _ = lender.runtime.erasing.request(ANN, Ground.OBJECTION, subject=subject)
    lender.runtime.erasing.approve(BEN, found.id)


def test_it_is_erased_with_the_decision(lender: Lender) -> None:
    one = fresh(lender, "O-9")
    made = fed(lender, said(lender, one))
    erase(lender, "O-9")
    with pytest.raises(ErasedError):
        lender.runtime.logs["decisions"].sealed(made.id)
    with pytest.raises(ErasedError):
        lender.runtime.outcomes.of(one)
    (again,) = feed(lender, said(lender, one))
    assert isinstance(again, ErasedError)


def test_the_copy_shows_it(lender: Lender) -> None:
    one = fresh(lender, "O-10")
    made = fed(lender, said(lender, one))
    copy = make_copy(lender.runtime, Caller(ANN), CopyRequest("O-10", lender.now.date(), "en"))
    with copy.file, zipfile.ZipFile(copy.file) as packed:
        page, data = packed.read("index.html").decode(), json.loads(packed.read("data.json"))
        openings = json.loads(packed.read(f"proofs/{made.id}.openings.json"))
    (decision,) = data["decisions"]
    (event,) = [each for each in decision["events"] if each["kind"] == "outcome_observed"]
    assert event["detail"] == said(lender, one).content()
    assert f"What became of it was observed (defaulted, yes, {lender.now.date()}" in page
    assert openings["openings"][0]["section"] == "outcome"


def body(outcome: Outcome, **changes: Any) -> dict[str, Any]:
    return {"decision": outcome.decision, **outcome.content(), **changes}


def test_over_http(lender: Lender) -> None:
    door = Door(lender, lender.app().test_client())
    one, two = fresh(lender, "O-11"), fresh(lender, "O-12")
    items = [
        body(said(lender, one)),
        body(said(lender, two), occurred=1),
        body(said(lender, two), event="died"),
        body(said(lender, two), observed_on="2026-02-30"),
        body(said(lender, NOBODY)),
        body(said(lender, two, observed_on=date(1999, 1, 1))),
        body(said(lender, two), note="Ann Other"),
        7,
        body(said(lender, two)),
    ]
    got = door.ask(Role.SOURCE, "POST", "/v1/outcomes", {"outcomes": items})
    assert got.status_code == 200, got.text
    told = got.get_json()
    assert (told["recorded"], told["duplicate"], told["refused"]) == (2, 0, 7)
    members = [each.get("problem", {}).get("member") for each in told["results"]]
    assert members == [
        None, "outcomes[1].occurred", "outcomes[2].event", "outcomes[3].observed_on",
        "outcomes[4]", "outcomes[5].observed_on", "outcomes[6].note", "outcomes[7]", None,
    ]  # fmt: skip
    assert "Ann Other" not in got.text
    assert "died" not in got.text
    again = door.ask(Role.MODEL_OWNER, "POST", "/v1/outcomes", {"outcomes": items[:1]}).get_json()
    assert (again["duplicate"], again["results"][0]["id"]) == (1, told["results"][0]["id"])
    shown = door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{one}/outcomes").get_json()
    (outcome,) = shown["outcomes"]
    assert (outcome["event"], outcome["occurred"], outcome["superseded"]) == (
        "defaulted", True, False,
    )  # fmt: skip
    assert door.ask(Role.SOURCE, "GET", f"/v1/decisions/{one}/outcomes").status_code == 403
    assert door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{NOBODY}/outcomes").status_code == 404
    assert door.ask(Role.AUDITOR, "POST", "/v1/outcomes", {"outcomes": items}).status_code == 403


@pytest.mark.parametrize(
    "sent", [[], {}, {"outcomes": []}, {"outcomes": 1}, {"outcomes": [1], "a": 1}]
)
def test_a_body_that_is_none_is_refused(lender: Lender, sent: Any) -> None:
    door = Door(lender, lender.app().test_client())
    assert door.ask(Role.SOURCE, "POST", "/v1/outcomes", sent).status_code == 422


def test_a_read_is_on_the_access_log(lender: Lender) -> None:
    door = Door(lender, lender.app().test_client())
    before = lender.runtime.logs["access"].size()
    door.ask(Role.AUDITOR, "GET", f"/v1/decisions/{lender.ids[1]}/outcomes")
    noted = list(lender.runtime.logs["access"].entries(before))
    assert len(noted) == 1
    opened = lender.runtime.access_log.open(json.loads(noted[0])["id"])
    assert (opened.records, opened.fields) == ((lender.ids[1],), ("outcomes",))


@pytest.fixture
def command(lender: Lender, tmp_path: Path) -> Callable[..., Any]:
    data = shutil.copytree(lender.settings.data, tmp_path / "data")  # its clock is the system's
    runner = CliRunner(env={"LEDGER_DATA": str(data), "LEDGER_ORIGIN": "ledger.example/demo"})
    return lambda *arguments: runner.invoke(main, ("outcomes", *map(str, arguments)))


def test_a_csv_file_is_imported(
    lender: Lender, command: Callable[..., Any], tmp_path: Path
) -> None:
    one, two, day = lender.ids[0], lender.ids[1], lender.now.date()
    path = tmp_path / "outcomes.csv"
    path.write_text(
        "decision,event,occurred,observed_on,source\r\n"
        f"{one},target,true,{day},servicing\r\n"
        f"{two},target,perhaps,{day},servicing\r\n"
        f"{two},target,false,{day},\r\n"
        f"{two},target\r\n\r\n"
        f"{NOBODY},target,false,{day},servicing\r\n",
        "utf-8-sig",
    )
    done = command("import", path)
    assert done.exit_code == 1, done.output
    assert "1 recorded, 0 on record before, 4 refused" in done.stdout
    assert [line.split(":")[0] for line in done.stderr.splitlines() if line[:4] == "line"] == [
        "line 3", "line 4", "line 5", "line 7",
    ]  # fmt: skip
    assert "perhaps" not in done.output
    again = command("import", path, "--source", "collections")  # for the row that names none
    assert "1 recorded, 1 on record before, 3 refused" in again.stdout
    (shown,) = json.loads(command("show", one).stdout)
    assert (shown["event"], shown["occurred"], shown["source"]) == ("target", True, "servicing")


def test_json_lines_are_imported(
    lender: Lender, command: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "outcomes.jsonl"
    rows = [body(said(lender, each)) for each in lender.ids]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert "3 recorded, 0 on record" in (done := command("import", path)).stdout, done.output
    assert done.exit_code == 0
    path.write_text(path.read_text() + '{"decision": \n[1]\n')
    done = command("import", path)
    assert "0 recorded, 3 on record before, 2 refused" in done.stdout
    assert "line 5: not a row" in done.stderr


@pytest.mark.parametrize(
    "content",
    [b"", b"decision,event\n", b"decision,event,occurred,observed_on,source,source\n",
     b"decision,event,occurred,observed_on,name\n", b"\xff\n", b"a" * 20_000],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(
    command: Callable[..., Any], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_bytes(content)
    assert command("import", path).exit_code == 2


def test_only_so_many_refusals_are_told(command: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    path.write_text("1\n" * 103)
    done = command("import", path)
    assert "103 refused" in done.stdout
    assert "and 3 more" in done.stderr
