"""`--state`: only what is new is read, and a file that was changed hides nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.entries import Body, SourceGap, SourceRegistered, SourceTotal
from ledger.tlog.cosignature import Ed25519Cosigner
from ledger.tlog.policy import Policy, Witness
from ledger.verify import kept_state
from ledger.verify.__main__ import main
from ledger.verify.audit import audit
from ledger.verify.source_lines import source_json, total_json
from tests.ledger.verify.audits import execute, honest, log
from tests.ledger.verify.lying_reader import LyingReader
from tests.ledger.verify.tile_log import (
    ORIGIN,
    POLICY,
    STRANGER,
    Liar,
    decision,
    edited,
    entries,
    genesis,
    note,
    rechained,
)

ACCESS = "ledger.example/test/log/access"

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.txt"
    path.write_text(POLICY.format())
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def run(policy: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str | Path) -> tuple[int, str]:
        options = ["--policy", str(policy), "--state", str(state)]
        return main([*map(str, arguments), *options]), capsys.readouterr().out

    return run


def stored(tmp_path: Path, size: int, name: str = "") -> Path:
    return Liar(log(size)).sqlite(tmp_path / f"{name or size}.db")


def test_the_second_run_reads_what_is_new(run: Run, state: Path, tmp_path: Path) -> None:
    status, text = run(stored(tmp_path, 300))
    assert status == 0
    assert "every entry's bytes" in text
    assert "Earlier" not in text
    assert state.stat().st_mode & 0o777 == 0o600
    status, text = run(stored(tmp_path, 600))
    assert status == 0
    assert "entries 0 to 299 were found fine on 20" in text
    assert "; 300 new ones were read now" in text
    assert "every new entry's bytes" in text
    assert "the log grew out of the checkpoint that was kept" in text
    assert "Not checked\n  - entries 0 to 299 as they are stored now" in text
    assert "cut off together" not in text
    assert "Entries     600 (599 decision, 1 log_created)" in text
    assert "loan-desk: 1 to 599, 599 recorded, none missing" in text
    status, text = run(tmp_path / "600.db", "--json")
    (said,) = json.loads(text)["logs"]
    assert (status, said["read_from"], said["size"]) == (0, 600, 600)
    assert datetime.fromisoformat(said["verified_earlier"]).utcoffset() is not None


def test_full_reads_everything_and_still_holds_the_log_to_what_was_kept(
    run: Run, tmp_path: Path
) -> None:
    run(stored(tmp_path, 600))
    status, text = run(tmp_path / "600.db", "--full")
    assert status == 0
    assert "found fine on" in text
    assert "; every entry was read again" in text
    assert "as they are stored now" not in text
    lie = log(600)
    lie[100] = edited(lie[100])
    other = Liar(rechained(lie, 101)).sqlite(tmp_path / "other.db")
    status, text = run(other, "--full")
    assert status == 1
    assert "two histories were signed" in text


def test_nothing_is_kept_of_a_log_with_findings(run: Run, state: Path, tmp_path: Path) -> None:
    path = stored(tmp_path, 300)
    execute(path, "UPDATE log_entry SET leaf_hash = x'00' WHERE seq = 5")
    assert run(path)[0] == 1
    assert not state.exists()
    run(stored(tmp_path, 260))
    before = state.read_bytes()
    path = stored(tmp_path, 600)
    execute(path, "UPDATE log_entry SET leaf_hash = x'00' WHERE seq = 500")
    status, text = run(path)
    assert (status, state.read_bytes()) == (1, before)
    assert "entry 500: its stored hash is 00" in text
    assert "every entry was read again" in text


@pytest.mark.parametrize(("size", "lost"), [(250, "entries 250 to 299"), (299, "entry 299")])
def test_a_log_that_shrank(run: Run, tmp_path: Path, size: int, lost: str) -> None:
    run(stored(tmp_path, 300))
    status, text = run(stored(tmp_path, size))
    assert status == 1
    assert f"{lost}: missing; a signed checkpoint says that there are 300 entries" in text


def test_a_log_that_forked(run: Run, tmp_path: Path) -> None:
    run(stored(tmp_path, 300))
    lie = log(600)
    lie[20] = edited(lie[20])
    status, text = run(Liar(rechained(lie, 21)).sqlite(tmp_path / "fork.db"))
    assert status == 1
    assert "a signed checkpoint of size 300 has a root that these entries never had" in text


def test_the_last_entry_that_was_kept_must_still_be_there(run: Run, tmp_path: Path) -> None:
    run(stored(tmp_path, 300))
    path = stored(tmp_path, 600)
    execute(path, "DELETE FROM log_entry WHERE seq = 299")
    status, text = run(path)
    assert status == 1
    assert "entry 299: missing from the store" in text


@pytest.mark.parametrize("what", ["tile_index = 1 AND level = 0", "level = 1"])
def test_tiles_that_lead_elsewhere_make_it_read_everything(
    run: Run, tmp_path: Path, what: str
) -> None:
    run(stored(tmp_path, 300))
    path = stored(tmp_path, 600)
    execute(path, f"UPDATE log_tile SET hashes = zeroblob(length(hashes)) WHERE {what}")
    status, text = run(path)
    assert status == 1
    assert "00000000" in text


def test_an_older_checkpoint_from_elsewhere_makes_it_read_everything(
    run: Run, tmp_path: Path
) -> None:
    run(stored(tmp_path, 300))
    (tmp_path / "kept").write_text(note(honest(600), 200))
    status, text = run(stored(tmp_path, 600), "--checkpoint", tmp_path / "kept")
    assert status == 0
    assert "every entry was read again" in text


def test_another_policy_needs_a_word(run: Run, policy: Path, tmp_path: Path) -> None:
    run(stored(tmp_path, 300))
    access = replace(STRANGER, name=ACCESS).verifier_key
    wider = Policy((*POLICY.logs, replace(POLICY.logs[0], key=access)))
    policy.write_text(wider.format())
    status, text = run(tmp_path / "300.db", "--origin", ORIGIN)
    assert status == 2
    assert "COULD NOT CHECK: the state was kept under another policy: with --full" in text
    assert run(tmp_path / "300.db", "--origin", ORIGIN, "--full")[0] == 0
    assert run(tmp_path / "300.db", "--origin", ORIGIN)[0] == 0
    policy.write_text(Policy((replace(POLICY.logs[0], key=STRANGER.verifier_key),)).format())
    status, text = run(tmp_path / "300.db", "--full")
    assert status == 1
    assert "it names no key that the policy trusts" in text
    witness = Ed25519Cosigner("w.example", Ed25519PrivateKey.generate(), lambda: 1_780_000_000)
    watched = Policy(POLICY.logs, (Witness("w", witness.verifier_key),), quorum="w")
    policy.write_text(watched.format())
    status, text = run(tmp_path / "300.db", "--full")
    assert status == 2
    assert "this policy does not accept the checkpoint in the state" in text


def test_a_state_of_several_logs(run: Run, state: Path, policy: Path, tmp_path: Path) -> None:
    signer = replace(STRANGER, name=ACCESS)

    def body(index: int) -> Body:
        vkeys = (signer.verifier_key.vkey(),)
        return replace(genesis(ACCESS), vkeys=vkeys) if index == 0 else decision(index)

    raws = entries(5, body)
    path = stored(tmp_path, 300)
    Liar(raws, notes={5: note(raws, signer=signer)}, origin=ACCESS).sqlite(path, log_id=2)
    both = (*POLICY.logs, replace(POLICY.logs[0], key=signer.verifier_key))
    policy.write_text(Policy(both).format())
    assert run(path, "--origin", ORIGIN)[0] == 0
    assert list(kept_state.read(state)) == [ORIGIN]
    assert run(path)[0] == 0
    assert list(kept_state.read(state)) == [ACCESS, ORIGIN]
    assert run(path, "--origin", ACCESS)[0] == 0
    assert list(kept_state.read(state)) == [ACCESS, ORIGIN]


def test_sources_go_on_where_they_were(run: Run, tmp_path: Path) -> None:
    def body(index: int) -> Body:
        if index == 0:
            return genesis()
        if index == 1:
            return SourceRegistered("loan-desk", 1)
        if index == 3:
            return SourceTotal("loan-desk", 1, 10, 10)
        return SourceGap("loan-desk", 3, 4, "outage") if index == 2 else decision(2 * index - 4)

    raws = entries(20, body)
    fully = audit(LyingReader(Liar(raws)), POLICY)
    run(Liar(raws[:10]).sqlite(tmp_path / "a.db"))
    status, text = run(Liar(raws).sqlite(tmp_path / "b.db"), "--json")
    assert status == 0
    (said,) = json.loads(text)["logs"]
    assert said["read_from"] == 10
    assert said["sources"] == [source_json(each) for each in fully.sources]
    assert said["sources"][0]["gaps"][1]["reason"] == "outage"
    assert said["totals"] == [total_json(each) for each in fully.totals]
    assert [each["verdict"] for each in said["totals"]] == ["short"]


def test_an_empty_log_leaves_nothing_to_go_on_from(run: Run, state: Path, tmp_path: Path) -> None:
    empty = Liar([], {}, [], notes={0: note([])})
    assert run(empty.sqlite(tmp_path / "x.db"))[0] == 0
    assert kept_state.read(state) == {}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["x.db", "--full"], "--full goes with --state"),
        (["x.tlog-proof", "--state", "s"], "not with a receipt"),
        (["x.tlog-proof", "--processes", "2"], "not with a receipt"),
        (["x.db", "--processes", "0"], "takes 1 to 64"),
        (["x.db", "--processes", "65"], "takes 1 to 64"),
    ],
)
def test_options_that_do_not_go_together(
    capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--policy", "p"])
    assert caught.value.code == 2
    assert why in capsys.readouterr().err


def test_processes_are_used_as_told(run: Run, tmp_path: Path) -> None:
    status, text = run(stored(tmp_path, 1_100), "--processes", "2")
    assert status == 0
    assert "RESULT: fine" in text
