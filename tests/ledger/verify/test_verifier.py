"""Receipts, openings and growth: what is proved, and what a liar cannot get past."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commitments import Opening, open_section
from ledger.entries import Entry, Incident, parse_entry
from ledger.errors import (
    InclusionError,
    InconsistencyError,
    LedgerError,
    MalformedError,
    RootMismatchError,
    SignatureError,
    VerificationError,
)
from ledger.tlog.merkle import consistency_proof
from ledger.tlog.tile import tile_nodes
from ledger.verify.verifier import (
    MAX_OPENINGS,
    DisclosedSections,
    verify_growth,
    verify_opening_of,
    verify_receipt,
)
from tests.ledger.verify.tile_log import (
    INPUT,
    KEY,
    POLICY,
    STRANGER,
    edited,
    entries,
    entry_id,
    note,
    receipt,
    tiles_of,
)


@cache
def honest() -> tuple[bytes, ...]:
    return tuple(entries(20))


def test_a_receipt_proves_its_entry() -> None:
    proved = verify_receipt(receipt(honest(), 7).format(), POLICY)
    assert proved.raw == honest()[7]
    assert proved.entry == parse_entry(honest()[7])
    assert (proved.checkpoint.size, proved.entry.seq) == (20, 7)


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        ({"entry": edited(honest()[7])}, RootMismatchError),
        ({"index": 8}, RootMismatchError),
        ({"index": 20}, InclusionError),
        ({"proof": ()}, InclusionError),
        ({"checkpoint_note": note(honest(), 19)}, VerificationError),
        ({"checkpoint_note": note(honest(), signer=STRANGER)}, SignatureError),
    ],
    ids=["edited entry", "wrong index", "index beyond", "no proof", "other head", "stranger"],
)
def test_a_false_receipt_is_refused(lie: dict[str, Any], error: type[LedgerError]) -> None:
    with pytest.raises(error):
        verify_receipt(replace(receipt(honest(), 7), **lie).format(), POLICY)


def test_what_is_logged_but_no_entry_is_refused() -> None:
    raws = [*honest()[:7], b"not an entry", *honest()[8:]]
    with pytest.raises(VerificationError, match="not an entry"):
        verify_receipt(receipt(raws, 7).format(), POLICY)


def test_an_entry_logged_in_another_place_is_refused() -> None:
    raws = [*honest()[:7], honest()[9], *honest()[8:]]
    with pytest.raises(VerificationError) as caught:
        verify_receipt(receipt(raws, 7).format(), POLICY)
    assert caught.value.member == "seq"


@given(st.text(max_size=200))
def test_any_text_gives_our_error(text: str) -> None:
    with pytest.raises(MalformedError):
        verify_receipt(text, POLICY)


def entry() -> Entry:
    return parse_entry(honest()[7])


def test_an_opening_is_held_against_the_entry() -> None:
    verify_opening_of(entry(), open_section(KEY, "input", INPUT, {"income"}))
    with pytest.raises(VerificationError):
        verify_opening_of(entry(), open_section(KEY, "input", INPUT | {"income": 1}))
    with pytest.raises(VerificationError):
        verify_opening_of(entry(), open_section(bytes(32), "input", INPUT))


@pytest.mark.parametrize("section", ["explanation", "kind", "model", "source", "to_json", "detail"])
def test_an_entry_commits_to_its_own_sections_only(section: str) -> None:
    with pytest.raises(VerificationError, match="commits to no section"):
        verify_opening_of(entry(), open_section(KEY, section, INPUT))


def test_sections_of_other_kinds_are_opened_too() -> None:
    opening = open_section(KEY, "detail", {"what": "disk full"})
    verify_opening_of(replace(entry(), body=Incident("disk_full", opening.commitment())), opening)


def test_a_file_of_openings_is_read_back() -> None:
    disclosed = DisclosedSections(
        entry_id(7),
        (open_section(KEY, "input", INPUT, {"income"}), open_section(KEY, "output", INPUT)),
    )
    written = json.dumps(disclosed.to_json(), indent=2).encode()
    assert DisclosedSections.parse(written) == disclosed


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"decision": entry_id(7), "openings": [], "more": 1},
        {"decision": entry_id(7), "openings": []},
        {"decision": entry_id(7), "openings": {}},
        {"decision": 7, "openings": []},
        {"decision": "7", "openings": [Opening("input", ()).to_json()]},
        {"decision": entry_id(7), "openings": [{}]},
        {"decision": entry_id(7), "openings": [Opening("input", ()).to_json()] * 2},
        {
            "decision": entry_id(7),
            "openings": [Opening(f"s{n}", ()).to_json() for n in range(MAX_OPENINGS + 1)],
        },
    ],
)
def test_what_is_not_a_file_of_openings_is_refused(document: object) -> None:
    with pytest.raises(MalformedError):
        DisclosedSections.parse(json.dumps(document).encode())


def growth(older: int, newer: int) -> tuple[bytes, ...]:
    nodes = tile_nodes(lambda tile: tiles_of(honest())[tile], 20)
    return consistency_proof(older, newer, nodes)


def test_growth_is_proved() -> None:
    verify_growth(note(honest(), 7), note(honest()), growth(7, 20), POLICY)
    verify_growth(note(honest()), note(honest()), (), POLICY)


def test_two_histories_come_with_their_evidence() -> None:
    other = [edited(raw) for raw in honest()]
    older, newer = note(other, 7), note(honest())
    with pytest.raises(InconsistencyError) as caught:
        verify_growth(older, newer, growth(7, 20), POLICY)
    assert (caught.value.older, caught.value.newer) == (older, newer)
    assert caught.value.proof == growth(7, 20)


def test_growth_is_of_one_log_that_the_policy_accepts() -> None:
    other = replace(STRANGER, name="other.example/log")
    policy = replace(POLICY, logs=(*POLICY.logs, replace(POLICY.logs[0], key=other.verifier_key)))
    with pytest.raises(MalformedError, match="different logs"):
        verify_growth(note(honest(), 7, other), note(honest()), (), policy)
    with pytest.raises(SignatureError):
        verify_growth(note(honest(), 7, STRANGER), note(honest()), (), POLICY)
