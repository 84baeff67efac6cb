"""What waits in a spool: decisions with their counters, and counters that none carries.

A decision is written once, as the canonical JSON that will be sent; only its source and
counter are put in last, because they are known last. Pure.
"""

import re
import struct
import uuid
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from ledger import canonical
from ledger.client.frames import Frame, FrameKind, encode_frame
from ledger.client.spool_cipher import SpoolCipher
from ledger.entries import MAX_COUNT, parse_id
from ledger.errors import MalformedError

__all__ = [
    "MARK_BYTES",
    "MAX_DECISION_BYTES",
    "MAX_SOURCE_LENGTH",
    "Draft",
    "Gap",
    "Refusal",
    "Spooled",
    "check_source",
    "lane_name",
    "merged",
    "plain",
    "undeclared",
]

MAX_DECISION_BYTES: Final = 2_000_000  # bytes of JSON; a request to the ledger may have 5,000,000
MAX_SOURCE_LENGTH: Final = 55  # characters; with a lane's mark, 64: what a ledger takes
MARK_BYTES: Final = (
    8  # 40 bits of chance: among 10,000 lanes two are alike with odds of 1 in 20,000
)
MAX_PROBLEM_BYTES: Final = 16_384  # of a refusal, as JSON: what `answers` keeps of one is shorter
_PREFIX: Final = struct.Struct(">Q16sQ")
_RANGE: Final = struct.Struct(">QQ")
_LENGTH: Final = struct.Struct(">H")
_REASON: Final = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_SOURCE: Final = re.compile(rf"[a-z0-9][a-z0-9_.-]{{0,{MAX_SOURCE_LENGTH - 1}}}", re.ASCII)
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_SECTIONS: Final = ("input", "output", "attributions", "context")


def check_source(source: str) -> str:
    """The text itself, if a source may have this name.

    Raises:
        MalformedError: it may not.
    """
    if _SOURCE.fullmatch(source) is None:
        raise MalformedError(
            f"client: the source is not 1 to {MAX_SOURCE_LENGTH} of a-z 0-9 _ . - that begin"
            " with a letter or digit"
        )
    return source


def lane_name(source: str, random: bytes) -> str:
    """The name of a new lane of a source, which no other lane has.

    Args:
        source: the source's own name.
        random: `MARK_BYTES` fresh random bytes.

    Raises:
        MalformedError: the source cannot have this name.
    """
    mark = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in random)
    return f"{check_source(source)}.{mark}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Counters of a source that no decision in the log will carry, and why, as a code."""

    first: int
    last: int
    reason: str

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last <= MAX_COUNT:
            raise MalformedError("gap: not a range of counters")
        if _REASON.fullmatch(self.reason) is None:
            raise MalformedError("gap: the reason is not a code such as spool_full")

    def frame(self, kind: FrameKind) -> bytes:
        """The gap as a frame of this kind."""
        return encode_frame(kind, _RANGE.pack(self.first, self.last) + self.reason.encode())

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """The gap in a frame.

        Raises:
            MalformedError: there is none.
        """
        if len(frame.payload) < _RANGE.size:
            raise MalformedError("gap: too short")
        first, last = _RANGE.unpack_from(frame.payload)
        return cls(first, last, frame.payload[_RANGE.size :].decode("ascii", "replace"))


def merged(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """The same gaps, in order, with those of one reason that touch or overlap as one."""
    found: list[Gap] = []
    for gap in sorted(gaps, key=lambda each: (each.reason, each.first, each.last)):
        last = found[-1] if found else None
        if last is not None and last.reason == gap.reason and gap.first <= last.last + 1:
            found[-1] = Gap(last.first, max(last.last, gap.last), gap.reason)
        else:
            found.append(gap)
    return tuple(sorted(found, key=lambda each: each.first))


def undeclared(gaps: Iterable[Gap], declared: Iterable[Gap]) -> tuple[Gap, ...]:
    """Those of the gaps that the declared ones do not cover."""
    told: dict[str, list[Gap]] = {}
    for each in merged(declared):
        told.setdefault(each.reason, []).append(each)

    def is_told(gap: Gap) -> bool:
        runs = told.get(gap.reason, [])
        at = bisect_right(runs, gap.first, key=lambda each: each.first) - 1
        return at >= 0 and gap.last <= runs[at].last

    return tuple(gap for gap in gaps if not is_told(gap))


@dataclass(frozen=True, slots=True)
class Draft:
    """A decision without its place: canonical JSON around a hole for source and counter."""

    id: str
    at_ms: int
    head: bytes
    tail: bytes

    @classmethod
    def of(cls, identifier: str, at_ms: int, members: Mapping[str, Any]) -> Self:
        """The decision of these members: model, policy, the four sections, maybe subject.

        `attributions` may be None: the member is not sent, and the ledger works them out.

        Raises:
            MalformedError: it is not I-JSON, or too long.
        """
        document: dict[str, Any] = {
            name: dict(members[name])
            for name in _SECTIONS
            if name != "attributions" or members.get(name) is not None
        }
        document |= {"id": parse_id(identifier), "model": members["model"]}
        document["policy"] = members["policy"]
        subject = members.get("subject")
        tail = b"}" if subject is None else b',"subject":' + canonical.encode(subject) + b"}"
        head = _encode(document)[:-1]
        # `source` sorts behind all that stands in the head and before `subject`.
        if len(head) + len(tail) > MAX_DECISION_BYTES:
            raise MalformedError(f"decision: longer than {MAX_DECISION_BYTES:,} bytes")
        return cls(identifier, at_ms, head, tail)

    def body(self, source: str, seq: int) -> bytes:
        """The decision as the `seq`th of `source`: the JSON to send."""
        place = b',"source":{"id":"%s","seq":%d}' % (source.encode(), seq)
        return self.head + place + self.tail

    def frame(self, source: str, seq: int, cipher: SpoolCipher) -> bytes:
        """The decision as the `seq`th of `source`, ready for the spool."""
        body = self.body(source, seq)
        prefix = _PREFIX.pack(seq, bytes.fromhex(self.id.replace("-", "")), self.at_ms)
        return encode_frame(FrameKind.DECISION, prefix + cipher.seal(body, source, prefix))


@dataclass(frozen=True, slots=True)
class Spooled:
    """A decision that waits.

    Attributes:
        seq: its counter.
        id: its id.
        at_ms: when it was accepted, milliseconds since 1970.
        sealed: its JSON, as the spool's cipher wrote it.
    """

    seq: int
    id: str
    at_ms: int
    sealed: bytes

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """The decision in a frame, still sealed.

        Raises:
            MalformedError: there is none.
        """
        if len(frame.payload) < _PREFIX.size:
            raise MalformedError("spool: a decision that is too short")
        seq, identifier, at_ms = _PREFIX.unpack_from(frame.payload)
        return cls(seq, str(uuid.UUID(bytes=identifier)), at_ms, frame.payload[_PREFIX.size :])

    def body(self, source: str, cipher: SpoolCipher) -> bytes:
        """The JSON to send.

        Raises:
            VerificationError: another key, or changed bytes.
        """
        return cipher.open(self.sealed, source, self._prefix())

    def refused(self, problem: Mapping[str, Any]) -> bytes:
        """A frame that keeps the decision, still sealed, beside the ledger's problem with it."""
        told = canonical.encode(problem)
        if len(told) > MAX_PROBLEM_BYTES:
            told = b"{}"
        payload = self._prefix() + _LENGTH.pack(len(told)) + told + self.sealed
        return encode_frame(FrameKind.REFUSED, payload)

    def _prefix(self) -> bytes:
        return _PREFIX.pack(self.seq, bytes.fromhex(self.id.replace("-", "")), self.at_ms)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision that the ledger refused, and its problem (RFC 9457)."""

    decision: Spooled
    problem: Mapping[str, Any]

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """The refusal in a frame.

        Raises:
            MalformedError: there is none.
        """
        whole = Spooled.of(frame)
        rest = whole.sealed
        if len(rest) < _LENGTH.size:
            raise MalformedError("spool: a refusal that is too short")
        (length,) = _LENGTH.unpack_from(rest)
        told = canonical.decode(
            rest[_LENGTH.size : _LENGTH.size + length], max_bytes=MAX_PROBLEM_BYTES
        )
        if not isinstance(told, dict):
            raise MalformedError("spool: a refusal without a problem")
        return cls(replace(whole, sealed=rest[_LENGTH.size + length :]), told)


def _encode(document: Mapping[str, Any]) -> bytes:
    try:
        return canonical.encode(document)
    except MalformedError:
        # Numbers of numpy are what models hand out; anything else is refused once more.
        return canonical.encode(plain(document))


def plain(value: Any) -> Any:
    """The same value, with numbers of numpy as Python's own."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value
