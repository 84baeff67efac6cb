"""Groups from a file: matched, counted, on the access log, and nowhere kept."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.errors import MalformedError
from service.cli import main
from service.erasing import Officer
from service.over_time import groups as groups_module
from service.over_time.fairness import NOT_STATED
from service.over_time.figures import Absence, OverTime, Period, Share
from service.over_time.groups import Grouped, grouped
from service.reading import Caller, Reading
from service.runtime import Runtime
from tests.service.over_time.conftest import ANN, COUNT, MODEL, monitored
from tests.service.ui.lender import Lender

NOBODY = "01a20aa6-1a5c-7fcf-9ba7-5831c882ac71"


def group_of(at: int) -> str:
    return "A" if at % 2 else "B"


def written(path: Path, lender: Lender, *more: str, header: str = "id,sex") -> Path:
    lines = [f"{record},{group_of(at)}" for at, record in enumerate(lender.ids[:70])]
    path.write_text("\n".join([header, *lines, *more, ""]), encoding="utf-8")
    return path


def counted(runtime: Runtime, path: Path) -> tuple[OverTime, Grouped]:
    found = monitored(runtime, by=Period.YEAR)
    reading = Reading(runtime, Caller(ANN, "model_monitoring"))
    version = runtime.registry.model(MODEL)
    return found, grouped(runtime, reading, version, found, path, "survey")


def test_shares_are_those_of_the_groups(own: Runtime, lender: Lender, tmp_path: Path) -> None:
    before = own.logs["access"].size()
    _, found = counted(own, written(tmp_path / "g.csv", lender, f"{NOBODY},A"))
    assert (found.rows, found.unknown, found.restricted) == (71, 1, 0)
    (shares,) = found.shares
    assert (shares.trait, shares.period) == ("sex", "2026")
    outcomes = {each: own.decisions.read(each).payload.outcome for each in lender.ids}
    for name, each in shares.shares:
        if name == NOT_STATED:  # ten: hidden, and the smallest group with them
            assert each is Absence.TOO_FEW
            continue
        members = [r for at, r in enumerate(lender.ids[:70]) if group_of(at) == name]
        if isinstance(each, Share):
            assert each.count == len(members)
            assert each.part == sum(outcomes[r] == "approved" for r in members)
    assert sum(isinstance(each, Share) for _, each in shares.shares) == 1
    noted = [own.access_log.open(json.loads(r)["id"]) for r in own.logs["access"].entries(before)]
    assert sorted(noted[-1].records) == sorted(lender.ids[:70])
    assert set(noted[-1].fields) == {"decided_at", "outcome"}
    kept = "".join(p.read_text() for p in own.settings.monitoring_dir.rglob("*") if p.is_file())
    assert "sex" not in kept


def test_it_makes_no_difference_how_the_file_is_cut(
    own: Runtime, lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "g.csv", lender)
    whole = counted(own, path)[1]
    monkeypatch.setattr(groups_module, "ROWS", 7)
    assert counted(own, path)[1] == whole


def test_who_is_restricted_is_in_no_group(own: Runtime, lender: Lender, tmp_path: Path) -> None:
    officer = Officer(own, Caller(ANN, "data_subject_request", ""))
    subject = own.decisions.read(lender.ids[13]).payload.subject
    officer.restrict("accuracy_contested", lender.now + timedelta(days=9), subject=subject)
    found, by_group = counted(own, written(tmp_path / "g.csv", lender))
    assert by_group.restricted == sum(each % 10 == 3 for each in range(70))
    assert by_group.unknown == 0
    assert found.unseen.restricted == sum(each % 10 == 3 for each in range(COUNT))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["id"], "header"),
        (["id,sex,sex"], "header"),
        ([], "header"),
        (["id,sex", "MTG-000123,A"], "line 2 is not an id"),
        (["id,sex", f"{NOBODY},A,B"], "line 2 is not an id and 1 groups"),
        (["id,sex", f"{NOBODY},{'x' * 65}"], "more than 64"),
        (["id,sex", "{0},A", "{1},A", "{0},B"], "stands twice, in or before lines 2 to 4"),
    ],
)
def test_another_file_is_refused_without_repeating_it(
    lender: Lender, tmp_path: Path, lines: list[str], why: str
) -> None:
    path = tmp_path / "g.csv"
    path.write_text("\n".join(each.format(*lender.ids) for each in lines))
    with pytest.raises(MalformedError, match=why) as refused:
        counted(lender.runtime, path)
    assert "MTG" not in str(refused.value)


def test_bytes_that_are_no_text_are_refused(lender: Lender, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_bytes(b"id,sex\n\xff\xfe")
    with pytest.raises(MalformedError, match="UTF-8"):
        counted(lender.runtime, tmp_path / "g.csv")


def test_a_decision_that_stands_twice_far_apart_is_refused(
    lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "ROWS", 7)
    path = written(tmp_path / "g.csv", lender, f"{lender.ids[0]},A")
    with pytest.raises(MalformedError, match="stands twice"):
        counted(lender.runtime, path)


def test_limits(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "g.csv", lender)
    monkeypatch.setattr(groups_module, "MAX_GROUPS", 1)
    with pytest.raises(MalformedError, match="more than 1 groups"):
        counted(lender.runtime, path)
    monkeypatch.setattr(groups_module, "MAX_ROWS", 10)
    with pytest.raises(MalformedError, match="more than 10 rows"):
        counted(lender.runtime, path)


@pytest.fixture
def run(own: Runtime) -> Callable[..., Result]:
    environment = {"LEDGER_DATA": str(own.settings.data), "LEDGER_ORIGIN": own.settings.origin}
    return lambda *arguments: CliRunner(env=environment).invoke(
        main, ["monitor", "--model", MODEL, "--by", "year", *arguments]
    )


def test_the_command(run: Callable[..., Result], lender: Lender, tmp_path: Path) -> None:
    groups = str(written(tmp_path / "g.csv", lender, f"{NOBODY},A"))
    done = run("--groups", groups, "--groups-source", "a survey")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (shown["decisions"], shown["by_group"]["source"]) == (COUNT, "a survey")
    assert "71 rows, of which 1 name no decision that is counted" in done.stderr
    out = tmp_path / "out.csv"
    assert run("--groups", groups, "--format", "csv", "-o", str(out)).exit_code == 0
    lines = out.read_text().splitlines()
    assert lines[0].startswith("period,figure,name,n,value")
    assert any(line.startswith("2026,group_approval,sex=A,") for line in lines)
    assert any(line.startswith("2026,group_approval_ratio,sex,") for line in lines)
    assert "by_group" not in run().stdout
    refused = run("--reference", "2019")
    assert (refused.exit_code, "made no decision in that year" in refused.output) == (1, True)
