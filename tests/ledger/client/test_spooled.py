"""What is written into a spool: one decision in canonical JSON, its gaps, its refusals."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.client.frames import Frame, FrameKind, encode_frame, frame_at
from ledger.client.spool_cipher import CLEAR, SpoolCipher
from ledger.client.spooled import (
    MARK_BYTES,
    MAX_DECISION_BYTES,
    Draft,
    Gap,
    Refusal,
    Spooled,
    check_source,
    lane_name,
)
from ledger.entries import uuid7
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.operate.decision import Decision
from tests.ledger.client.simulator import decision

ID = uuid7(1_700_000_000_000, bytes(10))
LANE = "loan-desk.abcdefgh"
CIPHERS = [CLEAR, SpoolCipher(bytes(32))]


def members(**changes: Any) -> dict[str, Any]:
    return decision(context={"decided_at": "2026-05-14T09:31:07Z"}) | changes


def framed(data: bytes) -> Frame:
    frame = frame_at(data, 0)
    assert frame is not None
    return frame


def spooled(cipher: SpoolCipher = CLEAR, **changes: Any) -> Spooled:
    draft = Draft.of(ID, 1_700_000_000_000, members(**changes))
    return Spooled.of(framed(draft.frame(LANE, 17, cipher)))


@pytest.mark.parametrize("subject", [None, "MTG-000123", "Zoë"])
@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_decision_is_canonical_and_is_what_the_ledger_reads(
    subject: str | None, cipher: SpoolCipher
) -> None:
    found = spooled(cipher, subject=subject)
    body = found.body(LANE, cipher)
    document = canonical.decode(body, max_bytes=10_000)
    assert isinstance(document, Mapping)
    read = Decision.from_json(document)
    assert (read.id, read.source.id, read.source.seq) == (ID, LANE, 17)
    assert (read.subject, found.seq, found.id) == (subject, 17, ID)
    assert ("subject" in document) == (subject is not None)


def test_an_encrypted_decision_opens_with_its_key_in_its_place_only() -> None:
    cipher = SpoolCipher(bytes(32))
    found = spooled(cipher)
    assert b"debt_to_income" not in found.sealed
    for other, lane in [(SpoolCipher(b"\1" * 32), LANE), (cipher, "other.abcdefgh")]:
        with pytest.raises(VerificationError):
            found.body(lane, other)
    with pytest.raises(VerificationError):
        Spooled(18, found.id, found.at_ms, found.sealed).body(LANE, cipher)
    with pytest.raises(VerificationError):
        Spooled(17, found.id, found.at_ms, b"short").body(LANE, cipher)
    assert CLEAR.key_id == bytes(8) != cipher.key_id
    assert repr(cipher) == "SpoolCipher()"
    with pytest.raises(MalformedError):
        SpoolCipher(b"short")


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    row = {
        "a": np.float64(1.5),
        "b": np.int64(3),
        "c": np.bool_(True),
        "d": None,
        "e": [np.int8(1)],
    }
    document = canonical.decode(spooled(input=row).body(LANE, CLEAR), max_bytes=10_000)
    assert isinstance(document, Mapping)
    assert document["input"] == {"a": 1.5, "b": 3, "c": True, "d": None, "e": [1]}


@pytest.mark.parametrize(
    "changes",
    [
        {"input": {"a": float("nan")}},
        {"input": {"a": object()}},
        {"subject": "\ud800"},
        {"input": {"a": "x" * MAX_DECISION_BYTES}},
    ],
)
def test_what_is_no_json_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        Draft.of(ID, 0, members(**changes))
    with pytest.raises(MalformedError):
        Draft.of("not-an-id", 0, members())


@given(st.integers(-1, 2**54), st.integers(-1, 2**54), st.text(max_size=5))
def test_a_gap_is_read_back_or_was_refused_at_birth(first: int, last: int, reason: str) -> None:
    try:
        gap = Gap(first, last, reason)
    except MalformedError:
        return
    assert Gap.of(framed(gap.frame(FrameKind.SKIPPED))) == gap


def test_a_gap_is_a_range_with_a_code() -> None:
    assert Gap.of(framed(Gap(3, 9, "spool_full").frame(FrameKind.DECLARED))) == Gap(
        3, 9, "spool_full"
    )
    for wrong in [(9, 3, "a"), (-1, 3, "a"), (1, 2, ""), (1, 2, "A b"), (1, 2, "a" * 65)]:
        with pytest.raises(MalformedError):
            Gap(*wrong)


def test_a_refusal_keeps_the_decision_and_the_problem() -> None:
    for cipher in CIPHERS:
        found = spooled(cipher)
        problem = {"type": "/problems/invalid", "status": 422}
        again = Refusal.of(framed(found.refused(problem)))
        assert (again.decision, again.problem) == (found, problem)
        assert Refusal.of(framed(found.refused({"detail": "x" * 20_000}))).problem == {}


@given(st.binary(max_size=80))
def test_hostile_payloads_end_in_our_errors(payload: bytes) -> None:
    for kind, read in [
        (FrameKind.DECISION, Spooled.of),
        (FrameKind.SKIPPED, Gap.of),
        (FrameKind.REFUSED, Refusal.of),
    ]:
        with suppress(LedgerError):
            read(framed(encode_frame(kind, payload)))


def test_a_refusal_without_a_problem_is_refused() -> None:
    prefix = bytes(32)
    for rest in [b"", b"\0\x02[]", b"\0\x02{"]:
        with pytest.raises(MalformedError):
            Refusal.of(framed(encode_frame(FrameKind.REFUSED, prefix + rest)))


def test_names_of_sources_leave_room_for_a_mark() -> None:
    longest = "a" * 55
    assert check_source(longest) == longest
    assert len(lane_name(longest, bytes(MARK_BYTES))) == 64
    assert lane_name("loan-desk", bytes(range(8))) == "loan-desk.abcdefgh"
    for wrong in ["", "a" * 56, "A", "-a", "a/b", "a b", "ä"]:
        with pytest.raises(MalformedError):
            check_source(wrong)
