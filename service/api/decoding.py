"""Reading decisions fast: reads what is plainly right, and says nothing of anything else.

Bodies are I-JSON by `canonical.parse`, which also words what is wrong; a compiled parser
reads four times as fast what obviously is. The schema of the interface is
`schemas.DecisionSchema`, one definition, which also words what is wrong. Asking it takes some
100 microseconds a decision; these types take five. Property tests hold both to what they
stand for: what they accept is accepted there and read alike.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

from ledger.canonical import JsonValue
from service.api.schemas import (
    CODE_PATTERN,
    ID_PATTERN,
    MAX_FIELDS,
    MAX_INTEGER,
    MAX_NAME,
    MAX_REFERENCE,
    MAX_SPACE,
    MAX_TEXT,
    REFERENCE_PATTERN,
)

__all__ = ["is_plainly_right", "plain_json"]

MAX_PLAIN_DEPTH: Final = 8  # levels of nesting; a batch of decisions has five
_NOT_PLAIN: Final = -1

_Meta = msgspec.Meta
_Code = Annotated[str, _Meta(pattern=rf"^(?:{CODE_PATTERN})\Z")]
_Id = Annotated[str, _Meta(pattern=rf"^(?:{ID_PATTERN})\Z")]
_Reference = Annotated[str, _Meta(pattern=rf"^(?:{REFERENCE_PATTERN})\Z")]
_Name = Annotated[str, _Meta(min_length=1, max_length=MAX_NAME)]
_Text = Annotated[str, _Meta(max_length=MAX_TEXT)]
_Space = Annotated[str, _Meta(min_length=1, max_length=MAX_SPACE)]
_Subject = Annotated[str, _Meta(min_length=1, max_length=MAX_REFERENCE)]
_Count = Annotated[int, _Meta(ge=0, le=MAX_INTEGER)]
_Members = Annotated[
    dict[_Name, bool | int | float | _Text | None], _Meta(min_length=1, max_length=MAX_FIELDS)
]


class _Source(msgspec.Struct, forbid_unknown_fields=True):
    id: _Code
    seq: _Count


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    margin: int
    scale: Literal[6]
    space: _Space
    outcome: _Code


class _Attributions(msgspec.Struct, forbid_unknown_fields=True):
    engine: _Code
    space: _Space
    scale: Literal[6]
    base: int
    values: Annotated[dict[_Name, int], _Meta(min_length=1, max_length=MAX_FIELDS)]
    residual: int


class _Decision(msgspec.Struct, forbid_unknown_fields=True):
    model: _Reference
    policy: _Reference
    source: _Source
    input: _Members
    output: _Output
    context: _Members
    attributions: _Attributions | msgspec.UnsetType = msgspec.UNSET
    id: _Id | msgspec.UnsetType = msgspec.UNSET
    subject: _Subject | None = None


def is_plainly_right(document: Any) -> bool:
    """Say that the schema would take this parsed JSON; False says nothing."""
    try:
        read = msgspec.convert(document, _Decision)
    except msgspec.ValidationError:
        return False
    parts = read.attributions
    if parts is msgspec.UNSET:
        return True
    total = parts.base + sum(parts.values.values()) + parts.residual
    return parts.space == read.output.space and total == read.output.margin


def plain_json(data: bytes) -> JsonValue:
    """The JSON value of these bytes as `canonical.parse` reads it; None says nothing.

    The compiled parser takes the last of two members of one name. So colons are counted:
    in bytes without an escape each stands behind a name or in a text, and if there are no
    more than the value accounts for, no member was dropped.
    """
    if b"\\" in data:
        return None
    try:
        value: JsonValue = _parse(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return value if _colons(value, MAX_PLAIN_DEPTH) == data.count(b":") else None


_parse: Final = msgspec.json.Decoder().decode


def _colons(value: object, depth: int) -> int:
    """How many colons a value was written with; `_NOT_PLAIN` if that cannot be said plainly."""
    members: Any
    count = 0
    if type(value) is dict:
        count = len(value) + sum(name.count(":") for name in value)
        members = value.values()
    else:
        members = value if type(value) is list else (value,)
    for member in members:
        kind = type(member)
        if kind is str:
            count += member.count(":")
        elif kind is int or kind is float:
            if not -MAX_INTEGER <= member <= MAX_INTEGER:
                return _NOT_PLAIN
        elif kind is dict or kind is list:
            inner = _colons(member, depth - 1) if depth else _NOT_PLAIN
            if inner == _NOT_PLAIN:
                return _NOT_PLAIN
            count += inner
    return count
