"""What a web worker and the writer process say to each other over a local socket.

Frames of four bytes of length, big-endian, and a MessagePack value. Both ends are the same
program on the same machine, and the socket lies where its owner alone can open it; the
bounds are there so that a fault on one side is an error on the other.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from ledger import errors
from ledger.errors import LedgerError, MalformedError, PushbackError
from ledger.operate.log_writer import Submission, Written
from ledger.storage.database import RETRY_AFTER_SECONDS

MAX_FRAME_BYTES: Final = 64_000_000  # a submission of 1,000 records of 5 MB over HTTP, and more
MAX_ADDRESS_BYTES: Final = 100  # of a socket's path: the kernels' limits are 104 and 108

_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Request:
    """A submission for a log, or without one the question whether the log can be written."""

    number: int
    log: str
    submission: Submission | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """One of our errors, on its way to the process that asked."""

    kind: str
    text: str
    member: str | None = None
    retry_after: float | None = None

    @classmethod
    def of(cls, error: LedgerError) -> "Trouble":
        """The error as it travels."""
        retry_after = getattr(error, "retry_after", None)
        return cls(type(error).__name__, str(error), error.member, retry_after)

    def error(self) -> LedgerError:
        """The error again; one that does not travel well arrives as an outage."""
        kind = getattr(errors, self.kind, None) if self.kind in errors.__all__ else None
        if kind is not None and issubclass(kind, PushbackError):
            return PushbackError(self.text, retry_after=self.retry_after or RETRY_AFTER_SECONDS)
        if kind in _PLAIN:
            return kind(self.text, member=self.member)  # type: ignore[no-any-return]  # of ours
        return PushbackError(self.text, retry_after=RETRY_AFTER_SECONDS)


_PLAIN: Final = (
    errors.ClockWrong,
    errors.ConflictError,
    errors.ErasedError,
    errors.MalformedError,
    errors.RefusedError,
    errors.RootMismatchError,
    errors.StoppedError,
    errors.VerificationError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request; neither member means that the log can be written."""

    number: int
    written: Written | None = None
    trouble: Trouble | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_REQUESTS: Final = msgspec.msgpack.Decoder(Request)
_ANSWERS: Final = msgspec.msgpack.Decoder(Answer)


def frame(message: Request | Answer) -> bytes:
    """The message behind its length.

    Raises:
        MalformedError: it is too long.
    """
    content = _ENCODER.encode(message)
    if len(content) > MAX_FRAME_BYTES:
        raise MalformedError(f"submission: more than {MAX_FRAME_BYTES:,} bytes")
    return _LENGTH.pack(len(content)) + content


class Frames:
    """Cuts what arrives from one peer into messages."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The contents of the frames that are whole now.

        Raises:
            MalformedError: a frame is too long: the peer is to be left.
        """
        self._held += data
        while len(self._held) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._held)
            if length > MAX_FRAME_BYTES:
                raise MalformedError("writer: a frame is too long")
            end = _LENGTH.size + length
            if len(self._held) < end:
                return
            content = bytes(self._held[_LENGTH.size : end])
            del self._held[:end]
            yield content


def parse_request(content: bytes) -> Request:
    """The request of a frame's content.

    Raises:
        MalformedError: it is not one.
    """
    try:
        return _REQUESTS.decode(content)
    except msgspec.DecodeError as error:
        raise MalformedError("writer: not a request") from error


def parse_answer(content: bytes) -> Answer:
    """The answer of a frame's content.

    Raises:
        MalformedError: it is not one.
    """
    try:
        return _ANSWERS.decode(content)
    except msgspec.DecodeError as error:
        raise MalformedError("writer: not an answer") from error


@contextmanager
def address(path: Path) -> Iterator[str]:
    """A socket's address; one that is too long for the kernel goes by way of its directory.

    Raises:
        LedgerError: it is too long, and the system knows no other way.
    """
    if len(os.fsencode(path)) <= MAX_ADDRESS_BYTES:
        yield str(path)
        return
    if not Path("/proc/self/fd").is_dir():
        raise LedgerError(
            f"the path {path.name} of the writer's socket is longer than {MAX_ADDRESS_BYTES}"
            " bytes: choose a shorter LEDGER_DATA"
        )
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def local_socket() -> socket.socket:
    """A fresh local stream socket."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
