"""The published 0x06 vectors: what another implementation signed, and what it must not have."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger.errors import SignatureError
from ledger.tlog.cosignature import MLDSA44Signer, open_note
from ledger.tlog.note import MLDSA44_COSIGNATURE, SignedNote, VerifierKey
from tests.vectors import make_mldsa44

VECTORS_FILE = Path(__file__).parents[2] / "vectors" / "mldsa44.json"
PUBLISHED = json.loads(VECTORS_FILE.read_text("utf-8"))
KEYS = {each["name"]: VerifierKey.parse(each["vkey"]) for each in PUBLISHED["keys"]}


def test_the_vectors_are_what_their_generator_writes() -> None:
    assert make_mldsa44.document() == VECTORS_FILE.read_text("utf-8")


@pytest.mark.parametrize("key", PUBLISHED["keys"], ids=lambda key: str(key["name"]))
def test_the_librarys_key_of_the_seed_is_the_published_one(key: dict[str, str]) -> None:
    private = MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(key["seed"]))
    signer = MLDSA44Signer(key["name"], private, lambda: 0)
    assert signer.verifier_key.vkey() == key["vkey"]
    assert signer.verifier_key.kind == MLDSA44_COSIGNATURE


@pytest.mark.parametrize("vector", PUBLISHED["vectors"], ids=lambda vector: str(vector["about"]))
def test_vector(vector: dict[str, Any]) -> None:
    key = KEYS[vector["key"]]
    assert SignedNote.parse(vector["note"]).format() == vector["note"]
    if vector["valid"]:
        (signature,) = open_note(vector["note"], [key]).signatures
        assert (signature.key, signature.timestamp) == (key, vector["timestamp"])
    else:
        with pytest.raises(SignatureError):
            open_note(vector["note"], [key])


def test_there_are_vectors_of_both_signs() -> None:
    assert {vector["valid"] for vector in PUBLISHED["vectors"]} == {True, False}
