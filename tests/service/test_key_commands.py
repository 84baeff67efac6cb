"""Keys at the command line: until when, and how the list says it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import main
from service.founding import found
from service.settings import Settings

DAY_US = 86_400_000_000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found(Settings(data=tmp_path / "data"))
    return tmp_path / "data"


def run(place: Path, *arguments: str, code: int = 0) -> str:
    done = CliRunner(env={"LEDGER_DATA": str(place)}).invoke(main, ["key", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_the_list_says_when_a_key_ends(place: Path) -> None:
    for name, days in (("never", 0), ("later", 91), ("soon", 6), ("today", 1), ("over", 2)):
        ends = ["--expires", f"{days}d"] if days else []
        said = run(place, "issue", "--name", name, "--role", "source", *ends)
        assert ("It ends in" in said) == bool(days)
    revoked = run(place, "issue", "--name", "left", "--role", "source", "--expires", "1d")
    run(place, "revoke", revoked.split("_")[1])
    with closing(sqlite3.connect(place / "ledger.db")) as database:
        database.execute(
            "UPDATE api_key SET expires_us = expires_us - ? WHERE name = 'over'", (3 * DAY_US,)
        )
        database.commit()
    told = {line.split()[-1]: line for line in run(place, "list").splitlines()}
    for name, state in (
        ("never", "in force"), ("later", "expires in 90 days"), ("soon", "expires in 5 days"),
        ("today", "expires today"), ("over", "expired"), ("left", "revoked"),
    ):  # fmt: skip
        assert state in told[name]


@pytest.mark.parametrize("days", ["0d", "90", "-1d", "1w", "99999d"])
def test_a_period_is_some_days(place: Path, days: str) -> None:
    said = run(place, "issue", "--name", "x", "--role", "source", "--expires", days, code=2)
    assert "days" in said
