"""Commitments to the sections of a record, and openings that disclose part of them.

The log holds a commitment; a vault holds the 32 random bytes that open it. Whoever
holds an opening can check that *these* values were logged, without seeing the
others. The format is `docs/formats.md` §3. Hashes only, so that a relying party
needs no other library; sealed payloads are `ledger.sealing`. Pure: nothing here
makes randomness.

After the record key is destroyed nobody can open a commitment any more. It hides
computationally: that is erasure of the key, not anonymity.
"""

import base64
import binascii
import hashlib
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Self

from ledger import canonical
from ledger.canonical import JsonValue, encode, encode_each
from ledger.errors import MalformedError, VerificationError

SECTIONS = ("input", "output", "attributions", "context")
"""The sections of a decision's payload, in the order of its entry."""

RECORD_KEY_BYTES = 32
SALT_BYTES = 16
COMMITMENT_BYTES = 32
MAX_FIELDS = 10_000  # fields of one section; a model with more features is not explainable
MAX_NAME_CHARACTERS = 256  # of a field: a feature's name, not a sentence

_SALTS = b"decision-ledger/v1/salts\n"
_FIELD = b"decision-ledger/v1/field\n"
_SECTION = b"decision-ledger/v1/section\n"
_SECTION_NAME = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class DisclosedField:
    """One member of a section with the salt that lets a reader check it.

    Attributes:
        name: the member, for `input` the feature.
        value: as it was logged.
        salt: 16 bytes that belong to this field of this record alone.
    """

    name: str
    value: JsonValue
    salt: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or len(self.name) > MAX_NAME_CHARACTERS:
            raise MalformedError("opening: a field's name is not text, or is too long")
        if not isinstance(self.salt, bytes) or len(self.salt) != SALT_BYTES:
            raise MalformedError(f"opening: a salt is not {SALT_BYTES} bytes")

    def digest(self, section: str) -> bytes:
        """The field's digest, 32 bytes.

        Raises:
            MalformedError: the value is not I-JSON.
        """
        statement = canonical.encode([section, self.name, self.value])
        return hashlib.sha256(_FIELD + self.salt + statement).digest()


@dataclass(frozen=True, slots=True)
class Opening:
    """A section with some of its fields disclosed and the others as bare digests.

    The fields stand in the order of their names (RFC 8785), disclosed or not, so
    names that are disclosed rise. One opening cannot show that a hidden field does
    not repeat a disclosed name; a full opening can.
    """

    section: str
    fields: tuple[DisclosedField | bytes, ...]

    def __post_init__(self) -> None:
        _check_section(self.section)
        if len(self.fields) > MAX_FIELDS:
            raise MalformedError("opening: too many fields")
        names = []
        for field in self.fields:
            if isinstance(field, DisclosedField):
                names.append(_sort_key(field.name))
            elif not isinstance(field, bytes) or len(field) != COMMITMENT_BYTES:
                raise MalformedError("opening: a hidden field is not 32 bytes")
        if any(later <= earlier for earlier, later in itertools.pairwise(names)):
            raise MalformedError("opening: fields out of order, or one name twice")

    def disclosed(self) -> dict[str, JsonValue]:
        """The disclosed members by name."""
        return {f.name: f.value for f in self.fields if isinstance(f, DisclosedField)}

    def only(self, names: Collection[str]) -> "Opening":
        """The same opening with these fields alone disclosed: no value or salt of another.

        Raises:
            MalformedError: a name is of no field that this one discloses.
        """
        if not set(names) <= self.disclosed().keys():
            raise MalformedError("opening: a field to disclose is not in the section")
        return Opening(
            self.section,
            tuple(
                field.digest(self.section)
                if isinstance(field, DisclosedField) and field.name not in names
                else field
                for field in self.fields
            ),
        )

    def commitment(self) -> bytes:
        """The commitment that this opening opens, 32 bytes."""
        return _section_commitment(
            field.digest(self.section) if isinstance(field, DisclosedField) else field
            for field in self.fields
        )

    def to_json(self) -> dict[str, JsonValue]:
        """The opening as JSON: `section`, and `fields` as objects.

        A disclosed field is {`name`, `value`, `salt`}, a hidden one {`digest`};
        bytes are standard base64.
        """
        return {"section": self.section, "fields": [_field_to_json(f) for f in self.fields]}

    @classmethod
    def from_json(cls, document: JsonValue) -> Self:
        """Read an opening; exactly the members that :meth:`to_json` writes.

        Raises:
            MalformedError: it is not one.
        """
        if not isinstance(document, dict) or document.keys() != {"section", "fields"}:
            raise MalformedError("opening: not an object of section and fields")
        section, fields = document["section"], document["fields"]
        if not isinstance(section, str) or not isinstance(fields, list):
            raise MalformedError("opening: section is not text or fields not an array")
        return cls(section, tuple(_field_from_json(field) for field in fields))


def commit(record_key: bytes, section: str, members: Mapping[str, JsonValue]) -> bytes:
    """The commitment of a section, 32 bytes.

    Args:
        record_key: the record's own 32 random bytes, shared with no other record.
        section: one of `SECTIONS`, or a code such as `explanation`, `notice`, `access`.
        members: the section's fields by name; values are I-JSON.

    Raises:
        MalformedError: a value is not I-JSON, or a size is out of bounds.
    """
    names = in_order(tuple(members))
    return commit_encoded(record_key, section, names, encode_each([members[n] for n in names]))


def commit_encoded(
    record_key: bytes, section: str, names: tuple[str, ...], values: Sequence[bytes]
) -> bytes:
    """The commitment of a section whose values are canonical JSON already; as :func:`commit`.

    Args:
        record_key: as there.
        section: as there.
        names: the fields' names, in their order (`in_order`).
        values: the canonical bytes of each one's value.
    """
    salts = _salts(record_key, section, len(names))
    prefixes = _prefixes(section, names)
    # The same digests as an opening's, without making one: this runs for each decision.
    return _section_commitment(
        [
            sha256(b"".join((_FIELD, salt, prefix, value, b"]"))).digest()
            for salt, prefix, value in zip(salts, prefixes, values, strict=True)
        ]
    )


@lru_cache(maxsize=64)  # a deployment has some ten: the sections of its models' decisions
def in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names as RFC 8785 sorts them.

    Raises:
        MalformedError: one is not Unicode text.
    """
    if all(map(str.isascii, names)):
        return tuple(sorted(names))  # in ASCII, characters and UTF-16 code units sort alike
    return tuple(sorted(names, key=_sort_key))


def open_section(
    record_key: bytes,
    section: str,
    members: Mapping[str, JsonValue],
    disclose: Collection[str] | None = None,
) -> Opening:
    """The opening of a section that discloses the named members, or all of them.

    Raises:
        MalformedError: a name to disclose is not a member, a value is not I-JSON, or a
            size is out of bounds.
    """
    if disclose is not None and not members.keys() >= set(disclose):
        raise MalformedError("opening: a field to disclose is not in the section")
    names = in_order(tuple(members))
    salts = _salts(record_key, section, len(names))
    every = (
        DisclosedField(name, members[name], salt) for name, salt in zip(names, salts, strict=True)
    )
    return Opening(
        section,
        tuple(
            field if disclose is None or field.name in disclose else field.digest(section)
            for field in every
        ),
    )


def verify_opening(opening: Opening, commitment: bytes) -> None:
    """Return if the opening opens the commitment.

    Raises:
        VerificationError: it does not: a value, a name or a salt is not what was logged.
        MalformedError: a disclosed value is not I-JSON.
    """
    if opening.commitment() != commitment:
        raise VerificationError(
            f"the section {opening.section} is not what was logged", member=opening.section
        )


def _check_section(section: str) -> None:
    # The name is followed by a line feed where salts are made, so it may hold none.
    if _SECTION_NAME.fullmatch(section) is None:
        raise MalformedError("section: not a code")


def _sort_key(name: str) -> bytes:
    """RFC 8785 §3.2.3: names are compared as UTF-16 code units."""
    try:
        return name.encode("utf-16-be")
    except UnicodeEncodeError:
        raise MalformedError("section: a field's name is not Unicode text") from None


@lru_cache(maxsize=64)
def _prefixes(section: str, names: tuple[str, ...]) -> tuple[bytes, ...]:
    """The canonical JSON of [section, name, …] up to the value, for each name."""
    if any(len(name) > MAX_NAME_CHARACTERS for name in names):
        raise MalformedError("section: a field's name is too long")
    return tuple(encode([section, name])[:-1] + b"," for name in names)


def _salts(record_key: bytes, section: str, count: int) -> list[bytes]:
    if len(record_key) != RECORD_KEY_BYTES:
        raise MalformedError(f"record key: not {RECORD_KEY_BYTES} bytes")
    _check_section(section)
    if count > MAX_FIELDS:
        raise MalformedError("section: too many fields")
    seed = _SALTS + record_key + section.encode() + b"\n"
    stream = hashlib.shake_256(seed).digest(SALT_BYTES * count)
    return [stream[at : at + SALT_BYTES] for at in range(0, len(stream), SALT_BYTES)]


def _section_commitment(digests: Iterable[bytes]) -> bytes:
    return hashlib.sha256(_SECTION + b"".join(digests)).digest()


def _field_to_json(field: DisclosedField | bytes) -> JsonValue:
    if isinstance(field, bytes):
        return {"digest": base64.b64encode(field).decode()}
    salt = base64.b64encode(field.salt).decode()
    return {"name": field.name, "value": field.value, "salt": salt}


def _field_from_json(document: JsonValue) -> DisclosedField | bytes:
    if isinstance(document, dict) and document.keys() == {"digest"}:
        return _base64(document["digest"])
    if not isinstance(document, dict) or document.keys() != {"name", "value", "salt"}:
        raise MalformedError("opening: a field is neither disclosed nor hidden")
    name = document["name"]
    if not isinstance(name, str):
        raise MalformedError("opening: a field's name is not text")
    return DisclosedField(name, document["value"], _base64(document["salt"]))


def _base64(value: JsonValue) -> bytes:
    try:
        data = base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("opening: not base64") from None
    if base64.b64encode(data).decode() != value:  # padding bits that are not zero
        raise MalformedError("opening: not canonical base64")
    return data
