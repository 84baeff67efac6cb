"""The ledger's answers: read strictly, believed never."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.client.answers import (
    Placed,
    Seen,
    UnsupportedAnswer,
    checked_head,
    checked_results,
    parse_answer,
    parse_problem,
)
from ledger.client.outbox import Item
from ledger.client.spooled import Refusal, Spooled
from ledger.entries import uuid7
from ledger.errors import (
    InconsistencyError,
    LedgerError,
    MalformedError,
    SignatureError,
    VerificationError,
)
from ledger.tlog.merkle import inclusion_proof
from ledger.tlog.proof import Receipt
from tests.ledger.client.simulator import POLICY, STRANGER, Ledger, decision

IDS = [uuid7(number, bytes(10)) for number in range(3)]
SOURCE = "loan-desk.abcdefgh"
SENT = [Item(Spooled(number + 1, name, 0, b""), b"") for number, name in enumerate(IDS)]


def answered(count: int = 3) -> tuple[Ledger, dict[str, Any]]:
    ledger = Ledger()
    items = [
        decision(id=name, source={"id": SOURCE, "seq": number + 1})
        for number, name in enumerate(IDS[:count])
    ]
    return ledger, ledger.record(items)


def parsed(answer: dict[str, Any], count: int = 3) -> Any:
    return parse_answer(json.dumps(answer).encode(), count)


def checked(answer: dict[str, Any], source: str = SOURCE) -> list[Receipt | Refusal]:
    read = parsed(answer)
    head = checked_head(read.note, POLICY, None)
    return list(checked_results(SENT, read, source, head))


def test_an_honest_answer_gives_a_receipt_for_each() -> None:
    _, answer = answered()
    for number, receipt in enumerate(checked(answer), 1):
        assert isinstance(receipt, Receipt)
        assert receipt.index == number
        receipt.verify_inclusion(POLICY.check(receipt.checkpoint_note))


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a["results"].reverse(),
        lambda a: a["results"][0].update(id=IDS[1]),
        lambda a: a["results"][0].update(seq=2),
        lambda a: a["results"][0].update(seq=-1),
        lambda a: a["results"][0].update(seq=99),
        lambda a: a["results"][0].update(entry=a["results"][1]["entry"]),
        lambda a: a["results"][0].update(entry="e30="),
        lambda a: a["results"][2].update(proof=[]),
        lambda a: a["results"][2].update(proof=["AAAA"]),
        lambda a: a["results"][2].update(proof=[7]),
    ],
)
def test_a_receipt_of_anything_else_proves_nothing(change: Any) -> None:
    _, answer = answered()
    change(answer)
    with pytest.raises(VerificationError):
        checked(answer)


def test_the_entry_has_to_carry_the_counter_that_was_sent() -> None:
    _, answer = answered()
    with pytest.raises(VerificationError, match="source or counter"):
        checked(answer, "loan-desk.other234")


def test_what_is_proved_and_is_no_decision_is_refused() -> None:
    ledger = Ledger()
    ledger.entries.append(b"{}")
    ledger.declare("x", {"first": 1, "last": 1, "reason": "x"})
    head = POLICY.check(ledger.note())
    for index, message in [(0, "another entry"), (1, "not an entry"), (2, "another entry")]:
        proof = inclusion_proof(index, head.size, ledger.node)
        placed = Placed(IDS[0], "recorded", index, ledger.entries[index], proof)
        answer = parsed({"results": [], "checkpoint": ledger.note()}, 0)
        object.__setattr__(answer, "results", (placed,))
        with pytest.raises(VerificationError, match=message):
            list(checked_results(SENT[:1], answer, SOURCE, head))


def test_refusals_come_in_their_places() -> None:
    _, answer = answered()
    answer["results"][1] = {"status": "refused", "problem": {"status": 422, "detail": "no\x1b[2J"}}
    results = checked(answer)
    assert [type(each) for each in results] == [Receipt, Refusal, Receipt]
    assert isinstance(results[1], Refusal)
    assert results[1].problem == {"status": 422, "detail": "no[2J"}


def test_a_batch_that_was_refused_whole_needs_no_head() -> None:
    answer = {"results": [{"status": "refused"}] * 3, "checkpoint": None}
    assert parsed(answer).note == ""


@pytest.mark.parametrize("member", ["entry", "proof"])
def test_an_answer_without_receipts_is_of_an_older_ledger(member: str) -> None:
    _, answer = answered()
    del answer["results"][0][member]
    with pytest.raises(UnsupportedAnswer):
        parsed(answer)
    with pytest.raises(UnsupportedAnswer):
        parsed(answered()[1] | {"checkpoint": None})


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"results": {}},
        {"results": [1, 2, 3], "checkpoint": "x"},
        {"results": [{}] * 3, "checkpoint": "x"},
        {"results": [{"status": "recorded"}] * 2, "checkpoint": "x"},
        {"results": [{"status": "recorded", "entry": 1, "proof": []}] * 3, "checkpoint": "x"},
        {"results": [{"status": "refused"}] * 3, "checkpoint": "x" * 1_000_001},
    ],
)
def test_what_is_no_answer_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        parsed(answer)


def test_a_proof_is_bounded() -> None:
    _, answer = answered()
    answer["results"][0]["proof"] = ["AAAA"] * 64
    with pytest.raises(MalformedError):
        parsed(answer)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b"null", b'{"a":'])
def test_bodies_that_are_no_objects_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_answer(body, 0)
    assert parse_problem(body) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["results", "checkpoint", "status", "entry", "proof", "seq", "id"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.integers(0, 3))
def test_hostile_answers_end_in_our_errors(document: Any, count: int) -> None:
    with suppress(LedgerError):
        parse_answer(json.dumps(document).encode(), count)


def test_problems_are_cut_to_what_may_be_kept() -> None:
    told = parse_problem(
        json.dumps({"type": "x" * 9_000, "status": True, "detail": 7, "secret": "S-1"}).encode()
    )
    assert told == {"type": "x" * 500}


def test_a_head_follows_the_one_before() -> None:
    ledger, _ = answered()
    small, large = ledger.note(2), ledger.note(4)
    seen = Seen(POLICY.check(small), small)
    assert checked_head(large, POLICY, seen).size == 4
    assert checked_head(small, POLICY, seen).size == 2
    with pytest.raises(InconsistencyError, match="fewer") as shorter:
        checked_head(small, POLICY, Seen(POLICY.check(large), large))
    assert (shorter.value.older, shorter.value.newer) == (large, small)
    other, _ = answered(1)
    other.declare("x", {"first": 1, "last": 1, "reason": "x"})
    other.declare("x", {"first": 1, "last": 1, "reason": "x"})
    with pytest.raises(InconsistencyError, match="other entries"):
        checked_head(other.note(4), POLICY, Seen(POLICY.check(large), large))


def test_a_head_of_a_stranger_or_another_log_is_refused() -> None:
    ledger, _ = answered()
    strange = ledger.note(signer=STRANGER)
    with pytest.raises(SignatureError):
        checked_head(strange, POLICY, None)
    assert checked_head(strange, None, None).size == 4
    note = ledger.note()
    moved = note.replace("ledger.example/test", "ledger.example/else")
    with pytest.raises(VerificationError, match="another log"):
        checked_head(moved, None, Seen(POLICY.check(note), note))
    with pytest.raises(MalformedError):
        checked_head("", None, None)
