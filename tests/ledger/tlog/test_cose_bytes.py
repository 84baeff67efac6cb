"""The bytes of a COSE receipt: one form, for any bytes a value or our error."""

import builtins
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.tlog import cbor
from ledger.tlog.cose import CoseReceipt, InclusionProof, LogHeader
from ledger.tlog.merkle import node_hash
from tests.ledger.tlog.cose_log import ENTRIES, KEY, SIX, head, inclusion

UPSTREAM = Path(__file__).parents[4] / "shared" / "vectors" / "cose-receipts-examples" / "examples"


def body(**changes: Any) -> list[Any]:
    parts: dict[str, Any] = {
        "protected": inclusion().protected,
        "unprotected": {396: {-1: [cbor2.dumps([11, 6, [*SIX.path]])]}},
        "payload": None,
        "signature": inclusion().signature,
    }
    return [*(parts | changes).values()]


def proofs(value: Any, kind: int = -1) -> dict[int, Any]:
    return {396: {kind: [cbor2.dumps(value)]}}


TAG = b"\xd2"
WELL = TAG + cbor2.dumps(body())


def test_the_honest_one_decodes() -> None:
    assert CoseReceipt.decode(WELL) == inclusion(carried=False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        WELL[1:],
        b"\xd8\x12" + WELL[1:],
        TAG + WELL,
        WELL + b"\x00",
        WELL[:-1],
        TAG + cbor2.dumps(body(payload=head(11).root_hash)),
        TAG + cbor2.dumps(body()[:3]),
        TAG + cbor2.dumps(body(protected={})),
        TAG + cbor2.dumps(body(unprotected={})),
        TAG + cbor2.dumps(body(unprotected=[])),
        TAG + cbor2.dumps(body(unprotected=body()[1] | {1: 1})),
        TAG + cbor2.dumps(body(unprotected=body()[1] | {-65538: 7})),
        TAG + cbor2.dumps(body(unprotected={-65538: b"x"} | body()[1])),
        TAG + cbor2.dumps(body(unprotected={396: {-3: [b""]}})),
        TAG + cbor2.dumps(body(unprotected={396: {-1: []}})),
        TAG + cbor2.dumps(body(unprotected={396: {-1: body()[1][396][-1] * 2}})),
        TAG + cbor2.dumps(body(unprotected=proofs([11, 6, []]))),
        TAG + cbor2.dumps(body(unprotected=proofs([11, 6]))),
        TAG + cbor2.dumps(body(unprotected=proofs([11, 6.0, [bytes(32)]]))),
        TAG + cbor2.dumps(body(unprotected=proofs([11, -1, [bytes(32)]]))),
        TAG + cbor2.dumps(body(unprotected=proofs([11, True, [bytes(32)]]))),
        TAG + cbor2.dumps(body(unprotected=proofs([11, 6, ["text"] * 4]))),
        TAG + cbor2.dumps(body(unprotected=proofs([11, 6, [*SIX.path, 1]]))),
        TAG + cbor2.dumps(body(unprotected=proofs([2**70, 6, [bytes(32)]]))),
        TAG + cbor2.dumps(body(), indefinite_containers=True),
        TAG + b"\x98\x04" + WELL[2:],
        TAG + b"\x84" + cbor2.dumps(inclusion().protected) + b"\xa2" + b"\x19\x01\x8c\xf6" * 2,
        TAG + b"\x81" * 100_000,
        TAG + b"\x9b" + b"\xff" * 8,
        TAG + cbor2.dumps(body(signature=bytes(100_000))),
    ],
)
def test_bytes_that_we_would_not_write_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        CoseReceipt.decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xd8\x23\x61a",  # a regular expression, which a decoder would compile
        b"\xc0\x61a",
        b"\xd9\xd9\xf7\x00",
        b"\xf9\x7e\x01",
        b"\x61\xff",
        b"\x18\x01",
        b"\xa2\x01\x01\x01\x01",
        b"\xff",
        b"\x81" * (cbor.MAX_DEPTH + 2) + b"\x00",
    ],
)
def test_cbor_is_plain_or_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        cbor.decode(data)
    assert (len(cbor._NO_TAGS), [*cbor._NO_TAGS]) == (0, [])


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_receipt_or_in_our_error(data: bytes) -> None:
    for each in (data, TAG + data):
        try:
            receipt = CoseReceipt.decode(each)
        except MalformedError:
            continue
        assert receipt.encode() == each


@given(st.integers(0, len(WELL) - 1), st.integers(1, 255))
def test_one_changed_byte_is_malformed_or_does_not_verify(at: int, change: int) -> None:
    data = WELL[:at] + bytes((WELL[at] ^ change,)) + WELL[at + 1 :]
    with pytest.raises((MalformedError, VerificationError)):
        CoseReceipt.decode(data).verify_entry(ENTRIES[6], KEY)


simple = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.binary(), st.text()),
)
values = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.integers() | st.text(), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(values, values, values, values)
def test_any_structure_ends_in_a_receipt_or_in_our_error(
    protected: Any, unprotected: Any, proof: Any, kind: Any
) -> None:
    for headers in (protected, cbor2.dumps(protected), inclusion().protected):
        for beside in (unprotected, proofs(proof), proofs(proof, -2), {396: kind}):
            data = TAG + cbor2.dumps([headers, beside, None, b"x"])
            try:
                receipt = CoseReceipt.decode(data)
            except MalformedError:
                continue
            assert receipt.encode() == data
            with pytest.raises((MalformedError, VerificationError)):
                receipt.verify_entry(b"x", KEY)


@given(st.binary(max_size=100))
def test_any_protected_header_is_ours_or_refused(data: bytes) -> None:
    try:
        parsed = LogHeader.parse(data)
    except MalformedError:
        return
    assert parsed.encode() == data


def test_without_cbor2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "cbor2":
            raise ModuleNotFoundError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LedgerError, match="pip install cbor2"):
        CoseReceipt.decode(WELL)


# The working group's examples. They come without a key, so that nobody can verify them; but the
# two are of one tree, and each other's proofs lead to its root.


def upstream(kind: str) -> bytes:
    path = UPSTREAM / f"{kind}-receipt.cbor"
    if not path.exists():
        pytest.skip("../shared is absent: receipts of the working group were not read")
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_a_receipt_of_the_working_group_reads_back(kind: str) -> None:
    receipt = CoseReceipt.decode(upstream(kind))
    assert receipt.encode() == upstream(kind)
    assert (type(receipt.proof) is InclusionProof) == (kind == "inclusion")
    assert receipt.proof.size == 5
    with pytest.raises(MalformedError, match="not one of a log's"):  # ES256: not a key of ours
        receipt.verify_entry(b"", KEY) if kind == "inclusion" else LogHeader.parse(
            receipt.protected
        )


def test_the_working_groups_two_receipts_lead_to_one_root() -> None:
    entry, grown = (CoseReceipt.decode(upstream(kind)) for kind in ("inclusion", "consistency"))
    second, third, first_two, fifth = grown.proof.path
    assert entry.proof.path == (second, first_two, fifth)
    assert entry.root(third) == grown.root(node_hash(first_two, second))
