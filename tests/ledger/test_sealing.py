"""Sealed payloads and wrapped keys."""

import hashlib
import hmac

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, VerificationError
from ledger.sealing import MAX_PAYLOAD_BYTES, seal, unseal, unwrap_key, wrap_key

KEY, NONCE = bytes(range(32)), bytes(range(12))
ORIGIN, RECORD = "ledger.example/log/decisions", "018bcfe5-6809-7000-8000-000000000000"


def sealed_frame(frame: bytes) -> bytes:
    """Seal any bytes as if they were a zstd frame: what only a key holder could forge."""
    key = hmac.digest(KEY, b"decision-ledger/v1/seal\n", hashlib.sha256)
    return b"\x01" + NONCE + AESGCM(key).encrypt(NONCE, frame, f"{ORIGIN}\n{RECORD}".encode())


@given(st.binary(max_size=4096))
def test_what_was_sealed_is_unsealed(payload: bytes) -> None:
    assert unseal(KEY, ORIGIN, RECORD, seal(KEY, ORIGIN, RECORD, payload, NONCE)) == payload


def test_the_bytes_are_those_of_the_format() -> None:
    payload = b'{"input":{"income":1}}'
    sealed = seal(KEY, ORIGIN, RECORD, payload, NONCE)
    assert sealed == sealed_frame(zstandard.ZstdCompressor(level=3).compress(payload))


@pytest.mark.parametrize(
    ("key", "origin", "record"),
    [(bytes(32), ORIGIN, RECORD), (KEY, ORIGIN + "x", RECORD), (KEY, ORIGIN, RECORD + "x")],
    ids=["another key", "another log", "another record"],
)
def test_it_opens_in_its_own_place_only(key: bytes, origin: str, record: str) -> None:
    with pytest.raises(VerificationError):
        unseal(key, origin, record, seal(KEY, ORIGIN, RECORD, b"{}", NONCE))


@given(st.integers(1, 30), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, flip: int) -> None:
    sealed = bytearray(seal(KEY, ORIGIN, RECORD, b"{}", NONCE))
    sealed[at] ^= flip
    with pytest.raises(VerificationError):
        unseal(KEY, ORIGIN, RECORD, bytes(sealed))


@given(st.binary(max_size=80))
def test_any_bytes_give_our_error(data: bytes) -> None:
    with pytest.raises((MalformedError, VerificationError)):
        unseal(KEY, ORIGIN, RECORD, data)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"not a frame",
        zstandard.ZstdCompressor(write_content_size=False).compress(b"size unknown"),
        zstandard.ZstdCompressor().compress(b"x") + b"trailing",
        zstandard.ZstdCompressor().compress(b"x" * 100)[:-4],
        zstandard.ZstdCompressor().compress(bytes(MAX_PAYLOAD_BYTES + 1)),
    ],
    ids=["empty", "junk", "size unknown", "trailing", "cut short", "too large"],
)
def test_a_hostile_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(MalformedError):
        unseal(KEY, ORIGIN, RECORD, sealed_frame(frame))


def test_a_frame_that_lies_about_its_size_is_refused() -> None:
    frame = bytearray(zstandard.ZstdCompressor().compress(b"x" * 100))
    assert frame[5] == 100  # the single byte of the stated size
    frame[5] = 50
    with pytest.raises(MalformedError):
        unseal(KEY, ORIGIN, RECORD, sealed_frame(bytes(frame)))


def test_sizes_are_bounded() -> None:
    with pytest.raises(MalformedError):
        seal(KEY, ORIGIN, RECORD, bytes(MAX_PAYLOAD_BYTES + 1), NONCE)
    with pytest.raises(MalformedError):
        unseal(KEY, ORIGIN, RECORD, bytes(MAX_PAYLOAD_BYTES * 2))
    with pytest.raises(MalformedError):
        seal(KEY, ORIGIN, RECORD, b"{}", NONCE[:-1])
    with pytest.raises(MalformedError):
        seal(KEY[:-1], ORIGIN, RECORD, b"{}", NONCE)


def test_another_version_is_refused() -> None:
    sealed = seal(KEY, ORIGIN, RECORD, b"{}", NONCE)
    with pytest.raises(MalformedError):
        unseal(KEY, ORIGIN, RECORD, b"\x02" + sealed[1:])


def test_a_wrapped_key_is_unwrapped_by_its_wrapping_key_for_its_id() -> None:
    wrapped = wrap_key(KEY, bytes(32), RECORD, NONCE)
    assert len(wrapped) == 61
    assert unwrap_key(KEY, wrapped, RECORD) == bytes(32)
    for key, data, associated in (
        (bytes(32), wrapped, RECORD),
        (KEY, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), RECORD),
        (KEY, wrapped, RECORD + "x"),
    ):
        with pytest.raises(VerificationError):
            unwrap_key(key, data, associated)


def test_what_is_not_a_wrapped_key_is_malformed() -> None:
    wrapped = wrap_key(KEY, bytes(32), RECORD, NONCE)
    for data in (b"", wrapped[:-1], wrapped + b"x", b"\x02" + wrapped[1:]):
        with pytest.raises(MalformedError):
            unwrap_key(KEY, data, RECORD)
    with pytest.raises(MalformedError):
        wrap_key(KEY, bytes(31), RECORD, NONCE)
