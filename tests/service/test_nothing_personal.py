"""Unmistakable values go in by every door; none comes out in a log line, an error or a file."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.operate.decisions import Decisions
from ledger.roles import Role
from service.cli import main
from tests.service.ui.conftest import enter
from tests.service.ui.lender import Lender

SECRET = "Zebedee-Quux-4711"
NUMBER = 31_337  # out of bounds for the feature, so that it is refused


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(3)
    yield made
    made.runtime.close()


@pytest.fixture
def written(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Any:
    """Everything that was logged, with tracebacks, and every temporary file that is left."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def read() -> str:
        formatter = logging.Formatter("%(message)s")
        lines = [formatter.format(each) for each in caplog.records]
        files = [
            each.read_bytes().decode("latin-1") for each in tmp_path.rglob("*") if each.is_file()
        ]
        return "\n".join((*lines, *files))

    return read


def planted(lender: Lender, **members: Any) -> dict[str, Any]:
    payload = lender.runtime.decisions.read(lender.ids[0]).payload.to_json()
    payload |= {"id": lender.runtime.decisions.new_id(), "subject": SECRET}
    return payload | members


def asks(lender: Lender) -> Iterator[tuple[Role, str, Any]]:
    good = planted(lender)
    yield Role.SOURCE, "/v1/decisions", {"decisions": [good]}
    for bad in (
        {"input": {"late": NUMBER, SECRET: 1}},
        {"model": SECRET},
        {"outcome": SECRET},
        {"id": SECRET},
        {SECRET: SECRET},
    ):
        yield Role.SOURCE, "/v1/decisions", {"decisions": [planted(lender, **bad)]}
    officer = Role.DATA_PROTECTION_OFFICER
    yield officer, "/v1/decisions/search", {"subject": SECRET}
    yield officer, "/v1/decisions/search", {"subject": SECRET, "model": SECRET, "cursor": SECRET}
    yield officer, "/v1/erasures", {"subject": SECRET, "ground": SECRET}
    yield officer, "/v1/disclosures", {
        "records": [SECRET], "fields": [SECRET], "recipient": SECRET, "ground": "consent",
        "purpose": SECRET,
    }  # fmt: skip


def test_by_the_interface(lender: Lender, written: Any) -> None:
    client = lender.app().test_client()
    for role, path, body in asks(lender):
        key = {"Authorization": f"Bearer {lender.keys[role]}", "Ledger-Case": SECRET}
        got = client.post(path, json=body, headers=key)
        assert SECRET not in str(got.headers)
        if got.status_code >= 400:
            assert SECRET not in got.text, path
            assert str(NUMBER) not in got.text
    assert SECRET not in written()
    assert str(NUMBER) not in written()


def test_when_it_breaks_in_the_middle(
    lender: Lender, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of ours carries a person's data in its text; no door repeats it."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError(SECRET)

    for name in ("find", "read", "record"):
        monkeypatch.setattr(Decisions, name, broken)
    app = lender.app()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = app.test_client()
    officer = {"Authorization": f"Bearer {lender.keys[Role.DATA_PROTECTION_OFFICER]}"}
    for answer in (
        client.post("/v1/decisions/search", json={"subject": SECRET}, headers=officer),
        client.get(f"/v1/decisions/{lender.ids[0]}", headers=officer),
    ):
        assert (answer.status_code, SECRET in answer.text) == (500, False)
    assert SECRET not in written()


def test_by_the_pages(lender: Lender, written: Any) -> None:
    browser = enter(lender, Role.DATA_PROTECTION_OFFICER)
    browser.get("/decisions")
    found = browser.post("/decisions/find", q=SECRET)
    for address in found.headers.getlist("Location"), found.headers.getlist("Set-Cookie"):
        assert SECRET not in str(address)
    assert f"?q={SECRET}" not in found.text
    assert found.headers["Referrer-Policy"] in {"no-referrer", "same-origin"}
    assert SECRET not in written()


def test_by_the_terminal(lender: Lender, written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATA", str(lender.settings.data))
    monkeypatch.setattr("service.runtime.system_clock", lender.clock)
    for arguments in (["decisions", "find", "--subject", "-"], ["decisions", "show", SECRET]):
        result = CliRunner().invoke(main, arguments, input=f"{SECRET}\n")
        assert SECRET not in result.output
    assert SECRET not in written()
