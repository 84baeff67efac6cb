"""A witness cosigns one growing history of a log, and only that."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    SignatureError,
    SizeConflict,
    VerificationError,
)
from ledger.operate.witness import Witness, found_witness, read_policy
from ledger.operate.witness_state import WitnessState, origin_hash
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note
from ledger.tlog.merkle import EMPTY_ROOT, consistency_proof, leaf_hash
from ledger.tlog.note import Ed25519Signer, SignedNote, encode_base64, sign_note
from ledger.tlog.policy import Log, Policy
from ledger.tlog.witness_request import AddCheckpoint
from tests.ledger.operate.witnessed import NOON, ORIGIN, Leaves, new_keys

ROOT = Path(__file__).resolve().parents[3]
NAME = "authority.example/w1"


class Clock:
    """Stands still until it is moved."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def log() -> Leaves:
    return Leaves(new_keys(ORIGIN))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def place(tmp_path: Path, log: Leaves) -> Path:
    found_witness(tmp_path / "witness", NAME, log.logs, "http://authority.example")
    return tmp_path / "witness"


@pytest.fixture
def witness(place: Path, clock: Clock) -> Witness:
    return Witness.open(place, clock)


def body(old: int, proof: tuple[bytes, ...], note: str) -> bytes:
    return AddCheckpoint(old, proof, SignedNote.parse(note)).format()


def test_a_growing_log_is_cosigned_with_both_keys(witness: Witness, log: Leaves) -> None:
    for old, size in ((0, 3), (3, 3), (3, 8), (8, 21)):
        lines = witness.add_checkpoint(log.request(old, size))
        opened = open_note(log.note(size) + lines, witness.verifier_keys)
        assert [each.key.kind for each in opened.signatures] == [0x04, 0x06]
        assert {each.timestamp for each in opened.signatures} == {int(NOON.timestamp())}
        assert {each.key.name for each in opened.signatures} == {NAME}


def test_the_newest_checkpoint_is_kept_with_the_log_signatures(
    witness: Witness, log: Leaves, place: Path
) -> None:
    with pytest.raises(NotFoundError):
        witness.checkpoint(ORIGIN)
    assert [each.checkpoint for each in witness.seen()] == [None]
    stranger = Ed25519Signer("stranger.example", new_keys("x").ed25519)
    noted = log.note(5, (*log.keys.signers(lambda: NOON), stranger))
    witness.add_checkpoint(body(0, (), noted))
    kept = witness.checkpoint(ORIGIN)
    keys = [each.key for each in log.logs] + list(witness.verifier_keys)
    assert {each.key for each in open_note(kept, keys).signatures} == set(keys)
    assert "stranger" not in kept
    again = Witness.open(place, Clock())
    assert again.checkpoint(ORIGIN) == kept
    (seen,) = again.seen()
    assert (seen.origin, seen.at, seen.fork) == (ORIGIN, int(NOON.timestamp()), None)
    assert seen.checkpoint == Checkpoint.parse(log.text(5))


def test_a_witness_goes_along_with_a_rotation_of_the_log_keys(
    place: Path, log: Leaves, clock: Clock
) -> None:
    new = Leaves(new_keys(ORIGIN))
    old_signers, new_signers = (each.keys.signers(lambda: NOON) for each in (log, new))
    proof = consistency_proof(3, 8, log.node)
    for logs, kept in ((log.logs, 2), (new.logs, 2), ((*log.logs, *new.logs), 4)):
        before = Witness.open(place, clock)
        before.add_checkpoint(log.request(0, 3))
        witness = Witness(before._keys, logs, WitnessState(place), clock)
        # In the overlap four lines: those that are known have to verify.
        lines = witness.add_checkpoint(body(3, proof, log.note(8, (*old_signers, *new_signers))))
        assert len(open_note(log.note(8) + lines, witness.verifier_keys).signatures) == 2
        both = [each.key for each in (*log.logs, *new.logs)]
        assert len(open_note(witness.checkpoint(ORIGIN), both).signatures) == kept
        shutil.rmtree(place / "state")
    # After it only the new keys sign, and who has the old ones alone refuses.
    witness = Witness.open(place, clock)
    witness.add_checkpoint(log.request(0, 3))
    with pytest.raises(SignatureError):
        witness.add_checkpoint(body(3, proof, log.note(8, new_signers)))
    witness = Witness(witness._keys, new.logs, WitnessState(place), clock)
    witness.add_checkpoint(body(3, proof, log.note(8, new_signers)))


def test_another_size_is_answered_with_the_right_one(witness: Witness, log: Leaves) -> None:
    witness.add_checkpoint(log.request(0, 8))
    for old, size in ((0, 9), (3, 9), (9, 9), (5, 7), (0, 3)):
        with pytest.raises(SizeConflict) as raised:
            witness.add_checkpoint(log.request(old, size))
        assert raised.value.size == 8


def test_an_old_size_beyond_the_checkpoint_is_malformed(witness: Witness, log: Leaves) -> None:
    witness.add_checkpoint(log.request(0, 8))
    with pytest.raises(MalformedError):
        witness.add_checkpoint(body(8, (), log.note(7)))


def test_a_log_that_is_not_known_is_not_found(witness: Witness) -> None:
    other = Leaves(new_keys("other.example/log"))
    with pytest.raises(NotFoundError):
        witness.add_checkpoint(other.request(0, 3))
    with pytest.raises(NotFoundError):
        witness.checkpoint("other.example/log")


def test_only_a_trusted_key_of_the_log_counts(witness: Witness, log: Leaves) -> None:
    thief = Leaves(new_keys(ORIGIN))
    with pytest.raises(SignatureError):
        witness.add_checkpoint(thief.request(0, 3))
    # One good signature does not excuse a failing one of another trusted key.
    good, other = SignedNote.parse(log.note(3)).signatures
    _, wrong = SignedNote.parse(log.note(4)).signatures
    assert other.key_id == wrong.key_id
    with pytest.raises(SignatureError):
        witness.add_checkpoint(body(0, (), SignedNote(log.text(3), (good, wrong)).format()))
    witness.add_checkpoint(body(0, (), SignedNote(log.text(3), (good,)).format()))


def test_a_repeated_signature_is_kept_once(witness: Witness, log: Leaves) -> None:
    one, two = SignedNote.parse(log.note(3)).signatures
    witness.add_checkpoint(body(0, (), SignedNote(log.text(3), (one, two) * 20).format()))
    assert len(SignedNote.parse(witness.checkpoint(ORIGIN)).signatures) == 4


@pytest.mark.parametrize("old", [3, 8])
def test_another_history_is_not_cosigned(witness: Witness, log: Leaves, old: int) -> None:
    witness.add_checkpoint(log.request(0, old))
    before = witness.checkpoint(ORIGIN)
    forked = Leaves(log.keys, "false")
    with pytest.raises(VerificationError):
        witness.add_checkpoint(forked.request(old, 9))
    with pytest.raises(VerificationError):
        witness.add_checkpoint(body(old, (), log.note(9)))
    with pytest.raises(VerificationError):
        witness.add_checkpoint(body(old, (leaf_hash(b""),), log.note(old)))
    assert witness.checkpoint(ORIGIN) == before
    witness.add_checkpoint(log.request(old, 9))


def test_a_first_checkpoint_takes_no_proof(witness: Witness, log: Leaves) -> None:
    with pytest.raises(VerificationError):
        witness.add_checkpoint(body(0, (leaf_hash(b""),), log.note(3)))


def test_the_empty_tree_has_one_root(witness: Witness, log: Leaves) -> None:
    signers = log.keys.signers(lambda: NOON)[:1]
    false = f"{ORIGIN}\n0\n{encode_base64(leaf_hash(b''))}\n"
    with pytest.raises(VerificationError):
        witness.add_checkpoint(body(0, (), sign_note(false, signers)))
    with pytest.raises(MalformedError):
        witness.add_checkpoint(body(0, (), sign_note(f"{ORIGIN}\n0\nAAAA\n", signers)))
    true = f"{ORIGIN}\n0\n{encode_base64(EMPTY_ROOT)}\n"
    witness.add_checkpoint(body(0, (), sign_note(true, signers)))
    witness.add_checkpoint(log.request(0, 3))


def test_two_heads_of_one_size_are_remembered(witness: Witness, log: Leaves) -> None:
    forked = Leaves(log.keys, "false")
    witness.add_checkpoint(log.request(0, 8))
    with pytest.raises(VerificationError):
        witness.add_checkpoint(forked.request(8, 8))
    with pytest.raises(SizeConflict):  # even if it is no request that could be granted
        witness.add_checkpoint(Leaves(log.keys, "third").request(0, 8))
    (seen,) = witness.seen()
    assert seen.fork is not None
    assert log.text(8) in seen.fork
    assert forked.text(8) in seen.fork
    assert Leaves(log.keys, "third").text(8) not in seen.fork
    witness.add_checkpoint(log.request(8, 9))


def test_a_clock_that_goes_backwards_cosigns_nothing(
    witness: Witness, log: Leaves, clock: Clock
) -> None:
    witness.add_checkpoint(log.request(0, 3))
    clock.now = NOON - timedelta(seconds=1)
    with pytest.raises(RefusedError, match="clock"):
        witness.add_checkpoint(log.request(3, 4))
    clock.now = NOON
    witness.add_checkpoint(log.request(3, 4))


def test_a_record_that_is_not_its_own_stops_it(witness: Witness, log: Leaves, place: Path) -> None:
    witness.add_checkpoint(log.request(0, 3))
    record = place / "state" / f"{origin_hash(ORIGIN)}.note"
    assert record.read_text() == witness.checkpoint(ORIGIN)
    for damaged in ("", log.note(2), record.read_text().replace("\n3\n", "\n2\n")):
        record.write_text(damaged)
        with pytest.raises(RefusedError):
            witness.add_checkpoint(log.request(3, 4))
        with pytest.raises(RefusedError):
            witness.seen()


def test_a_record_of_another_log_stops_it(tmp_path: Path, log: Leaves) -> None:
    other = Leaves(new_keys("other.example/log"))
    found_witness(tmp_path, NAME, (*log.logs, *other.logs), "")
    witness = Witness.open(tmp_path, Clock())
    witness.add_checkpoint(other.request(0, 5))
    place = tmp_path / "state"
    (place / f"{origin_hash(ORIGIN)}.note").write_text(witness.checkpoint("other.example/log"))
    with pytest.raises(RefusedError, match="another log"):
        witness.add_checkpoint(log.request(5, 6))


def test_what_cannot_be_written_is_not_cosigned(
    witness: Witness, log: Leaves, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness.add_checkpoint(log.request(0, 3))
    before = witness.checkpoint(ORIGIN)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ledger.operate.checkpoint_lock.write_synced", full)
    with pytest.raises(RefusedError):
        witness.add_checkpoint(log.request(3, 4))
    monkeypatch.undo()
    assert witness.checkpoint(ORIGIN) == before


def test_of_two_requests_at_once_one_is_told_the_new_size(place: Path, log: Leaves) -> None:
    """The race that the specification warns of: a smaller head must not replace a larger one."""
    heads = range(1, 13)
    bodies = [log.request(0, size) for size in heads]
    answers: dict[int, str] = {}
    start = threading.Barrier(len(bodies))

    def send(size: int, request: bytes) -> None:
        witness = Witness.open(place, Clock())  # as another process would
        start.wait()
        try:
            answers[size] = witness.add_checkpoint(request)
        except SizeConflict as error:
            answers[size] = str(error.size)

    threads = [threading.Thread(target=send, args=pair) for pair in zip(heads, bodies, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (size for size, answer in answers.items() if answer.startswith("—"))
    assert {answer for size, answer in answers.items() if size != winner} == {str(winner)}
    kept = WitnessState(place).latest(ORIGIN)
    assert kept is not None
    assert kept.startswith(log.text(winner))


def test_founding_says_how_others_trust_it(place: Path, log: Leaves, witness: Witness) -> None:
    policy = read_policy(place)
    assert policy.logs == log.logs
    assert {each.key for each in policy.witnesses} == set(witness.verifier_keys)
    assert {each.url for each in policy.witnesses} == {"http://authority.example"}
    lines = witness.add_checkpoint(log.request(0, 3))
    assert policy.check(log.note(3) + lines).size == 3
    with pytest.raises(SignatureError):
        policy.check(log.note(3))
    files = [path for path in place.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_founding_replaces_nothing_and_is_taken_up(
    place: Path, log: Leaves, witness: Witness
) -> None:
    with pytest.raises(ConflictError):
        found_witness(place, NAME, log.logs, "")
    (place / "witness.txt").unlink()
    with pytest.raises(NotFoundError):
        Witness.open(place, Clock())
    found_witness(place, NAME, log.logs, "")
    assert Witness.open(place, Clock()).verifier_keys == witness.verifier_keys


@pytest.mark.parametrize(("name", "url"), [("two words", ""), ("", ""), (NAME, "two words")])
def test_what_no_policy_can_say_is_refused(
    tmp_path: Path, log: Leaves, name: str, url: str
) -> None:
    with pytest.raises(MalformedError):
        found_witness(tmp_path, name, log.logs, url)
    with pytest.raises(MalformedError):
        found_witness(tmp_path, NAME, (), "")
    assert not (tmp_path / "witness.txt").exists()


def _no_witness(text: str, logs: tuple[Log, ...]) -> bytes:
    return Policy(logs).format().encode()


def _another(text: str, logs: tuple[Log, ...]) -> bytes:
    policy = Policy.parse(text)
    return Policy(logs, policy.witnesses[:1]).format().encode()


@pytest.mark.parametrize(
    "change", [lambda *_: b"\xff\n", lambda *_: b"log\n", _no_witness, _another]
)
def test_a_damaged_policy_is_refused(
    place: Path, log: Leaves, change: Callable[[str, tuple[Log, ...]], bytes]
) -> None:
    path = place / "witness.txt"
    path.write_bytes(change(path.read_text(), log.logs))
    with pytest.raises((MalformedError, RefusedError)):
        Witness.open(place, Clock())


def test_a_passphrase_protects_the_keys(tmp_path: Path, log: Leaves) -> None:
    found_witness(tmp_path, NAME, log.logs, "", b"secret")
    Witness.open(tmp_path, Clock(), b"secret")
    with pytest.raises(LedgerError):
        Witness.open(tmp_path, Clock())


def test_a_witness_needs_only_what_the_verifier_needs() -> None:
    """A regulator's laptop: no database, no web framework."""
    code = "import sys; import ledger.operate.witness_server; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "ledger" in loaded
    assert not loaded & {"sqlalchemy", "alembic", "flask", "click", "werkzeug", "numpy"}
