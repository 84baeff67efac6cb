"""One decision as its producer states it, checked for shape at birth.

Whether it fits the model and the policy that it names is `decision_check`. Pure.
"""

import contextlib
import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Self, cast

from ledger.canonical import MAX_INTEGER, JsonValue
from ledger.commitments import SECTIONS
from ledger.entries import SourceCounter, parse_id
from ledger.errors import MalformedError

MAX_MEMBERS: Final = 512  # of a section; the widest scorecards known have some 300 features
MAX_NAME_CHARACTERS: Final = 128  # a feature's or member's name, not a sentence
MAX_TEXT_CHARACTERS: Final = 1024  # one text value; free text belongs elsewhere
MAX_REFERENCE_CHARACTERS: Final = 200  # `name@version`, or a subject's reference
MAX_CODE_CHARACTERS: Final = 64  # outcome, engine, space
SCALE: Final = 6  # numbers of an attribution are integers in units of 10^-SCALE

INPUT_HASH: Final = "input_hash"
"""The only member of `input` when a source may not send what the model saw."""

ABSENT: Final[Mapping[str, JsonValue]] = MappingProxyType({"status": "absent"})
"""What stands in place of attributions that the producer did not send, and is committed to."""

ROLES: Final = ("advisory", "determinative", "sole")
"""What part the model had in the decision; `context.decision_role`, when it is stated."""

_TIME: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,6})?Z")
_OUTPUT: Final = {"margin", "outcome", "scale", "space"}
_ATTRIBUTIONS: Final = {"base", "engine", "residual", "scale", "space", "values"}
_MEMBERS: Final = {"id", "model", "policy", "source", "subject", *SECTIONS}


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, on what, and why.

    Attributes:
        id: UUIDv7, chosen by the producer: the idempotency key, and the record's id.
        model: `name@version` or digest of the model version.
        policy: `name@version` or digest of the policy.
        source: which system, and its own count.
        subject: the operator's reference to the person; None if there is none.
        input: what the model saw, by feature; or `input_hash` alone.
        output: `margin` and `scale` (integers; the margin in units of 10^-scale of
            `space`), and the `outcome`.
        attributions: `engine`, `space`, `scale`, `base`, `values` by feature and
            `residual`: integers, base + sum of values + residual = margin exactly; or
            `ABSENT`: nobody worked them out when it was decided.
        context: `decided_at` (RFC 3339, UTC) and whatever else the operator records.
    """

    id: str
    model: str
    policy: str
    source: SourceCounter
    subject: str | None
    input: Mapping[str, JsonValue]
    output: Mapping[str, JsonValue]
    attributions: Mapping[str, JsonValue]
    context: Mapping[str, JsonValue]

    def __post_init__(self) -> None:
        try:
            parse_id(self.id)
        except MalformedError:
            raise MalformedError("decision: not a lowercase UUIDv7", member="id") from None
        for member in ("model", "policy"):
            _check_text(getattr(self, member), member, MAX_REFERENCE_CHARACTERS)
        if self.subject is not None:
            _check_text(self.subject, "subject", MAX_REFERENCE_CHARACTERS)
        for section in ("input", "output", "context"):
            _freeze(self, section, _scalars(getattr(self, section), section))
        _freeze(self, "attributions", _attributions(self.attributions))
        _check_output(self.output)
        _check_sum(self)
        _check_context(self.context)

    @property
    def margin(self) -> int:
        """The model's own output, in units of 10^-scale of the space."""
        return integer(self.output["margin"], "output.margin")

    @property
    def outcome(self) -> str:
        """What the policy made of it."""
        return str(self.output["outcome"])

    @property
    def attributed(self) -> bool:
        """Whether attributions came with it."""
        return self.attributions != ABSENT

    @property
    def values(self) -> Mapping[str, int]:
        """Each feature's contribution; none if attributions did not come with it."""
        return cast("Mapping[str, int]", self.attributions.get("values", {}))  # checked at birth

    @property
    def decided_at(self) -> datetime:
        """When the producer says it was decided; aware, UTC."""
        return parse_time(self.context["decided_at"], "context.decided_at")

    def to_json(self) -> dict[str, JsonValue]:
        """The decision as JSON: what is sealed, and what :meth:`from_json` reads."""
        return {
            "id": self.id,
            "model": self.model,
            "policy": self.policy,
            "source": {"id": self.source.id, "seq": self.source.seq},
            "subject": self.subject,
            "input": _copied(self.input),
            "output": _copied(self.output),
            "attributions": written_attributions(self.attributions),
            "context": _copied(self.context),
        }

    def under(self, model: str, policy: str) -> Self:
        """The same decision, with the digests of its model and policy in their places."""
        same = copy.copy(self)  # not replace: everything else was checked at birth
        for member, digest in (("model", model), ("policy", policy)):
            _check_text(digest, member, MAX_REFERENCE_CHARACTERS)
            object.__setattr__(same, member, digest)
        return same

    @classmethod
    def from_json(cls, document: JsonValue) -> Self:
        """Read a decision; `subject` and `attributions` may be absent.

        Raises:
            MalformedError: `member` names what is missing, unknown or not well formed.
        """
        members = _object(document, "", _MEMBERS, optional={"attributions", "subject"})
        source = _object(members["source"], "source", {"id", "seq"})
        text = {name: members.get(name) for name in ("id", "model", "policy", "subject")}
        for name, value in text.items():
            if not isinstance(value, str) and not (name == "subject" and value is None):
                raise MalformedError("decision: not text", member=name)
        try:
            counter = SourceCounter.from_json(source)
        except MalformedError as error:
            member = f"source.{error.member}" if error.member else "source"
            raise MalformedError("decision: not a source and its count", member=member) from None
        given = {"attributions": ABSENT, **members}
        sections = {name: _mapping(given[name], name) for name in SECTIONS}
        return cls(source=counter, **text, **sections)  # type: ignore[arg-type]  # checked above


def section_members(decision: Decision, section: str) -> dict[str, JsonValue]:
    """The members of a section as its commitment takes them: one field each.

    A section's members are its fields, but each feature's value of `attributions` is a
    field of its own, named `values.` and the feature.
    """
    members = _copied(getattr(decision, section))
    return spread(members) if section == "attributions" else members


def spread(attributions: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Attributions as their commitment takes them: `values.` and the feature for each value."""
    members = dict(attributions)
    values = members.pop("values", {})
    return members | {f"values.{name}": value for name, value in _mapping(values, "").items()}


def gathered(members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Attributions again, from what :func:`spread` made of them."""
    head = "values."
    values = {n.removeprefix(head): v for n, v in members.items() if n.startswith(head)}
    rest = {name: value for name, value in members.items() if not name.startswith(head)}
    return rest | {"values": values} if values else rest


def written_attributions(attributions: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Attributions as JSON."""
    members = _copied(attributions)
    if "values" in members:
        members["values"] = _copied(_mapping(members["values"], "attributions.values"))
    return members


def first_difference(one: JsonValue, other: JsonValue, path: str = "") -> str | None:
    """The dotted path of the first member in which two documents differ, or None."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted(one.keys() | other.keys()):
            inner = f"{path}.{name}".lstrip(".")
            if name not in one or name not in other:
                return inner
            found = first_difference(one[name], other[name], inner)
            if found is not None:
                return found
        return None
    same = one == other and isinstance(one, bool) == isinstance(other, bool)
    return None if same else path


def integer(value: JsonValue, member: str) -> int:
    """The value, if it is an integer that every JSON reader keeps exactly.

    Raises:
        MalformedError: it is not.
    """
    if type(value) is not int or abs(value) > MAX_INTEGER:
        raise MalformedError("decision: not an integer within 2^53", member=member)
    return value


def _copied(members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    # A proxy joins with a dict in C; dict(proxy) asks it for each member.
    return cast("dict[str, JsonValue]", cast("MappingProxyType[str, JsonValue]", members) | {})


def _freeze(decision: Decision, name: str, value: Mapping[str, JsonValue]) -> None:
    object.__setattr__(decision, name, MappingProxyType(dict(value)))


def _check_text(value: object, member: str, longest: int) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise MalformedError(f"decision: not 1 to {longest} printable characters", member=member)


def _mapping(value: JsonValue, member: str) -> Mapping[str, JsonValue]:
    if not isinstance(value, Mapping):
        raise MalformedError("decision: not an object", member=member or None)
    return value


def _object(
    value: JsonValue, path: str, names: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> Mapping[str, JsonValue]:
    """The value, if it is an object of exactly these members."""
    members = _mapping(value, path)
    if members.keys() == names:
        return members
    for name in sorted(names - optional - members.keys()):
        raise MalformedError("decision: a member is missing", member=f"{path}.{name}".lstrip("."))
    if members.keys() - names:  # never repeat a stranger's text
        raise MalformedError("decision: a member is not known", member=path or None)
    return members


def _scalars(value: JsonValue, section: str) -> Mapping[str, JsonValue]:
    members = _mapping(value, section)
    if not 1 <= len(members) <= MAX_MEMBERS:
        raise MalformedError(f"decision: not 1 to {MAX_MEMBERS} members", member=section)
    for name, member in members.items():
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARACTERS:
            raise MalformedError("decision: a member's name is too long", member=section)
        # This runs for each member of each decision: paths are written only for an error.
        kind = type(member)
        if kind is int:
            if not -MAX_INTEGER <= member <= MAX_INTEGER:  # type: ignore[operator]  # an int
                integer(member, f"{section}.{name}")
        elif kind is float:
            if not math.isfinite(member):  # type: ignore[arg-type]  # a float
                _check_scalar(member, f"{section}.{name}")
        elif member is not None and kind is not bool:
            _check_scalar(member, f"{section}.{name}")
    return members


def _check_scalar(member: JsonValue, place: str) -> None:
    if isinstance(member, str):
        if len(member) > MAX_TEXT_CHARACTERS:
            raise MalformedError("decision: the text is too long", member=place)
    elif isinstance(member, float) and not math.isfinite(member):
        raise MalformedError("decision: not a finite number", member=place)
    elif not isinstance(member, (bool, float)):
        raise MalformedError("decision: neither null, boolean, number nor text", member=place)


def _check_output(output: Mapping[str, JsonValue]) -> None:
    _object(output, "output", _OUTPUT)
    integer(output["margin"], "output.margin")
    for name in ("outcome", "space"):
        _check_text(output[name], f"output.{name}", MAX_CODE_CHARACTERS)
    if output["scale"] != SCALE or type(output["scale"]) is not int:
        raise MalformedError(f"decision: the scale is {SCALE}", member="output.scale")


def _attributions(value: JsonValue) -> Mapping[str, JsonValue]:
    if value == ABSENT:
        return ABSENT
    members = _object(value, "attributions", _ATTRIBUTIONS)
    for name in ("engine", "space"):
        _check_text(members[name], f"attributions.{name}", MAX_CODE_CHARACTERS)
    for name in ("base", "residual", "scale"):
        integer(members[name], f"attributions.{name}")
    if members["scale"] != SCALE:
        raise MalformedError(f"decision: the scale is {SCALE}", member="attributions.scale")
    values = _scalars(members["values"], "attributions.values")
    if set(map(type, values.values())) != {int}:
        for name, amount in values.items():
            integer(amount, f"attributions.values.{name}")
    return {**members, "values": MappingProxyType(dict(values))}


def _check_sum(decision: Decision) -> None:
    if not decision.attributed:
        return
    if decision.attributions["space"] != decision.output["space"]:
        raise MalformedError("decision: not the output's space", member="attributions.space")
    parts = decision.attributions
    base, residual = integer(parts["base"], ""), integer(parts["residual"], "")
    missing = decision.margin - base - residual - sum(decision.values.values())
    if missing:
        raise MalformedError(
            f"decision: base, values and residual miss the margin by {missing}"
            f" units of 10^-{SCALE}",
            member="attributions.residual",
        )


def _check_context(context: Mapping[str, JsonValue]) -> None:
    parse_time(context.get("decided_at"), "context.decided_at")
    if context.get("decision_role", ROLES[0]) not in ROLES:
        raise MalformedError(
            "decision: the role is advisory, determinative or sole",
            member="context.decision_role",
        )


def parse_time(value: JsonValue, member: str) -> datetime:
    """The moment that a text such as 2026-05-14T09:31:07Z names; aware, UTC.

    Raises:
        MalformedError: another form, another zone, or no such moment.
    """
    if isinstance(value, str) and _TIME.fullmatch(value) is not None:
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value)
    raise MalformedError("decision: not a time such as 2026-05-14T09:31:07Z", member=member)
