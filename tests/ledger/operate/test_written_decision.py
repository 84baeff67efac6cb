"""The bytes that are sealed and committed to are those of the decision's JSON, written once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.commitments import SECTIONS, commit
from ledger.errors import MalformedError
from ledger.operate.decision import Decision, section_members
from ledger.operate.written_decision import WrittenDecision

KEY = bytes(range(32))
DIGEST = "ab" * 32

names = st.text(min_size=1, max_size=6) | st.sampled_from(["values.a", "values.", "base", "a:b", "ä", "\U0001f600", "\uffee"])  # fmt: skip
texts = st.text(max_size=8)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | st.sampled_from([1e-9, 1e21, -0.0])  # fmt: skip
members = st.dictionaries(
    names, st.none() | st.booleans() | numbers | texts, min_size=1, max_size=6
)
amounts = st.dictionaries(names, st.integers(-(10**9), 10**9), min_size=1, max_size=6)


def decision(
    given: dict[str, Any], values: dict[str, int] | None, context: dict[str, Any]
) -> Decision:
    said: dict[str, Any] = {
        "id": "0197a3c4-5d21-7c3e-9b1a-2f6d8e4a7b10",
        "model": DIGEST,
        "policy": DIGEST,
        "source": {"id": "loan-desk", "seq": 17},
        "subject": None,
        "input": given,
        "output": {
            "margin": sum((values or {}).values()),
            "scale": 6,
            "space": "s",
            "outcome": "o",
        },
        "context": context | {"decided_at": "2026-05-14T09:31:07Z", "decision_role": "sole"},
    }
    if values is not None:
        said["subject"] = "MTG-ä"
        said["attributions"] = {"engine": "e", "space": "s", "scale": 6, "base": 0, "residual": 0, "values": values}  # fmt: skip
    return Decision.from_json(said)


@given(members, st.none() | amounts, members)
def test_what_is_written_once_is_what_each_would_write(
    given: dict[str, Any], values: dict[str, int] | None, context: dict[str, Any]
) -> None:
    stated = decision(given, values, context)
    try:
        whole = canonical.encode(stated.to_json())
    except MalformedError:  # of a lone surrogate, say
        with pytest.raises(MalformedError):
            WrittenDecision.of(stated).payload()
        return
    written = WrittenDecision.of(stated)
    assert written.payload() == whole
    body = written.body(KEY)
    for section in SECTIONS:
        assert getattr(body, section) == commit(KEY, section, section_members(stated, section))
    assert (body.model, body.policy, body.source) == (DIGEST, DIGEST, stated.source)
