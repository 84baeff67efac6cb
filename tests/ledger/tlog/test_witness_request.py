"""The body of add-checkpoint: one form, and nothing else is read."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.tlog.merkle import MAX_SIZE
from ledger.tlog.note import NoteSignature, SignedNote
from ledger.tlog.witness_request import (
    MAX_PROOF_LINES,
    MAX_REQUEST_BYTES,
    AddCheckpoint,
    parse_size_answer,
)

# The example of c2sp.org/tlog-witness, byte for byte.
EXAMPLE = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""
NOTE = SignedNote("a.example/log\n1\n", (NoteSignature("a.example/log", b"1234", b"x"),))


def test_the_example_of_the_specification_reads_back() -> None:
    request = AddCheckpoint.parse(EXAMPLE.encode())
    assert request.old_size == 20_852_014
    assert request.proof[0] == base64.b64decode("PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=")
    assert len(request.proof) == 4
    assert request.note.text.startswith("example.com/behind-the-sofa\n20852163\n")
    assert len(request.note.signatures) == 2
    assert request.format() == EXAMPLE.encode()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old 1",
        EXAMPLE.replace("old 20852014\n", ""),
        EXAMPLE.replace("old 20852014", "old 020852014"),
        EXAMPLE.replace("old 20852014", "old -1"),
        EXAMPLE.replace("old 20852014", "old  20852014"),
        EXAMPLE.replace("old 20852014", "Old 20852014"),
        EXAMPLE.replace("old 20852014", f"old {MAX_SIZE + 1}"),
        EXAMPLE.replace("\n", "\r\n"),
        EXAMPLE.replace("kaw=\n", "kaw\n"),
        EXAMPLE.replace("kaw=\n", "kax=\n"),
        EXAMPLE.replace("PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=", "AAAA"),
        EXAMPLE.replace("\n\nexample.com", "\nexample.com"),
        EXAMPLE.replace("\n\nexample.com", "\n\n\nexample.com", 1).replace("\n\n—", "\n—"),
        EXAMPLE[:-1],
        EXAMPLE.partition("\n\n")[0] + "\n\n",
    ],
)
def test_another_form_is_refused(body: str) -> None:
    with pytest.raises(MalformedError):
        AddCheckpoint.parse(body.encode())


def test_other_bytes_are_refused() -> None:
    with pytest.raises(MalformedError):
        AddCheckpoint.parse(b"old 0\n\n\xff")
    with pytest.raises(MalformedError):
        AddCheckpoint.parse(b"o" * (MAX_REQUEST_BYTES + 1))


def test_no_more_hashes_than_the_specification_allows() -> None:
    most = (b"h" * 32,) * MAX_PROOF_LINES
    assert AddCheckpoint.parse(AddCheckpoint(1, most, NOTE).format()).proof == most
    with pytest.raises(MalformedError):
        AddCheckpoint(1, (*most, b"h" * 32), NOTE)


@given(
    st.integers(0, MAX_SIZE),
    st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_PROOF_LINES),
)
def test_what_is_written_reads_back(old_size: int, proof: list[bytes]) -> None:
    request = AddCheckpoint(old_size, tuple(proof), NOTE)
    assert AddCheckpoint.parse(request.format()) == request


def read_or_refuse(body: bytes) -> None:
    try:
        request = AddCheckpoint.parse(body)
    except MalformedError:
        return
    assert request.format() == body


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    read_or_refuse(body)


@given(st.integers(0, len(EXAMPLE.encode()) - 1), st.binary(max_size=3), st.integers(0, 40))
def test_a_changed_body_is_read_in_its_one_form_or_refused(
    at: int, change: bytes, cut: int
) -> None:
    body = EXAMPLE.encode()
    read_or_refuse(body[:at] + change + body[at + cut :])


@pytest.mark.parametrize(("body", "size"), [(b"0\n", 0), (b"20852014\n", 20_852_014)])
def test_the_size_of_a_conflict_is_read(body: bytes, size: int) -> None:
    assert parse_size_answer(body) == size


@pytest.mark.parametrize("body", [b"", b"7", b"07\n", b"7\n\n", b" 7\n", b"\xff\n", b"-1\n"])
def test_another_size_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_size_answer(body)
