"""An audit finds what a liar did and names the entry; an honest log is fine."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.entries import Body, parse_entry
from ledger.errors import MalformedError, SignatureError
from ledger.tlog.merkle import Frontier, leaf_hash
from ledger.tlog.note import ED25519_COSIGNATURE, VerifierKey
from ledger.tlog.policy import Policy, Witness
from ledger.verify.findings import Code
from tests.ledger.verify.audits import (
    SIZE,
    SMALL,
    Write,
    audited,
    execute,
    found,
    honest,
    log,
    one,
    swapped,
)
from tests.ledger.verify.tile_log import (
    POLICY,
    STRANGER,
    Liar,
    decision,
    edited,
    entries,
    genesis,
    note,
    rechained,
    tiles_of,
)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
def test_an_honest_log_is_fine(write: Write, size: int) -> None:
    result = write(Liar(log(size)))
    assert result.findings == ()
    assert result.size == size
    assert result.root == Frontier.empty().extend(leaf_hash(raw) for raw in honest(size)).root()
    assert result.checkpoint is not None
    assert (result.checkpoint.size, result.checkpoint.root_hash) == (size, result.root)
    assert result.located
    assert result.checkpoints == 1
    assert result.tiles == len(tiles_of(honest(size)))
    assert result.counts == (("decision", size - 1), ("log_created", 1))[size == 1 :]
    assert (result.first_at, result.last_at) == (
        parse_entry(honest(size)[0]).at,
        parse_entry(honest(size)[-1]).at,
    )


def test_every_stored_checkpoint_is_compared(tmp_path: Path) -> None:
    result = audited(Liar(log(), sizes=(0, 1, 100, 256, 599, 600)).sqlite(tmp_path / "x.db"))
    assert result.findings == ()
    assert result.checkpoints == 6


def test_one_changed_byte_names_entry_512(write: Write) -> None:
    stored = log()
    stored[512] = edited(stored[512])
    assert stored[512] != log()[512]
    result = write(Liar(log(), dict(enumerate(stored))))
    assert (Code.TILE_DIFFERS, 512) in found(result)
    assert (Code.CHAIN_BROKEN, 512) in found(result)
    assert {index for _, index in found(result)} <= {512, 0}
    assert "entry 513 names" in one(result, Code.CHAIN_BROKEN).detail
    assert "tile/0/002" in one(result, Code.TILE_DIFFERS).detail
    assert str(one(result, Code.TILE_DIFFERS)).startswith("entry 512: ")
    assert one(result, Code.ROOT_DIFFERS).last == SIZE - 1
    assert result.located


def test_the_stored_leaf_hash_names_the_entry_too(tmp_path: Path) -> None:
    stored = log()
    stored[512] = edited(stored[512])
    result = audited(Liar(log(), dict(enumerate(stored))).sqlite(tmp_path / "x.db"))
    detail = one(result, Code.HASH_DIFFERS).detail
    assert leaf_hash(log()[512]).hex() in detail
    assert leaf_hash(stored[512]).hex() in detail


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Liar(log(260)).sqlite(tmp_path_factory.mktemp("short") / "x.db")


@given(index=st.integers(0, 259), at=st.integers(0, 10**6), flip=st.integers(1, 255))
@settings(max_examples=12, deadline=None)
def test_any_flipped_byte_names_its_entry(short: Path, index: int, at: int, flip: int) -> None:
    raw = bytearray(honest(260)[index])
    raw[at % len(raw)] ^= flip
    with closing(sqlite3.connect(short)) as db:
        change = "UPDATE log_entry SET entry = ? WHERE seq = ?"
        db.execute(change, (bytes(raw), index))
        db.commit()
        result = audited(short)
        db.execute(change, (honest(260)[index], index))
        db.commit()
    assert {(Code.HASH_DIFFERS, index), (Code.TILE_DIFFERS, index)} <= found(result)
    # Nobody else is blamed: the root differs somewhere from entry 0 on, and that is all.
    assert {i for code, i in found(result) if code is not Code.ROOT_DIFFERS} == {index}


def test_an_edit_with_hashes_and_tiles_made_to_fit_is_named_by_the_chain(write: Write) -> None:
    lie = log()
    lie[512] = edited(lie[512])
    result = write(Liar(log(), dict(enumerate(lie)), hashed=lie))
    assert found(result) == {(Code.CHAIN_BROKEN, 512), (Code.ROOT_DIFFERS, 0)}
    assert "or it is entry 513" in one(result, Code.CHAIN_BROKEN).detail
    assert not result.located


def test_an_edit_of_everything_after_it_is_confined_by_older_checkpoints(tmp_path: Path) -> None:
    lie = log()
    lie[512] = edited(lie[512])
    lie = rechained(lie, 513)
    liar = Liar(log(), dict(enumerate(lie)), hashed=lie, sizes=(100, 500, 520, 550, 600))
    result = audited(liar.sqlite(tmp_path / "x.db"))
    finding = one(result, Code.ROOT_DIFFERS)
    assert result.findings == (finding,)
    assert (finding.index, finding.last) == (500, 519)
    assert "size 500 still fits" in finding.detail


def test_a_changed_prev_names_its_own_entry(tmp_path: Path) -> None:
    stored = log()
    stored[512] = replace(parse_entry(stored[512]), prev=bytes(32)).format()
    result = audited(Liar(log(), dict(enumerate(stored))).sqlite(tmp_path / "x.db"))
    chain = [finding for finding in result.findings if finding.code is Code.CHAIN_BROKEN]
    assert [finding.index for finding in chain] == [512, 512]  # what it names, who names it
    assert "its member prev is 0000" in chain[0].detail


def test_a_cut_tail_is_missing(write: Write) -> None:
    result = write(Liar(log(), dict(enumerate(log()[:590])), hashed=log()[:590]))
    finding = one(result, Code.ENTRY_MISSING)
    assert (finding.index, finding.last) == (590, 599)


def test_a_tail_cut_with_its_checkpoints_shows_against_one_kept_elsewhere(tmp_path: Path) -> None:
    path = Liar(log()[:590]).sqlite(tmp_path / "x.db")
    assert audited(path).findings == ()
    finding = one(audited(path, known=[note(log())]), Code.ENTRY_MISSING)
    assert (finding.index, finding.last) == (590, 599)
    assert audited(path, known=[note(log(), 400), note(log(), 1)]).findings == ()


def test_a_checkpoint_kept_elsewhere_shows_a_rewritten_log(tmp_path: Path) -> None:
    lie = log()
    lie[100] = edited(lie[100])
    path = Liar(rechained(lie, 101)).sqlite(tmp_path / "x.db")
    assert audited(path).findings == ()
    result = audited(path, known=[note(log(), 50), note(log(), 400)])
    # The liar's newest checkpoint fits, the one kept elsewhere does not: a fork.
    assert found(result) == {(Code.CHECKPOINT_FORKED, None)}
    assert "size 400" in result.findings[0].detail
    assert str(result.findings[0]).startswith("the log: ")


def test_two_roots_signed_for_the_newest_size_are_a_fork(tmp_path: Path) -> None:
    path = Liar([*log()[:-1], edited(log()[-1])]).sqlite(tmp_path / "x.db")
    (finding,) = audited(path, known=[note(log())]).findings
    assert (finding.code, finding.index) == (Code.CHECKPOINT_FORKED, None)
    assert f"of size {SIZE} has a root that these entries never had" in finding.detail


def test_a_checkpoint_kept_elsewhere_must_be_one(tmp_path: Path) -> None:
    path = Liar(log(3)).sqlite(tmp_path / "x.db")
    with pytest.raises(SignatureError):
        audited(path, known=[note(log(), 2, STRANGER)])
    with pytest.raises(MalformedError):
        audited(path, known=["nonsense"])
    path = Liar(log(3), origin="other.example/log").sqlite(tmp_path / "y.db")
    with pytest.raises(MalformedError, match="another log"):
        audited(path, known=[note(log(), 2)])


@pytest.mark.parametrize("gone", [[0], [100], [100, 101, 102], [255, 256]])
def test_a_deleted_row_is_named(tmp_path: Path, gone: list[int]) -> None:
    stored = {index: raw for index, raw in enumerate(log(SMALL)) if index not in gone}
    result = audited(Liar(log(SMALL), stored).sqlite(tmp_path / "x.db"))
    finding = one(result, Code.ENTRY_MISSING)
    assert (finding.index, finding.last or finding.index) == (gone[0], gone[-1])
    assert result.findings == (finding,)
    assert result.root is None
    assert result.located  # the tiles lead to the signed root: the rest is as signed


def test_a_deleted_row_without_tiles_leaves_the_tree_unknown(tmp_path: Path) -> None:
    stored = {index: raw for index, raw in enumerate(log()) if index != 300}
    path = Liar(log(), stored).sqlite(tmp_path / "x.db")
    execute(path, "DELETE FROM log_tile WHERE level = 0")
    result = audited(path)
    assert (Code.ENTRY_MISSING, 300) in found(result)
    assert (Code.TILE_MISSING, 0) in found(result)
    assert not result.located


def test_an_index_far_ahead_does_not_take_for_ever(tmp_path: Path) -> None:
    path = Liar(log(3)).sqlite(tmp_path / "x.db")
    execute(path, "UPDATE log_entry SET seq = 4000000000000000 WHERE seq = 2")
    result = audited(path)
    finding = one(result, Code.ENTRY_MISSING)
    assert (finding.index, finding.last) == (2, 3_999_999_999_999_999)
    assert result.root is None


def test_swapped_entries_are_named(write: Write) -> None:
    lie = swapped(log(SMALL), 100, 200)
    result = write(Liar(log(SMALL), dict(enumerate(lie)), hashed=log(SMALL)))
    assert {(Code.SEQ_WRONG, 100), (Code.SEQ_WRONG, 200)} <= found(result)
    assert {(Code.TILE_DIFFERS, 100), (Code.TILE_DIFFERS, 200)} <= found(result)
    assert (Code.TIME_BACKWARDS, 101) in found(result)


def test_an_inserted_entry_moves_all_after_it(write: Write) -> None:
    lie = log()
    lie.insert(300, lie[10])
    result = write(Liar(log(), dict(enumerate(lie[:SIZE])), hashed=log()))
    runs = [finding for finding in result.findings if finding.code is Code.SEQ_WRONG]
    assert [(run.index, run.last) for run in runs] == [(300, 599)]
    assert str(runs[0]) == (
        "entries 300 to 599: its own bytes say that it is entry 10 "
        "(this of the first; the like of all up to the last)"
    )
    assert (Code.TILE_DIFFERS, 300) in found(result)


def test_unsigned_entries_at_the_end_are_named(tmp_path: Path) -> None:
    more = entries(SIZE + 5)
    liar = Liar(more, sizes=(SIZE,), head=SIZE)
    finding = one(audited(liar.sqlite(tmp_path / "x.db")), Code.ENTRY_UNSIGNED)
    assert (finding.index, finding.last) == (SIZE, SIZE + 4)


def test_two_signed_histories_are_a_fork(tmp_path: Path) -> None:
    other = log()
    other[50] = edited(other[50])
    notes = {100: note(other, 100), SIZE: note(log())}
    result = audited(Liar(log(), notes=notes).sqlite(tmp_path / "x.db"))
    assert found(result) == {(Code.CHECKPOINT_FORKED, None)}


@pytest.mark.parametrize(
    ("notes", "codes"),
    [
        (
            {SMALL: note(honest(SMALL), signer=STRANGER)},
            {Code.CHECKPOINT_REFUSED, Code.CHECKPOINT_MISSING},
        ),
        ({SMALL: "nonsense"}, {Code.CHECKPOINT_REFUSED, Code.CHECKPOINT_MISSING}),
        ({SMALL: note(honest(SMALL), 150)}, {Code.CHECKPOINT_REFUSED, Code.CHECKPOINT_MISSING}),
        (
            {150: note(honest(SMALL), 150, STRANGER), SMALL: note(honest(SMALL))},
            {Code.CHECKPOINT_REFUSED},
        ),
        ({150: note(honest(SMALL), 140), SMALL: note(honest(SMALL))}, {Code.CHECKPOINT_REFUSED}),
        ({150: note(honest(SMALL), 150)}, {Code.HEAD_DIFFERS, Code.ENTRY_UNSIGNED}),
    ],
    ids=["stranger", "nonsense", "wrong size", "older stranger", "older wrong size", "too old"],
)
def test_checkpoints_that_are_not_accepted(
    tmp_path: Path, notes: dict[int, str], codes: set[Code]
) -> None:
    result = audited(Liar(log(SMALL), notes=notes).sqlite(tmp_path / "x.db"))
    assert {finding.code for finding in result.findings} == codes


def test_a_log_without_any_checkpoint(tmp_path: Path) -> None:
    path = Liar(log(3)).sqlite(tmp_path / "x.db")
    execute(path, "DELETE FROM log_checkpoint")
    result = audited(path)
    assert found(result) == {(Code.CHECKPOINT_MISSING, None)}
    assert result.checkpoint is None


def test_the_newest_checkpoint_needs_the_whole_policy(tmp_path: Path) -> None:
    witness = VerifierKey("witness.example", ED25519_COSIGNATURE, bytes(range(32)))
    policy = Policy(POLICY.logs, (Witness("w", witness),), (), "w")
    path = Liar(log(), sizes=(400, SIZE)).sqlite(tmp_path / "x.db")
    result = audited(path, policy)
    assert found(result) == {(Code.CHECKPOINT_REFUSED, None), (Code.CHECKPOINT_MISSING, None)}
    assert "witness" in one(result, Code.CHECKPOINT_REFUSED).detail
    assert result.checkpoints == 1  # the older one is held to the log's own key


def test_a_log_stored_under_another_name(tmp_path: Path) -> None:
    result = audited(Liar(log(3), origin="other.example/log").sqlite(tmp_path / "x.db"))
    codes = {finding.code for finding in result.findings}
    assert codes == {Code.GENESIS_WRONG, Code.CHECKPOINT_REFUSED, Code.CHECKPOINT_MISSING}


def stranger_genesis(index: int) -> Body:
    if index == 0:
        return replace(genesis(), vkeys=(STRANGER.verifier_key.vkey(),))
    return decision(index)


def no_genesis(index: int) -> Body:
    return decision(index)


def second_genesis(index: int) -> Body:
    return genesis() if index in (0, 2) else decision(index)


@pytest.mark.parametrize(
    ("body", "index", "text"),
    [
        (stranger_genesis, 0, "no key that the policy trusts"),
        (no_genesis, 0, "not the entry that creates a log"),
        (second_genesis, 2, "only the first entry may"),
    ],
)
def test_a_log_begins_once_with_its_own_keys(
    write: Write, body: Callable[[int], Body], index: int, text: str
) -> None:
    result = write(Liar(entries(3, body)))
    (finding,) = result.findings
    assert (finding.code, finding.index) == (Code.GENESIS_WRONG, index)
    assert text in finding.detail


def test_bytes_that_are_no_entry_are_named_even_when_signed(write: Write) -> None:
    raws = log(3)
    raws[1] = b'{"free text":"Jane Doe"}'
    result = write(Liar(raws))
    assert found(result) == {(Code.ENTRY_MALFORMED, 1), (Code.CHAIN_BROKEN, 1)}
    assert "Jane" not in str(result)


def test_an_entry_without_prev_in_the_middle(tmp_path: Path) -> None:
    raws = log(3)
    raws[2] = replace(parse_entry(raws[2]), seq=0, prev=None).format()
    result = audited(Liar(raws).sqlite(tmp_path / "x.db"))
    assert (Code.SEQ_WRONG, 2) in found(result)
    assert "names nothing" in one(result, Code.CHAIN_BROKEN).detail
