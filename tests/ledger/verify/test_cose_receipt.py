"""`python -m ledger.verify X.cose`: what a COSE receipt proves to somebody with a policy."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ledger.commitments import open_section
from ledger.errors import LedgerError, MalformedError, SignatureError, VerificationError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cose import (
    ConsistencyProof,
    CoseReceipt,
    Ed25519CoseSigner,
    InclusionProof,
    sign_root,
)
from ledger.tlog.merkle import Frontier, consistency_proof, inclusion_proof, leaf_hash
from ledger.tlog.note import VerifierKey, sign_note
from ledger.tlog.policy import Log, Policy, Witness
from ledger.tlog.tile import tile_nodes
from ledger.verify.__main__ import main
from ledger.verify.cose_receipt import verify_cose, verify_cose_growth
from ledger.verify.reader import UnreadableError
from ledger.verify.verifier import DisclosedSections
from tests.ledger.verify.tile_log import (
    INPUT,
    KEY,
    ORIGIN,
    POLICY,
    SIGNER,
    STRANGER,
    edited,
    entries,
    entry_id,
    note,
    tiles_of,
)

COSE = Ed25519CoseSigner(ORIGIN, SIGNER.private_key)
WITNESSED = Policy(POLICY.logs, (Witness("w", VerifierKey("w.example", 4, bytes(32))),), (), "w")


@cache
def honest() -> tuple[bytes, ...]:
    return tuple(entries(20))


def head(raws: tuple[bytes, ...], size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, Frontier.empty().extend(map(leaf_hash, raws[:size])).root())


def of_entry(index: int, raws: tuple[bytes, ...] | None = None, **changes: Any) -> bytes:
    raws = raws or honest()
    nodes = tile_nodes(lambda tile: tiles_of(raws)[tile], len(raws))
    proof = InclusionProof(len(raws), index, inclusion_proof(index, len(raws), nodes))
    made = sign_root(head(raws, len(raws)), proof, COSE, raws[index])
    return replace(made, **changes).encode()


def of_growth(old: int) -> bytes:
    nodes = tile_nodes(lambda tile: tiles_of(honest())[tile], 20)
    proof = ConsistencyProof(old, 20, consistency_proof(old, 20, nodes))
    return sign_root(head(honest(), 20), proof, COSE).encode()


def test_a_receipt_proves_its_entry() -> None:
    proved = verify_cose(of_entry(7), POLICY)
    assert (proved.entry.seq, proved.raw) == (7, honest()[7])
    assert proved.checkpoint == head(honest(), 20)


def test_growth_is_proved() -> None:
    grown = verify_cose_growth(of_growth(12), note(honest(), 12), POLICY)
    assert (grown.older.size, grown.newer) == (12, head(honest(), 20))


@pytest.mark.parametrize(
    ("data", "policy", "error"),
    [
        (of_entry(7, entry=None), POLICY, MalformedError),
        (of_entry(7, entry=edited(honest()[7])), POLICY, SignatureError),
        (of_entry(7), Policy((Log(STRANGER.verifier_key),)), SignatureError),
        (of_entry(7), WITNESSED, UnreadableError),
        (of_growth(12), POLICY, MalformedError),
        (b"nonsense", POLICY, MalformedError),
        (of_entry(7, (*honest()[:7], b"no entry", *honest()[8:])), POLICY, VerificationError),
        (of_entry(7, (*honest()[:7], honest()[8], *honest()[8:])), POLICY, VerificationError),
    ],
    ids=[
        *("no entry", "edited entry", "stranger", "witnesses wanted", "growth", "nonsense"),
        *("logged nonsense", "logged elsewhere"),
    ],
)
def test_a_false_receipt_is_refused(data: bytes, policy: Policy, error: type[LedgerError]) -> None:
    with pytest.raises(error):
        verify_cose(data, policy)


OTHER = replace(STRANGER, name="other.example/log")
WIDER = Policy((*POLICY.logs, Log(OTHER.verifier_key)))


def test_false_growth_is_refused() -> None:
    elsewhere = replace(head(honest(), 12), origin=OTHER.name).format()
    cases: list[tuple[str, type[LedgerError]]] = [
        (note(entries(20), 11), MalformedError),
        (note([*honest()[:11], edited(honest()[11])]), VerificationError),
        (note(honest(), 12, STRANGER), SignatureError),
        (sign_note(elsewhere, [OTHER]), MalformedError),
    ]
    for older, error in cases:
        with pytest.raises(error):
            verify_cose_growth(of_growth(12), older, WIDER)
    with pytest.raises(MalformedError, match="no growth"):
        verify_cose_growth(of_entry(7), note(honest(), 12), POLICY)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    (tmp_path / "policy.txt").write_text(POLICY.format())

    def run(data: bytes, *arguments: str) -> tuple[int, str]:
        (tmp_path / "x.cose").write_bytes(data)
        policy = () if "--policy" in arguments else ("--policy", str(tmp_path / "policy.txt"))
        status = main([str(tmp_path / "x.cose"), *policy, *arguments])
        return status, capsys.readouterr().out

    return run


def test_the_command_says_what_it_checked_and_what_not(run: Any, tmp_path: Path) -> None:
    status, text = run(of_entry(7))
    assert status == 0
    assert "Entry       7, decision, id " in text
    assert "Not checked" in text
    assert "a COSE receipt carries neither" in text
    assert "RESULT: fine" in text
    opening = open_section(KEY, "input", INPUT)
    shown = DisclosedSections(entry_id(7), (opening,)).to_json()
    (tmp_path / "openings.json").write_text(json.dumps(shown))
    status, text = run(of_entry(7), "--openings", str(tmp_path / "openings.json"), "--json")
    assert status == 0
    assert json.loads(text)["receipt"]["disclosed"] == {"input": INPUT}


def test_the_command_refuses_what_was_changed(run: Any) -> None:
    status, text = run(of_entry(7, entry=edited(honest()[7])))
    assert status == 1
    assert "RESULT: NOT FINE" in text
    data = bytearray(of_entry(7))
    data[-1] ^= 1
    assert run(bytes(data))[0] == 1


def test_what_cannot_be_checked_is_neither(run: Any, tmp_path: Path) -> None:
    status, text = run(of_entry(7)[:-1])
    assert status == 2
    assert "COULD NOT CHECK" in text
    (tmp_path / "strict.txt").write_text(WITNESSED.format())
    status, text = run(of_entry(7), "--policy", str(tmp_path / "strict.txt"))
    assert (status, "asks for witnesses" in text) == (2, True)
    with pytest.raises(SystemExit, match="2"):
        run(of_entry(7), "--origin", ORIGIN)
    assert run(of_entry(7), "--checkpoint", str(tmp_path / "strict.txt"))[0] == 2
    assert run(of_entry(7, entry=None))[0] == 2


def test_the_command_checks_growth(run: Any, tmp_path: Path) -> None:
    kept, other = tmp_path / "kept", tmp_path / "other"
    kept.write_text(note(honest(), 12))
    other.write_text(note([*honest()[:11], edited(honest()[11])]))
    status, text = run(of_growth(12), "--checkpoint", str(kept))
    assert status == 0
    assert "Older       size 12" in text
    assert "Newer       size 20" in text
    status, text = run(of_growth(12), "--checkpoint", str(kept), "--json")
    assert json.loads(text)["growth"]["newer"]["size"] == 20
    status, text = run(of_growth(12), "--checkpoint", str(other))
    assert (status, "old root" in text) == (1, True)
    status, text = run(of_growth(12))
    assert (status, "--checkpoint" in text) == (2, True)
    assert CoseReceipt.decode(of_growth(12)).entry is None
