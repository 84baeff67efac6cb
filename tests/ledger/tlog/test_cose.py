"""COSE receipts: one form, one signed head, and what a liar cannot get past."""

from dataclasses import replace
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.errors import (
    InclusionError,
    InconsistencyError,
    LedgerError,
    MalformedError,
    SignatureError,
    VerificationError,
)
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cose import (
    MAX_PATH_HASHES,
    ConsistencyProof,
    CoseReceipt,
    Ed25519CoseSigner,
    InclusionProof,
    LogHeader,
    sign_root,
    signed_structure,
)
from ledger.tlog.merkle import (
    consistency_root,
    inclusion_proof,
    inclusion_root,
)
from ledger.tlog.note import Ed25519Signer, VerifierKey
from tests.ledger.tlog.cose_log import (
    ENTRIES,
    KEY,
    LEAVES,
    ORIGIN,
    PRIVATE,
    SIGNER,
    SIX,
    growth,
    head,
    inclusion,
    nodes,
)


def test_every_entry_of_every_size_is_proved() -> None:
    for size in range(2, len(ENTRIES) + 1):
        for index in range(size):
            receipt = inclusion(index, size)
            assert CoseReceipt.decode(receipt.encode()) == receipt
            assert receipt.entry == ENTRIES[index]
            assert receipt.verify_entry(ENTRIES[index], KEY) == head(size)


def test_every_growth_is_proved() -> None:
    for new in range(2, len(ENTRIES) + 1):
        for old in range(1, new):
            receipt = growth(old, new)
            assert CoseReceipt.decode(receipt.encode()) == receipt
            assert receipt.verify_growth(head(old), KEY) == head(new)


def test_a_tree_of_one_leaf_has_no_receipt() -> None:
    with pytest.raises(MalformedError, match="the path is empty"):
        InclusionProof(1, 0, ())


def test_the_bytes() -> None:
    """A second implementation can be held against these: tag, headers, proof, null, signature."""
    decoded: Any = cbor2.loads(inclusion().encode())
    assert decoded.tag == 18
    protected, unprotected, payload, signature = decoded.value
    assert cbor2.loads(protected) == {
        1: -19,
        4: KEY.key_id,
        15: {1: ORIGIN},
        395: 1,
        -65537: 11,
    }
    assert list(unprotected) == [396, -65538]
    ((proof,),) = unprotected[396].values()
    assert cbor2.loads(proof) == [11, 6, [*inclusion_proof(6, 11, nodes)]]
    assert (unprotected[-65538], payload) == (ENTRIES[6], None)
    structure = cbor2.dumps(["Signature1", protected, b"", head(11).root_hash])
    PRIVATE.public_key().verify(signature, structure)
    assert cbor2.dumps(cbor2.loads(protected), canonical=True) == protected
    assert cbor2.dumps(decoded, canonical=True) == inclusion().encode()


def test_one_key_never_signs_a_note_as_a_structure() -> None:
    text = head(11).format()
    assert not signed_structure(inclusion().protected, bytes(32)).startswith(ORIGIN[:1].encode())
    with pytest.raises(UnicodeDecodeError):
        signed_structure(inclusion().protected, bytes(32)).decode()
    with pytest.raises(MalformedError, match="not a Sig_structure"):
        SIGNER.sign(text.encode())
    assert Ed25519Signer(ORIGIN, PRIVATE).verifier_key == KEY
    note_signature = Ed25519Signer(ORIGIN, PRIVATE).sign(text)
    with pytest.raises(SignatureError):
        replace(inclusion(), signature=note_signature).verify_entry(ENTRIES[6], KEY)


OTHER = Ed25519CoseSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        ({"signature": bytes(64)}, SignatureError),
        ({"signature": b""}, SignatureError),
        ({"proof": replace(SIX, index=7)}, VerificationError),
        ({"proof": replace(SIX, size=10)}, VerificationError),
        ({"proof": replace(SIX, path=SIX.path[:-1])}, InclusionError),
        ({"proof": replace(SIX, path=(*SIX.path, bytes(32)))}, InclusionError),
        ({"proof": replace(SIX, path=(bytes(32), *SIX.path[1:]))}, SignatureError),
        ({"protected": LogHeader(ORIGIN, KEY.key_id, 10).encode()}, SignatureError),
        ({"protected": LogHeader(ORIGIN, b"four", 11).encode()}, SignatureError),
        ({"protected": LogHeader("other.example", KEY.key_id, 11).encode()}, SignatureError),
        ({"proof": growth().proof}, MalformedError),
    ],
    ids=[
        *("no signature", "empty signature", "another index", "another size", "short", "long"),
        *("another sibling", "a size that was not signed", "another key", "another log", "growth"),
    ],
)
def test_a_false_receipt_is_refused(lie: dict[str, Any], error: type[LedgerError]) -> None:
    with pytest.raises(error):
        replace(inclusion(), **lie).verify_entry(ENTRIES[6], KEY)


def test_the_size_is_signed_because_a_path_fits_several() -> None:
    # The very path of the last of two also leads from the last of three.
    two = InclusionProof(2, 1, inclusion_proof(1, 2, nodes))
    assert inclusion_root(2, 3, LEAVES[1], two.path) == head(2).root_hash
    moved = replace(sign_root(head(2), two, SIGNER), proof=InclusionProof(3, 2, two.path))
    with pytest.raises(SignatureError, match="another size"):
        moved.verify_entry(ENTRIES[1], KEY)


def test_another_entry_or_key_does_not_verify() -> None:
    with pytest.raises(SignatureError):
        inclusion().verify_entry(b"entry 7", KEY)
    with pytest.raises(SignatureError, match="another key"):
        inclusion().verify_entry(ENTRIES[6], OTHER.verifier_key)
    forged = sign_root(head(11), SIX, OTHER, ENTRIES[6])
    stolen = replace(forged, protected=inclusion().protected)
    with pytest.raises(SignatureError):
        stolen.verify_entry(ENTRIES[6], KEY)


def test_growth_from_another_head_is_refused() -> None:
    with pytest.raises(MalformedError, match="begins at another size"):
        growth().verify_growth(head(5), KEY)
    with pytest.raises(InconsistencyError, match="old root"):
        growth().verify_growth(Checkpoint(ORIGIN, 6, bytes(32)), KEY)
    with pytest.raises(MalformedError, match="no growth"):
        inclusion().verify_growth(head(6), KEY)
    with pytest.raises(InconsistencyError, match="not from a smaller"):
        consistency_root(6, 6, head(6).root_hash, (bytes(32),))
    with pytest.raises(InconsistencyError, match="not 32 bytes"):
        consistency_root(6, 11, b"short", (bytes(32),))
    with pytest.raises(InconsistencyError, match="empty"):
        consistency_root(6, 11, head(6).root_hash, ())


def test_what_does_not_belong_together_is_not_signed() -> None:
    for wrong in (head(10), Checkpoint("other.example", 11, head(11).root_hash)):
        with pytest.raises(MalformedError, match="one log and size"):
            sign_root(wrong, SIX, SIGNER)


@pytest.mark.parametrize(
    "make",
    [
        lambda: InclusionProof(11, 11, (bytes(32),)),
        lambda: InclusionProof(11, -1, (bytes(32),)),
        lambda: InclusionProof(2**63, 0, (bytes(32),)),
        lambda: InclusionProof(11, 6, (bytes(31),)),
        lambda: InclusionProof(11, 6, (bytes(32),) * (MAX_PATH_HASHES + 1)),
        lambda: ConsistencyProof(0, 11, (bytes(32),)),
        lambda: ConsistencyProof(11, 11, (bytes(32),)),
        lambda: ConsistencyProof(6, 2**63, (bytes(32),)),
        lambda: LogHeader("a b", b"four", 1),
        lambda: LogHeader(ORIGIN, b"three"[:3], 1),
        lambda: LogHeader(ORIGIN, b"four", 0),
        lambda: replace(inclusion(), entry=b""),
        lambda: replace(inclusion(), entry=bytes(65_536)),
        lambda: replace(inclusion(), protected=cbor2.dumps([])),
        lambda: replace(inclusion(), protected=cbor2.dumps({395: 1})),
        lambda: replace(inclusion(), protected=cbor2.dumps({1: -19.0, 395: 1})),
        lambda: replace(inclusion(), protected=cbor2.dumps({1: -19, 395: 2})),
        lambda: replace(inclusion(), protected=cbor2.dumps({1: -19, 395: True})),
        lambda: LogHeader.parse(cbor2.dumps({1: -19, 395: 1})),
        lambda: LogHeader.parse(inclusion().protected.replace(b"\x01\x32", b"\x01\x27", 1)),
        lambda: LogHeader.parse(
            cbor2.dumps({395: 1, 1: -19, 4: b"four", 15: {1: ORIGIN}, -65537: 11})
        ),
    ],
)
def test_what_we_would_not_write_is_refused_at_birth(make: Any) -> None:
    with pytest.raises(MalformedError):
        make()


def test_a_key_of_another_kind_is_not_asked() -> None:
    cosigner = VerifierKey(ORIGIN, 0x04, KEY.public_key)
    with pytest.raises(SignatureError, match="another key"):
        inclusion().verify_entry(ENTRIES[6], cosigner)
