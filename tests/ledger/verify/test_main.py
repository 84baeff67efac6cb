"""`python -m ledger.verify`: what it says, and what status it ends with."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.commitments import open_section
from ledger.entries import Body, SourceGap, SourcePeriodTotal, SourceRegistered, SourceTotal
from ledger.tlog.policy import Policy
from ledger.verify import report
from ledger.verify.__main__ import main
from ledger.verify.findings import MAX_FINDINGS
from ledger.verify.verifier import DisclosedSections
from tests.ledger.verify.tile_log import (
    BEGIN,
    INPUT,
    KEY,
    ORIGIN,
    POLICY,
    STRANGER,
    Liar,
    decision,
    edited,
    entries,
    entry_id,
    genesis,
    note,
    receipt,
)

ACCESS = "ledger.example/test/log/access"
END = BEGIN + timedelta(days=1)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.txt"
    path.write_text(POLICY.format())
    return str(path)


@pytest.fixture
def run(policy: str, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str | Path) -> tuple[int, str]:
        status = main([*map(str, arguments), "--policy", policy])
        return status, capsys.readouterr().out

    return run


def tampered() -> Liar:
    raws = entries(20)
    return Liar(raws, dict(enumerate([*raws[:12], edited(raws[12]), *raws[13:]])))


def test_a_log_that_is_fine(run: Any, tmp_path: Path) -> None:
    for path in (
        Liar(entries(20)).sqlite(tmp_path / "x.db"),
        Liar(entries(20)).directory(tmp_path / "t"),
    ):
        status, text = run(path)
        assert status == 0
        assert f"Log         {ORIGIN}\nEntries     20 (19 decision, 1 log_created)" in text
        assert "RESULT: fine" in text
        assert "Not checked\n  - sealed payloads: they need the operator's keys" in text
        assert "cut off together with their checkpoints" in text
        assert text.endswith(report.MEANING + "\n")


def test_a_log_that_is_not_names_the_entry(run: Any, tmp_path: Path) -> None:
    status, text = run(tampered().sqlite(tmp_path / "x.db"))
    assert status == 1
    assert "RESULT: NOT FINE" in text
    assert "\n  - entry 12: its stored hash is " in text
    assert "entries not named are as signed" in text


def test_json(run: Any, tmp_path: Path) -> None:
    status, text = run(tampered().sqlite(tmp_path / "x.db"), "--json")
    document = json.loads(text)
    assert status == 1
    assert document["result"] == "findings"
    (log,) = document["logs"]
    assert {"code": "hash_differs", "index": 12} in [
        {"code": f["code"], "index": f["index"]} for f in log["findings"]
    ]
    assert log["counts"] == {"decision": 19, "log_created": 1}
    assert log["checkpoint"]["size"] == log["size"] == 20
    assert document["meaning"] == report.MEANING_NOT_FINE


def test_json_of_a_log_of_which_little_is_known(run: Any, tmp_path: Path) -> None:
    liar = Liar(entries(2), {1: b"{}"}, notes={2: "nonsense"})
    status, text = run(liar.sqlite(tmp_path / "x.db"), "--json")
    (log,) = json.loads(text)["logs"]
    assert status == 1
    assert [log[name] for name in ("root", "checkpoint", "first_at", "last_at")] == [None] * 4
    status, text = run(tmp_path / "x.db")
    assert "Entries     2\n" in text
    assert "Accepted" not in text


def test_more_findings_than_are_listed(run: Any, tmp_path: Path) -> None:
    raws = entries(2 * MAX_FINDINGS)
    stored = {i: edited(raw) if i % 2 else raw for i, raw in enumerate(raws)}
    status, text = run(Liar(raws, stored).sqlite(tmp_path / "x.db"))
    assert status == 1
    assert "  - and " in text
    assert "entries not named" not in text


def test_a_checkpoint_kept_elsewhere(run: Any, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(note(entries(20)))
    cut = Liar(entries(18)).sqlite(tmp_path / "x.db")
    assert run(cut)[0] == 0
    status, text = run(cut, "--checkpoint", kept)
    assert status == 1
    assert "entries 18 to 19: missing" in text
    status, text = run(Liar(entries(20)).sqlite(tmp_path / "y.db"), "--checkpoint", kept)
    assert status == 0
    assert "cut off together" not in text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "kept, the checkpoint kept elsewhere: note"),
        (note(entries(3), signer=STRANGER), "the checkpoint kept elsewhere of size 3 is refused"),
    ],
)
def test_a_checkpoint_that_is_none_could_not_be_checked(
    run: Any, tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "kept").write_text(text)
    status, said = run(
        Liar(entries(3)).sqlite(tmp_path / "x.db"), "--checkpoint", tmp_path / "kept"
    )
    assert status == 2
    assert f"COULD NOT CHECK: {why}" in said


def two_logs(tmp_path: Path, policy: str) -> Path:
    """A database of two logs, and a policy that trusts both."""
    Path(policy).write_text(
        Policy(
            (
                *POLICY.logs,
                replace(POLICY.logs[0], key=replace(STRANGER, name=ACCESS).verifier_key),
            )
        ).format()
    )
    return Liar(entries(3)).sqlite(tmp_path / "x.db")


def test_a_log_that_the_policy_trusts_and_that_is_not_here(
    run: Any, tmp_path: Path, policy: str
) -> None:
    path = two_logs(tmp_path, policy)
    status, text = run(path)
    assert status == 2
    assert f"COULD NOT CHECK: not here: {ACCESS}" in text
    assert "RESULT: fine" in text
    assert run(path, "--origin", ORIGIN)[0] == 0
    assert run(path, "--origin", ACCESS)[0] == 2
    assert run(Liar(entries(3)).directory(tmp_path / "tiles"))[0] == 0


def test_a_finding_outweighs_what_could_not_be_checked(
    run: Any, tmp_path: Path, policy: str
) -> None:
    two_logs(tmp_path, policy)
    assert run(tampered().sqlite(tmp_path / "y.db"))[0] == 1


def test_a_log_that_the_policy_does_not_know(run: Any, tmp_path: Path) -> None:
    path = Liar(entries(3)).sqlite(tmp_path / "x.db")
    Liar(entries(3), origin="other.example/\x1b[2J\u202elog").sqlite(path, log_id=2)
    status, text = run(path)
    assert status == 0
    assert "Log other.example/\\x1b[2J\\u202elog: not checked, and not asked for" in text
    (tmp_path / "kept").write_text(note(entries(3)))
    assert run(path, "--origin", "nowhere", "--checkpoint", tmp_path / "kept")[0] == 2


def test_a_checkpoint_of_a_log_that_is_not_checked(run: Any, tmp_path: Path, policy: str) -> None:
    path = two_logs(tmp_path, policy)
    (tmp_path / "kept").write_text(note(entries(3), signer=replace(STRANGER, name=ACCESS)))
    status, text = run(path, "--origin", ORIGIN, "--checkpoint", tmp_path / "kept")
    assert status == 2
    assert "is of none of the logs checked here" in text


@pytest.mark.parametrize("name", ["absent.db", "junk.db", "absent.tlog-proof", "empty"])
def test_what_cannot_be_read_could_not_be_checked(run: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "junk.db").write_bytes(b"junk" * 1000)
    (tmp_path / "empty").mkdir()
    status, text = run(tmp_path / name)
    assert status == 2
    assert "COULD NOT CHECK" in text
    assert "RESULT" not in text
    status, text = run(tmp_path / name, "--json")
    assert json.loads(text)["result"] == "not_checked"


@pytest.mark.parametrize("content", [b"nonsense", b"\xff", b"x" * 1_000_001])
def test_a_policy_that_is_none(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.txt").write_bytes(content)
    target = Liar(entries(3)).sqlite(tmp_path / "x.db")
    assert main([str(target), "--policy", str(tmp_path / "bad.txt")]) == 2
    assert "COULD NOT CHECK" in capsys.readouterr().out


def receipt_file(tmp_path: Path, index: int = 7) -> Path:
    path = tmp_path / "x.tlog-proof"
    path.write_text(receipt(entries(20), index).format())
    return path


def openings_file(tmp_path: Path, **changes: Any) -> Path:
    opening = open_section(KEY, "input", {**INPUT, **changes}, {"income"})
    path = tmp_path / "openings.json"
    path.write_text(json.dumps(DisclosedSections(entry_id(7), (opening,)).to_json()))
    return path


def test_a_receipt(run: Any, tmp_path: Path) -> None:
    status, text = run(receipt_file(tmp_path))
    assert status == 0
    assert "Entry       7, decision, id 018bcfe5-6807" in text
    assert "that takes openings" in text
    assert text.endswith(report.MEANING + "\n")
    document = json.loads(run(receipt_file(tmp_path), "--json")[1])
    assert (document["result"], document["receipt"]["index"]) == ("fine", 7)


def test_a_receipt_with_openings(run: Any, tmp_path: Path) -> None:
    status, text = run(receipt_file(tmp_path), "--openings", openings_file(tmp_path))
    assert status == 0
    assert "section input: 1 fields as logged, 1 not shown" in text
    assert "income = 42000" in text
    arguments = (receipt_file(tmp_path), "--openings", openings_file(tmp_path), "--json")
    assert json.loads(run(*arguments)[1])["receipt"]["disclosed"] == {"input": {"income": 42_000}}


def test_openings_that_do_not_fit(run: Any, tmp_path: Path) -> None:
    status, text = run(receipt_file(tmp_path), "--openings", openings_file(tmp_path, income=1))
    assert status == 1
    assert "RESULT: NOT FINE. What was shown is not what the log holds." in text
    assert "The check that failed: the section input is not what was logged" in text
    assert text.endswith(report.MEANING_NOT_FINE + "\n")
    status, text = run(receipt_file(tmp_path, 8), "--openings", openings_file(tmp_path))
    assert status == 1
    assert "of another entry" in text
    (tmp_path / "junk.json").write_text("{}")
    status, text = run(receipt_file(tmp_path), "--openings", tmp_path / "junk.json")
    assert status == 2
    assert text.endswith(report.MEANING_NOT_CHECKED + "\n")


def test_a_false_receipt(run: Any, tmp_path: Path) -> None:
    path = receipt_file(tmp_path)
    path.write_text(path.read_text().replace("index 7", "index 6"))
    status, text = run(path, "--json")
    assert status == 1
    assert json.loads(text)["findings"]
    assert "The entry, its index or its proof was changed" in run(path)[1]
    path.write_text("nonsense")
    assert run(path)[0] == 2


def test_a_receipt_that_nobody_known_signed(run: Any, tmp_path: Path, policy: str) -> None:
    trusted = Path(policy).read_text()
    known = next(line for line in trusted.splitlines() if line.startswith("log "))
    Path(policy).write_text(trusted.replace(known, f"log {STRANGER.verifier_key.vkey()}"))
    status, text = run(receipt_file(tmp_path))
    assert status == 1
    assert "No key of this policy signed the receipt's checkpoint" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["x.db", "--openings", "o.json"],
        ["x.tlog-proof", "--origin", ORIGIN],
        ["x.tlog-proof", "--checkpoint", "c"],
        ["x.tlog-proof", "--complete"],
    ],
)
def test_options_that_do_not_go_together(run: Any, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2


def test_sources_are_reported_beside_the_verdict(run: Any, tmp_path: Path) -> None:
    def body(index: int) -> Body:
        if index == 0:
            return genesis()
        if index < 3:
            gap = SourceGap("loan-desk", 2, 2, "outage")
            return SourceRegistered("silent", 1) if index == 1 else gap
        return decision(2 * index - 5 if index < 60 else 1)

    status, text = run(Liar(entries(61, body)).sqlite(tmp_path / "x.db"))
    assert status == 0
    assert "silent: registered, nothing received" in text
    assert (
        "loan-desk: 1 to 113, 57 recorded, 1 repeated, 56 missing, 55 of them without a reason: "
        "2 (outage); 4 (no reason given)" in text
    )
    assert "and 36 more gaps" in text
    status, text = run(Liar(entries(3)).sqlite(tmp_path / "y.db"))
    assert "loan-desk: 1 to 2, 2 recorded, none missing" in text


def test_gaps_are_no_finding_unless_completeness_is_asked_for(run: Any, tmp_path: Path) -> None:
    def body(index: int) -> Body:
        made = (genesis(), decision(1), decision(3), SourceTotal("loan-desk", 1, 4, 4))
        stated = (SourceGap("loan-desk", 2, 2, "outage"), SourceGap("loan-desk", 4, 4, "outage"))
        return (*made, *stated, SourcePeriodTotal("loan-desk", BEGIN, END, 7))[index]

    first = Liar(entries(4, body)).sqlite(tmp_path / "x.db")
    assert run(first)[0] == 0
    status, text = run(first, "--complete")
    assert status == 1
    assert "RESULT: fine" in text
    assert "NOT COMPLETE" in text
    assert "loan-desk stated 4 from 1 to 4: SHORT by 2, not here: 2 (no" in text
    told = json.loads(run(first, "--complete", "--json")[1])
    assert (told["result"], told["complete"]) == ("fine", False)
    whole = Liar(entries(7, body)).sqlite(tmp_path / "y.db")
    status, text = run(whole, "--complete")
    assert status == 0
    assert "COMPLETE, as far as" in text
    assert "stated totals of periods (1)" in text
    only_total = Liar(entries(2, lambda at: body(3 * at))).sqlite(tmp_path / "z.db")
    assert "SHORT by 4, not here: 1 to 4" in run(only_total)[1]


def test_progress_is_shown_at_a_terminal(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    path = Liar(entries(300)).sqlite(tmp_path / "x.db")
    main([str(path), "--policy", str(tmp_path / "policy.txt")])
    shown = capsys.readouterr().err
    assert f"\r{ORIGIN}: 256 of 300 entries" in shown
    assert shown.endswith("\r\x1b[K")


def test_an_interrupted_check_is_no_verdict(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ledger.verify.log_check.audit", interrupt)
    status, text = run(Liar(entries(3)).sqlite(tmp_path / "x.db"))
    assert status == 2
    assert "COULD NOT CHECK: it was interrupted" in text


BLOCKED = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"flask", "sqlalchemy", "shap", "zstandard", "numpy", "jinja2"}:
            raise ImportError(f"{name} is not installed here")
        if name in {"ledger.storage", "ledger.operate", "ledger.sealing"}:
            raise ImportError(f"{name} is the operator's")
sys.meta_path.insert(0, Refuse())
import runpy
sys.argv = ["ledger.verify", *sys.argv[1:]]
runpy.run_module("ledger.verify", run_name="__main__")
"""


def test_it_runs_where_no_server_is_installed(tmp_path: Path, policy: str) -> None:
    path = tampered().sqlite(tmp_path / "x.db")
    command = [sys.executable, "-c", BLOCKED, str(path), "--policy", policy]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.returncode == 1
    assert "entry 12: " in done.stdout
