"""Reading decisions fast: says of a decision that its form is plainly right, or nothing.

The schema of the interface is `schemas.DecisionSchema`, one definition, which also words
what is wrong. Asking it takes some 100 microseconds a decision; these types take five, and
a property test holds them to it: what they accept, the schema accepts and reads alike.
"""

from typing import Annotated, Any, Literal

import msgspec

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

__all__ = ["is_plainly_right"]

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
