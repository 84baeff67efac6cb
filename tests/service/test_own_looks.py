"""Looks at one's own records are marked, whoever else is in the ledger; what is kept tells nobody."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.entries import parse_entry
from ledger.errors import MalformedError, NotFoundError, PermissionRefused, SecondPersonNeeded
from ledger.operate.access_log import Manner
from ledger.operate.own_references import MAX_REFERENCES
from ledger.roles import Principal, Role
from service.access_patterns import Patterns, report
from service.cli import main
from service.own_looks import Declared, Declaring
from service.reading import Caller, Reading
from tests.service.ui.lender import SUBJECT, Lender

MINE = (3, 13)  # decisions about SUBJECT


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(14)
    yield made
    made.runtime.close()


@pytest.fixture
def dpo(lender: Lender) -> Iterator[Caller]:
    """A reviewer; everything that was declared is forgotten at the end, and a new month begins."""
    yield Caller(holder(lender, "Dana", Role.DATA_PROTECTION_OFFICER), "audit", "case-1")
    for key_id in lender.runtime.own_references.counts():
        lender.runtime.own_references.withdraw(key_id)
    lender.now += timedelta(days=31)  # pseudonyms of its own for the next test


def holder(lender: Lender, name: str, role: Role = Role.CASE_HANDLER) -> Principal:
    _, key_id = lender.runtime.api_keys.issue(name, role)
    return Principal(key_id, name, role)


def look(lender: Lender, who: Principal, *places: int, **manner: Any) -> None:
    ids = [lender.ids[each] for each in places]
    Reading(lender.runtime, Caller(who)).note(ids, ("output",), **manner)


def reported(lender: Lender, dpo: Caller) -> Patterns:
    return report(lender.runtime, dpo, f"{lender.now:%Y-%m}")


def own(lender: Lender, dpo: Caller) -> list[tuple[str, int]]:
    found = reported(lender, dpo).findings
    return sorted((each.role, each.count) for each in found if each.code == "own_records")


def test_a_look_at_oneself_is_marked_and_no_other(lender: Lender, dpo: Caller) -> None:
    cleo, other = holder(lender, "Cleo"), holder(lender, "Otto")
    look(lender, cleo, 3)  # before anybody declared anything
    assert own(lender, dpo) == []
    declaring = Declaring(lender.runtime, dpo)
    assert declaring.declare(cleo.id, SUBJECT) == Declared(cleo.id, "Cleo", 1)
    assert own(lender, dpo) == [("case_handler", 1)]
    look(lender, other, 3)  # somebody else's work
    look(lender, cleo, 4)
    look(lender, cleo, 2, 3, 4, listed=True)  # a list that shows it too
    look(lender, cleo, 3, 4, manner=Manner.EXPORT)
    assert own(lender, dpo) == [("case_handler", 1)]
    look(lender, cleo, 3, 13, listed=True)  # a search for oneself
    look(lender, cleo, 3, 4, manner=Manner.ACT)
    lender.runtime.access_log.deny(
        cleo, purpose="audit", case="", records=[lender.ids[3]], fields=["output"]
    )
    again = holder(lender, " cleo ")  # a new key of the same person
    look(lender, again, 13)
    assert own(lender, dpo) == [("case_handler", 1), ("case_handler", 4)]
    total = reported(lender, dpo).total
    assert (total.own, total.denied) == (5, 1)
    assert declaring.withdraw(cleo.id, SUBJECT).count == 0
    assert own(lender, dpo) == []


def test_what_was_erased_or_is_about_nobody_known_is_not_marked(
    lender: Lender, dpo: Caller
) -> None:
    cleo = holder(lender, "Cleo Two")
    lender.runtime.own_references.declare(cleo.id, "nobody of this name")
    look(lender, cleo)
    lender.runtime.access_log.record(
        cleo, purpose="audit", case="", records=[lender.runtime.decisions.new_id()],
        fields=["output"], size=1,
    )  # fmt: skip
    look(lender, cleo, 3)
    assert own(lender, dpo) == []


def test_who_may_and_what_is_refused(lender: Lender, dpo: Caller) -> None:
    cleo, declaring = holder(lender, "Cleo Three"), Declaring(lender.runtime, dpo)
    with pytest.raises(PermissionRefused):
        Declaring(lender.runtime, Caller(cleo)).declare(cleo.id, SUBJECT)
    for wrong in ("", "a\nb", "x" * 201):
        with pytest.raises(MalformedError):
            declaring.declare(cleo.id, wrong)
    with pytest.raises(NotFoundError, match="no key"):
        declaring.declare("0" * 16, SUBJECT)
    with pytest.raises(NotFoundError, match="nothing of it"):
        declaring.withdraw(cleo.id, SUBJECT)
    me = dpo.principal.id
    declaring.declare(me, SUBJECT)  # oneself, and then only somebody else withdraws it
    for mine in (me, holder(lender, "DANA", Role.AUDITOR).id):
        with pytest.raises(SecondPersonNeeded):
            declaring.withdraw(mine)
    auditor = Caller(holder(lender, "Otto", Role.AUDITOR))
    assert [each.count for each in Declaring(lender.runtime, auditor).all()] == [1]
    assert Declaring(lender.runtime, auditor).withdraw(me).count == 0
    references = lender.runtime.own_references
    assert references.declare(cleo.id, "r0")
    assert not references.declare(cleo.id, "r0")
    for number in range(1, MAX_REFERENCES):
        references.declare(cleo.id, f"r{number}")
    with pytest.raises(MalformedError, match="more than"):
        references.declare(cleo.id, "one too many")


def test_what_is_kept_matches_nothing_else(lender: Lender, dpo: Caller) -> None:
    cleo, otto = holder(lender, "Cleo Four"), holder(lender, "Otto Four")
    for each in (cleo, otto):
        Declaring(lender.runtime, dpo).declare(each.id, SUBJECT)
    with closing(sqlite3.connect(lender.settings.data / "vault.db")) as vault:
        kept = [bytes(row[0]) for row in vault.execute("SELECT tag FROM own_reference")]
        known = {bytes(row[0]) for row in vault.execute("SELECT tag FROM subject_key")}
    assert len(set(kept)) == 2
    assert known.isdisjoint(kept)
    logged = list(lender.runtime.logs["access"].entries())[-2:]
    assert all(SUBJECT.encode() not in each for each in logged)
    details = [lender.runtime.access_log.open(parse_entry(each).id) for each in logged]
    assert {(each.manner, each.fields, each.records) for each in details} == {
        (Manner.ACT, ("own_reference.declared",), ())
    }


def test_at_the_terminal(
    lender: Lender, dpo: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DATA", str(lender.settings.data))
    monkeypatch.setattr("service.runtime.system_clock", lender.clock)
    key = tmp_path / "dpo.key"
    key.write_text(lender.keys[Role.DATA_PROTECTION_OFFICER])
    cleo = holder(lender, "Cleo Five")
    look(lender, cleo, 3)

    def run(*arguments: str, code: int = 0, typed: str | None = None) -> str:
        asked = ["access", *arguments, "--key-file", str(key)]
        done = CliRunner().invoke(main, asked, input=typed)
        assert done.exit_code == code, done.output
        assert SUBJECT not in done.output
        return done.output

    assert "1 of Cleo Five" in run("declare", cleo.id, typed=f"{SUBJECT}\n")
    assert f"{cleo.id}     1  Cleo Five" in run("declared")
    said = run("report", "--month", f"{lender.now:%Y-%m}")
    assert "  own_records   " in said
    assert '"own": 1' in run("report", "--month", f"{lender.now:%Y-%m}", "--json")
    run("withdraw", cleo.id, code=2)
    assert "0 of Cleo Five" in run("withdraw", cleo.id, "--all")
    run("report", "--month", "2026-5", code=2)
