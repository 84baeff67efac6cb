"""Signed notes: a text, and one signature line per key (c2sp.org/signed-note).

Says who signed which bytes. What the text means (a checkpoint, say) and who is trusted
to sign it are left to others; keys never come from the server being checked.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.errors import MalformedError, SignatureError

__all__ = [
    "ED25519",
    "ED25519_COSIGNATURE",
    "MAX_NOTE_BYTES",
    "MAX_SIGNATURES",
    "MLDSA44_COSIGNATURE",
    "Ed25519Signer",
    "NoteSignature",
    "NoteSigner",
    "PublicKey",
    "SignedNote",
    "Signer",
    "VerifierKey",
    "decode_base64",
    "encode_base64",
    "key_id",
    "sign_note",
    "verify_ed25519",
]

ED25519: Final = 0x01
ED25519_COSIGNATURE: Final = 0x04
MLDSA44_COSIGNATURE: Final = 0x06
_KEY_BYTES: Final = {ED25519: 32, ED25519_COSIGNATURE: 32, MLDSA44_COSIGNATURE: 1312}

MAX_NOTE_BYTES: Final = 1_000_000  # a hostile peer chooses this text
MAX_SIGNATURES: Final = 64  # the specification asks for at least 16
MAX_NAME_LENGTH: Final = 255  # characters; a cosigned message writes the length in one byte
_KEY_ID_BYTES: Final = 4
_PREFIX: Final = "— "
# What no note may carry: control characters but LF, and lone surrogates.
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")
_UNFIT_FOR_NAME: Final = re.compile(r"[\s+]|" + _CONTROL.pattern)
_VKEY: Final = re.compile(r"(?P<name>[^+\s]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]+=*)")


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Return the bytes of canonical base64.

    Raises:
        MalformedError: anything :func:`encode_base64` would not have written.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("base64: not standard base64") from error
    if encode_base64(data) != text:
        raise MalformedError("base64: not in canonical form")
    return data


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """Return SHA-256(name ‖ 0x0A ‖ kind ‖ public key)[:4]."""
    return sha256(name.encode() + b"\n" + bytes((kind,)) + public_key).digest()[:_KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name, for one kind of signature."""

    name: str
    kind: int
    public_key: bytes
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Refuse names that a signature line cannot carry and keys of another length."""
        check_name(self.name)
        if self.kind not in _KEY_BYTES:
            raise MalformedError("verifier key: unknown signature type")
        if len(self.public_key) != _KEY_BYTES[self.kind]:
            raise MalformedError("verifier key: wrong length for its type")
        object.__setattr__(self, "key_id", key_id(self.name, self.kind, self.public_key))

    @staticmethod
    @lru_cache(maxsize=64)  # a signer is asked for its key at each checkpoint
    def of(name: str, kind: int, public_key: bytes) -> "VerifierKey":
        """Return the key, the same value each time."""
        return VerifierKey(name, kind, public_key)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Return the key of `name+hex(key ID)+base64(type ‖ key)`.

        Raises:
            MalformedError: anything :meth:`vkey` would not have written.
        """
        match = _VKEY.fullmatch(vkey) if len(vkey) <= MAX_NOTE_BYTES else None
        if match is None:
            raise MalformedError("verifier key: not name+id+key")
        material = decode_base64(match["key"])
        parsed = cls(match["name"], material[0], material[1:])
        if parsed.key_id.hex() != match["id"]:
            raise MalformedError("verifier key: the key ID is not this key's")
        return parsed

    def vkey(self) -> str:
        """Return the key's text."""
        material = encode_base64(bytes((self.kind,)) + self.public_key)
        return f"{self.name}+{self.key_id.hex()}+{material}"


class PublicKey(Protocol):
    """The public half of a key, of either algorithm."""

    def public_bytes_raw(self) -> bytes:
        """The key as its algorithm writes it: 32 bytes of Ed25519, 1,312 of ML-DSA-44."""


class Signer(Protocol):
    """Signs bytes with one private key that it may never show: a file's, a KMS's, an HSM's.

    The private keys of `cryptography` are signers as they stand. Safe to share between
    threads. It answers in bounded time, and one key always signs for one public key.
    """

    def public_key(self) -> PublicKey:
        """The public half, known without asking anybody."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature over exactly these bytes, neither hashed nor wrapped before.

        Raises:
            PushbackError: whoever holds the key does not sign now.
            StoppedError: what it answered is no signature of this key.
        """


class NoteSigner(Protocol):
    """Signs notes in the name of one key, whoever holds its private half.

    `sign` returns the bytes that follow the key ID in a signature line. It must never
    sign two checkpoints of one size and different roots: its caller sees to that.
    """

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half."""

    def sign(self, text: str) -> bytes:
        """Return the signature over a note's text, which ends in a line feed."""


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """Signs notes with Ed25519 (type 0x01, RFC 8032)."""

    name: str
    private_key: Signer = field(repr=False)

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half."""
        raw = self.private_key.public_key().public_bytes_raw()
        return VerifierKey.of(self.name, ED25519, raw)

    def sign(self, text: str) -> bytes:
        """Return 64 bytes."""
        return self.private_key.sign(text.encode())


def verify_ed25519(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Return if the signature is the key's over the message.

    Raises:
        SignatureError: it is not.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("Ed25519: the signature does not verify") from error


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: whose (a name and a short hint), and the bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        """Refuse what a signature line cannot carry."""
        check_name(self.name)
        if len(self.key_id) != _KEY_ID_BYTES or not self.signature:
            raise MalformedError("note: a signature without a key ID or without bytes")

    def line(self) -> str:
        """Return the line, with its line feed."""
        return f"{_PREFIX}{self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text and the signatures under it; nothing is verified yet."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        """Refuse what :meth:`parse` would not give back."""
        if not self.text.endswith("\n") or _CONTROL.search(self.text):
            raise MalformedError("note: the text is not lines of plain text")
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise MalformedError(f"note: not 1 to {MAX_SIGNATURES} signatures")

    @classmethod
    def parse(cls, note: str) -> Self:
        """Return the note's parts: the text is what stands before the *last* blank line.

        Raises:
            MalformedError: anything :meth:`format` would not have written.
        """
        if len(note) > MAX_NOTE_BYTES:
            raise MalformedError("note: too long")
        text, blank, block = note.rpartition("\n\n")
        if not blank or not block.endswith("\n"):
            raise MalformedError("note: no signatures after a blank line")
        lines = block[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise MalformedError("note: too many signatures")
        # Each part is read in its one form, so that format() gives these bytes back.
        return cls(text + "\n", tuple(_signature(line) for line in lines))

    def format(self) -> str:
        """Return the note as text."""
        return self.text + "\n" + "".join(each.line() for each in self.signatures)


def sign_note(text: str, signers: Sequence[NoteSigner]) -> str:
    """Return the note with one signature of each signer, in order."""
    signatures = []
    for signer in signers:
        key = signer.verifier_key
        signatures.append(NoteSignature(key.name, key.key_id, signer.sign(text)))
    return SignedNote(text, tuple(signatures)).format()


def check_name(name: str) -> None:
    """Return if a key may have this name.

    Raises:
        MalformedError: empty, too long, or with a blank, a plus sign or a control character.
    """
    too_long = len(name.encode(errors="replace")) > MAX_NAME_LENGTH
    if not name or too_long or _UNFIT_FOR_NAME.search(name):
        raise MalformedError("key name: not a schema-less URL without blanks or plus signs")


def _signature(line: str) -> NoteSignature:
    if not line.startswith(_PREFIX):
        raise MalformedError("note: not a signature line")
    name, blank, encoded = line[len(_PREFIX) :].rpartition(" ")
    if not blank:
        raise MalformedError("note: not a signature line")
    data = decode_base64(encoded)
    return NoteSignature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])
