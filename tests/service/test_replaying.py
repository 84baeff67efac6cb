"""Replaying a sample or a period: the same draw, one verdict each, and no line lost to a kill."""

import fcntl
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ledger.errors import MalformedError, NotFoundError, RefusedError, VerificationError
from ledger.roles import Principal, Role
from service import replaying
from service.cli import main
from service.commands.replaying import _left
from service.reading import Caller, Reading
from service.replaying import ReplayRequest, Tally, replay_many, summary_path
from tests.service.ui.lender import Lender

COUNT = 12


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("replayed") / "data")
    made.record(COUNT)
    yield made
    made.runtime.close()


def quiet(_done: int, _total: int) -> None:
    """Nobody looks at the progress."""


def run(lender: Lender, path: Path, role: Role = Role.AUDITOR, **asked: Any) -> Tally:
    reading = Reading(lender.runtime, Caller(Principal("a", "auditor", role)))
    return replay_many(lender.runtime, reading, ReplayRequest(**asked), path, quiet)[0]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_decision_has_one_verdict(lender: Lender, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    before = lender.runtime.logs["access"].size()
    tally = run(lender, path)
    assert tally.to_json() | {"largest": 0} == {
        "replayed": COUNT,
        "verdicts": {"reproduced": COUNT, "drifted": 0, "impossible": 0},
        "grades": {"A": COUNT, "B": 0, "C": 0},
        "largest": 0,
        "tolerance": 100,
        "not_reproduced": [],
    }
    assert lender.runtime.logs["access"].size() == before + 1
    header, *told = lines(path)
    assert (header["population"], sorted(header["ids"])) == (COUNT, sorted(lender.ids))
    assert [line["id"] for line in told] == header["ids"]
    assert path.stat().st_mode & 0o777 == 0o600
    summary = json.loads(summary_path(path).read_text())
    assert (summary["population"], summary["replayed"]) == (COUNT, COUNT)


def test_the_file_holds_nobody_s_values(lender: Lender, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    run(lender, path)
    for line in lines(path)[1:]:
        assert line.keys() == {
            "id", "verdict", "grade", "exact", "largest", "where", "tolerance", "why",
            "environment",
        }  # fmt: skip
    for record in lender.ids:
        payload = lender.runtime.decisions.read(record).payload
        assert str(payload.subject) not in path.read_text()
        assert str(payload.margin) not in path.read_text()


def test_a_sample_is_drawn_again_by_its_seed(lender: Lender, tmp_path: Path) -> None:
    def drawn(name: str, **asked: Any) -> set[str]:
        run(lender, tmp_path / name, **asked)
        return set(lines(tmp_path / name)[0]["ids"])

    first = drawn("1", sample=5, seed=7)
    assert len(first) == 5
    assert first == drawn("2", sample=5, seed=7) != drawn("3", sample=5, seed=8)
    assert drawn("4", sample=100) == set(lender.ids)


def test_a_period_and_a_model_narrow_it(lender: Lender, tmp_path: Path) -> None:
    views = [lender.runtime.decisions.read(each) for each in lender.ids]
    middle = sorted(view.payload.decided_at for view in views)[4]
    until = {view.id for view in views if view.payload.decided_at < middle}
    run(lender, tmp_path / "1", until=middle)
    assert set(lines(tmp_path / "1")[0]["ids"]) == until
    run(lender, tmp_path / "2", since=middle, model="mortgage-approval@1.0.0")
    assert set(lines(tmp_path / "2")[0]["ids"]) == set(lender.ids) - until
    with pytest.raises(NotFoundError):
        run(lender, tmp_path / "3", since=datetime(2030, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("cut", ["between two lines", "in a line", "before the first"])
def test_a_run_that_was_cut_off_goes_on(
    lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    whole = tmp_path / "whole"
    run(lender, whole, sample=6)
    parts = whole.read_bytes().splitlines(keepends=True)
    path = tmp_path / "cut"
    rest = {"in a line": parts[4][:9], "before the first": b""}.get(cut, b"")
    kept = parts[:4] if cut != "before the first" else [parts[0][:20]]
    path.write_bytes(b"".join(kept) + rest)
    seen: list[str] = []
    one_by_one = replaying._replayed

    def watched(runtime: Any, reading: Any, batch: Any) -> Any:
        seen.extend(batch)
        return one_by_one(runtime, reading, batch)

    monkeypatch.setattr(replaying, "_replayed", watched)
    tally = run(lender, path, sample=6)
    assert path.read_bytes() == whole.read_bytes()
    assert tally.count == 6
    assert seen == lines(whole)[0]["ids"][len(kept) - 1 :]
    assert summary_path(path).read_text() == summary_path(whole).read_text()


def test_a_run_that_is_done_asks_nothing_again(lender: Lender, tmp_path: Path) -> None:
    path = tmp_path / "done"
    run(lender, path, sample=3)
    before = path.read_bytes(), lender.runtime.logs["access"].size()
    assert run(lender, path, sample=3).count == 3
    assert (path.read_bytes(), lender.runtime.logs["access"].size()) == before


def test_a_file_of_something_else_is_left_alone(lender: Lender, tmp_path: Path) -> None:
    path = tmp_path / "file"
    run(lender, path, sample=3)
    with pytest.raises(MalformedError, match="another replay"):
        run(lender, path, sample=4)
    good = path.read_text().splitlines(keepends=True)
    swapped = [good[0], good[2], good[1], *good[3:]]
    header = json.loads(good[0])
    spoilt = [
        b"my diary\n",
        b"my diary",
        b"{}\n",
        json.dumps(header | {"v": 2}).encode() + b"\n",
        json.dumps(header | {"ids": 3}).encode() + b"\n",
        "".join(swapped).encode(),
        good[0].encode() + b"{}\n",
        good[0].encode() + good[1].replace('"tolerance":100', '"tolerance":"x"').encode(),
        good[0].encode() + b"no JSON\n" + good[2].encode(),
    ]
    for each in spoilt:
        path.write_bytes(each)
        with pytest.raises(MalformedError):
            run(lender, path, sample=3)
        assert path.read_bytes() == each


def test_one_process_writes_a_file(lender: Lender, tmp_path: Path) -> None:
    path = tmp_path / "held"
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RefusedError, match="another process"):
            run(lender, path)


def test_what_cannot_be_run_is_said(
    lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, gone, other = lender.ids[:3]
    monkeypatch.setattr(
        Reading, "restricted", lambda _, records: {r: "hold" for r in records if r == closed}
    )
    again = lender.runtime.explaining.replay

    def replay(record: str) -> Any:
        if record == gone:
            raise NotFoundError("no decision has this id")
        if record == other:
            raise VerificationError("not as it was logged")
        return again(record)

    monkeypatch.setattr(lender.runtime.explaining, "replay", replay)
    tally = run(lender, tmp_path / "some")
    assert tally.verdicts == {"reproduced": COUNT - 3, "impossible": 3}
    whys = {each["id"]: each["why"] for each in tally.named}
    assert whys.keys() == {closed, gone, other}
    assert "restricted" in whys[closed]
    assert "erased" in whys[gone]
    assert "decision-ledger verify" in whys[other]
    figures = tally.recomputation(COUNT, 1)
    assert (figures.population, figures.sample, figures.matched) == (COUNT, COUNT, COUNT - 3)
    assert (figures.exact, figures.impossible) == (COUNT - 3, 3)


def test_too_many_are_refused(
    lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "MAX_POPULATION", COUNT - 1)
    with pytest.raises(NotFoundError, match="shorter period"):
        run(lender, tmp_path / "many")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lender:
    """A ledger of its own: commands write to it by the machine's clock."""
    made = Lender(tmp_path / "data")
    try:
        made.record(6)
    finally:
        made.runtime.close()
    monkeypatch.setenv("LEDGER_DATA", str(made.settings.data))
    monkeypatch.chdir(tmp_path)
    return made


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["replay", *arguments])


def test_the_command_says_what_came_out(own: Lender, tmp_path: Path) -> None:
    drawn = ("--sample", "4", "--seed", "7", "--since", "2026-01-01", "--until", "2026-12-31")
    told = command(*drawn)
    assert told.exit_code == 0, told.output
    assert '"reproduced": 4' in told.stdout
    assert "4 of 6 decisions: replay.jsonl, replay.summary.json" in told.stderr
    assert len(lines(tmp_path / "replay.jsonl")) == 5
    assert "4 of 4 were done before" in command(*drawn).stderr
    other = command("--all")
    assert (other.exit_code, "another replay" in other.stderr) == (2, True)
    one = command(own.ids[0])
    assert (one.exit_code, one.stdout.startswith("reproduced (grade A): ")) == (0, True)
    assert command("--sample", "4", "--all").exit_code == 2
    assert command().exit_code == 2


def test_the_command_ends_with_one_where_the_model_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = Lender(tmp_path / "data")
    try:
        changed.record(43)  # a reference group, and so a model, that nobody opened before
    finally:
        changed.runtime.close()
    for file in (changed.settings.data / "artefacts").rglob("*"):
        if file.is_file():
            file.write_bytes(b"{}")
    monkeypatch.setenv("LEDGER_DATA", str(changed.settings.data))
    monkeypatch.chdir(tmp_path)
    told = command("--sample", "6")
    assert (told.exit_code, '"impossible": 6' in told.stdout) == (1, True)
    one = command(changed.ids[0])
    assert (one.exit_code, one.stdout.startswith("impossible: ")) == (1, True)


@pytest.mark.parametrize(
    ("spent", "done", "rest", "told"),
    [(10, 10, 20, "20 s left"), (60, 1, 10, "10 min left"), (3, 3, 0, "3 s")],
)
def test_how_long_it_takes(spent: float, done: int, rest: int, told: str) -> None:
    assert _left(spent, done, rest) == told
