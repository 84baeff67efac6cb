"""Cosignatures of both types, against our published vectors and against liars."""

import json
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger.errors import MalformedError, SignatureError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import (
    Ed25519Cosigner,
    MLDSA44Signer,
    open_note,
    verify_signature,
)
from ledger.tlog.note import MLDSA44_COSIGNATURE, SignedNote, VerifierKey, sign_note

UPSTREAM = Path(__file__).parents[4] / "shared" / "vectors"
OWN = json.loads((Path(__file__).parents[2] / "vectors" / "checkpoints.json").read_text())
KEYS = [VerifierKey.parse(vkey) for vkey in OWN["vkeys"]]
ROOT = bytes(range(32))


def _signers(name: str, timestamp: int) -> tuple[MLDSA44Signer, Ed25519Cosigner]:
    return (
        MLDSA44Signer(name, MLDSA44PrivateKey.from_seed_bytes(bytes(32)), lambda: timestamp),
        Ed25519Cosigner(name, Ed25519PrivateKey.from_private_bytes(bytes(32)), lambda: timestamp),
    )


def test_the_published_vectors_open_and_tell_their_time() -> None:
    opened = open_note(OWN["note"], KEYS)
    assert [each.timestamp for each in opened.signatures] == [
        None,
        OWN["timestamp"],
        OWN["timestamp"],
    ]
    assert Checkpoint.parse(opened.text).size == 131


def test_the_published_mldsa44_message_is_the_specifications() -> None:
    """The signed bytes, spelt out once more from c2sp.org/tlog-cosignature."""
    key = KEYS[1]
    assert key.kind == MLDSA44_COSIGNATURE
    line = SignedNote.parse(OWN["note"]).signatures[1]
    checkpoint = Checkpoint.parse(SignedNote.parse(OWN["note"]).text)
    message = (
        b"subtree/v1\n\0"
        + bytes([len(key.name)]) + key.name.encode()
        + struct.pack(">Q", OWN["timestamp"])
        + bytes([len(checkpoint.origin)]) + checkpoint.origin.encode()
        + struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root_hash
    )  # fmt: skip
    private = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32, 64)))
    assert private.public_key().public_bytes_raw() == key.public_key
    private.public_key().verify(line.signature[8:], message)
    assert len(line.signature) == 8 + 2420


def test_known_keys_have_the_published_key_ids() -> None:
    path = UPSTREAM / "known-answers.json"
    if not path.exists():
        pytest.skip("../shared is absent: keys of other programs were not read")
    known = json.loads(path.read_text())
    for case in known["mldsa44_vkeys_key_id_kat"]:
        if case["key_id_ok"]:
            assert VerifierKey.parse(case["vkey"]).vkey() == case["vkey"]
        else:
            with pytest.raises(MalformedError, match="key ID"):
                VerifierKey.parse(case["vkey"])
    for vkey in known["cosignature_v1_ed25519"]["vkeys"]:
        assert VerifierKey.parse(vkey).vkey() == vkey


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("change", ["time", "text", "bytes", "short", "far future", "nothing"])
def test_every_signed_byte_counts(which: int, change: str) -> None:
    signer = _signers("w.example", 1_700_000_000)[which]
    text = Checkpoint("a.example/log", 7, ROOT).format()
    signature = signer.sign(text)
    match change:
        case "time":
            signature = struct.pack(">Q", 1_700_000_001) + signature[8:]
        case "text":
            text = Checkpoint("a.example/log", 8, ROOT).format()
        case "bytes":
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        case "short":
            signature = signature[:7]
        case "far future":
            signature = struct.pack(">Q", 2**63) + signature[8:]
        case _:
            assert verify_signature(signer.verifier_key, text, signature) == 1_700_000_000
            return
    with pytest.raises(SignatureError):
        verify_signature(signer.verifier_key, text, signature)


def test_mldsa44_signs_checkpoints_only_and_binds_the_name() -> None:
    signer, _ = _signers("w.example", 1)
    with pytest.raises(MalformedError):
        signer.sign("not a checkpoint\n")
    text = Checkpoint("a.example/log", 7, ROOT).format()
    signature = signer.sign(text)
    other = VerifierKey("x.example", MLDSA44_COSIGNATURE, signer.verifier_key.public_key)
    with pytest.raises(SignatureError):
        verify_signature(other, text, signature)
    with pytest.raises(SignatureError):
        verify_signature(signer.verifier_key, "not a checkpoint\n", signature)


def test_both_types_open_in_one_note() -> None:
    signers = _signers("w.example", 5)
    note = sign_note(Checkpoint("a.example/log", 7, ROOT).format(), signers)
    opened = open_note(note, [signer.verifier_key for signer in signers])
    assert [each.timestamp for each in opened.signatures] == [5, 5]


def test_private_keys_are_not_printed() -> None:
    for signer in _signers("w.example", 1):
        assert "private" not in repr(signer).lower()
