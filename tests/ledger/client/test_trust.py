"""A log changes its keys: delivery goes on, and no key is believed that the old ones did not name."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.client import State, trust
from ledger.client.answers import Seen
from ledger.client.key_chain import MAX_FOLLOWED, KeyChain, follow
from ledger.client.trust import Trust, UnknownKeys
from ledger.entries import parse_entry
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    SignatureError,
    VerificationError,
)
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import inclusion_proof
from ledger.tlog.note import Ed25519Signer, SignedNote, sign_note
from ledger.tlog.policy import Log, Policy
from ledger.tlog.proof import Receipt
from ledger.verify.verifier import verify_receipt
from tests.ledger.client import simulator
from tests.ledger.client.clients import client_of, until
from tests.ledger.client.simulator import KEY, ORIGIN, POLICY, STRANGER, Ledger, decision
from tests.ledger.client.test_main import run

NEXT, THIRD = (
    Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
    for number in (2, 3)
)
NEW_POLICY = Policy((Log(NEXT.verifier_key),))


def grown(count: int = 3) -> Ledger:
    ledger = Ledger()
    for number in range(count):
        ledger.declare("x", {"first": number, "last": number, "reason": "x"})
    return ledger


def rotation(ledger: Ledger, note: str = "") -> Receipt:
    """The receipt of the newest entry."""
    index = len(ledger.entries) - 1
    proof = inclusion_proof(index, index + 1, ledger.node)
    return Receipt(ledger.entries[index], index, tuple(proof), note or ledger.note())


def reading(ledger: Ledger) -> Callable[[str], bytes]:
    return lambda path: ledger.tile(path.removeprefix("/log/decisions/"))


def seen(ledger: Ledger) -> Seen:
    note = ledger.note()
    return Seen(Checkpoint.parse(SignedNote.parse(note).text), note)


# The chain of keys


def test_a_rotation_that_all_keys_signed_is_followed_and_the_old_keys_end() -> None:
    ledger = grown()
    before = ledger.note()
    ledger.rotate(NEXT)
    chain = follow(POLICY, [rotation(ledger)])
    assert (len(chain.rotations), chain.followed) == (1, 1)
    assert chain.check(before).size == 4  # older than the rotation
    assert chain.check(ledger.note()).size == 5
    thief = sign_note(SignedNote.parse(ledger.note()).text, [ledger.signer])
    assert POLICY.check(thief).size == 5
    with pytest.raises(SignatureError, match="entry 4 puts in force"):
        chain.check(thief)
    ledger.retire()
    assert not KeyChain(POLICY).knows(ledger.note())
    assert chain.check(ledger.note()).size == 5


def test_a_second_rotation_is_followed_from_the_first() -> None:
    ledger = grown()
    ledger.rotate(NEXT)
    first = rotation(ledger)
    ledger.retire()
    ledger.rotate(THIRD)
    second = rotation(ledger)
    assert follow(POLICY, [second]).rotations == ()
    chain = follow(POLICY, [second, first])
    assert [each.index for each in chain.rotations] == [4, 5]
    ledger.retire()
    assert chain.check(ledger.note()).size == 6
    assert follow(NEW_POLICY, [first, second]).followed == 1
    assert follow(Policy((Log(THIRD.verifier_key),)), [first, second]).followed == 0


def test_what_does_not_follow_is_left_out() -> None:
    ledger = grown()
    decided = rotation(ledger)
    ledger.rotate(NEXT)
    text = SignedNote.parse(ledger.note()).text
    true = rotation(ledger)
    lone = sign_note(text, [ledger.signer])
    strangers = grown()
    strangers.signer = STRANGER
    strangers.rotate(NEXT, old=simulator.SIGNER)
    wrong = [
        decided,  # no rotation
        Receipt(true.entry, true.index, true.proof, lone),  # the new keys did not sign
        Receipt(true.entry, true.index, true.proof, sign_note(text, [NEXT])),  # the old did not
        rotation(strangers),  # somebody who is not believed says so
        Receipt(true.entry, true.index, true.proof[:-1], true.checkpoint_note),
        Receipt(decided.entry, true.index, true.proof, true.checkpoint_note),
    ]
    for each in wrong:
        assert follow(POLICY, [each]) == KeyChain(POLICY)
    assert follow(POLICY, [*wrong, true]).receipts == (true,)
    assert len(follow(POLICY, [true] * (MAX_FOLLOWED + 2)).receipts) == 1
    needs = Policy.parse(POLICY.format().replace("quorum none", "group g 1 w\nquorum g").replace(
        "group", f"witness w {_witness()}\ngroup"))  # fmt: skip
    assert follow(needs, [true]).rotations == ()


def _witness() -> str:
    from ledger.tlog.cosignature import Ed25519Cosigner

    private = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
    return Ed25519Cosigner("w.example", private, lambda: 1).verifier_key.vkey()


# The policy


def test_a_policy_in_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "policy.txt"
    for broken in (None, "", "nonsense\n", "x" * 1_100_000):
        if broken is not None:
            path.write_text(broken)
        with pytest.raises(MalformedError):
            Trust(path)
    path.write_text(POLICY.format())
    follows = Trust(path)
    ledger = grown()
    assert follows.check(ledger.note()).size == 4
    ledger.signer = NEXT
    for wrong in ("nonsense\n", None):
        with pytest.raises(UnknownKeys):
            follows.check(ledger.note())
        assert (
            follows.check(grown().note()).size == 4
        )  # the last one that could be read still counts
        path.unlink()
        if wrong is not None:
            path.write_text(wrong)
            os.utime(path, ns=(1, time.time_ns()))
    path.write_text(NEW_POLICY.format())
    assert follows.check(ledger.note()).size == 4
    with pytest.raises(UnknownKeys):
        follows.check(grown().note())


def test_a_policy_from_a_function_is_asked_for_each_time() -> None:
    found: list[object] = []
    follows = Trust(lambda: found[-1])  # type: ignore[arg-type,return-value]
    note = grown().note()
    for wrong in ([], ["none"]):
        found[:] = wrong
        with pytest.raises(UnknownKeys, match="cannot be had"):
            follows.check(note)
    found[:] = [POLICY]
    assert follows.check(note).size == 4
    found.clear()
    assert follows.check(note).size == 4
    found[:] = [NEW_POLICY]
    with pytest.raises(UnknownKeys):
        follows.check(note)


def test_a_head_that_a_known_key_signed_badly_is_no_unknown_one() -> None:
    ledger = grown()
    other = SignedNote.parse(grown(4).note())
    forged = SignedNote(SignedNote.parse(ledger.note()).text, other.signatures).format()
    with pytest.raises(SignatureError):
        Trust(POLICY).check(forged)


# Following


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    return tmp_path / "heads"


def test_a_rotation_is_read_from_the_log_and_kept_for_all_processes(heads: Path) -> None:
    ledger = grown(600)
    before = seen(ledger)
    one, two = Trust(POLICY, heads), Trust(POLICY, heads)
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return reading(ledger)(path)

    two.check(ledger.note())
    one.follow(ledger.note(), None, read)
    assert asked == []
    ledger.rotate(NEXT)
    one.follow(ledger.note(), before, read)
    assert sum("entries" in path for path in asked) == 1  # only what is new was read
    asked.clear()
    one.follow(ledger.note(), before, read)
    two.follow(ledger.note(), before, read)
    assert asked == []
    ledger.retire()
    for each in (one, two, Trust(POLICY, heads)):
        assert each.check(ledger.note()).size == 602
        assert each.followed == 1
    (path,) = heads.iterdir()
    assert parse_entry(Receipt.parse(path.read_text()).entry).seq == 601


def test_a_file_that_is_no_rotation_adds_no_key(heads: Path) -> None:
    heads.mkdir()
    ledger = grown()
    ledger.signer = STRANGER
    ledger.rotate(NEXT, old=simulator.SIGNER)
    (heads / "rotation-1.tlog-proof").write_text(rotation(ledger).format())
    (heads / "rotation-2.tlog-proof").write_bytes(b"\xff")
    (heads / "rotation-3.tlog-proof").write_bytes(b"x" * 2_000_000)
    ledger.retire()
    with pytest.raises(UnknownKeys):
        Trust(POLICY, heads).check(ledger.note())


def test_a_rotation_that_cannot_be_read_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trust, "AGAIN_SECONDS", 0.05)
    ledger = grown()
    follows = Trust(POLICY)
    ledger.rotate(NEXT)
    asked: list[str] = []

    def closed(path: str) -> bytes:
        asked.append(path)
        raise NotFoundError(path)

    with pytest.raises(NotFoundError):
        follows.follow(ledger.note(), None, closed)
    follows.follow(ledger.note(), None, closed)
    assert len(asked) == 1
    time.sleep(0.06)
    follows.follow(ledger.note(), None, reading(ledger))
    assert follows.followed == 1


def test_signatures_that_no_rotation_explains_are_looked_up_once() -> None:
    ledger = grown()
    follows = Trust(POLICY)
    ledger.beside = (STRANGER,)
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return reading(ledger)(path)

    for _ in range(3):
        follows.follow(ledger.note(), None, read)
    assert len(asked) == 1
    other = grown()
    other.rotate(NEXT)
    other.beside = (STRANGER,)
    with pytest.raises(VerificationError):
        Trust(POLICY).follow(other.note(), None, reading(other))


# The client


def test_delivery_goes_on_through_a_rotation(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool) as client:
        client.submit(**decision())
        ledger.rotate(NEXT)
        client.submit(**decision())
        until(lambda: client.counters().rotations_followed == 1)
        ledger.retire()
        receipt = client.submit(**decision())
        assert verify_receipt(receipt.format(), NEW_POLICY).entry.id
        until(lambda: client.counters().grown_size == len(ledger.entries))
        assert client.counters().alarms == 0
    with client_of(url, spool) as client:
        client.submit(**decision())
    with client_of(url, spool, policy=NEW_POLICY) as client:
        client.submit(**decision())
        assert client.counters().rotations_followed == 0


def test_retired_keys_are_an_alarm_once_the_new_ones_are_known(
    ledger: Ledger, url: str, spool: Path
) -> None:
    ledger.rotate(NEXT)
    with client_of(url, spool) as client:
        client.submit(**decision())
        until(lambda: client.counters().rotations_followed == 1)
        ledger.beside = ()  # a thief of the old keys
        client.record(**decision())
        until(lambda: client.counters().state is State.ALARM)
        assert "puts in force" in client.counters().reason


def test_keys_that_nobody_named_pause_until_the_policy_names_them(
    ledger: Ledger, url: str, spool: Path, tmp_path: Path
) -> None:
    path = tmp_path / "policy.txt"
    path.write_text(POLICY.format())
    ledger.rotate(NEXT)
    ledger.retire()  # nobody saw the overlap
    with client_of(url, spool, policy=path) as client:
        client.record(**decision())
        until(lambda: client.counters().state is State.PAUSED)
        assert "keys that the policy does not name" in client.counters().reason
        counters = client.counters()
        assert (counters.alarms, counters.recorded, counters.pending) == (0, 0, 1)
        path.write_text(NEW_POLICY.format())
        client.resume()
        assert client.flush()
        assert client.counters().duplicates == 1


def test_a_log_whose_tiles_are_closed_is_not_followed_and_goes_on(
    ledger: Ledger, url: str, spool: Path
) -> None:
    ledger.withheld.add("/log/")
    ledger.rotate(NEXT)
    with client_of(url, spool) as client:
        client.submit(**decision())
        assert client.submit(**decision()).index == 3
        assert client.counters().rotations_followed == 0


def test_a_wrong_policy_is_said_at_birth(url: str, spool: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="policy"), client_of(url, spool, policy=tmp_path / "no"):
        pass


def test_the_command_follows_too(
    ledger: Ledger, url: str, spool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, key = tmp_path / "policy.txt", tmp_path / "key"
    path.write_text(POLICY.format())
    key.write_text(KEY)
    ledger.rotate(NEXT)
    for _ in range(2):
        with client_of("http://127.0.0.1:9", spool) as client:
            client.record(**decision())
        options = ("--url", url, "--key-file", key, "--policy", path)
        assert run(capsys, "ship", spool, *options)[0] == 0
        if ledger.beside:
            ledger.retire()
    assert len(ledger.decisions) == 2
