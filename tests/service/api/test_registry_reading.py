"""The feature dictionary and what changed between policies, over HTTP and at a terminal."""

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.roles import Role
from service.cli import main
from tests.service.api.conftest import Door
from tests.service.ui.lender import POLICY, Lender

MODEL = "/v1/models/mortgage-approval@1.0.0"
LATER: dict[str, Any] = {
    **POLICY,
    "version": "1.1.0",
    "cut_off": {**POLICY["cut_off"], "margin": 120_000},
    "reason_codes": {**POLICY["reason_codes"], "NEW": {"en": "x" * 300}},
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A lender of these tests alone: they say what there is in it."""
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(3)
    yield Door(made, made.app().test_client())
    made.runtime.close()


@pytest.fixture
def later(door: Door) -> str:
    return door.lender.runtime.registry.register_policy(LATER).digest


def test_the_dictionary(door: Door) -> None:
    told = door.ask(Role.AUDITOR, "GET", f"{MODEL}/features").get_json()
    assert (told["language"], told["untranslated"]) == ("en", [])
    assert "en" in told["languages"]
    first = told["features"][0]
    assert (first["label"], first["upper"], first["proxy"]) == (
        *("Loan as a share of the price", 200, None),
    )
    finnish = door.ask(Role.AUDITOR, "GET", f"{MODEL}/features?language=fi").get_json()
    assert finnish["untranslated"] == [each["name"] for each in finnish["features"]]
    wrong = door.ask(Role.AUDITOR, "GET", f"{MODEL}/features?language=../x")
    assert (wrong.status_code, wrong.get_json()["member"]) == (422, "language")
    assert door.ask(Role.AUDITOR, "GET", "/v1/models/nobody@1/features").status_code == 404


def test_what_changed(door: Door, later: str) -> None:
    path = "/v1/policies/mortgage-cutoff@1.0.0/changes"
    told = door.ask(Role.AUDITOR, "GET", f"{path}/{later}").get_json()
    assert told["new"] == later
    assert [(each["path"], each["how"]) for each in told["changes"]] == [
        ("cut_off.margin", "changed"),
        ("reason_codes.NEW", "added"),
        ("version", "changed"),
    ]
    assert (told["changes"][0]["before"], told["changes"][0]["after"]) == (0, 120_000)
    assert door.ask(Role.AUDITOR, "GET", f"{path}/none@1").status_code == 404


def test_what_changed_at_a_terminal(
    door: Door, later: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DATA", str(door.lender.settings.data))
    monkeypatch.setattr("service.runtime.system_clock", door.lender.clock)
    result = CliRunner().invoke(main, ["policy", "diff", "mortgage-cutoff@1.0.0", later])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "changed  cut_off.margin: 0 -> 120000"
    assert lines[1].startswith("added    reason_codes.NEW: null -> ")
    assert lines[1].endswith("…")
    none = CliRunner().invoke(main, ["policy", "diff", later, "none@1"])
    assert none.exit_code == 1
