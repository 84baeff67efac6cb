"""Tokens against notes and roots: true ones, every lie about one, and other people's."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError, MalformedError
from ledger.tlog.note import NoteSignature, SignedNote
from ledger.verify import timestamps
from ledger.verify.reader import UnreadableError
from ledger.verify.timestamps import (
    MAX_ROOTS_BYTES,
    MAX_TOKEN_BYTES,
    Roots,
    Timestamp,
    TimestampRefused,
    UnknownAuthority,
    as_signed,
    read_roots,
    read_timestamp,
    verify_timestamp,
)
from tests import timestamp_authority as tsa
from tests.ledger.verify.tile_log import entries, note

UPSTREAM = Path(__file__).parents[4] / "shared" / "vectors" / "rfc3161-client-fixtures"
FIXTURES = UPSTREAM / "test" / "fixtures"

NOTE = note(entries(3))
NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)


def check(**lies: Any) -> Timestamp:
    return verify_timestamp(tsa.stamp(NOTE, NOON, **lies), NOTE, tsa.roots())


def test_a_token_says_when_and_who() -> None:
    said = check()
    assert said == Timestamp(
        NOON, timedelta(seconds=1), "CN=Example Time Stamper,O=Example Time", tsa.POLICY
    )
    assert str(said) == (
        "existed at or before 2026-05-14 12:00:00 UTC (give or take 1 s), "
        "says CN=Example Time Stamper,O=Example Time"
    )
    assert said.to_json() == {
        "at": "2026-05-14T12:00:00+00:00",
        "accuracy": 1.0,
        "authority": "CN=Example Time Stamper,O=Example Time",
        "policy": tsa.POLICY,
    }
    assert read_timestamp(tsa.stamp(NOTE, NOON), NOTE) == said


def test_a_token_survives_later_cosigning() -> None:
    parsed = SignedNote.parse(NOTE)
    witness = NoteSignature("witness.example/w1", bytes(4), bytes(72))
    cosigned = SignedNote(parsed.text, (*parsed.signatures, witness)).format()
    assert cosigned != NOTE
    assert as_signed(cosigned) == as_signed(NOTE) == NOTE
    assert verify_timestamp(tsa.stamp(NOTE, NOON), cosigned, tsa.roots()).at == NOON


def test_a_note_that_its_log_did_not_sign_has_no_such_form() -> None:
    parsed = SignedNote.parse(NOTE)
    stranger = NoteSignature("other.example/log", bytes(4), bytes(64))
    with pytest.raises(MalformedError):
        as_signed(SignedNote(parsed.text, (stranger,)).format())
    with pytest.raises(MalformedError):
        as_signed("nonsense")


def test_the_nonce_is_the_one_that_was_asked() -> None:
    token = tsa.stamp(NOTE, NOON, nonce=7)
    assert verify_timestamp(token, NOTE, tsa.roots(), nonce=7).at == NOON
    for other in (8, None):
        with pytest.raises(TimestampRefused, match="another request"):
            verify_timestamp(tsa.stamp(NOTE, NOON, nonce=other), NOTE, tsa.roots(), nonce=7)


@pytest.mark.parametrize(
    ("accuracy", "meant"),
    [
        (b"", None),
        (tsa.tlv(tsa.SEQUENCE), None),
        (tsa.tlv(tsa.SEQUENCE, tsa.integer(0)), None),
        (tsa.tlv(tsa.SEQUENCE, tsa.integer(1 << 130)), None),  # the library cannot count so far
        (tsa.tlv(tsa.SEQUENCE, tsa.integer(2), tsa.tlv(0x80, b"\x05")), timedelta(seconds=2.005)),
        (tsa.tlv(tsa.SEQUENCE, tsa.tlv(0x81, b"\x07")), timedelta(microseconds=7)),
    ],
)
def test_its_accuracy(accuracy: bytes, meant: timedelta | None) -> None:
    said = check(accuracy=accuracy)
    assert said.accuracy == meant
    assert ("give or take" in str(said)) == (meant is not None)
    assert said.to_json()["accuracy"] == (None if meant is None else meant.total_seconds())


def test_an_authority_of_any_name_can_be_shown() -> None:
    by = tsa.holder("Zeit\x1b[2J\u202e" + "ß" * 20, tsa.intermediate(), purposes=tsa.TIME_STAMPING)
    assert check(by=by).authority == f"CN=Zeit?[2J?{'ß' * 20},O=Example Time"


@cache
def holders() -> dict[str, tsa.Holder]:
    server = (ExtendedKeyUsageOID.SERVER_AUTH,)
    below = tsa.intermediate()
    return {
        "server": tsa.holder("Server", below, purposes=server),
        "both": tsa.holder("Both", below, purposes=(*tsa.TIME_STAMPING, *server)),
        "uncritical": tsa.holder("U", below, purposes=tsa.TIME_STAMPING, critical=False),
        "weak": tsa.holder("Weak", below, purposes=tsa.TIME_STAMPING, digest=hashes.SHA224()),
        "expired": tsa.holder(
            "Old", below, purposes=tsa.TIME_STAMPING, until=datetime(2026, 5, 1, tzinfo=UTC)
        ),
        "self-made": tsa.holder("Self", purposes=tsa.TIME_STAMPING),
        "namesake": tsa.holder(
            "Stamper", tsa.holder("Example Time Authority"), purposes=tsa.TIME_STAMPING
        ),
    }


# What is told, and which part of the refusal says that it was found out.
LIES: dict[str, tuple[Callable[[], bytes], str]] = {
    "rejected": (tsa.refused, "status 2"),
    "granted with modifications": (lambda: tsa.stamp(NOTE, NOON, status=1), "status 1"),
    "no such status": (lambda: tsa.stamp(NOTE, NOON, status=9), "status 9"),
    "another checkpoint": (lambda: tsa.stamp(note(entries(2)), NOON), "something else"),
    "another hash": (lambda: tsa.stamp(NOTE, NOON, hashed_with=tsa.SHA512), "something else"),
    "a short hash": (lambda: tsa.granted(b"", at=NOON), "something else"),
    "no certificate": (lambda: tsa.stamp(NOTE, NOON, chain=()), "signer's one certificate"),
    "only other certificates": (
        lambda: tsa.stamp(NOTE, NOON, chain=(tsa.intermediate().der,)),
        "signer's one certificate",
    ),
    "two certificates of one place": (
        lambda: substituted(holders()["server"]),
        "signer's one certificate",
    ),
    "a weak digest": (lambda: tsa.stamp(NOTE, NOON, digest="1.3.14.3.2.26"), "not trusted"),
    "a certificate for something else": (
        lambda: tsa.stamp(NOTE, NOON, by=holders()["server"]),
        "not for it alone",
    ),
    "a certificate for more": (lambda: tsa.stamp(NOTE, NOON, by=holders()["both"]), "alone"),
    "an uncritical purpose": (lambda: tsa.stamp(NOTE, NOON, by=holders()["uncritical"]), "alone"),
    "a weakly signed certificate": (
        lambda: tsa.stamp(NOTE, NOON, by=holders()["weak"]),
        "short a digest",
    ),
    "a certificate of an authority": (
        lambda: tsa.stamp(NOTE, NOON, by=tsa.intermediate(), chain=(tsa.intermediate().der,)),
        "is not for it",
    ),
    "an expired certificate": (
        lambda: tsa.stamp(NOTE, NOON, by=holders()["expired"]),
        "does not verify up to",
    ),
    "a time before the certificate": (
        lambda: tsa.stamp(NOTE, datetime(2025, 5, 14, tzinfo=UTC)),
        "does not verify up to",
    ),
    "a signature by somebody else": (
        lambda: tsa.stamp(NOTE, NOON, by=holders()["namesake"], named=tsa.signer(), chain=chain()),
        "does not verify up to",
    ),
    "a certificate by a namesake": (
        lambda: tsa.stamp(NOTE, NOON, by=holders()["namesake"]),
        "does not verify up to",
    ),
}


def chain() -> tuple[bytes, ...]:
    return tsa.signer().der, tsa.intermediate().der


def substituted(real: tsa.Holder) -> bytes:
    """A signature by a certificate for something else, and a false one of the same place."""
    other = tsa.holder("Example Time Authority")  # the issuer's name, and another key
    false = tsa.holder(
        "Stamper", other, purposes=tsa.TIME_STAMPING, serial=real.certificate.serial_number
    )
    return tsa.stamp(NOTE, NOON, by=real, chain=(real.der, false.der, tsa.intermediate().der))


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused(lie: str) -> None:
    made, found_out = LIES[lie]
    with pytest.raises(TimestampRefused, match=found_out) as caught:
        verify_timestamp(made(), NOTE, tsa.roots())
    assert not isinstance(caught.value, UnknownAuthority)


MALFORMED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "junk": lambda: b"junk",
    "granted without a token": lambda: tsa.refused(0),
    "something else inside": lambda: tsa.stamp(NOTE, NOON, text=b"junk"),
    "no signature": lambda: tsa.stamp(NOTE, NOON, copies=0),
    "two signatures": lambda: tsa.stamp(NOTE, NOON, copies=2),
    "a certificate that is none": lambda: tsa.stamp(NOTE, NOON, chain=(tsa.integer(1),)),
    "more after it": lambda: tsa.stamp(NOTE, NOON) + b"\0",
    "too long": lambda: tsa.stamp(NOTE, NOON) + bytes(MAX_TOKEN_BYTES),
    "a time without end": lambda: tsa.stamp(
        NOTE, NOON, accuracy=tsa.tlv(tsa.SEQUENCE, tsa.integer(86_401))
    ),
    "an accuracy below zero": lambda: tsa.stamp(
        NOTE, NOON, accuracy=tsa.tlv(tsa.SEQUENCE, tsa.integer(-1))
    ),
    "too many certificates": lambda: tsa.stamp(
        NOTE, NOON, chain=[tsa.holder(f"{n}", purposes=tsa.TIME_STAMPING).der for n in range(17)]
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_token_is_malformed(name: str) -> None:
    with pytest.raises(MalformedError):
        verify_timestamp(MALFORMED[name](), NOTE, tsa.roots())


def test_an_authority_that_the_reader_does_not_know() -> None:
    for token in (tsa.stamp(NOTE, NOON), tsa.stamp(NOTE, NOON, chain=(tsa.signer().der,))):
        with pytest.raises(UnknownAuthority):
            verify_timestamp(token, NOTE, (holders()["self-made"].certificate,))
        with pytest.raises(UnknownAuthority):
            verify_timestamp(token, NOTE, ())
    with pytest.raises(UnknownAuthority):  # without the certificate between, nobody can tell
        check(chain=(tsa.signer().der,))


def test_a_root_that_has_the_signers_place_is_no_root() -> None:
    real = tsa.signer().certificate
    false = tsa.holder("X", tsa.holder("Example Time Authority"), serial=real.serial_number)
    with pytest.raises(TimestampRefused, match="has the place"):
        verify_timestamp(tsa.stamp(NOTE, NOON), NOTE, (*tsa.roots(), false.certificate))
    # The signer's own certificate among the roots changes nothing.
    assert verify_timestamp(tsa.stamp(NOTE, NOON), NOTE, (*tsa.roots(), real)).at == NOON


def test_without_roots_the_signature_is_not_looked_at() -> None:
    token = tsa.stamp(NOTE, NOON, by=holders()["self-made"])
    assert read_timestamp(token, NOTE).at == NOON


@cache
def honest() -> bytes:
    return tsa.stamp(NOTE, NOON, nonce=7)


@given(st.data())
def test_any_bytes_end_in_a_value_or_in_our_error(data: st.DataObject) -> None:
    token = bytearray(honest())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(token) - 1))
        token[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 100, 1000]))
    changed = bytes(token[: len(token) - cut])
    try:
        said = verify_timestamp(changed, NOTE, tsa.roots(), nonce=7)
    except LedgerError:
        return
    # What is left standing was not signed over, or not changed.
    assert said == verify_timestamp(honest(), NOTE, tsa.roots())


def test_a_certificate_whose_name_does_not_read_is_malformed() -> None:
    """The library reads a name only when it is asked for, long after the certificate."""
    token = bytearray(honest())
    for der in (
        timestamps.timestamp_library().decode_timestamp_response(honest()).signed_data.certificates
    ):
        name = x509.load_der_x509_certificate(der).subject.public_bytes()
        token[honest().index(der) + der.rindex(name) + 11] = 0  # the tag of its first text
    with pytest.raises(MalformedError, match="names nobody"):
        verify_timestamp(bytes(token), NOTE, tsa.roots(), nonce=7)


@given(st.binary(max_size=300))
def test_roots_are_certificates_or_our_error(data: bytes) -> None:
    for text in (data, tsa.root().pem[:100] + data):
        with pytest.raises(MalformedError):
            read_roots(text)


def test_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = tsa.root(), holders()["self-made"]
    text = b"# The root:\n" + one.pem + b"and once more\n" + one.pem + other.pem
    assert read_roots(text) == (one.certificate, other.certificate)
    with pytest.raises(MalformedError, match="longer"):
        read_roots(one.pem + bytes(MAX_ROOTS_BYTES))
    monkeypatch.setattr(timestamps, "MAX_ROOTS", 1)
    with pytest.raises(MalformedError, match="more than"):
        read_roots(text)


def test_without_the_library_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(UnreadableError, match=r"pip install 'decision-ledger\[timestamps\]'"):
        verify_timestamp(honest(), NOTE, tsa.roots())


# Other people's tokens are over other messages, so their imprint is compared where it can be.


def fixture(name: str) -> tuple[bytes, Roots]:
    path = FIXTURES / name
    if not path.exists():
        pytest.skip("../shared is absent: the tokens of rfc3161-client were not checked")
    try:
        roots = read_roots((path.parent / "ts_chain.pem").read_bytes())
    except MalformedError:  # one authority keeps its root as DER
        roots = (x509.load_der_x509_certificate((path.parent / "ts_chain.pem").read_bytes()),)
    return path.read_bytes(), roots


def hashed(monkeypatch: pytest.MonkeyPatch, message: bytes) -> None:
    """Let a note stand for the message that another authority's token is over."""
    known = sha256(message).digest()

    class Known:
        def digest(self) -> bytes:
            return known

    monkeypatch.setattr(timestamps, "sha256", lambda _: Known())


def test_another_authoritys_token_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    token, roots = fixture("sigstage/response-sha256.tsr")
    hashed(monkeypatch, b"hello")
    said = verify_timestamp(token, NOTE, roots)
    assert said.at == datetime(2025, 5, 9, 11, 58, 55, tzinfo=UTC)
    assert said.authority == "CN=sigstore-tsa,O=sigstore.dev"
    with pytest.raises(UnknownAuthority):
        verify_timestamp(token, NOTE, tsa.roots())
    hashed(monkeypatch, b"another")
    with pytest.raises(TimestampRefused, match="something else"):
        verify_timestamp(token, NOTE, roots)


@pytest.mark.parametrize(
    ("name", "found_out"),
    [
        ("sigstage/response-invalid-signature.tsr", "does not verify up to"),
        ("sigstage/response-no-embedded-cert.tsr", "signer's one certificate"),
        ("sigstore.mock/response-expired.tsr", "signer's one certificate"),
        ("sigstage/response-sha384.tsr", "something else"),
        ("sigstage/response-sha512.tsr", "something else"),
        ("test_tsa/response.tsr", "something else"),  # over SHA-512 as well
        ("identrust/issue-104.tsr", "something else"),
    ],
)
def test_another_authoritys_bad_token_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, found_out: str
) -> None:
    token, roots = fixture(name)
    hashed(monkeypatch, b"hello")
    with pytest.raises(TimestampRefused, match=found_out):
        verify_timestamp(token, NOTE, roots)


def test_certificates_that_were_added_are_not_taken_for_the_signers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # These are over SHA-512, which we do not ask for: let that pass, so that the rest is tried.
    monkeypatch.setattr(timestamps._Token, "of", lambda token, _note, _nonce: token)
    genuine, roots = fixture("test_tsa/response.tsr")
    added, _ = fixture("test_tsa/response-injected-certs.tsr")
    assert len(added) > len(genuine)
    for token in (genuine, added):
        said = verify_timestamp(token, NOTE, roots)
        assert said.authority == "CN=Test TSA Timestamping,O=local"
