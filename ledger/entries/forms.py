"""What a member of an entry may be, and how it is written in JSON.

Every member of an entry names one of the forms below in its type, for instance
`model: Digest`. That one annotation checks a value at birth, writes it, and reads
it back, so that the three cannot drift apart. There is deliberately no form for
free text. Pure.
"""

import base64
import binascii
import re
from collections.abc import Hashable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Protocol, Self, cast, get_type_hints

from ledger.canonical import JsonValue
from ledger.entries.identifiers import UUID7_PATTERN
from ledger.errors import MalformedError

COMMITMENT_BYTES = 32  # SHA-256
MAX_COUNT = 2**53 - 1  # the largest integer that every JSON reader keeps exactly (RFC 7493 §2.2)
MAX_RECORDS = 1024  # ids in one tombstone: 40 kB of the 64 kB an entry may have
MAX_VKEYS = 8  # keys of one log in one entry; an ML-DSA-44 key takes 2 kB

_NAME = r"[A-Za-z0-9._:/-]"  # what origins and source ids are made of: no blank, no '+', no '@'


class Form(Protocol):
    """How one member is checked, written and read.

    `encode` gets only values that `accepts` accepted. `decode` gives back what it
    cannot read, for `accepts` to refuse, or raises MalformedError.
    """

    def accepts(self, value: object) -> bool:
        """Say whether this value may stand in an entry."""

    def encode(self, value: Any) -> JsonValue:
        """The value as JSON."""

    def decode(self, document: JsonValue) -> object:
        """The value that this JSON stands for."""


@dataclass(frozen=True, slots=True)
class TextForm:
    """Text of one pattern; its length is bounded by the pattern."""

    pattern: re.Pattern[str]

    def accepts(self, value: object) -> bool:
        """Say whether the whole text fits the pattern."""
        return isinstance(value, str) and self.pattern.fullmatch(value) is not None

    def encode(self, value: str) -> JsonValue:
        """The text itself, as a plain string."""
        return str(value)

    def decode(self, document: JsonValue) -> object:
        """The text itself."""
        return document


@dataclass(frozen=True, slots=True)
class CountForm:
    """An integer from 0 to 2^53 - 1."""

    def accepts(self, value: object) -> bool:
        """Say whether the value is an integer in range; a boolean is not."""
        return type(value) is int and 0 <= value <= MAX_COUNT

    def encode(self, value: int) -> JsonValue:
        """The number itself."""
        return value

    def decode(self, document: JsonValue) -> object:
        """The number itself."""
        return document


@dataclass(frozen=True, slots=True)
class HashForm:
    """32 bytes of SHA-256, as standard base64 with padding."""

    def accepts(self, value: object) -> bool:
        """Say whether the value is 32 bytes."""
        return isinstance(value, bytes) and len(value) == COMMITMENT_BYTES

    def encode(self, value: bytes) -> JsonValue:
        """The bytes in base64."""
        return base64.b64encode(value).decode()

    def decode(self, document: JsonValue) -> object:
        """The bytes; padding bits that are not zero are left to the reader's final comparison."""
        try:
            return base64.b64decode(document, validate=True) if isinstance(document, str) else None
        except (binascii.Error, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class MomentForm:
    """A moment in UTC to the microsecond, written as an entry's `at` is (RFC 3339)."""

    def accepts(self, value: object) -> bool:
        """Say whether the value is aware and in UTC."""
        return isinstance(value, datetime) and value.utcoffset() == timedelta(0)

    def encode(self, value: datetime) -> JsonValue:
        """The moment with six decimals and a `Z`."""
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def decode(self, document: JsonValue) -> object:
        """The moment; other spellings are left to the reader's final comparison."""
        try:
            return datetime.fromisoformat(document) if isinstance(document, str) else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class TupleForm:
    """One to `most` different texts of one form; sorted if they are a set."""

    item: TextForm
    most: int
    ascending: bool

    def accepts(self, value: object) -> bool:
        """Say whether this is a tuple of the right length, items, and order."""
        if not isinstance(value, tuple) or not 1 <= len(value) <= self.most:
            return False
        if not all(map(self.item.accepts, value)) or len(set(value)) != len(value):
            return False
        return not self.ascending or list(value) == sorted(value)

    def encode(self, value: tuple[str, ...]) -> JsonValue:
        """The texts as an array."""
        return [str(item) for item in value]

    def decode(self, document: JsonValue) -> object:
        """The texts as a tuple."""
        return tuple(document) if isinstance(document, list) else None


@dataclass(frozen=True, slots=True)
class Members:
    """A value whose members are checked at birth and written as a JSON object."""

    def __post_init__(self) -> None:
        for name, form in forms_of(type(self)):
            if not form.accepts(getattr(self, name)):
                raise MalformedError(f"entry: the member {name} is not well formed", member=name)

    def to_json(self) -> dict[str, JsonValue]:
        """The members by name."""
        return {name: form.encode(getattr(self, name)) for name, form in forms_of(type(self))}

    @classmethod
    def from_json(cls, document: JsonValue) -> Self:
        """Read the members; exactly those that the type has.

        Raises:
            MalformedError: a member is absent, unknown or not well formed.
        """
        if not isinstance(document, dict):
            raise MalformedError("entry: not an object")
        forms = forms_of(cls)
        names = {name for name, _ in forms}
        for name in sorted(names ^ document.keys()):
            known = name in names  # an unknown name is a stranger's text: never repeat it
            reason = f"the member {name} is absent" if known else "a member is not known"
            raise MalformedError(f"entry: {reason}", member=name if known else None)
        return cls(**{name: _decode(name, form, document[name]) for name, form in forms})


@dataclass(frozen=True, slots=True)
class NestedForm:
    """An object with members of its own."""

    of: type[Members]

    def accepts(self, value: object) -> bool:
        """Say whether the value is of that type; it was checked at birth."""
        return isinstance(value, self.of)

    def encode(self, value: Members) -> JsonValue:
        """The members as an object."""
        return value.to_json()

    def decode(self, document: JsonValue) -> object:
        """The object as a value."""
        return self.of.from_json(document)


def _decode(name: str, form: Form, document: JsonValue) -> object:
    try:
        return form.decode(document)
    except MalformedError as error:  # of a nested object: say where in the whole
        inner = "" if error.member is None else f".{error.member}"
        raise MalformedError(str(error), member=name + inner) from None


def forms_of(of: type[Members]) -> tuple[tuple[str, Form], ...]:
    """The name and form of each member of a type, in the order of its definition."""
    return _forms_of(cast("Hashable", of))  # mypy takes a class's __hash__ for its instances'


@lru_cache(maxsize=64)
def _forms_of(of: Any) -> tuple[tuple[str, Form], ...]:
    hints = get_type_hints(of, include_extras=True)
    return tuple((field.name, hints[field.name].__metadata__[0]) for field in fields(of))


Code = Annotated[str, TextForm(re.compile(r"[a-z0-9_]{1,64}"))]
"""A word of a closed list that is published elsewhere."""

Commitment = Annotated[bytes, HashForm()]
"""A salted commitment (`ledger.commitments`), 32 bytes."""

Count = Annotated[int, CountForm()]
"""A counter, a position or a number of things."""

Digest = Annotated[str, TextForm(re.compile(r"[0-9a-f]{64}"))]
"""SHA-256 in lowercase hex of a public document that holds no person's data."""

Id = Annotated[str, TextForm(UUID7_PATTERN)]
"""A random id that means nothing by itself."""

Moment = Annotated[datetime, MomentForm()]
"""A moment that is nobody's own, such as where a period begins."""

Origin = Annotated[str, TextForm(re.compile(_NAME + r"{1,255}"))]
"""A log's name: a URL without a scheme (c2sp.org/tlog-checkpoint)."""

Pseudonym = Annotated[str, TextForm(re.compile(r"[0-9a-f]{32}"))]
"""16 bytes in lowercase hex, made under a key that changes each period."""

Records = Annotated[
    tuple[str, ...], TupleForm(TextForm(UUID7_PATTERN), most=MAX_RECORDS, ascending=True)
]
"""A set of record ids, in ascending order."""

Software = Annotated[str, TextForm(re.compile(r"[a-z0-9-]{1,32}/[0-9a-z.]{1,32}"))]
"""A program and its version, `decision-ledger/1.0.0`."""

SourceId = Annotated[str, TextForm(re.compile(_NAME + r"{1,128}"))]
"""The name of a system that makes predictions; never of a person."""

Vkeys = Annotated[
    tuple[str, ...],
    TupleForm(
        TextForm(re.compile(_NAME + r"{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{40,1764}={0,2}")),
        most=MAX_VKEYS,
        ascending=False,
    ),
]
"""Public keys of the log as vkey texts (c2sp.org/signed-note), in the order of signing."""
