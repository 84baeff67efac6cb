"""`decision-ledger sources`: what it prints, what it logs, and its exit status."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.entries import SourceCounter
from ledger.operate.completeness import OPERATOR, OperatorReason
from service.cli import main
from service.commands.sources import REASONS, _ago
from service.settings import Settings
from tests.ledger.operate.premises import NOON
from tests.service.deployment import ORIGIN, Deployment, decision

Run = Callable[..., Result]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    one = Deployment(Settings(data=tmp_path / "data", origin=ORIGIN))
    one.found()
    return one


@pytest.fixture
def run(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LEDGER_DATA", str(deployment.data))
    return lambda *arguments: CliRunner().invoke(main, ["sources", *arguments])


def record(deployment: Deployment, source: str, *counters: int) -> None:
    with deployment.opened() as runtime:
        made = [replace(decision(runtime), source=SourceCounter(source, n)) for n in counters]
        runtime.decisions.record(made)


def test_gaps_are_shown_explained_and_stay(deployment: Deployment, run: Run) -> None:
    assert (run().exit_code, run().output) == (0, "")
    record(deployment, "desk.aaaaaaaa", 1, 2, 2, 9)
    record(deployment, "desk.bbbbbbbb", 1)
    told = run()
    assert told.exit_code == 1
    assert "desk: 4 recorded in 2 lanes, 6 missing without a reason, 0 with one" in told.output
    assert "1 repeated; last heard of 2" in told.output
    assert "  desk.aaaaaaaa missing 3 to 8: no reason given, to be seen since 2" in told.output
    assert run("explain", "desk.aaaaaaaa", "3", "8", "outage").output.startswith("On record as")
    assert "On record before" in run("explain", "desk.aaaaaaaa", "3", "8", "outage").output
    told = run()
    assert (told.exit_code, "0 missing without a reason, 6 with one" in told.output) == (0, True)
    shown = run("show", "desk")
    assert shown.exit_code == 0
    assert "  desk.bbbbbbbb: 1, none missing" in shown.output
    assert "missing 3 to 8: operator_outage" in shown.output
    refused = run("explain", "desk.aaaaaaaa", "9", "9", "outage")
    assert (refused.exit_code, "nothing is missing there" in refused.output) == (2, True)
    assert run("show", "nobody").exit_code == 1


def test_totals_are_compared_whenever_they_are_asked_for(deployment: Deployment, run: Run) -> None:
    record(deployment, "desk", 1, 3, 5, 7, 9, 11, 13)
    told = run("total", "desk", "14", "--first", "1", "--last", "14")
    assert told.exit_code == 1
    assert (
        "desk stated 14 with counters 1 to 14: short, 7 are here; not here: 2, 4, 6, 8, 10 and 2 "
        "ranges more (entry" in told.output
    )
    assert "  and 1 ranges more: decision-ledger sources show desk" in run().output
    record(deployment, "desk", *range(2, 14, 2))
    assert run().exit_code == 1
    run("explain", "desk", "14", "14", "cancelled")
    told = run("show", "desk")
    assert told.exit_code == 0
    assert "13 are here; not here: 14; 1 of these with a reason" in told.output
    assert "1 besides stated to be missing" in told.output
    assert "6 out of order" in told.output


def test_a_period_is_by_time_of_decision(deployment: Deployment, run: Run) -> None:
    record(deployment, "desk.aaaaaaaa", 1)
    day = f"{NOON:%Y-%m-%d}"
    told = run("total", "desk", "1", "--since", day, "--until", "2026-05-14T14:00:00+02:00")
    assert told.exit_code == 1  # it was made at noon, and the period ended before
    told = run("total", "desk", "1", "--since", day, "--until", "2026-05-14T12:00:01Z")
    assert told.exit_code == 0
    assert "from 2026-05-14 00:00:00Z to 2026-05-14 12:00:01Z: agrees, 1 are here" in told.output


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--first", "1"],
        ["--first", "1", "--last", "2", "--since", "2026-01-01"],
        ["--since", "2026-01-01", "--until", "2999-01-01"],
        ["--since", "2026-01-01T00:00:00", "--until", "2026-02-01"],
        ["--since", "yesterday", "--until", "2026-02-01"],
    ],
)
def test_a_total_that_is_none_is_refused(run: Run, arguments: list[str]) -> None:
    assert run("total", "desk", "1", *arguments).exit_code == 2


def test_every_reason_can_be_given() -> None:
    assert [f"{OPERATOR}{each}" for each in REASONS] == [str(each) for each in OperatorReason]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(30, "just now"), (180, "3 minutes ago"), (9_000, "2 hours ago"), (200_000, "2 days ago")],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    assert _ago(seconds) == words
