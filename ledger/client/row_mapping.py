"""From a row of a file to a decision: which column is what. Pure.

What cannot be carried over exactly is refused, with the column's name and never its value:
a number that JSON would round, a time without a zone, a list.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, Self

from ledger import canonical
from ledger.canonical import MAX_INTEGER
from ledger.client.tables import Inexact
from ledger.entries import UUID7_RANDOM_BYTES, uuid7
from ledger.errors import MalformedError

__all__ = ["MAX_MAPPING_BYTES", "RowMapping", "imported"]

MAX_MAPPING_BYTES: Final = 1_000_000
SCALE: Final = 6

_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z")
_WHOLE: Final = frozenset({"model", "policy", "input", "output", "context"})
_OPTIONAL_MEMBERS: Final = frozenset({"attributions", "subject", "id"})
_ALLOWED: Final = _WHOLE | _OPTIONAL_MEMBERS
_TEXTS: Final = ("model", "policy", "decided_at", "outcome", "margin")
_OPTIONAL: Final = ("subject", "id", "space")


@dataclass(frozen=True, slots=True)
class RowMapping:
    """Which columns make a decision.

    Attributes:
        model: `name@version` or digest, the same for every row.
        policy: likewise.
        decided_at: the column with the time of the decision.
        outcome: the column with the outcome's code.
        margin: the column with the model's raw output, in `space`; kept in units of 10^-6,
            ties to even.
        input: features by column.
        context: members by column, besides `decided_at`.
        constants: members of the context that are the same for every row.
        subject: the column with the reference to the person, if there is one.
        id: the column with the decision's own id, if there is one.
        space: the output's space.
    """

    model: str
    policy: str
    decided_at: str
    outcome: str
    margin: str
    input: Mapping[str, str]
    context: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    subject: str | None = None
    id: str | None = None
    space: str = "log-odds"

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a mapping file.

        Raises:
            MalformedError: it is none; the text says what is wrong.
        """
        document = canonical.parse(data, max_bytes=MAX_MAPPING_BYTES)
        if not isinstance(document, Mapping):
            raise MalformedError("mapping: not an object")
        known = {*_TEXTS, *_OPTIONAL, "input", "context", "constants"}
        for name in sorted(document.keys() - known):
            raise MalformedError(f"mapping: there is no such member: {name[:40]!a}")
        for name in _TEXTS:
            if not isinstance(document.get(name), str):
                raise MalformedError(f"mapping: {name} is missing, or is not a text")
        for name in _OPTIONAL:
            if not isinstance(document.get(name, ""), str):
                raise MalformedError(f"mapping: {name} is not a text")
        constants = document.get("constants", {})
        if not isinstance(constants, Mapping):
            raise MalformedError("mapping: constants is not an object")
        names: dict[str, Any] = {n: document[n] for n in (*_TEXTS, *_OPTIONAL) if n in document}
        return cls(
            input=_columns(document.get("input"), "input"),
            context=_columns(document.get("context", {}), "context"),
            constants=dict(constants),
            **names,
        )

    def digest(self) -> str:
        """SHA-256 of what it says, in hex, however its file was written."""
        return hashlib.sha256(canonical.encode(asdict(self))).hexdigest()

    def members(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The decision that a row makes, without its source.

        Raises:
            MalformedError: a column is missing, or its value cannot be carried over exactly.
        """
        context = {
            "decided_at": _moment(_value(row, self.decided_at), self.decided_at),
            **{name: _scalar(_value(row, each), each) for name, each in self.context.items()},
            **self.constants,
        }
        members: dict[str, Any] = {
            "model": self.model,
            "policy": self.policy,
            "input": {name: _scalar(_value(row, c), c) for name, c in self.input.items()},
            "output": {
                "margin": _units(_value(row, self.margin), self.margin),
                "scale": SCALE,
                "space": self.space,
                "outcome": _text(_value(row, self.outcome), self.outcome),
            },
            "context": context,
        }
        if self.subject is not None:
            members["subject"] = _reference(_value(row, self.subject), self.subject)
        if self.id is not None:
            members["id"] = _text(_value(row, self.id), self.id)
        return members


def imported(
    row: Mapping[str, Any], mapping: RowMapping | None, digest: bytes, number: int
) -> tuple[str, int, dict[str, Any]]:
    """A row's decision: its id, when it was decided (milliseconds since 1970), its members.

    Without an id of its own a row gets one that follows from the file's digest and the row's
    number, so that the same file makes the same decisions again. Without a mapping the row
    is a decision as docs/formats.md §5 has it, but for `source`: the import counts.

    Raises:
        MalformedError: it is none.
    """
    members = _whole(row) if mapping is None else mapping.members(row)
    for name in sorted(_WHOLE - members.keys()):
        raise MalformedError(f"{name} is missing; a file of columns needs --mapping")
    if members.keys() - _ALLOWED:
        stray = "source" if "source" in members else "a member"
        why = "leave it out, the import counts the rows" if stray == "source" else "is not known"
        raise MalformedError(f"{stray}: {why}")
    context = members["context"]
    if not isinstance(context, Mapping):
        raise MalformedError("context: not an object")
    at_ms = _milliseconds(context.get("decided_at"))
    seed = digest + number.to_bytes(8, "big")
    own = uuid7(at_ms, hashlib.sha256(seed).digest()[:UUID7_RANDOM_BYTES])
    identifier = members.pop("id", own)
    if not isinstance(identifier, str):
        raise MalformedError("id: not a text")
    return identifier, at_ms, members


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row itself, as a decision; a subject, id or attributions that are null are not there."""
    members = {name: _value(row, name) for name in row}
    return {n: v for n, v in members.items() if v is not None or n not in _OPTIONAL_MEMBERS}


def _columns(value: object, member: str) -> dict[str, str]:
    """Names by column: an object, or a list of columns that are called as they should be."""
    if isinstance(value, list):
        value = {name: name for name in value if isinstance(name, str)}
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
        raise MalformedError(f"mapping: {member} is not an object of column names, or a list")
    if member == "input" and not value:
        raise MalformedError("mapping: input names no column")
    return dict(value)


def _value(row: Mapping[str, Any], column: str) -> Any:
    if column not in row:
        raise MalformedError(f"column {column}: the row has none of this name")
    value = row[column]
    if isinstance(value, Inexact):
        raise MalformedError(f"column {column}: {value.why}")
    return value


def _scalar(value: Any, column: str) -> bool | int | float | str | None:
    match value:
        case None | bool() | str():
            return value
        case int():
            if abs(value) > MAX_INTEGER:
                raise MalformedError(f"column {column}: an integer beyond 2^53")
            return value
        case float():
            if not math.isfinite(value):
                raise MalformedError(f"column {column}: not a finite number; use null")
            return value
        case Decimal():
            return _decimal(value, column)
        case datetime():
            return _moment(value, column)
        case date():
            return value.isoformat()
        case _:
            raise MalformedError(f"column {column}: neither number, text, boolean, time nor null")


def _decimal(value: Decimal, column: str) -> int | float:
    if not value.is_finite():
        raise MalformedError(f"column {column}: not a finite number; use null")
    if value == value.to_integral_value() and abs(value) <= MAX_INTEGER:
        return int(value)
    nearest = float(value)
    if not math.isfinite(nearest) or Decimal(repr(nearest)) != value:
        raise MalformedError(f"column {column}: a decimal that no double writes alike")
    return nearest


def _moment(value: Any, column: str) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise MalformedError(f"column {column}: a time without a zone; store it as UTC")
        text = value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        return f"{text.rstrip('0').rstrip('.')}Z"
    if isinstance(value, str) and _TIME.fullmatch(value):
        return value
    raise MalformedError(f"column {column}: not a time such as 2026-05-14T09:31:07Z")


def _units(value: Any, column: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise MalformedError(f"column {column}: not a number")
    exact = Decimal(value)
    if not exact.is_finite() or abs(exact) > MAX_INTEGER // 10**SCALE:
        raise MalformedError(f"column {column}: not a margin of a usual size")
    return int((exact * 10**SCALE).to_integral_value(ROUND_HALF_EVEN))


def _text(value: Any, column: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"column {column}: not a text")
    return value


def _reference(value: Any, column: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise MalformedError(f"column {column}: neither a text nor a whole number")


def _milliseconds(value: object) -> int:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise MalformedError("context.decided_at: not a time such as 2026-05-14T09:31:07Z")
    try:
        return int(datetime.fromisoformat(value).timestamp() * 1000)
    except ValueError:
        raise MalformedError("context.decided_at: there is no such moment") from None
