"""The writer: order, time, proofs; and that it refuses rather than sign two histories."""

import base64
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ledger.entries import (
    Entry,
    Erased,
    ExplanationIssued,
    LogCreated,
    ModelVersionRegistered,
    SourceRegistered,
    parse_entry,
)
from ledger.errors import (
    CheckpointConflict,
    ConflictError,
    MalformedError,
    NotFoundError,
    PushbackError,
    RefusedError,
    StoppedError,
)
from ledger.operate.published_log import references
from ledger.operate.sequencer import Draft, Sequencer
from ledger.storage.log_store import Batch, Head, Sign
from ledger.storage.memory_log_store import MemoryLogStore
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note
from ledger.tlog.merkle import Frontier, leaf_hash
from ledger.tlog.tile import EntryBundle, Tile, decode_bundle
from tests.ledger.operate.premises import NOON, Premises


def draft(premises: Premises, name: str = "loan-desk") -> Draft:
    return Draft.of(premises.new_id(), SourceRegistered(source=name, first=0))


def drafts(premises: Premises, count: int) -> list[Draft]:
    return [draft(premises) for _ in range(count)]


def head(log: Sequencer, premises: Premises) -> Checkpoint:
    keys = premises.keys["decisions"].verifier_keys(premises.clock)
    opened = open_note(log.checkpoint(), keys)
    assert len(opened.signatures) == 2  # Ed25519 and ML-DSA-44
    return Checkpoint.parse(opened.text)


def test_a_log_begins_with_its_name_and_keys(premises: Premises) -> None:
    log = premises.create()
    (raw,) = log.entries()
    entry = parse_entry(raw)
    assert entry.seq == 0
    assert entry.prev is None
    assert isinstance(entry.body, LogCreated)
    assert entry.body.origin == log.origin == "ledger.example/demo/log/decisions"
    keys = premises.keys["decisions"].verifier_keys(premises.clock)
    assert entry.body.vkeys == tuple(key.vkey() for key in keys)
    assert head(log, premises).size == 1
    assert premises.lock().read() == log.checkpoint()


def test_entries_stand_in_order_chained_and_proven(premises: Premises) -> None:
    log = premises.create()
    wanted = drafts(premises, 300)
    appended = [*log.append(wanted[:1]), *log.append(wanted[1:])]
    raws = list(log.entries())
    entries = list(map(parse_entry, raws))
    assert [entry.seq for entry in entries] == list(range(301))
    assert [entry.id for entry in entries[1:]] == [each.id for each in wanted]
    assert [each.raw for each in appended] == raws[1:]
    assert [each.leaf for each in appended] == [leaf_hash(raw) for raw in raws[1:]]
    assert [entry.prev for entry in entries[1:]] == [leaf_hash(raw) for raw in raws[:-1]]
    assert all(one.at <= other.at for one, other in pairwise(entries))
    root = Frontier.empty().extend(map(leaf_hash, raws)).root()
    assert head(log, premises) == Checkpoint(log.origin, 301, root)
    for seq in (0, 1, 255, 256, 300):
        receipt = log.receipt(entries[seq].id)
        assert (receipt.index, receipt.entry) == (seq, raws[seq])
        assert receipt.checkpoint_note == log.checkpoint()
        receipt.verify_inclusion(Checkpoint(log.origin, 301, root))


def test_tiles_and_bundles_are_those_of_the_tree(premises: Premises) -> None:
    log = premises.create()
    log.append(drafts(premises, 299))
    leaves = [leaf_hash(raw) for raw in log.entries()]
    assert log.tile(Tile(0, 0, 256)) == b"".join(leaves[:256])
    assert log.tile(Tile(0, 1, 44)) == b"".join(leaves[256:])
    assert log.tile(Tile(0, 1, 7)) == b"".join(leaves[256:263])
    assert log.tile(Tile(1, 0, 1)) == Frontier.empty().extend(leaves[:256]).root()
    assert decode_bundle(log.bundle(EntryBundle(1, 44)), 44) == tuple(log.entries())[256:]
    for tile in (Tile(0, 1, 45), Tile(1, 0, 2), Tile(2, 0, 1), Tile(0, 2, 1)):
        with pytest.raises(NotFoundError):
            log.tile(tile)
    with pytest.raises(NotFoundError):
        log.bundle(EntryBundle(1, 45))


def test_what_is_not_there_is_not_found(premises: Premises) -> None:
    log = premises.create()
    for ask in (log.entry, log.receipt, log.sealed):
        with pytest.raises(NotFoundError):
            ask(premises.new_id())
    with pytest.raises(NotFoundError):
        log.receipts([0, 1])
    with pytest.raises(MalformedError):
        log.append([])


def test_an_id_is_appended_once(premises: Premises) -> None:
    log = premises.create()
    (first,) = log.append(drafts(premises, 1))
    with pytest.raises(ConflictError):
        log.append([draft(premises), Draft.of(first.entry.id, first.entry.body)])
    assert log.size() == 2
    assert log.append(drafts(premises, 1))[0].entry.seq == 2


def test_a_payload_is_kept_beside_its_entry(premises: Premises) -> None:
    log = premises.create()
    body = SourceRegistered(source="loan-desk", first=0)
    (appended,) = log.append([Draft.of(premises.new_id(), body, sealed=b"sealed")])
    assert log.sealed(appended.entry.id) == b"sealed"


def test_a_restart_continues(premises: Premises) -> None:
    log = premises.create()
    log.append(drafts(premises, 600))
    again = premises.sequencer()
    assert again.checkpoint() == log.checkpoint()
    (appended,) = again.append(drafts(premises, 1))
    assert appended.entry.seq == 601
    assert appended.entry.prev == leaf_hash(list(log.entries())[600])
    assert head(again, premises).size == 602


def test_two_writers_take_turns(premises: Premises) -> None:
    one, two = premises.create(), premises.sequencer()
    seqs = [log.append(drafts(premises, 2))[0].entry.seq for log in (one, two, two, one)]
    assert seqs == [1, 3, 5, 7]
    root = Frontier.empty().extend(map(leaf_hash, one.entries())).root()
    assert head(two, premises).root_hash == root


def test_a_clock_that_goes_backwards_stops_the_log(premises: Premises) -> None:
    log = premises.create()
    log.append(drafts(premises, 1))
    before = log.checkpoint()
    premises.clock.now -= timedelta(hours=1)
    with pytest.raises(StoppedError, match="60 minutes behind"):
        log.append(drafts(premises, 1))
    with pytest.raises(StoppedError, match="backwards"):
        log.check_running()
    assert log.checkpoint() == before == premises.lock().read()


def test_a_log_goes_on_by_itself_once_the_clock_has_caught_up(premises: Premises) -> None:
    log = premises.create()
    (first,) = log.append(drafts(premises, 1))
    premises.clock.now -= timedelta(hours=1)
    with pytest.raises(StoppedError):
        log.append(drafts(premises, 1))
    premises.clock.now += timedelta(hours=1)
    log.check_running()
    (second,) = log.append(drafts(premises, 1))
    assert (second.seq, second.entry.at > first.entry.at) == (2, True)


def test_a_small_step_back_is_waited_out(premises: Premises) -> None:
    log = premises.create()
    (first,) = log.append(drafts(premises, 1))
    premises.clock.now -= timedelta(seconds=1)
    (second,) = log.append(drafts(premises, 1))
    assert second.entry.at == first.entry.at
    premises.clock.now += timedelta(seconds=1)
    (third,) = log.append(drafts(premises, 1))
    assert third.entry.at > second.entry.at
    ats = [parse_entry(raw).at for raw in log.entries()]
    assert ats == sorted(ats)
    assert head(premises.sequencer(), premises).size == 4  # the start-up rule takes it up


def test_a_restart_does_not_forget_the_time(premises: Premises) -> None:
    premises.create()
    premises.clock.now = NOON - timedelta(seconds=2)
    log = premises.sequencer()
    with pytest.raises(RefusedError, match="backwards"):
        log.append(drafts(premises, 1))


def test_a_log_is_created_once(premises: Premises) -> None:
    premises.create()
    with pytest.raises(ConflictError):
        premises.create()
    with pytest.raises(ConflictError):  # an empty database does not make a lock forget
        premises.create(store=MemoryLogStore())


def test_creating_that_was_cut_short_is_taken_up(premises: Premises) -> None:
    with pytest.raises(ZeroDivisionError):
        premises.create(store=_CutShort())
    assert Checkpoint.parse(premises.lock().read().partition("\n\n")[0] + "\n").size == 0
    assert premises.create().size() == 1


class _CutShort(MemoryLogStore):
    def integrate(self, batch: Batch, sign: Sign) -> Head:  # noqa: ARG002  as the port says
        raise ZeroDivisionError


def test_a_log_that_another_wrote_first_is_to_be_tried_again(premises: Premises) -> None:
    store = _Overtaken()
    log = premises.create(store=store)
    store.overtaken = True
    with pytest.raises(PushbackError):  # nothing that the caller sent is in conflict
        log.append(drafts(premises, 1))
    store.overtaken = False
    log.append(drafts(premises, 1))
    assert log.size() == 2


class _Overtaken(MemoryLogStore):
    overtaken = False

    def integrate(self, batch: Batch, sign: Sign) -> Head:
        if self.overtaken:
            raise CheckpointConflict("log store: the head has moved")
        return super().integrate(batch, sign)


def test_a_log_whose_database_is_away_is_not_running(premises: Premises) -> None:
    store = _Away()
    log = premises.create(store=store)
    log.check_running()
    store.away = True
    with pytest.raises(PushbackError):
        log.check_running()


class _Away(MemoryLogStore):
    away = False

    def head(self, origin: str) -> Head | None:
        if self.away:
            raise PushbackError("database: it does not answer", retry_after=1)
        return super().head(origin)


def test_another_logs_lock_is_no_lock(premises: Premises) -> None:
    premises.create("access", lock=premises.lock("decisions"))
    with pytest.raises(ConflictError):
        premises.create("decisions")


def test_references_are_what_an_entry_is_about(premises: Premises) -> None:
    ids = tuple(sorted(premises.new_id() for _ in range(2)))
    digest = "ab" * 32
    issued = ExplanationIssued(ids[0], bytes(32), digest, digest)
    assert references(issued) == (ids[0],)
    assert references(ModelVersionRegistered(digest)) == (digest,)
    assert references(Erased(ids, "request", "key_destroyed", "officer")) == ids
    assert references(SourceRegistered("loan-desk", 0)) == ()


def test_a_turn_can_be_taken_within_a_turn(premises: Premises, tmp_path: Path) -> None:
    log = premises.create()
    with log.turn():
        log.append(drafts(premises, 1))
        log.append(drafts(premises, 1))
    assert log.size() == 3


def test_the_entry_of_a_receipt_is_the_one_that_was_logged(premises: Premises) -> None:
    log = premises.create()
    (appended,) = log.append(drafts(premises, 1))
    text = log.receipt(appended.entry.id).format()
    assert base64.b64encode(appended.raw).decode() in text
    assert isinstance(appended.entry, Entry)
