"""Values at their bounds: whatever can be built can be written, and read again."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError, MalformedError, SignatureError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import MAX_TIMESTAMP, Ed25519Cosigner, MLDSA44Signer, open_note
from ledger.tlog.merkle import MAX_SIZE
from ledger.tlog.note import (
    ED25519_COSIGNATURE,
    MAX_SIGNATURES,
    Ed25519Signer,
    NoteSignature,
    SignedNote,
    VerifierKey,
    sign_note,
)
from ledger.tlog.policy import Group, Log, Policy, Witness
from ledger.tlog.proof import Receipt
from ledger.tlog.tile import Tile, tile_for, tiles_to_write

ORIGIN = "log.example/decisions"
TEXT = Checkpoint(ORIGIN, 5, bytes(range(32))).format()
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
LOG = Ed25519Signer(ORIGIN, PRIVATE)
NOTE = sign_note(TEXT, (LOG,))
WITNESS_KEY = VerifierKey("w.example", ED25519_COSIGNATURE, bytes(32))

names = st.text(
    st.characters(exclude_categories=("Z", "C"), exclude_characters="+"), min_size=1, max_size=60
)
texts = st.lists(
    st.text(st.characters(exclude_categories=["C"]), max_size=20), min_size=1, max_size=5
).map(lambda lines: "".join(f"{line}\n" for line in lines))
signatures = st.builds(
    NoteSignature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=90)
)


@given(texts, st.lists(signatures, min_size=1, max_size=20))
def test_every_note_reads_back(text: str, lines: list[NoteSignature]) -> None:
    note = SignedNote(text, tuple(lines))
    assert SignedNote.parse(note.format()) == note


@given(names, st.binary(min_size=32, max_size=32), st.sampled_from([0x01, 0x04]))
def test_every_key_reads_back(name: str, public_key: bytes, kind: int) -> None:
    key = VerifierKey(name, kind, public_key)
    assert VerifierKey.parse(key.vkey()) == key


def test_a_note_has_1_to_64_signatures() -> None:
    line = NoteSignature(ORIGIN, bytes(4), bytes(2428))
    most = SignedNote(TEXT, (line,) * MAX_SIGNATURES)
    assert SignedNote.parse(most.format()) == most
    for count in (0, MAX_SIGNATURES + 1):
        with pytest.raises(MalformedError):
            SignedNote(TEXT, (line,) * count)


@pytest.mark.parametrize("time", [-1, MAX_TIMESTAMP + 1])
def test_a_clock_out_of_range_signs_nothing(time: int) -> None:
    seed = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    for signer in (
        MLDSA44Signer(ORIGIN, seed, lambda: time),
        Ed25519Cosigner(ORIGIN, PRIVATE, lambda: time),
    ):
        with pytest.raises(MalformedError, match="time"):
            signer.sign(TEXT)


def test_a_known_keys_second_signature_is_verified_too() -> None:
    (line,) = SignedNote.parse(NOTE).signatures
    bad = NoteSignature(line.name, line.key_id, bytes(64))
    for lines in ((line, bad), (bad, line)):
        with pytest.raises(SignatureError):
            open_note(SignedNote(TEXT, lines).format(), (LOG.verifier_key,))


def test_a_receipt_ends_with_the_last_entry_a_log_can_have() -> None:
    last = Receipt(b"x", MAX_SIZE - 1, (bytes(32),) * 63, NOTE)
    assert Receipt.parse(last.format()) == last
    with pytest.raises(MalformedError):
        Receipt(b"x", MAX_SIZE, (), NOTE)
    with pytest.raises(MalformedError):
        Receipt.parse(last.format().replace(str(MAX_SIZE - 1), str(MAX_SIZE)))


@given(
    st.text(max_size=5) | st.sampled_from(["none", "w", "#w", "é", "w\u2003w"]),
    st.text(max_size=5),
    st.text(max_size=5),
)
def test_every_policy_that_can_be_built_reads_back(name: str, group: str, url: str) -> None:
    try:
        policy = Policy(
            (Log(LOG.verifier_key, url),),
            (Witness(name, WITNESS_KEY, url),),
            (Group(group, 1, (name,)),),
            group,
        )
    except MalformedError:
        return
    assert Policy.parse(policy.format()) == policy


def test_a_policys_words_are_opaque_but_for_blank_and_tab() -> None:
    # c2sp.org/tlog-policy: only ASCII space and tab separate words, whatever Unicode says.
    key = LOG.verifier_key
    policy = Policy((Log(key, "\xa0"),), (Witness("\u2003", WITNESS_KEY, "\x85"),))
    assert Policy.parse(policy.format()) == policy


@pytest.mark.parametrize("word", ["a b", "a\tb", "a\n", "\x00", "\x7f"])
def test_a_policys_words_have_no_blanks(word: str) -> None:
    logs, witnesses = (Log(LOG.verifier_key),), (Witness("w", WITNESS_KEY),)
    with pytest.raises(MalformedError, match="blanks"):
        Policy((Log(LOG.verifier_key, word),))
    with pytest.raises(MalformedError, match="blanks"):
        Policy(logs, (Witness(word, WITNESS_KEY),))
    with pytest.raises(MalformedError, match="blanks"):
        Policy(logs, (Witness("w", WITNESS_KEY, word),))
    with pytest.raises(MalformedError, match="blanks"):
        Policy(logs, witnesses, (Group(word, 1, ("w",)),))


@given(st.integers(0, MAX_SIZE), st.integers(0, 3_000))
def test_what_is_written_is_what_the_tree_has(old: int, more: int) -> None:
    new = min(old + more, MAX_SIZE)
    tiles = tiles_to_write(old, new)
    assert tiles == tuple(tile_for(tile.level, tile.index, new) for tile in tiles)
    assert (tiles == ()) is (old == new)
    # Each level's last written tile is the one that the tree of the new size ends in.
    ends = {tile.level: tile for tile in tiles}
    for level, tile in ends.items():
        assert 0 <= (new >> 8 * level) - (256 * tile.index + tile.width) < 256


@given(st.integers(0, 63), st.integers(0, MAX_SIZE // 256), st.integers(1, 256))
def test_every_tile_reads_back(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path()) == tile


@given(st.integers(0, len(NOTE)), st.sampled_from(["", "\n", " ", "\r", "—", "A", "=", "\ud800"]))
def test_a_note_with_something_put_in_never_opens_as_another_text(at: int, new: str) -> None:
    try:
        opened = open_note(NOTE[:at] + new + NOTE[at:], (LOG.verifier_key,))
    except LedgerError:
        return
    assert opened.text == TEXT
