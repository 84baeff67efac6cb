"""Signed notes and verifier keys: published examples, strictness, and who signed."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, SignatureError
from ledger.tlog.cosignature import open_note
from ledger.tlog.note import (
    ED25519,
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Ed25519Signer,
    NoteSignature,
    SignedNote,
    VerifierKey,
    decode_base64,
    encode_base64,
    sign_note,
    verify_ed25519,
)

UPSTREAM = Path(__file__).parents[4] / "shared" / "vectors"

# The example of c2sp.org/signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2O"
    "NncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

SIGNER = Ed25519Signer("a.example/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
TEXT = "a.example/log\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


def test_the_specifications_example_opens() -> None:
    opened = open_note(NOTE, [VerifierKey.parse(VKEY)])
    assert opened.text == "This is an example message.\n"
    assert opened.signatures[0].timestamp is None
    assert VerifierKey.parse(VKEY).vkey() == VKEY
    assert SignedNote.parse(NOTE).format() == NOTE


def test_known_notes_and_cosignatures_open() -> None:
    path = UPSTREAM / "known-answers.json"
    if not path.exists():
        pytest.skip("../shared is absent: notes made by other programs were not opened")
    opened = 0
    for case in json.loads(path.read_text())["signed_note"]:
        try:
            key = VerifierKey.parse(case["vkey"])
        except MalformedError:
            continue  # a type that this project does not use, such as Rekor's ECDSA
        if "note" in case:
            open_note(case["note"], [key])
            opened += 1
    assert opened >= 2


def test_an_unknown_key_is_ignored_and_a_known_keys_bad_signature_is_not() -> None:
    other = Ed25519Signer("b.example/w", Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))
    note = sign_note(TEXT, [SIGNER, other])
    assert len(open_note(note, [SIGNER.verifier_key]).signatures) == 1
    assert len(open_note(note, [SIGNER.verifier_key, other.verifier_key]).signatures) == 2
    with pytest.raises(SignatureError, match="no signature"):
        open_note(note, [VerifierKey("c.example", ED25519, bytes(32))])
    parsed = SignedNote.parse(note)
    forged = NoteSignature(other.name, parsed.signatures[1].key_id, bytes(64))
    bad = SignedNote(TEXT, (parsed.signatures[0], forged)).format()
    open_note(bad, [SIGNER.verifier_key])
    with pytest.raises(SignatureError):
        open_note(bad, [SIGNER.verifier_key, other.verifier_key])


def test_one_name_and_key_signs_once_only() -> None:
    parsed = SignedNote.parse(sign_note(TEXT, [SIGNER]))
    twice = SignedNote(TEXT, parsed.signatures * 2).format()
    assert len(open_note(twice, [SIGNER.verifier_key]).signatures) == 1


def test_the_text_ends_at_the_last_blank_line() -> None:
    text = "first\n\nsecond\n"
    assert SignedNote.parse(sign_note(text, [SIGNER])).text == text


@pytest.mark.parametrize(
    "note",
    [
        "",
        "no signatures\n",
        "text\n\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("— ", "- "),
        NOTE.replace("— example.com/foo ", "— "),
        NOTE.replace("— example.com/foo ", "— example.com/ foo "),
        NOTE.replace("— example.com/foo ", "— example.com+foo "),
        NOTE.replace("yaQM=", "yaQN="),
        NOTE.replace("yaQM=", "yaQM"),
        NOTE.replace("yaQM=", "AAAA AA=="),
        NOTE.replace("message", "mes\x00sage"),
        NOTE.replace("message", "mes\tsage"),
        NOTE.replace("message", "mes\x7fsage"),
        NOTE.replace("message", "mes\ud800sage"),
        "text\n\n— a AAAA\n",
        "text\n\n— a AAAAAA==\n",
        "text\n\n" + "— a AAAAAAA=\n" * (MAX_SIGNATURES + 1),
        "x" * (MAX_NOTE_BYTES + 1),
    ],
)
def test_what_is_not_a_note(note: str) -> None:
    with pytest.raises(MalformedError):
        SignedNote.parse(note)


@given(
    st.text(max_size=200) | st.from_regex(r"\A[ab\n]{1,9}\n\n(— a [A-Za-z0-9+/=]{0,12}\n){1,3}\Z")
)
def test_any_text_is_a_note_or_our_error(text: str) -> None:
    try:
        parsed = SignedNote.parse(text)
    except MalformedError:
        return
    assert parsed.format() == text


@given(st.text(max_size=80) | st.from_regex(r"\A[a-z.]{1,9}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}\Z"))
def test_any_text_is_a_verifier_key_or_our_error(text: str) -> None:
    try:
        parsed = VerifierKey.parse(text)
    except MalformedError:
        return
    assert parsed.vkey() == text


@pytest.mark.parametrize(
    "vkey",
    [
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("530d903a", "530D903A"),
        VKEY.replace("example.com/foo", "example.com/fo o"),
        VKEY + "=",
        VKEY[:-4],
        "a+00000000+AA==",
        "a+00000000+" + "A" * 2_000_000,
        "a" * 256 + "+00000000+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_what_is_not_a_verifier_key(vkey: str) -> None:
    with pytest.raises(MalformedError):
        VerifierKey.parse(vkey)


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [("", 1, bytes(32)), ("a b", 1, bytes(32)), ("a+b", 1, bytes(32)), ("a", 2, bytes(32)),
     ("a", 1, bytes(31)), ("a", 6, bytes(32))],
)  # fmt: skip
def test_a_key_that_cannot_be(name: str, kind: int, key: bytes) -> None:
    with pytest.raises(MalformedError):
        VerifierKey(name, kind, key)


def test_a_note_that_cannot_be_written() -> None:
    signature = SignedNote.parse(NOTE).signatures
    for make in (
        lambda: SignedNote("no line feed", signature),
        lambda: SignedNote("text\n", ()),
        lambda: NoteSignature("a", b"123", b"x"),
        lambda: NoteSignature("a", b"1234", b""),
    ):
        with pytest.raises(MalformedError):
            make()


@given(st.binary(max_size=40))
def test_base64_has_one_form(data: bytes) -> None:
    assert decode_base64(encode_base64(data)) == data


@pytest.mark.parametrize("text", ["AA", "AB==", "A A=", "AA==\n", "AA-_", "é", "====", "AAAA="])
def test_other_base64_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        decode_base64(text)


def test_a_key_of_the_wrong_form_does_not_verify() -> None:
    with pytest.raises(SignatureError):
        verify_ed25519(b"short", bytes(64), b"")
