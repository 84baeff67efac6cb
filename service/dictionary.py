"""The feature dictionary of a model version, in one language: what each input is, for people.

Pure, from the registered manifest (`docs/formats.md` §6). What it does not state stays empty; a
text that nobody wrote in the language that was asked for is given in another, and said to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.canonical import JsonValue
from service.manifest_texts import spoken, stated

__all__ = ["DictionaryEntry", "FeatureDictionary", "feature_dictionary"]

MAX_LANGUAGES: Final = 50  # offered to a reader; more are mistakes


@dataclass(frozen=True, slots=True)
class DictionaryEntry:
    """One feature.

    Attributes:
        name: what a decision's `input` calls it.
        label: what people call it; the name if nobody said.
        language: of the label; empty if nobody said.
        type: `number`, `integer`, `boolean` or `category`.
        unit: of the value, `none` if it has none; empty if nobody said.
        group: features of one group are summed into one reason.
        lower: the least value, or None.
        upper: the largest value, or None.
        values: for each value that has words: the value and its words.
        mutability: what a person can change: `any`, `increase`, `decrease` or `fixed`.
        missing: whether a value may be missing: `allowed` or `refused`.
        protected: whether it is a protected characteristic; None if nobody said.
        proxy: whether it may stand in for one; None if nobody said.
        source: where the value comes from.
        reason: the code of the reason that it gives.
    """

    name: str
    label: str
    language: str
    type: str
    unit: str
    group: str
    lower: float | None
    upper: float | None
    values: tuple[tuple[str, str], ...]
    mutability: str
    missing: str
    protected: bool | None
    proxy: bool | None
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class FeatureDictionary:
    """The features in the order of the model's columns, and the languages that there are."""

    language: str
    languages: tuple[str, ...]
    features: tuple[DictionaryEntry, ...]

    @property
    def untranslated(self) -> tuple[str, ...]:
        """The features whose label is not in the language that was asked for."""
        return tuple(each.name for each in self.features if each.language != self.language)


def feature_dictionary(manifest: Mapping[str, JsonValue], language: str) -> FeatureDictionary:
    """The dictionary of a registered manifest in a language such as `en` or `de`."""
    listed: Any = manifest["features"]  # a version without is not registered
    languages = sorted({tag for each in listed for tag in _texts(each, "label")})
    entries = tuple(_entry(each, language) for each in listed)
    return FeatureDictionary(language, tuple(languages[:MAX_LANGUAGES]), entries)


def _entry(feature: Mapping[str, Any], language: str) -> DictionaryEntry:
    name = str(feature["name"])
    label, tag = _spoken(_texts(feature, "label"), language)
    bounds = feature.get("bounds")
    lower, upper = bounds if isinstance(bounds, list | tuple) and len(bounds) == 2 else (None, None)  # noqa: PLR2004  # lower and upper
    return DictionaryEntry(
        name=name,
        label=label or stated(feature, "label") or name,
        language=tag,
        type=stated(feature, "type"),
        unit=stated(feature, "unit"),
        group=stated(feature, "group") or name,
        lower=_number(lower),
        upper=_number(upper),
        values=tuple(_values(feature, language)),
        mutability=stated(feature, "mutability"),
        missing=stated(feature, "missing"),
        protected=_flag(feature, "protected"),
        proxy=_flag(feature, "proxy"),
        source=spoken(feature.get("source"), language),
        reason=stated(feature, "reason"),
    )


def _values(feature: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    worded = feature.get("values")
    words = worded if isinstance(worded, Mapping) else {}
    categories = feature.get("categories")
    listed = categories if isinstance(categories, list | tuple) else ()
    found: dict[str, str] = {each: each for each in listed if isinstance(each, str)}
    for value in words:
        found[value] = spoken(words[value], language) or value
    return list(found.items())


def _spoken(texts: Mapping[str, str], language: str) -> tuple[str, str]:
    """The text in the language, or in English, or in whichever there is; and the language."""
    for tag in (language, "en", *sorted(texts)):
        if tag in texts:
            return texts[tag], tag
    return "", ""


def _texts(value: Mapping[str, Any], name: str) -> dict[str, str]:
    texts = value.get(name)
    found = texts if isinstance(texts, Mapping) else {}
    return {tag: text for tag, text in found.items() if isinstance(text, str) and text}


def _flag(value: Mapping[str, Any], name: str) -> bool | None:
    flag = value.get(name)
    return flag if isinstance(flag, bool) else None


def _number(value: object) -> float | None:
    return value if type(value) in {int, float} else None  # type: ignore[return-value]
