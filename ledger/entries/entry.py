"""One entry of a log: an envelope and a body, written as one canonical JSON object.

`format` gives the bytes that are hashed; `parse_entry` accepts those bytes and no
others. Pure.
"""

import base64
import binascii
from bisect import bisect
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Self, cast

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.entries.bodies import BODIES, Body
from ledger.entries.forms import COMMITMENT_BYTES, MAX_COUNT
from ledger.entries.identifiers import UUID7_PATTERN
from ledger.errors import MalformedError

MAX_ENTRY_BYTES = 65_535  # c2sp.org/tlog-tiles: a bundle writes the length in 16 bits
VERSION = 1

_ENVELOPE = ("v", "kind", "id", "seq", "at", "prev")


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened, when the log accepted it, and where in the log it stands.

    Attributes:
        id: UUIDv7 of this entry; for a decision also the id of its record.
        seq: index in the log, from 0.
        at: aware, in UTC, to the microsecond: the log's own clock, which proves nothing.
        prev: leaf hash of the entry before, 32 bytes; None at index 0 only.
        body: what happened.
    """

    id: str
    seq: int
    at: datetime
    prev: bytes | None
    body: Body

    def __post_init__(self) -> None:
        if UUID7_PATTERN.fullmatch(self.id) is None:
            raise MalformedError("entry: the id is not a lowercase UUIDv7", member="id")
        if type(self.seq) is not int or not 0 <= self.seq <= MAX_COUNT:
            raise MalformedError("entry: the index is out of range", member="seq")
        if self.at.utcoffset() != timedelta(0):
            raise MalformedError("entry: the time is not in UTC", member="at")
        if (self.prev is None) != (self.seq == 0):
            raise MalformedError("entry: all but the first name the one before", member="prev")
        if self.prev is not None and len(self.prev) != COMMITMENT_BYTES:
            raise MalformedError("entry: the hash of the one before is not 32 bytes", member="prev")

    def format(self) -> bytes:
        """The entry as canonical JSON (RFC 8785), at most `MAX_ENTRY_BYTES` bytes."""
        return UnplacedEntry.of(self.id, self.body).placed(self.seq, self.at, self.prev)


@dataclass(frozen=True, slots=True)
class UnplacedEntry:
    """An entry's bytes but for what only its log can say: `at`, `prev` and `seq`.

    The four runs of bytes stand before `at`, between `at` and `prev`, between `prev` and
    `seq`, and after `seq`. They are made where the entry is; a log places it.
    """

    before_at: bytes
    before_prev: bytes
    before_seq: bytes
    after_seq: bytes

    @classmethod
    def of(cls, entry_id: str, body: Body) -> Self:
        """The runs of an entry with this id and body."""
        members: dict[str, JsonValue] = {"id": entry_id, "kind": str(body.kind), "v": VERSION}
        members |= body.to_json()
        layout = _layout(tuple(members))
        values = canonical.encode_each([members[name] for name in layout.names])
        pairs = [
            b"%b%b," % (label, value) for label, value in zip(layout.labels, values, strict=True)
        ]
        return cls(*(b"".join(pairs[low:high]) for low, high in layout.runs))

    def placed(self, seq: int, at: datetime, prev: bytes | None) -> bytes:
        """The entry's bytes at this place; `at` is in UTC, `prev` None at index 0 only."""
        said = b"" if prev is None else b'"prev":"%b",' % base64.b64encode(prev)
        whole = b'%b"at":"%b",%b%b%b"seq":%d,%b' % (
            self.before_at,
            _format_at(at).encode(),
            self.before_prev,
            said,
            self.before_seq,
            seq,
            self.after_seq,
        )
        return b"{%b}" % whole[:-1]  # without the last comma


def parse_entry(data: bytes) -> Entry:
    """Read an entry; reject anything :meth:`Entry.format` would not have written.

    Raises:
        MalformedError: with `member` naming the place where that is known.
    """
    # Not decode: it would encode once to compare, and so does the last step here.
    document = canonical.parse(data, max_bytes=MAX_ENTRY_BYTES)
    if not isinstance(document, dict):
        raise MalformedError("entry: not an object")
    envelope = {name: document.pop(name, None) for name in _ENVELOPE}
    if type(envelope["v"]) is not int or envelope["v"] != VERSION:
        raise MalformedError("entry: not a version that is known here", member="v")
    kind = envelope["kind"]
    if not isinstance(kind, str) or kind not in BODIES:
        raise MalformedError("entry: not a kind that is known here", member="kind")
    if not isinstance(envelope["id"], str):
        raise MalformedError("entry: the id is not text", member="id")
    entry = Entry(
        id=envelope["id"],
        seq=cast("int", envelope["seq"]),  # Entry refuses whatever is not an integer
        at=_parse_at(envelope["at"]),
        prev=_parse_prev(envelope["prev"]),
        body=BODIES[kind].from_json(document),
    )
    if entry.format() != data:
        raise MalformedError("entry: not in canonical form")
    return entry


@dataclass(frozen=True, slots=True)
class _Layout:
    """The members of an entry but for its place: in order, labelled, and in four runs."""

    names: tuple[str, ...]
    labels: tuple[bytes, ...]
    runs: tuple[tuple[int, int], ...]


@lru_cache(maxsize=64)  # one for each kind, in the order in which its members are defined
def _layout(names: tuple[str, ...]) -> _Layout:
    ordered = sorted(names)
    bounds = [bisect(ordered, place) for place in ("at", "prev", "seq")]
    runs = pairwise((0, *bounds, len(ordered)))
    return _Layout(tuple(ordered), tuple(b'"%b":' % n.encode() for n in ordered), tuple(runs))


def _format_at(at: datetime) -> str:
    # isoformat and not strftime: the latter does not pad years before 1000 everywhere.
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _parse_at(value: JsonValue) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise MalformedError("entry: the time is not RFC 3339 in UTC", member="at") from None


def _parse_prev(value: JsonValue) -> bytes | None:
    if value is None:
        return None
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("entry: the hash before is not base64", member="prev") from None
