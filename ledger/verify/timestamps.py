"""Timestamps: what an authority outside says about when a checkpoint existed (RFC 3161).

A token is over the checkpoint as the log signed it, so it survives later cosigning. It is
checked offline against root certificates of the reader's own; that a certificate was revoked
is not known here. The one door to `rfc3161-client`, which a reader of tokens installs; what
that library leaves open about who signed is decided in this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from types import ModuleType
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ledger.canonical import JsonValue
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.tlog.note import SignedNote
from ledger.verify.reader import UnreadableError

__all__ = [
    "MAX_ROOTS_BYTES",
    "MAX_TOKEN_BYTES",
    "Roots",
    "Timestamp",
    "TimestampRefused",
    "UnknownAuthority",
    "as_signed",
    "read_roots",
    "read_timestamp",
    "timestamp_library",
    "verify_timestamp",
]

MAX_TOKEN_BYTES: Final = 65_536  # a token with its chain takes 2 to 8 kB
MAX_ROOTS_BYTES: Final = 1_000_000  # all roots that a browser trusts take 250 kB
MAX_ROOTS: Final = 1_000  # certificates; a browser trusts some 150
MAX_EMBEDDED: Final = 16  # certificates in a token; a chain has two to four
MAX_ACCURACY: Final = timedelta(days=1)  # a vaguer time is no use, and none is known
MAX_NAME_CHARS: Final = 200  # of an authority, shown; a subject has some 100

_GRANTED: Final = 0  # PKIStatus, RFC 3161 §2.4.2
_SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
# SHA-2 and SHA-3 of 256 bits and more: under a broken digest anyone could move the time.
_DIGEST_BYTES: Final = 32
_DIGESTS: Final = frozenset(
    x509.ObjectIdentifier(f"2.16.840.1.101.3.4.2.{arc}") for arc in (1, 2, 3, 8, 9, 10)
)

Roots = tuple[x509.Certificate, ...]
"""The root certificates that a reader trusts to say the time."""


class TimestampRefused(VerificationError):
    """A timestamp that is not over this checkpoint, or that no trusted authority made."""


class UnknownAuthority(TimestampRefused):
    """Its certificates lead to no root that was given, so nothing is known of its signature."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What an authority says of a checkpoint: it existed at or before this moment.

    Attributes:
        at: the authority's time, aware, in UTC.
        accuracy: how far `at` may be off, by its own account; None if it gave none.
        authority: subject of the certificate that signed, RFC 4514, fit to be shown.
        policy: object identifier of the policy under which it works, dotted.
    """

    at: datetime
    accuracy: timedelta | None
    authority: str
    policy: str

    def __str__(self) -> str:
        off = (
            "" if self.accuracy is None else f" (give or take {self.accuracy.total_seconds():g} s)"
        )
        return f"existed at or before {self.at:%Y-%m-%d %H:%M:%S} UTC{off}, says {self.authority}"

    def to_json(self) -> dict[str, JsonValue]:
        """The same as JSON; the accuracy in seconds."""
        return {
            "at": self.at.isoformat(),
            "accuracy": None if self.accuracy is None else self.accuracy.total_seconds(),
            "authority": self.authority,
            "policy": self.policy,
        }


def as_signed(note: str) -> str:
    """The note as the log signed it: without cosignatures. Tokens are over its SHA-256.

    The log's own lines are those whose key name is the origin, in stored order.

    Raises:
        MalformedError: not a signed note, or the log did not sign it.
    """
    parsed = SignedNote.parse(note)
    origin = parsed.text.partition("\n")[0]
    own = tuple(each for each in parsed.signatures if each.name == origin)
    return SignedNote(parsed.text, own).format()


def read_roots(data: bytes) -> Roots:
    """The certificates of a PEM file; text around them is allowed, as authorities write it.

    Raises:
        MalformedError: no such file.
    """
    if len(data) > MAX_ROOTS_BYTES:
        raise MalformedError(f"root certificates: longer than {MAX_ROOTS_BYTES:,} bytes")
    try:
        # A certificate that is there twice counts once.
        found = tuple(dict.fromkeys(x509.load_pem_x509_certificates(data)))
    except Exception as error:  # whatever a strange certificate makes the library raise
        raise MalformedError("root certificates: not a PEM file of certificates") from error
    if len(found) > MAX_ROOTS:
        raise MalformedError(f"root certificates: more than {MAX_ROOTS:,}")
    return found


def timestamp_library() -> ModuleType:
    """`rfc3161_client`.

    Raises:
        UnreadableError: it is not installed.
    """
    try:
        import rfc3161_client
    except ImportError as error:
        raise UnreadableError(
            "timestamps need the package rfc3161-client: pip install 'decision-ledger[timestamps]'"
        ) from error
    return rfc3161_client


def read_timestamp(token: bytes, note: str, *, nonce: int | None = None) -> Timestamp:
    """What a token says of a note. **Its signature is not checked**; see `verify_timestamp`.

    Args:
        token: a TimeStampResp in DER, as an authority sends it.
        note: a checkpoint, with cosignatures or without.
        nonce: what the request said; the answer has to say it too.

    Raises:
        MalformedError: not a timestamp, or not a signed note.
        TimestampRefused: not granted, over something else, or not by a timestamp signer.
        UnreadableError: `rfc3161-client` is not installed.
    """
    return _Token.parse(token).of(note, nonce).timestamp()


def verify_timestamp(
    token: bytes, note: str, roots: Roots, *, nonce: int | None = None
) -> Timestamp:
    """What a token proves of a note to whoever trusts one of `roots`.

    As `read_timestamp`, and the signature is followed through the certificates that came with
    the token to a root; all were valid at the time that the token states.

    Raises:
        MalformedError, TimestampRefused, UnreadableError: as `read_timestamp`.
        UnknownAuthority: by their names, the certificates lead to none of the roots.
        TimestampRefused: they do, and yet the signature does not verify.
    """
    parsed = _Token.parse(token).of(note, nonce)
    parsed.check_chain(roots)
    return parsed.timestamp()


@dataclass(frozen=True, slots=True)
class _Token:
    """A token that was granted, and the one certificate that its signature names.

    `issuers` are the names above that certificate, as far as the token's certificates tell.
    """

    response: Any
    info: Any
    signer: x509.Certificate
    issuers: frozenset[x509.Name]

    @classmethod
    def parse(cls, token: bytes) -> "_Token":
        response = _granted(token)
        try:
            info, data = response.tst_info, response.signed_data
            embedded = [x509.load_der_x509_certificate(each) for each in _few(data.certificates)]
            (signed,) = _few(data.signer_infos)
            place = (signed.issuer, signed.serial_number)
            named = [each for each in embedded if _place(each) == place]
            weak = data.digest_algorithms - _DIGESTS
        except LedgerError:
            raise
        except Exception as error:  # a stranger's bytes in a library of others
            raise MalformedError("timestamp: not an RFC 3161 answer with one signature") from error
        # Were there two, the library could look at one and check the signature of the other.
        if len(named) != 1:
            raise TimestampRefused("timestamp: it does not bring its signer's one certificate")
        if weak:
            raise TimestampRefused("timestamp: it is signed over a digest that is not trusted")
        _check_signer(named[0])
        return cls(response, info, named[0], _issuers(named[0], embedded))

    def of(self, note: str, nonce: int | None) -> "_Token":
        """The same token, if it is over this note and answers this question."""
        digest = sha256(as_signed(note).encode()).digest()
        imprint = self.info.message_imprint
        if (imprint.hash_algorithm, imprint.message) != (_SHA256, digest):
            raise TimestampRefused("timestamp: it is over something else than this checkpoint")
        if nonce is not None and self.info.nonce != nonce:
            raise TimestampRefused("timestamp: it answers another request, its nonce differs")
        return self

    def check_chain(self, roots: Roots) -> None:
        if any(_place(each) == _place(self.signer) and each != self.signer for each in roots):
            raise TimestampRefused("timestamp: a root has the place of its signer")
        library = timestamp_library()
        try:
            verifier = library.VerifierBuilder(roots=list(roots)).build()
            verifier.verify(self.response, self.info.message_imprint.message)
        except Exception as error:
            if self.issuers.isdisjoint(each.subject for each in roots):
                raise UnknownAuthority(
                    "timestamp: no root certificate of its authority is among yours"
                ) from error
            raise TimestampRefused(
                "timestamp: its signature does not verify up to a root that you trust"
            ) from error

    def timestamp(self) -> Timestamp:
        info = self.info
        name = self.signer.subject.rfc4514_string()
        shown = "".join(each if each.isprintable() else "?" for each in name[:MAX_NAME_CHARS])
        return Timestamp(info.gen_time, _accuracy(info.accuracy), shown, info.policy.dotted_string)


def _granted(token: bytes) -> Any:
    """The answer, if it says that the request was granted exactly as it was asked."""
    if len(token) > MAX_TOKEN_BYTES:
        raise MalformedError(f"timestamp: longer than {MAX_TOKEN_BYTES:,} bytes")
    library = timestamp_library()
    try:
        response = library.decode_timestamp_response(token)
    except Exception as error:
        raise MalformedError("timestamp: not an RFC 3161 answer") from error
    if response.status != _GRANTED:
        raise TimestampRefused(f"timestamp: not granted as asked, status {response.status}")
    return response


def _place(certificate: x509.Certificate) -> tuple[x509.Name, int]:
    """What a signature names its certificate by."""
    return certificate.issuer, certificate.serial_number


def _issuers(
    signer: x509.Certificate, embedded: Sequence[x509.Certificate]
) -> frozenset[x509.Name]:
    """The issuer's name, the name of that one's issuer, and so on."""
    names = {signer.issuer}
    try:
        for _ in embedded:  # each round reaches at least one step higher, or the end is reached
            names |= {each.issuer for each in embedded if each.subject in names}
    except ValueError as error:  # the library reads names only when asked for them
        raise MalformedError("timestamp: a certificate in it names nobody") from error
    return frozenset(names)


def _few(found: Any) -> Any:
    if len(found) > MAX_EMBEDDED:
        raise MalformedError(f"timestamp: more than {MAX_EMBEDDED} certificates or signatures")
    return found


def _check_signer(certificate: x509.Certificate) -> None:
    """Return if the certificate is for timestamps and for nothing else (RFC 3161 §2.3)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        purposes, digest = list(usage.value), certificate.signature_hash_algorithm
    except Exception as error:
        raise TimestampRefused("timestamp: its signer's certificate is not for it") from error
    if not usage.critical or purposes != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise TimestampRefused("timestamp: its signer's certificate is not for it alone")
    if digest is not None and digest.digest_size < _DIGEST_BYTES:
        raise TimestampRefused("timestamp: its signer's certificate is under too short a digest")


def _accuracy(stated: Any) -> timedelta | None:
    parts = () if stated is None else (stated.seconds, stated.millis, stated.micros)
    if not any(parts):
        return None
    seconds, millis, micros = (part or 0 for part in parts)
    if seconds > MAX_ACCURACY.total_seconds():
        raise MalformedError("timestamp: its time is off by more than a day")
    return timedelta(seconds=seconds, milliseconds=millis, microseconds=micros)
