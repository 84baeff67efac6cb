"""Checkpoints: three lines, one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.tlog.checkpoint import Checkpoint, parse_decimal
from ledger.tlog.merkle import EMPTY_ROOT, MAX_SIZE

GOOD = "a.example/log\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


def test_a_checkpoint_and_its_text() -> None:
    checkpoint = Checkpoint("a.example/log", 7, bytes(range(32)))
    assert checkpoint.format() == GOOD
    assert Checkpoint.parse(GOOD) == checkpoint
    empty = Checkpoint("a.example/log", 0, EMPTY_ROOT)
    assert Checkpoint.parse(empty.format()) == empty


@pytest.mark.parametrize(
    "size",
    ["+7", " 7", "7 ", "07", "1_0", "٧", "-7", "", "7.0", "9" * 5_000, str(MAX_SIZE + 1), "0x7"],
)
def test_sizes_that_only_int_would_take(size: str) -> None:
    with pytest.raises(MalformedError):
        Checkpoint.parse(GOOD.replace("\n7\n", f"\n{size}\n"))
    with pytest.raises(MalformedError):
        parse_decimal(size)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[:-1],
        GOOD + "\n",
        GOOD + "extension\n",
        GOOD.replace("a.example/log", ""),
        GOOD.replace("a.example/log", "a example"),
        GOOD.replace("a.example/log", "a+example"),
        GOOD.replace("a.example/log", "a" * 256),
        GOOD.replace("a.example/log", "a" * 2_000),
        GOOD.replace("Hh8=", "Hh9="),
        GOOD.replace("Hh8=", ""),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n7\n", "\n0\n"),
    ],
)
def test_what_is_not_a_checkpoint(text: str) -> None:
    with pytest.raises(MalformedError):
        Checkpoint.parse(text)


@given(
    st.text(max_size=120) | st.from_regex(r"\A[a-z./]{1,9}\n[0-9]{1,20}\n[A-Za-z0-9+/]{43}=\n\Z")
)
def test_any_text_is_a_checkpoint_or_our_error(text: str) -> None:
    try:
        parsed = Checkpoint.parse(text)
    except MalformedError:
        return
    assert parsed.format() == text


@given(st.integers(1, MAX_SIZE), st.binary(min_size=32, max_size=32))
def test_every_checkpoint_reads_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("a.example/log", size, root)
    assert Checkpoint.parse(checkpoint.format()) == checkpoint


@pytest.mark.parametrize(("size", "root"), [(-1, bytes(32)), (MAX_SIZE + 1, bytes(32)), (1, b"")])
def test_a_head_that_cannot_be(size: int, root: bytes) -> None:
    with pytest.raises(MalformedError):
        Checkpoint("a.example/log", size, root)
