"""Gathering cosignatures: from witnesses that are well, down, behind, ahead, or lying."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ledger.entries import SourceRegistered
from ledger.errors import (
    ForkSuspected,
    NotFoundError,
    RefusedError,
    SignatureError,
    SizeConflict,
    VerificationError,
)
from ledger.operate import witnesses
from ledger.operate.checkpoint_lock import FileCheckpointLock
from ledger.operate.published_log import PublishedLog
from ledger.operate.sequencer import Draft
from ledger.operate.witness import Witness
from ledger.operate.witness_exchange import Answer, NoAnswer
from ledger.operate.witness_state import WitnessState
from ledger.operate.witnesses import Gathered, gather, keep
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import Ed25519Cosigner
from ledger.tlog.note import NoteSignature, SignedNote, VerifierKey, sign_note
from ledger.tlog.policy import Group, Log, Policy
from ledger.tlog.policy import Witness as Line
from ledger.tlog.proof import Receipt
from ledger.tlog.witness_request import AddCheckpoint
from tests.ledger.operate.premises import Open, Premises
from tests.ledger.operate.witnessed import Leaves, new_keys

ONE, TWO = "http://one.example", "http://two.example/w/"
TEXT = "text/plain"
Reply = Callable[[bytes], Answer]


def serving(witness: Witness) -> Reply:
    """What a witness's server would answer; test_witness_server has the rest."""

    def reply(body: bytes) -> Answer:
        try:
            return Answer(200, TEXT, witness.add_checkpoint(body).encode())
        except SizeConflict as error:
            return Answer(409, "text/x.tlog.size", f"{error.size}\n".encode())
        except NotFoundError:
            return Answer(404, TEXT, b"")
        except SignatureError:
            return Answer(403, TEXT, b"")
        except VerificationError:
            return Answer(422, TEXT, b"")

    return reply


@dataclass
class Town:
    """A ledger and two witnesses of its log, of which the policy demands both."""

    premises: Premises
    ledger: Open
    log: PublishedLog
    cosigned: FileCheckpointLock
    keys: tuple[VerifierKey, ...]
    policy: Policy
    witnesses: dict[str, Witness]
    replies: dict[str, Reply]
    asked: list[tuple[str, int]] = field(default_factory=list)

    def ask(self, url: str, body: bytes) -> Answer:
        self.asked.append((url, AddCheckpoint.parse(body).old_size))
        return self.replies[url](body)

    def gather(self, policy: Policy | None = None) -> Gathered:
        self.asked.clear()
        return gather(self.log, self.keys, policy or self.policy, ask=self.ask)

    def cosign(self) -> Gathered:
        gathered = self.gather()
        assert gathered.accepted, gathered.said
        keep(gathered, self.cosigned)
        return gathered

    def grow(self, count: int) -> None:
        body = SourceRegistered(source="loan-desk", first=0)
        self.ledger.log.append([Draft.of(self.premises.new_id(), body) for _ in range(count)])

    def troubles(self) -> list[str]:
        return [each.trouble for each in self.gather().said]


@pytest.fixture
def town(premises: Premises, ledger: Open, tmp_path: Path) -> Town:
    keys = premises.keys["decisions"].verifier_keys(premises.clock)
    cosigned = FileCheckpointLock(tmp_path / "cosigned" / "decisions.note")
    log = PublishedLog(premises.store(), premises.lock(), ledger.log.origin, cosigned)
    lines, made = [], {}
    for url in (ONE, TWO):
        name = url.removeprefix("http://").rstrip("/")
        witness = Witness(
            new_keys(name),
            [Log(key) for key in keys],
            WitnessState(tmp_path / "witnesses" / name),
            premises.clock,
        )
        made[f"{url.rstrip('/')}/add-checkpoint"] = witness
        lines += [Line(f"{name}-{key.kind}", key, url) for key in witness.verifier_keys]
    groups = (
        Group("one", 1, tuple(each.name for each in lines[:2])),
        Group("two", 1, tuple(each.name for each in lines[2:])),
        Group("both", 2, ("one", "two")),
    )
    policy = Policy(tuple(map(Log, keys)), tuple(lines), groups, "both")
    replies = {url: serving(witness) for url, witness in made.items()}
    return Town(premises, ledger, log, cosigned, keys, policy, made, replies)


@pytest.fixture
def first(town: Town) -> str:
    """Where the first witness is asked."""
    return next(iter(town.replies))


def test_witnesses_cosign_and_a_reader_with_a_quorum_accepts(town: Town) -> None:
    own = town.log.checkpoint()
    with pytest.raises(SignatureError):
        town.policy.check(own)
    gathered = town.cosign()
    assert gathered.note.startswith(own)
    assert len(SignedNote.parse(gathered.note).signatures) == 6
    assert town.policy.check(town.log.checkpoint()) == gathered.checkpoint
    assert town.log.own_checkpoint() == own
    assert town.ledger.log.own_checkpoint() == own


def test_receipts_carry_cosignatures_as_far_as_they_reach(town: Town) -> None:
    size = town.cosign().checkpoint.size
    town.grow(5)
    assert town.log.size() == size + 5
    with pytest.raises(SignatureError):
        town.policy.check(town.log.checkpoint())  # of the newest size, which nobody cosigned
    for index in range(size):
        receipt = Receipt.parse(town.log.receipt_at(index).format())
        receipt.verify_inclusion(town.policy.check(receipt.checkpoint_note))
    for indexes in ([size], [0, size + 4]):
        notes = {each.checkpoint_note for each in town.log.receipts(indexes).values()}
        assert notes == {town.log.own_checkpoint()}
    town.cosign()
    receipt = town.log.receipt_at(size + 4)
    receipt.verify_inclusion(town.policy.check(receipt.checkpoint_note))


def test_a_second_run_starts_where_the_first_ended(town: Town) -> None:
    size = town.cosign().checkpoint.size
    assert {old for _, old in town.asked} == {0}
    town.grow(300)  # beyond one tile
    town.cosign()
    assert {old for _, old in town.asked} == {size}
    town.cosign()
    assert {old for _, old in town.asked} == {size + 300}


def test_a_witness_that_is_behind_is_led_from_where_it_stands(town: Town, first: str) -> None:
    size = town.cosign().checkpoint.size
    two = [url for url in town.replies if url != first]
    well = town.replies[first]
    town.replies[first] = lambda _: Answer(500, TEXT, b"")
    town.grow(3)
    gathered = town.gather()
    assert not gathered.accepted
    assert [each.trouble for each in gathered.said] == ["it answered with status 500", ""]
    town.replies[first] = well
    town.grow(3)
    town.cosign()
    assert (first, size) in town.asked
    assert [old for url, old in town.asked if url in two] == [size, size + 3]


def test_one_that_is_down_does_not_stop_the_other(town: Town, first: str) -> None:
    def down(_: bytes) -> Answer:
        raise NoAnswer("it cannot be reached")

    town.replies[first] = down
    gathered = town.gather()
    assert [each.trouble for each in gathered.said] == ["it cannot be reached", ""]
    assert not gathered.accepted
    either = Policy((), town.policy.witnesses, (*town.policy.groups[:2], Group("any", 1, ("one", "two"))), "any")  # fmt: skip
    gathered = town.gather(either)
    assert gathered.accepted
    reader = Policy(tuple(map(Log, town.keys)), either.witnesses, either.groups, "any")
    assert reader.check(gathered.note) == gathered.checkpoint


def test_what_was_cosigned_before_at_this_size_stays(town: Town, first: str) -> None:
    town.cosign()
    town.replies[first] = lambda _: Answer(503, TEXT, b"")
    gathered = town.cosign()
    assert [bool(each.trouble) for each in gathered.said] == [True, False]
    # A damaged one does not stay.
    kept = SignedNote.parse(town.cosigned.read())
    bad = NoteSignature(kept.signatures[2].name, kept.signatures[2].key_id, b"x" * 72)
    one_bad = SignedNote(kept.text, (*kept.signatures[:2], bad, *kept.signatures[3:])).format()
    town.cosigned.swap(town.cosigned.read(), one_bad)
    gathered = town.gather()
    assert bad not in SignedNote.parse(gathered.note).signatures
    assert gathered.accepted  # the other key of this witness is there


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (Answer(400, TEXT, b""), "it could not read the request"),
        (Answer(403, TEXT, b""), "it trusts none of the log's keys"),
        (Answer(404, TEXT, b""), "it does not know this log"),
        (Answer(999, "", b""), "it answered with status 999"),
        (Answer(409, TEXT, b"1\n"), "it answered with status 409"),
        (Answer(409, "text/x.tlog.size", b"01\n"), "not a decimal"),
        (Answer(409, "text/x.tlog.size", b"1\n"), "changing its mind"),
        (Answer(200, TEXT, b""), "no cosignature of a key in the policy"),
        (Answer(200, TEXT, b"\xff"), "not lines of signatures"),
        (Answer(200, TEXT, b"hello\n"), "not a signature line"),
        (Answer(200, TEXT, b"\n\xe2\x80\x94 x AAAA\n"), "note"),
        (Answer(200, TEXT, "— a.example AAAAAAAA\n".encode() * 63), "too many"),
    ],
)
def test_another_answer_is_named(town: Town, first: str, answer: Answer, trouble: str) -> None:
    town.replies[first] = lambda _: answer
    found = town.troubles()
    assert trouble in found[0]
    assert found[1] == ""


def test_a_false_cosignature_is_refused_and_foreign_ones_are_ignored(
    town: Town, first: str
) -> None:
    well = town.replies[first]

    def other_text(body: bytes) -> Answer:
        lines = well(body).body
        signatures = SignedNote.parse("x\n\n" + lines.decode()).signatures
        turned = [
            NoteSignature(
                each.name, each.key_id, each.signature[:-1] + bytes((each.signature[-1] ^ 1,))
            )
            for each in signatures
        ]
        return Answer(200, TEXT, "".join(each.line() for each in turned).encode())

    town.replies[first] = other_text
    assert "does not verify" in town.troubles()[0]

    stranger = Ed25519Cosigner("stranger.example", new_keys("x").ed25519, lambda: 1)

    def with_strangers(body: bytes) -> Answer:
        text = AddCheckpoint.parse(body).note.text
        line = sign_note(text, [stranger]).rpartition("\n\n")[2]
        answer = well(body)
        return Answer(200, TEXT, line.encode() + answer.body) if answer.status == 200 else answer

    town.replies[first] = with_strangers
    gathered = town.gather()
    assert gathered.accepted
    assert "stranger" not in gathered.note


def test_a_cosignature_needs_its_time(town: Town, first: str) -> None:
    witness = town.witnesses[first]

    def timeless(body: bytes) -> Answer:
        text = AddCheckpoint.parse(body).note.text
        note = sign_note(text, witness._keys.cosigners(0))
        return Answer(200, TEXT, note.rpartition("\n\n")[2].encode())

    town.replies[first] = timeless
    assert town.troubles() == ["its cosignature has no time", ""]


def test_a_witness_that_knows_more_stops_everything(town: Town, first: str) -> None:
    town.replies[first] = lambda _: Answer(409, "text/x.tlog.size", b"1000\n")
    with pytest.raises(ForkSuspected, match=r"one\.example has cosigned 1000 entries") as raised:
        town.gather()
    assert raised.value.size == 1000


def test_a_rolled_back_ledger_is_found_out(town: Town) -> None:
    """The witness cosigned what a restored backup has forgotten."""
    keys = town.premises.keys["decisions"]
    future = Leaves(keys)
    for witness in town.witnesses.values():
        witness.add_checkpoint(future.request(0, 50))
    with pytest.raises(ForkSuspected, match="rolled back"):
        town.gather()
    # It grows again to the same size, and beyond.
    town.grow(50 - town.log.size())
    with pytest.raises(ForkSuspected, match="not the first 50"):
        town.gather()
    assert [each.seen()[0].fork is not None for each in town.witnesses.values()] == [True, True]
    town.grow(1)
    with pytest.raises(ForkSuspected, match="not the first 50"):
        town.gather()


def test_what_was_cosigned_before_shows_a_rollback_too(town: Town) -> None:
    future = Leaves(town.premises.keys["decisions"])
    town.cosigned.create(future.note(50))
    with pytest.raises(ForkSuspected, match="50 entries"):
        town.gather()
    assert town.asked == []


def test_a_checkpoint_that_grew_meanwhile_is_no_fork(town: Town, first: str) -> None:
    well = town.replies[first]
    size = town.log.size()

    def overtaken(body: bytes) -> Answer:
        town.grow(2)
        return Answer(409, "text/x.tlog.size", f"{size + 2}\n".encode())

    town.replies[first] = overtaken
    assert town.troubles() == ["it has cosigned a newer checkpoint meanwhile", ""]
    town.replies[first] = well
    town.cosign()


def test_a_kept_checkpoint_that_is_none_of_ours_is_replaced(town: Town) -> None:
    for text in ("", "damaged", Leaves(new_keys("other.example/log")).note(90)):
        if town.cosigned._path.exists():
            town.cosigned.swap(town.cosigned.read(), text)
        else:
            town.cosigned.create(text)
        own = town.log.own_checkpoint()
        assert town.log.checkpoint() == own
        assert town.log.receipt_at(0).checkpoint_note == own
        gathered = town.gather()
        assert gathered.accepted
    town.cosigned.swap(town.cosigned.read(), "damaged")
    keep(gathered, town.cosigned)
    assert town.log.checkpoint() == gathered.note


def test_a_larger_kept_checkpoint_stays(town: Town) -> None:
    before = town.gather()
    town.grow(1)
    after = town.cosign()
    keep(before, town.cosigned)
    assert town.cosigned.read() == after.note


def test_a_changed_kept_checkpoint_gives_no_false_receipt(town: Town) -> None:
    other = Leaves(town.premises.keys["decisions"], "false")
    town.cosigned.create(other.note(town.log.size()))
    with pytest.raises(VerificationError):
        town.log.receipt_at(0)
    assert town.log.checkpoint() == town.log.own_checkpoint()


def test_stored_tiles_that_do_not_fit_stop_it(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PublishedLog, "_read_tile", lambda _, tile: b"\0" * 32 * tile.width)
    town.cosigned.create(town.log.own_checkpoint())
    conflict = Answer(409, "text/x.tlog.size", f"{town.log.size()}\n".encode())
    town.replies = dict.fromkeys(town.replies, lambda _: conflict)
    with pytest.raises(VerificationError):
        town.gather()


def test_a_policy_without_addresses_asks_nobody(town: Town) -> None:
    silent = Policy((), tuple(Line(each.name, each.key) for each in town.policy.witnesses))
    with pytest.raises(NotFoundError, match="no witness with an address"):
        town.gather(silent)


def test_without_a_single_cosignature_nothing_is_accepted(town: Town) -> None:
    content = Policy((), town.policy.witnesses)
    for url in town.replies:
        town.replies[url] = lambda _: Answer(500, TEXT, b"")
    assert not town.gather(content).accepted


def test_more_cosignatures_than_a_checkpoint_may_have(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = town.gather()
    monkeypatch.setattr(witnesses, "MAX_NOTE_BYTES", 100)
    with pytest.raises(RefusedError):
        keep(gathered, town.cosigned)
    monkeypatch.setattr(witnesses, "MAX_SIGNATURES", 5)
    with pytest.raises(RefusedError):
        town.gather()


def test_the_checkpoint_that_is_shown_is_the_one_that_was_gathered(town: Town) -> None:
    gathered = town.gather()
    assert gathered.checkpoint == Checkpoint.parse(SignedNote.parse(gathered.note).text)
