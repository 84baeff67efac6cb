"""`decision-ledger model propose`, `agree`, …: what is printed, what is refused, exit status."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.roles import Role
from service.cli import main
from service.settings import Settings
from tests.service.deployment import ORIGIN, Deployment

MODEL = "mortgage-approval@1.0.0"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    deployment = Deployment(Settings(data=tmp_path / "data", origin=ORIGIN))
    deployment.found()
    monkeypatch.setenv("LEDGER_DATA", str(deployment.data))
    with deployment.opened() as runtime:
        for name, role in (("ann", Role.MODEL_OWNER), ("ben", Role.MODEL_RISK)):
            (tmp_path / f"{name}.key").write_text(runtime.api_keys.issue(name, role)[0] + "\n")

    def invoke(*arguments: str, who: str = "", reason: str = "report V-17") -> Result:
        key = ["--key-file", str(tmp_path / f"{who}.key"), "--reason", reason] if who else []
        return CliRunner().invoke(main, ["model", *arguments, *key])

    return invoke


def test_two_people_at_a_terminal(run: Run) -> None:
    asked = run("propose", MODEL, "approved", who="ann")
    assert asked.exit_code == 0, asked.output
    proposal = asked.stdout.strip()
    alone = run("agree", MODEL, proposal, who="ann")
    assert (alone.exit_code, "may not" in alone.output) == (1, True)
    assert run("agree", MODEL, proposal, who="ben").output == f"{MODEL}  approved\n"
    assert run("promote", MODEL, who="ann").output == f"{MODEL}  promoted\n"
    assert run("suspend", MODEL, who="ben", reason="drift").output == f"{MODEL}  suspended\n"
    second = run("propose", MODEL, "retired", who="ann").stdout.strip()
    assert run("refuse", MODEL, second, who="ben").output == f"{MODEL}  suspended\n"
    late = run("agree", MODEL, second, who="ben")
    assert (late.exit_code, "does not stand" in late.output) == (1, True)
    lines = run("history", MODEL).output.splitlines()
    assert len(lines) == 7
    assert lines[0].endswith("  registered")
    assert lines[2].endswith("  approved             ben, model_risk:  report V-17")
    shown = json.loads(run("history", MODEL, "--json").output)
    assert [each["act"] for each in shown][-2:] == ["retirement_proposed", "proposal_refused"]
    assert "suspended" in run("list").output
