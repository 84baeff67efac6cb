"""What a model's feature is: its type and bounds for machines, its words for people.

Read from the `features` list of a model manifest. Members that this package does not
know are left to others: a manifest documents more than explaining needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, cast, get_args

from explain.errors import LanguageMissing, SchemaError

__all__ = ["Feature", "LocalText"]

FeatureType = Literal["number", "integer", "boolean", "category"]
Mutability = Literal["any", "increase", "decrease", "fixed"]
Side = Literal["higher", "lower", "either"]

MAX_NAME = 64  # characters of a feature's name; it is a JSON member and a column
MAX_CATEGORIES = 1_000  # a category with more is an identifier

# Decimals shown to a reader, where the manifest names none: what a person would write
# by hand for such a quantity. A counterfactual is run on exactly the value shown.
DECIMALS = {
    "percent": 1,
    "USD_thousands": 1,
    "USD_per_month": 0,
    "months": 0,
    "years": 1,
    "count": 0,
    "none": 2,
}


@dataclass(frozen=True, slots=True)
class LocalText:
    """One text in several languages, by language tag."""

    texts: tuple[tuple[str, str], ...]

    @classmethod
    def from_json(cls, value: object, member: str) -> Self:
        """Read {"en": "text", …}; at least one language, no empty text.

        Raises:
            SchemaError: `value` is not such an object.
        """
        if not isinstance(value, Mapping) or not value:
            raise SchemaError("must be texts by language", member=member)
        for language, text in value.items():
            if not isinstance(language, str) or not isinstance(text, str) or not text:
                raise SchemaError("must be texts by language", member=member)
        return cls(tuple(sorted(value.items())))

    def speak(self, language: str) -> str:
        """Return the text in `language`.

        Raises:
            LanguageMissing: nobody wrote it in that language.
        """
        for tag, text in self.texts:
            if tag == language:
                return text
        raise LanguageMissing(f"no text in {language!r} among the manifest's texts")


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a model, as its manifest describes it.

    `lower` and `upper` are inclusive, None where unbounded. `words` maps a value written
    as text ("1", "self-employed") to what a person reads. `phrase` is a clause with
    `{value}` in it ("the loan is {value} of the purchase price"). `adverse_when` says on
    which side of the reference group the reason's wording is true ("high for …": higher).
    `reason` is empty where no reason code is mapped. `proxy` is true where it is known to
    stand for a protected characteristic; `inquiries` where it counts enquiries into the
    person's consumer report (15 USC 1681g(f)(9)). `step` is the smallest change that makes
    sense, None where every shown value does.
    """

    name: str
    label: LocalText
    unit: str
    type: FeatureType
    group: str
    lower: float | None
    upper: float | None
    mutability: Mutability
    missing_allowed: bool
    protected: bool
    reason: str
    reason_missing: str
    adverse_when: Side
    categories: tuple[str, ...]
    words: tuple[tuple[str, LocalText], ...]
    phrase: LocalText | None
    decimals: int
    proxy: bool = False
    inquiries: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        """Refuse a description that no value could satisfy."""
        if self.type == "category" and not self.categories:
            raise SchemaError("a category needs its values", member=f"{self.name}.categories")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise SchemaError("lower bound above upper bound", member=f"{self.name}.bounds")
        if self.step is not None and (
            self.type not in {"number", "integer"} or round(self.step, self.decimals) != self.step
        ):
            raise SchemaError("must be a step of shown numbers", member=f"{self.name}.step")

    @classmethod
    def from_json(cls, entry: object, member: str) -> Self:
        """Read one entry of a manifest's `features`.

        Raises:
            SchemaError: a member that is needed is missing or of another form.
        """
        if not isinstance(entry, Mapping):
            raise SchemaError("must be an object", member=member)
        name = _text(entry, "name", member)
        if len(name) > MAX_NAME:
            raise SchemaError("name is too long", member=f"{member}.name")
        kind = cast("FeatureType", _choice(entry, "type", member, get_args(FeatureType)))
        unit = _text(entry, "unit", member, default="none")
        lower, upper = _bounds(entry.get("bounds"), f"{member}.bounds")
        phrase = entry.get("phrase")
        return cls(
            name=name,
            label=LocalText.from_json(entry.get("label"), f"{member}.label"),
            unit=unit,
            type=kind,
            group=_text(entry, "group", member, default=name),
            lower=lower,
            upper=upper,
            mutability=cast(
                "Mutability", _choice(entry, "mutability", member, get_args(Mutability))
            ),
            missing_allowed=_choice(entry, "missing", member, ("allowed", "refused")) == "allowed",
            protected=_flag(entry, "protected", member),
            reason=_text(entry, "reason", member, default=""),
            reason_missing=_text(entry, "reason_missing", member, default=""),
            adverse_when=cast(
                "Side", _choice(entry, "adverse_when", member, get_args(Side), default="either")
            ),
            categories=_categories(entry.get("categories"), f"{member}.categories"),
            words=_words(entry.get("values"), f"{member}.values"),
            phrase=None if phrase is None else LocalText.from_json(phrase, f"{member}.phrase"),
            decimals=_decimals(entry, member, 0 if kind != "number" else DECIMALS.get(unit, 2)),
            proxy=_flag(entry, "proxy", member, default=False),
            inquiries=_flag(entry, "inquiries", member, default=False),
            step=_step(entry.get("step"), f"{member}.step"),
        )


def _text(
    entry: Mapping[str, object], name: str, member: str, *, default: str | None = None
) -> str:
    value = entry.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or (default is None and not value):
        raise SchemaError("must be text", member=f"{member}.{name}")
    return value


def _choice(
    entry: Mapping[str, object],
    name: str,
    member: str,
    choices: tuple[str, ...],
    *,
    default: str | None = None,
) -> str:
    value = entry.get(name, default)
    if not isinstance(value, str) or value not in choices:
        raise SchemaError(f"must be one of {', '.join(choices)}", member=f"{member}.{name}")
    return value


def _flag(
    entry: Mapping[str, object], name: str, member: str, *, default: bool | None = None
) -> bool:
    value = entry.get(name, default)
    if not isinstance(value, bool):
        raise SchemaError("must be true or false", member=f"{member}.{name}")
    return value


def _decimals(entry: Mapping[str, object], member: str, default: int) -> int:
    value = entry.get("decimals", default)
    most = 6  # a float32 keeps no more than seven digits
    if type(value) is not int or not 0 <= value <= most:
        raise SchemaError("must be a whole number from 0 to 6", member=f"{member}.decimals")
    return value


def _bounds(value: object, member: str) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    if not isinstance(value, list | tuple) or len(value) != 2:  # noqa: PLR2004 - lower and upper
        raise SchemaError("must be a lower and an upper bound", member=member)
    lower, upper = (_bound(part, member) for part in value)
    return lower, upper


def _bound(value: object, member: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SchemaError("must be a number or null", member=member)
    return float(value)


def _step(value: object, member: str) -> float | None:
    step = _bound(value, member)
    if step is not None and not step > 0:
        raise SchemaError("must be above zero", member=member)
    return step


def _categories(value: object, member: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MAX_CATEGORIES:
        raise SchemaError("must be a list of texts", member=member)
    if not all(isinstance(part, str) and part for part in value) or len(set(value)) != len(value):
        raise SchemaError("must be a list of different texts", member=member)
    return tuple(value)


def _words(value: object, member: str) -> tuple[tuple[str, LocalText], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise SchemaError("must be texts by value", member=member)
    return tuple(
        (str(code), LocalText.from_json(text, f"{member}.{code}"))
        for code, text in sorted(value.items())
    )
