"""Knock-out rules of a policy: a closed language, read strictly and evaluated exactly.

A condition compares one item of the input with a constant; conditions are joined by `all` and
`any`. There is nothing else: no arithmetic, no names, no code. Comparisons are of the values
as they were recorded, not of the 32-bit numbers that a model sees, and whole and broken
numbers are compared exactly. What was not given satisfies no comparison, `!=` included: a
rule about absence says `missing`. Where a rule fires it is the reason, whatever the score
(12 CFR 1002.9(b)(2): the reasons are those of the component that the applicant failed).
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from explain.errors import SchemaError
from explain.features import Feature

__all__ = ["Rule", "check_rules", "fired", "read_rules"]

MAX_RULES: Final = 64  # of one policy; more is a second model
MAX_CONDITIONS: Final = 32  # of one rule; a person has to be told it
MAX_DEPTH: Final = 4  # of `all` and `any` inside each other
MAX_CHOICES: Final = 32  # values of one `in`
MAX_TEXT: Final = 1_024  # characters of a constant, as of an input's value

Constant = bool | int | float | str
Values = Mapping[str, object]

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_ORDER: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS: Final = frozenset({"number", "integer"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """One item of the input against constants: one for an order, any number for `in`."""

    feature: str
    op: str
    constants: tuple[Constant, ...]

    def holds(self, values: Values) -> bool:
        """Tell whether it is true of these values."""
        value = values.get(self.feature)
        if self.op == "missing":
            return value is None
        if not isinstance(value, bool | int | float | str):
            return False
        if self.op in _ORDER:
            (bound,) = self.constants
            if not _number(value) or not _number(bound):
                return False
            return _ORDER[self.op](value, bound)  # type: ignore[arg-type]  # numbers, as asked
        among = any(_same(value, one) for one in self.constants)
        return not among if self.op == "!=" else among

    def comparisons(self) -> "Iterator[Comparison]":
        """Yield itself, as :meth:`Joined.comparisons` yields its parts."""
        yield self


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions of which all, or any, must hold."""

    every: bool
    parts: "tuple[Comparison | Joined, ...]"

    def holds(self, values: Values) -> bool:
        """Tell whether it is true of these values."""
        judge = all if self.every else any
        return judge(part.holds(values) for part in self.parts)

    def comparisons(self) -> Iterator[Comparison]:
        """Yield every comparison in it, in order."""
        for part in self.parts:
            yield from part.comparisons()


@dataclass(frozen=True, slots=True)
class Rule:
    """One knock-out rule: where `when` holds the outcome is the unfavourable one.

    `reason` is the code that the person is told.
    """

    id: str
    reason: str
    when: Comparison | Joined

    @classmethod
    def from_json(cls, value: object, member: str) -> Self:
        """Read {"id", "reason", "when"}.

        Raises:
            SchemaError: it is not a rule; `member` names the place.
        """
        rule = _object(value, {"id", "reason", "when"}, member)
        name, reason = rule["id"], rule["reason"]
        if not isinstance(name, str) or _ID.fullmatch(name) is None:
            raise SchemaError("must be a short name in lower case", member=f"{member}.id")
        if not isinstance(reason, str) or not reason:
            raise SchemaError("must be a reason code", member=f"{member}.reason")
        when = _condition(rule["when"], f"{member}.when", 1)
        if sum(1 for _ in when.comparisons()) > MAX_CONDITIONS:
            raise SchemaError(f"more than {MAX_CONDITIONS} conditions", member=f"{member}.when")
        return cls(name, reason, when)

    @property
    def features(self) -> tuple[str, ...]:
        """The items of the input that it looks at, each once, in the order it names them."""
        return tuple(dict.fromkeys(each.feature for each in self.when.comparisons()))


def read_rules(policy: Mapping[str, object]) -> tuple[Rule, ...]:
    """Return the knock-out rules of a policy's manifest, in their order; none if it has none.

    Raises:
        SchemaError: they are not a list of rules with names of their own.
    """
    listed = policy.get("rules", ())
    if not isinstance(listed, list | tuple) or len(listed) > MAX_RULES:
        raise SchemaError(f"must be a list of at most {MAX_RULES} rules", member="rules")
    rules = tuple(Rule.from_json(each, f"rules[{at}]") for at, each in enumerate(listed))
    if len({rule.id for rule in rules}) != len(rules):
        raise SchemaError("two rules have the same id", member="rules")
    return rules


def check_rules(rules: Sequence[Rule], features: Sequence[Feature]) -> None:
    """Return if every rule compares items that the model has, with constants of their type.

    Raises:
        SchemaError: one does not, and so could never be evaluated as it is meant.
    """
    by_name = {feature.name: feature for feature in features}
    for at, rule in enumerate(rules):
        for each in rule.when.comparisons():
            wrong = _misfit(each, by_name.get(each.feature))
            if wrong:
                raise SchemaError(f"{each.feature}: {wrong}", member=f"rules[{at}].when")


def fired(rules: Sequence[Rule], values: Values) -> tuple[Rule, ...]:
    """Return the rules that hold of a recorded input, in the policy's order."""
    return tuple(rule for rule in rules if rule.when.holds(values))


def _condition(value: object, member: str, depth: int) -> Comparison | Joined:
    if depth > MAX_DEPTH:
        raise SchemaError(f"more than {MAX_DEPTH} inside each other", member=member)
    for word in ("all", "any"):
        if isinstance(value, Mapping) and word in value:
            parts = _object(value, {word}, member)[word]
            if not isinstance(parts, list | tuple) or not 1 <= len(parts) <= MAX_CONDITIONS:
                raise SchemaError(f"must be 1 to {MAX_CONDITIONS} conditions", member=member)
            return Joined(
                word == "all",
                tuple(
                    _condition(part, f"{member}.{word}[{at}]", depth + 1)
                    for at, part in enumerate(parts)
                ),
            )
    return _comparison(value, member)


def _comparison(value: object, member: str) -> Comparison:
    absent = isinstance(value, Mapping) and value.get("op") == "missing"
    parts = _object(value, {"feature", "op"} | (set() if absent else {"value"}), member)
    feature, op = parts["feature"], parts["op"]
    if not isinstance(feature, str) or not feature:
        raise SchemaError("must be a feature's name", member=f"{member}.feature")
    if absent:
        return Comparison(feature, "missing", ())
    if not isinstance(op, str) or op not in {*_ORDER, "=", "!=", "in"}:
        raise SchemaError("must be <, <=, =, !=, >=, >, in or missing", member=f"{member}.op")
    given = parts["value"]
    constants = tuple(given) if op == "in" and isinstance(given, list | tuple) else (given,)
    if not 1 <= len(constants) <= MAX_CHOICES or not all(map(_constant, constants)):
        raise SchemaError("must be a number, a text, true or false", member=f"{member}.value")
    if op in _ORDER and not _number(given):
        raise SchemaError("must be a number", member=f"{member}.value")
    return Comparison(feature, op, constants)


def _misfit(each: Comparison, feature: Feature | None) -> str:
    """Return why a comparison could never be meant, or nothing."""
    if feature is None:
        return "the model has no such feature"
    if each.op in _ORDER and feature.type not in _NUMBERS:
        return "only numbers have an order"
    for one in each.constants:
        if feature.type in _NUMBERS and not _number(one):
            return "must be compared with numbers"
        if feature.type == "boolean" and not isinstance(one, bool):
            return "must be compared with true or false"
        if feature.type == "category" and one not in feature.categories:
            return "must be compared with its categories"
    return ""


def _object(value: object, names: set[str], member: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or value.keys() != names:
        raise SchemaError(f"must have {', '.join(sorted(names))}, and no more", member=member)
    return value


def _constant(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return isinstance(value, bool) or _number(value)


def _number(value: object) -> bool:
    # NaN differs from itself: no constant and no recorded value is one.
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124


def _same(value: object, constant: Constant) -> bool:
    # true is not 1, though Python says so.
    return isinstance(value, bool) == isinstance(constant, bool) and value == constant
