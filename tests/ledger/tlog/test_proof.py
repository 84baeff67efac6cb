"""Receipts: a file that stands alone, in one form."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InclusionError, MalformedError, RootMismatchError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import Frontier, leaf_hash, node_hash
from ledger.tlog.note import SignedNote, encode_base64
from ledger.tlog.proof import MAX_RECEIPT_LENGTH, Receipt

OWN = json.loads((Path(__file__).parents[2] / "vectors" / "checkpoints.json").read_text())
NOTE = OWN["note"]
ENTRIES = [b"first", b"second"]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
HEAD = Checkpoint("a.example/log", 2, Frontier.empty().extend(LEAVES).root())
RECEIPT = Receipt(b"second", 1, (LEAVES[0],), NOTE)
TEXT = RECEIPT.format()


def test_a_receipt_reads_back_and_verifies() -> None:
    assert Receipt.parse(TEXT) == RECEIPT
    assert TEXT.startswith("c2sp.org/tlog-proof@v1\nextra c2Vjb25k\nindex 1\n")
    assert node_hash(*LEAVES) == HEAD.root_hash
    RECEIPT.verify_inclusion(HEAD)


def test_a_receipt_without_hashes_reads_back() -> None:
    receipt = Receipt(b"only", 0, (), NOTE)
    assert Receipt.parse(receipt.format()) == receipt
    receipt.verify_inclusion(Checkpoint("a.example/log", 1, leaf_hash(b"only")))


def test_another_entry_or_place_does_not_verify() -> None:
    with pytest.raises(RootMismatchError):
        Receipt(b"third", 1, (LEAVES[0],), NOTE).verify_inclusion(HEAD)
    with pytest.raises(RootMismatchError):
        Receipt(b"second", 0, (LEAVES[0],), NOTE).verify_inclusion(HEAD)
    with pytest.raises(InclusionError):
        Receipt(b"second", 2, (LEAVES[0],), NOTE).verify_inclusion(HEAD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("extra c2Vjb25k\n", ""),
        TEXT.replace("extra c2Vjb25k", "extra "),
        TEXT.replace("extra c2Vjb25k", "extra c2Vjb25l="),
        TEXT.replace("index 1", "index 01"),
        TEXT.replace("index 1", "index -1"),
        TEXT.replace("index 1", "index  1"),
        TEXT.replace("index 1\n", ""),
        TEXT.replace("index 1\n", "index 1\n\n"),
        TEXT.replace(encode_base64(LEAVES[0]), "AAAA"),
        TEXT.replace(encode_base64(LEAVES[0]) + "\n", (encode_base64(LEAVES[0]) + "\n") * 64),
        TEXT.replace("\n\n", "\n", 1),
        TEXT[:-1],
        TEXT + "\n",
        TEXT.replace("\n", "\r\n"),
        "x" * (MAX_RECEIPT_LENGTH + 1),
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\nextra AA==\nindex 0",
    ],
)
def test_what_is_not_a_receipt(text: str) -> None:
    with pytest.raises(MalformedError):
        Receipt.parse(text)


@given(st.integers(0, len(TEXT) - 1), st.characters())
def test_any_one_character_changed_is_a_receipt_or_our_error(at: int, character: str) -> None:
    changed = TEXT[:at] + character + TEXT[at + 1 :]
    try:
        parsed = Receipt.parse(changed)
    except MalformedError:
        return
    assert parsed.format() == changed


@pytest.mark.parametrize(
    ("entry", "index", "proof"),
    [(b"", 0, ()), (b"x" * 65_536, 0, ()), (b"x", -1, ()), (b"x", 0, (b"short",)),
     (b"x", 0, (bytes(32),) * 64)],
)  # fmt: skip
def test_a_receipt_that_cannot_be(entry: bytes, index: int, proof: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedError):
        Receipt(entry, index, proof, NOTE)


def test_the_note_of_a_receipt_is_a_note() -> None:
    assert SignedNote.parse(RECEIPT.checkpoint_note).signatures
    with pytest.raises(MalformedError):
        Receipt(b"x", 0, (), "not a note")
