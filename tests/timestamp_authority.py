"""A timestamp authority of our own (RFC 3161): true to the format, honest unless told otherwise.

Answers are written byte by byte, so that a lie can be told about any part of them, and signed
with real keys under a small PKI: a root, an authority below it, and the signer. `serving` makes
it a real HTTP server on this machine.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder
from rfc3161_client._rust import parse_timestamp_request

from ledger.operate.timestamper import Stamped
from ledger.verify.timestamps import (
    Roots,
    TimestampRefused,
    as_signed,
    read_timestamp,
    verify_timestamp,
)

POLICY = "1.3.6.1.4.1.32473.1"  # below the arc that is reserved for examples (RFC 5612)
REPLY = "application/timestamp-reply"
YEARS = timedelta(days=3650)
TIME_STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)

SEQUENCE, SET, INTEGER, OCTETS, OID, TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x18
SHA256, SHA512, ECDSA = "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.3", "1.2.840.10045.4.3.2"
SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.47"


# DER, as much of it as a timestamp takes


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8 or 1)
    if len(content) > 127:
        size = bytes((0x80 | len(size),)) + size
    return bytes((tag,)) + size + content


def integer(number: int) -> bytes:
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, signed=True))


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    octets = bytearray()
    for arc in (40 * first + second, *rest):
        shifted = [arc & 0x7F]
        while arc := arc >> 7:
            shifted.append(0x80 | arc & 0x7F)
        octets += bytes(reversed(shifted))
    return tlv(OID, bytes(octets))


def algorithm(dotted: str) -> bytes:
    return tlv(SEQUENCE, oid(dotted))


def attribute(dotted: str, value: bytes) -> bytes:
    return tlv(SEQUENCE, oid(dotted), tlv(SET, value))


# Certificates


@dataclass(frozen=True)
class Holder:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def holder(
    name: str,
    issuer: Holder | None = None,
    *,
    purposes: Sequence[x509.ObjectIdentifier] = (),
    critical: bool = True,
    begin: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    until: datetime | None = None,
    serial: int = 0,
    digest: hashes.SHA224 | hashes.SHA256 | None = None,
) -> Holder:
    """A new holder: an authority over others unless it has purposes of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Time"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(until or begin + YEARS)
        .add_extension(x509.BasicConstraints(ca=not purposes, path_length=None), critical=True)
    )
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
    signed = builder.sign(issuer.key if issuer else key, digest or hashes.SHA256())
    return Holder(signed, key)


@cache
def root() -> Holder:
    return holder("Example Time Root")


@cache
def intermediate() -> Holder:
    return holder("Example Time Authority", root())


@cache
def signer() -> Holder:
    return holder("Example Time Stamper", intermediate(), purposes=TIME_STAMPING)


def roots() -> Roots:
    return (root().certificate,)


# Answers


def granted(
    imprint: bytes,
    nonce: int | None = None,
    *,
    at: datetime,
    by: Holder | None = None,
    named: Holder | None = None,
    chain: Sequence[bytes] | None = None,
    status: int = 0,
    hashed_with: str = SHA256,
    digest: str = SHA256,
    accuracy: bytes | None = None,
    copies: int = 1,
    text: bytes | None = None,
) -> bytes:
    """A TimeStampResp over `imprint`: each argument after `at` can make it a lie.

    Args:
        by: whose key signs; `named`: whom the signature names; `chain`: what comes along.
        accuracy: the whole DER of it; one second unless given.
        copies: how many signatures there are.
        text: what stands in the place of the signed TSTInfo.
    """
    by = by or signer()
    named = named or by
    info = tlv(
        SEQUENCE,
        integer(1),
        oid(POLICY),
        tlv(SEQUENCE, algorithm(hashed_with), tlv(OCTETS, imprint)),
        integer(4711),
        tlv(TIME, at.strftime("%Y%m%d%H%M%SZ").encode()),
        tlv(SEQUENCE, integer(1)) if accuracy is None else accuracy,
        b"" if nonce is None else integer(nonce),
    )
    attributes = sorted(
        (
            attribute(CONTENT_TYPE, oid(TST_INFO)),
            attribute(MESSAGE_DIGEST, tlv(OCTETS, sha256(info).digest())),
            attribute(
                SIGNING_CERTIFICATE,
                tlv(
                    SEQUENCE, tlv(SEQUENCE, tlv(SEQUENCE, tlv(OCTETS, sha256(named.der).digest())))
                ),
            ),
        )
    )
    signature = by.key.sign(tlv(SET, *attributes), ec.ECDSA(hashes.SHA256()))
    signed_by = tlv(
        SEQUENCE,
        integer(1),
        tlv(
            SEQUENCE,
            named.certificate.issuer.public_bytes(),
            integer(named.certificate.serial_number),
        ),
        algorithm(digest),
        tlv(0xA0, *attributes),
        algorithm(ECDSA),
        tlv(OCTETS, signature),
    )
    come_along = (by.der, intermediate().der) if chain is None else tuple(chain)
    data = tlv(
        SEQUENCE,
        integer(3),
        tlv(SET, algorithm(digest)),
        tlv(SEQUENCE, oid(TST_INFO), tlv(0xA0, tlv(OCTETS, info if text is None else text))),
        tlv(0xA0, *sorted(come_along)) if come_along else b"",
        tlv(SET, *[signed_by] * copies),
    )
    content = tlv(SEQUENCE, oid(SIGNED_DATA), tlv(0xA0, data))
    return tlv(SEQUENCE, tlv(SEQUENCE, integer(status)), content)


def refused(status: int = 2) -> bytes:
    """An answer without a token: the request was rejected."""
    return tlv(SEQUENCE, tlv(SEQUENCE, integer(status)))


def stamp(note: str, at: datetime, **lies: Any) -> bytes:
    """A token over a note, as the log signed it."""
    return granted(sha256(as_signed(note).encode()).digest(), at=at, **lies)


@dataclass
class Authority:
    """Answers requests, and is a Timestamper by itself for tests that need no network.

    Attributes:
        clock: what time it thinks it is.
        lies: arguments of `granted` that take the place of what was asked.
        forged: the very answer to give, whatever was asked.
        trusted: whom it trusts when it is asked as a Timestamper.
        address: what it calls itself then.
        asked: the imprints it was asked to stamp.
    """

    clock: Callable[[], datetime]
    lies: dict[str, Any] = field(default_factory=dict)
    forged: bytes | None = None
    trusted: Roots = ()
    address: str = "http://memory.example/tsa"
    asked: list[bytes] = field(default_factory=list)

    def answer(self, query: bytes) -> bytes:
        """What comes back for a TimeStampReq."""
        request = parse_timestamp_request(query)
        imprint = request.message_imprint.message
        self.asked.append(imprint)
        if self.forged is not None:
            return self.forged
        values: dict[str, Any] = {"imprint": imprint, "nonce": request.nonce, "at": self.clock()}
        return granted(**values | self.lies)

    def stamp(self, note: str) -> Stamped:
        """What an HTTP client of this authority has from it, were there no network between."""
        request = (
            TimestampRequestBuilder()
            .data(as_signed(note).encode())
            .hash_algorithm(HashAlgorithm.SHA256)
            .build()
        )
        token, nonce = self.answer(request.as_bytes()), request.nonce
        if self.trusted:
            said = verify_timestamp(token, note, self.trusted, nonce=nonce)
        else:
            said = read_timestamp(token, note, nonce=nonce)
        if abs(said.at - self.clock()) > timedelta(minutes=5):
            raise TimestampRefused("timestamp: not about the time")
        return Stamped(token, said)


@contextlib.contextmanager
def serving(authority: Authority, status: int = 200) -> Iterator[str]:
    """The address of the authority as a server on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            body = authority.answer(query)
            self.send_response(status)
            self.send_header("Content-Type", REPLY)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: tests speak for themselves."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa"
        finally:
            server.shutdown()
            thread.join()
