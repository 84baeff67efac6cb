"""Stamping a real log: what is kept, what is said, and what a receipt is then worth."""

import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.entries import SourceRegistered, parse_entry
from ledger.errors import InclusionError, NotFoundError, RefusedError, RootMismatchError
from ledger.operate import timestamps
from ledger.operate.checkpoint_lock import FileCheckpointLock
from ledger.operate.published_log import PublishedLog
from ledger.operate.sequencer import Draft
from ledger.operate.timestamps import (
    Evidence,
    KeptTimestamps,
    StampedCheckpoint,
    earliest,
    stamp,
)
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import NoteSignature, SignedNote, VerifierKey, sign_note
from ledger.tlog.policy import Log, Policy
from ledger.verify.reader import UnreadableError
from ledger.verify.timestamp_files import COSIGNED, NOTE, stem_of, token_name
from ledger.verify.timestamps import Roots, verify_timestamp
from ledger.verify.verifier import verify_receipt
from tests import timestamp_authority as tsa
from tests.ledger.operate.premises import NOON, Open, Premises

ONE, TWO = "http://one.example/tsa", "http://two.example/tsa"
WITNESS = NoteSignature("witness.example/w1", bytes(4), bytes(72))


@dataclass
class Office:
    """A ledger, and authorities that date its log of decisions; their clock is ours."""

    premises: Premises
    ledger: Open
    log: PublishedLog
    cosigned: FileCheckpointLock
    keys: tuple[VerifierKey, ...]
    kept: KeptTimestamps
    now: datetime = NOON
    authorities: list[tsa.Authority] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.authorities = [
            tsa.Authority(lambda: self.now, trusted=tsa.roots(), address=each)
            for each in (ONE, TWO)
        ]

    def stamp(self, roots: Roots = ()) -> tuple[StampedCheckpoint, ...]:
        return stamp(self.log, self.keys, self.authorities, self.kept, roots)

    def grow(self, count: int = 1) -> list[str]:
        body = SourceRegistered(source="loan-desk", first=0)
        drafts = [Draft.of(self.premises.new_id(), body) for _ in range(count)]
        self.ledger.log.append(drafts)
        return [each.id for each in drafts]

    def cosign(self) -> str:
        """Have the newest checkpoint cosigned by somebody."""
        own = SignedNote.parse(self.log.own_checkpoint())
        note = SignedNote(own.text, (*own.signatures, WITNESS)).format()
        self.put_cosigned(note)
        return note

    def put_cosigned(self, note: str) -> None:
        try:
            self.cosigned.swap(self.cosigned.read(), note)
        except NotFoundError:
            self.cosigned.create(note)

    def earliest(self, entry_id: str, roots: Roots = ()) -> Evidence:
        return earliest(self.log, entry_id, self.keys, self.kept, roots)

    def files(self) -> dict[str, bytes]:
        return {name: (self.kept.directory / name).read_bytes() for name in self.kept.files.names()}


@pytest.fixture
def office(premises: Premises, ledger: Open, tmp_path: Path) -> Office:
    cosigned = FileCheckpointLock(tmp_path / "cosigned" / "decisions.note")
    log = PublishedLog(premises.store(), premises.lock(), ledger.log.origin, cosigned)
    keys = premises.keys["decisions"].verifier_keys(premises.clock)
    return Office(premises, ledger, log, cosigned, keys, KeptTimestamps(tmp_path / "timestamps"))


def test_the_newest_checkpoint_is_stamped_by_all(office: Office) -> None:
    (done,) = office.stamp()
    assert done.stamped
    assert done.checkpoint.size == office.log.size()
    assert [each.address for each in done.said] == [ONE, TWO]
    assert all(each.timestamp is not None and not each.before for each in done.said)
    note = office.log.checkpoint()
    stem = stem_of(note)
    files = office.files()
    assert set(files) == {f"{stem}{NOTE}", token_name(stem, ONE), token_name(stem, TWO)}
    assert files[f"{stem}{NOTE}"].decode() == note
    assert verify_timestamp(files[token_name(stem, TWO)], note, tsa.roots()).at == NOON


def test_what_is_kept_is_not_asked_for_again(office: Office) -> None:
    office.stamp()
    before = office.files()
    office.now += timedelta(hours=1)
    (done,) = office.stamp()
    assert done.stamped
    assert [(each.before, each.timestamp and each.timestamp.at) for each in done.said] == [
        (True, NOON)
    ] * 2
    assert [len(each.asked) for each in office.authorities] == [1, 1]
    assert office.files() == before


def test_each_growth_is_stamped_anew_and_nothing_is_replaced(office: Office) -> None:
    office.stamp()
    before = office.files()
    office.grow()
    (done,) = office.stamp()
    assert done.stamped
    assert len(office.files()) == 2 * len(before)
    assert office.files().items() >= before.items()


def test_a_run_that_was_cut_short_is_taken_up(office: Office) -> None:
    office.stamp()
    whole = office.files()
    stem = stem_of(office.log.own_checkpoint())
    shutil.rmtree(office.kept.directory)
    office.kept.keep_note(office.log.own_checkpoint())  # killed before the first token
    (office.kept.directory / f"{token_name(stem, ONE)}.new").write_bytes(b"half")
    assert office.kept.files.notes() == ()
    assert office.stamp()[0].stamped
    assert set(office.files()) == set(whole)
    assert sorted(each.name for each in office.kept.directory.iterdir()) == sorted(
        [*whole, "guard"]
    )


def test_one_authoritys_trouble_is_its_own(office: Office) -> None:
    office.authorities[0].lies["status"] = 2
    (done,) = office.stamp()
    assert done.stamped
    assert [each.trouble for each in done.said] == ["timestamp: not granted as asked, status 2", ""]
    # It is asked again, and the other one is not.
    office.authorities[0].lies.clear()
    (done,) = office.stamp()
    assert [each.before for each in done.said] == [False, True]


@pytest.mark.parametrize("lies", [{"imprint": bytes(32)}, {"nonce": 1}, {"chain": ()}])
def test_a_lie_is_not_kept(office: Office, lies: dict[str, Any]) -> None:
    for each in office.authorities:
        each.lies.update(lies)
    (done,) = office.stamp()
    assert not done.stamped
    assert all(each.trouble and each.timestamp is None for each in done.said)
    assert office.kept.files.notes() == ()
    with pytest.raises(NotFoundError, match="has been stamped yet"):
        office.earliest(office.grow()[0])


def test_a_kept_file_that_is_spoilt_is_said_and_stays(office: Office) -> None:
    office.stamp()
    name = token_name(stem_of(office.log.checkpoint()), ONE)
    (office.kept.directory / name).write_bytes(b"junk")
    (done,) = office.stamp()
    assert done.said[0].trouble.startswith(f"what is kept as {name} is none: ")
    assert done.stamped
    assert office.files()[name] == b"junk"


def test_a_kept_signature_is_followed_to_the_roots(office: Office) -> None:
    for each in office.authorities:
        each.trusted = ()
        each.lies["by"] = tsa.holder("Stranger", purposes=tsa.TIME_STAMPING)
    assert office.stamp()[0].stamped
    (done,) = office.stamp(tsa.roots())
    assert not done.stamped
    assert "no root certificate of its authority" in done.said[0].trouble


def test_the_cosigned_checkpoint_is_stamped_too(office: Office) -> None:
    cosigned = office.cosign()
    (done,) = office.stamp()  # the newest is the cosigned one: one stamp is enough
    assert done.checkpoint.size == office.log.size()
    stem = stem_of(cosigned)
    assert office.files()[f"{stem}{COSIGNED}"].decode() == cosigned
    assert office.files()[f"{stem}{NOTE}"].decode() == office.log.own_checkpoint()
    office.cosign()
    office.grow()
    shutil.rmtree(office.kept.directory)
    older, newest = office.stamp()
    assert (older.checkpoint.size, newest.checkpoint.size) == (
        office.log.size() - 1,
        office.log.size(),
    )


def test_cosignatures_that_come_later_are_added(office: Office) -> None:
    office.stamp()
    cosigned = office.cosign()
    office.stamp()
    assert office.files()[f"{stem_of(cosigned)}{COSIGNED}"].decode() == cosigned
    assert [len(each.asked) for each in office.authorities] == [1, 1]


def stranger(office: Office) -> str:
    return office.log.own_checkpoint().replace("ledger.example", "other.example")


def too_large(office: Office) -> str:
    signers = office.premises.keys["decisions"].signers(office.premises.clock)
    return sign_note(Checkpoint(office.log.origin, 1_000, bytes(32)).format(), signers)


def spoilt(office: Office) -> str:
    return office.log.own_checkpoint() + "junk\n"


@pytest.mark.parametrize("make", [stranger, too_large, spoilt])
def test_a_cosigned_checkpoint_that_is_not_ours_is_left_alone(
    office: Office, make: Callable[[Office], str]
) -> None:
    office.put_cosigned(make(office))
    (done,) = office.stamp()
    assert done.stamped
    assert [each.size for each in office.kept.files.notes()] == [office.log.size()]


def test_the_earliest_timestamp_that_covers_an_entry(office: Office) -> None:
    (first,) = office.grow()
    office.stamp()
    (second,) = office.grow()
    office.now += timedelta(days=1)
    office.authorities.reverse()
    office.stamp()
    policy = Policy(tuple(map(Log, office.keys)))
    for entry_id, day in ((first, 0), (second, 1)):
        evidence = office.earliest(entry_id, tsa.roots())
        assert evidence.timestamp.at == NOON + timedelta(days=day)
        assert verify_receipt(evidence.receipt.format(), policy).entry.id == entry_id
        note = evidence.receipt.checkpoint_note
        assert verify_timestamp(evidence.token, note, tsa.roots()) == evidence.timestamp
    (third,) = office.grow()
    with pytest.raises(NotFoundError, match="has been stamped yet"):
        office.earliest(third)
    with pytest.raises(NotFoundError, match="no entry has this id"):
        office.earliest(office.premises.new_id())


def test_time_and_not_size_says_what_is_earliest(office: Office) -> None:
    (entry,) = office.grow()
    smaller = office.log.own_checkpoint()
    office.grow()
    newest = office.log.own_checkpoint()
    for note, at in ((newest, NOON), (smaller, NOON + timedelta(hours=1))):
        office.kept.keep(note, ONE, tsa.stamp(note, at))
    assert office.earliest(entry).receipt.checkpoint_note == newest


def test_a_receipt_takes_the_cosignatures_along(office: Office) -> None:
    (entry,) = office.grow()
    cosigned = office.cosign()
    office.stamp()
    assert office.earliest(entry).receipt.checkpoint_note == cosigned
    # If they were spoilt, what the log signed stands.
    (office.kept.directory / f"{stem_of(cosigned)}{COSIGNED}").write_text("junk")
    assert office.earliest(entry).receipt.checkpoint_note == office.log.own_checkpoint()
    (office.kept.directory / f"{stem_of(cosigned)}{NOTE}").write_text(stranger(office))
    with pytest.raises(NotFoundError):
        office.earliest(entry)


def test_a_checkpoint_under_another_ones_name_is_passed_over(office: Office) -> None:
    older = office.log.own_checkpoint()
    (entry,) = office.grow()
    office.stamp()
    stem = stem_of(office.log.own_checkpoint())
    (office.kept.directory / f"{stem}{NOTE}").write_text(older)
    with pytest.raises(NotFoundError):
        office.earliest(entry)


def test_tokens_that_do_not_check_are_passed_over(office: Office) -> None:
    (entry,) = office.grow()
    office.stamp()
    stem = stem_of(office.log.checkpoint())
    (office.kept.directory / token_name(stem, ONE)).write_bytes(b"junk")
    stranger_made = tsa.stamp(
        office.log.checkpoint(), NOON - timedelta(days=1),
        by=tsa.holder("S", purposes=tsa.TIME_STAMPING),
    )  # fmt: skip
    (office.kept.directory / token_name(stem, "http://three.example")).write_bytes(stranger_made)
    assert office.earliest(entry, tsa.roots()).timestamp.at == NOON
    assert office.earliest(entry).timestamp.at == NOON - timedelta(days=1)  # for want of roots


def test_only_so_many_checkpoints_are_looked_at(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    (entry,) = office.grow()
    monkeypatch.setattr(timestamps, "MAX_LOOKED_AT", 1)
    office.stamp()
    office.grow()
    office.stamp()
    assert office.earliest(entry).timestamp.at == NOON


def test_a_stamped_checkpoint_of_another_history_raises_the_alarm(office: Office) -> None:
    (entry,) = office.grow()
    signers = office.premises.keys["decisions"].signers(office.premises.clock)
    false = sign_note(Checkpoint(office.log.origin, office.log.size(), bytes(32)).format(), signers)
    office.kept.keep(false, ONE, tsa.stamp(false, NOON))
    with pytest.raises((InclusionError, RootMismatchError)):
        office.earliest(entry)


def test_a_receipt_under_a_checkpoint_that_does_not_cover_it(office: Office) -> None:
    size = office.log.size()
    note = office.log.own_checkpoint()
    office.grow()
    assert office.log.receipt_under(size - 1, note).checkpoint_note == note
    for index, other in ((size, note), (0, stranger(office)), (0, too_large(office))):
        with pytest.raises(NotFoundError, match="does not cover"):
            office.log.receipt_under(index, other)


def test_a_directory_that_cannot_be_written_is_said_so(office: Office) -> None:
    office.kept.directory.touch()
    with pytest.raises(RefusedError, match="cannot be written"):
        office.stamp()


def test_without_the_library_nothing_is_kept(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.stamp()
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(UnreadableError):
        office.stamp()
    with pytest.raises(UnreadableError):
        office.earliest(parse_entry(office.log.receipt_at(0).entry).id)


def test_two_at_once_keep_one_whole_file(office: Office) -> None:
    note = office.log.own_checkpoint()
    tokens = [tsa.stamp(note, NOON + timedelta(seconds=n)) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda token: office.kept.keep(note, ONE, token), tokens))
    assert office.files()[token_name(stem_of(note), ONE)] in tokens
    assert not [each for each in office.kept.directory.iterdir() if each.suffix == ".new"]
