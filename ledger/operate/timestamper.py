"""Asking timestamp authorities for the time of a checkpoint (RFC 3161 over HTTP, §3.4).

An authority is somebody else's machine: it may be down, slow, wrong or lying. What it sends
is checked before anybody keeps it, and its troubles never stop the ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, Protocol

from ledger.errors import MalformedError
from ledger.operate.witness_exchange import ANSWER_SECONDS, Answer, NoAnswer, post
from ledger.verify.timestamps import (
    Roots,
    Timestamp,
    TimestampRefused,
    as_signed,
    read_timestamp,
    timestamp_library,
    verify_timestamp,
)

__all__ = ["MAX_ADDRESSES_BYTES", "HttpTimestamper", "Stamped", "Timestamper", "read_addresses"]

QUERY: Final = "application/timestamp-query"
MAX_SKEW: Final = timedelta(minutes=5)  # between the authority's clock and ours
MAX_AUTHORITIES: Final = 16  # asked for each checkpoint; two of different owners are enough
MAX_ADDRESSES_BYTES: Final = 65_536  # of a file with comments


@dataclass(frozen=True, slots=True)
class Stamped:
    """A token as it came, to be kept byte for byte, and what it says."""

    token: bytes
    timestamp: Timestamp


class Timestamper(Protocol):
    """One timestamp authority. Safe to share between threads.

    Asks once and waits for a bounded time; whether to ask again is the caller's decision.
    A token that is returned was checked: it is over the note as the log signed it, answers
    this very request, states about the time that it is, and its signature leads to a root
    wherever roots are configured.
    """

    @property
    def address(self) -> str:
        """Where it is asked. Names the authority in reports, and its tokens' files."""

    def stamp(self, note: str) -> Stamped:
        """A new token over a checkpoint.

        Raises:
            NoAnswer: none in time, too long a one, or an HTTP status that is no answer.
            MalformedError: the answer is not a timestamp.
            TimestampRefused: it is one, but not granted, of something else, replayed, of
                another time, or made by nobody who is trusted.
            UnreadableError: `rfc3161-client` is not installed.
        """


@dataclass(frozen=True, slots=True)
class HttpTimestamper:
    """An authority behind an address.

    Attributes:
        address: http or https, without user and query; redirects are not followed.
        roots: whom to trust; () checks all but the signature.
        now: the time now, aware, in UTC.
        seconds: how long one answer may take.
    """

    address: str
    roots: Roots
    now: Callable[[], datetime]
    seconds: float = ANSWER_SECONDS

    def stamp(self, note: str) -> Stamped:
        """A new token over a checkpoint; see the port."""
        library = timestamp_library()
        request = (
            library.TimestampRequestBuilder()
            .data(as_signed(note).encode())
            .hash_algorithm(library.HashAlgorithm.SHA256)
            .nonce(nonce=True)  # so that an old answer is not taken for a new one
            .cert_request(cert_request=True)  # without its chain a token dies with the authority
            .build()
        )
        answer = post(self.address, request.as_bytes(), seconds=self.seconds, media_type=QUERY)
        token, nonce = _token(answer), request.nonce
        if self.roots:
            timestamp = verify_timestamp(token, note, self.roots, nonce=nonce)
        else:
            timestamp = read_timestamp(token, note, nonce=nonce)
        if abs(timestamp.at - self.now()) > MAX_SKEW:
            raise TimestampRefused(
                f"timestamp: it says {timestamp.at:%Y-%m-%d %H:%M:%S} UTC, which is not about"
                " the time by this machine's clock"
            )
        return Stamped(token, timestamp)


def read_addresses(text: str) -> tuple[str, ...]:
    """The authorities of a file: one address a line; blank lines and `#` comments are skipped.

    Raises:
        MalformedError: an address twice, too many, or none.
    """
    lines = (line.strip() for line in text.splitlines())
    found = tuple(line for line in lines if line and not line.startswith("#"))
    if not 1 <= len(found) <= MAX_AUTHORITIES or len(set(found)) != len(found):
        raise MalformedError(f"timestamp: not 1 to {MAX_AUTHORITIES} different addresses")
    return found


def _token(answer: Answer) -> bytes:
    # The media type is not looked at: some authorities send none, and the bytes are checked.
    if answer.status != HTTPStatus.OK:
        raise NoAnswer(f"it answered with status {answer.status}")
    return answer.body
