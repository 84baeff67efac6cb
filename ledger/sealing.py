"""Sealed payloads and wrapped keys: what is kept beside the log, and can be destroyed.

The format is `docs/formats.md` §4. Operator only: a relying party never needs it,
nor the compressor it imports. Pure: keys and nonces are arguments, and the keys
live in a vault elsewhere.
"""

import hashlib
import hmac
import threading

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import MalformedError, VerificationError

KEY_BYTES = 32  # AES-256, and the record key
NONCE_BYTES = 12  # AES-GCM
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024  # one record before sealing; a whole request is at most 5 MB

_VERSION = b"\x01"
_TAG_BYTES = 16
_SEAL = b"decision-ledger/v1/seal\n"
_of_thread = threading.local()
_LEVEL = 3  # zstd's own default: a payload is a few kB, higher levels only cost time
_OVERHEAD = len(_VERSION) + NONCE_BYTES + _TAG_BYTES
# Compression can only grow a payload that does not compress, and by little (zstd: n/256 + 64).
_MAX_SEALED_BYTES = _OVERHEAD + MAX_PAYLOAD_BYTES + MAX_PAYLOAD_BYTES // 256 + 64


def seal(record_key: bytes, origin: str, record_id: str, payload: bytes, nonce: bytes) -> bytes:
    """The payload compressed and encrypted, bound to this log and this record.

    Args:
        record_key: the record's own 32 random bytes.
        origin: the log that holds the record's entry.
        record_id: the record's id.
        payload: canonical JSON, at most `MAX_PAYLOAD_BYTES`.
        nonce: 12 bytes never used before under this record key.

    Raises:
        MalformedError: a size is out of bounds.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MalformedError("sealed payload: too large")
    frame = _compressor().compress(payload)
    return _encrypt(_seal_key(record_key), _associated(origin, record_id), frame, nonce)


def unseal(record_key: bytes, origin: str, record_id: str, sealed: bytes) -> bytes:
    """The payload that :func:`seal` sealed.

    Raises:
        VerificationError: the key, log or record is another, or the bytes were changed.
        MalformedError: these are not sealed bytes of a known version, or the payload
            says it is larger than any that we would have written.
    """
    if len(sealed) > _MAX_SEALED_BYTES:
        raise MalformedError("sealed payload: too large")
    frame = _decrypt(_seal_key(record_key), _associated(origin, record_id), sealed)
    try:
        # The frame states its size: bound it before a byte is allocated.
        size = zstandard.frame_content_size(frame)
        if not 0 <= size <= MAX_PAYLOAD_BYTES:
            raise MalformedError("sealed payload: size unknown or too large")
        # An empty frame is legal but its stated 0 means "no bound" to the decompressor.
        payload = zstandard.ZstdDecompressor().decompress(
            frame, max_output_size=max(size, 1), allow_extra_data=False
        )
    except zstandard.ZstdError:
        raise MalformedError("sealed payload: not one zstd frame") from None
    return payload


def wrap_key(wrapping_key: bytes, key: bytes, associated: str, nonce: bytes) -> bytes:
    """A 32-byte key encrypted under another, bound to the text `associated`.

    The bytes are version, nonce, ciphertext: 61 in all. `associated` is the id of
    what the key belongs to: a record, a subject key.

    Raises:
        MalformedError: a size is out of bounds.
    """
    _check_key(key)
    return _encrypt(wrapping_key, associated.encode(), key, nonce)


def unwrap_key(wrapping_key: bytes, wrapped: bytes, associated: str) -> bytes:
    """The key that :func:`wrap_key` wrapped.

    Raises:
        VerificationError: the wrapping key or the id is another, or the bytes were changed.
        MalformedError: these are not a wrapped key of a known version.
    """
    if len(wrapped) != _OVERHEAD + KEY_BYTES:
        raise MalformedError("wrapped key: wrong length")
    return _decrypt(wrapping_key, associated.encode(), wrapped)


def _encrypt(key: bytes, associated: bytes, plaintext: bytes, nonce: bytes) -> bytes:
    _check_key(key)
    if len(nonce) != NONCE_BYTES:
        raise MalformedError(f"nonce: not {NONCE_BYTES} bytes")
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def _decrypt(key: bytes, associated: bytes, data: bytes) -> bytes:
    _check_key(key)
    if len(data) < _OVERHEAD or data[:1] != _VERSION:
        raise MalformedError("sealed: too short, or not a version that is known here")
    nonce, ciphertext = data[1 : 1 + NONCE_BYTES], data[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        raise VerificationError("sealed: another key or place, or changed bytes") from None


def _compressor() -> zstandard.ZstdCompressor:
    """This thread's compressor: making one costs four times as much as using it."""
    mine: zstandard.ZstdCompressor | None = getattr(_of_thread, "compressor", None)
    if mine is None:
        mine = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
        _of_thread.compressor = mine
    return mine


def _seal_key(record_key: bytes) -> bytes:
    _check_key(record_key)
    return hmac.digest(record_key, _SEAL, hashlib.sha256)


def _check_key(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise MalformedError(f"key: not {KEY_BYTES} bytes")


def _associated(origin: str, record_id: str) -> bytes:
    # Neither an origin nor an id holds a line feed, so the pair is unambiguous.
    return f"{origin}\n{record_id}".encode()
