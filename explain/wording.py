"""Values as a person reads them: units, words for codes, and what is typical of a group."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from numpy.typing import NDArray

from explain.catalogue import Catalogue
from explain.features import Feature, LocalText
from explain.predictor import Rows, Scalar, decode

__all__ = ["Wording", "alike", "typical", "typical_values"]

CENTS = 2  # decimals of an amount that is not whole


@dataclass(frozen=True, slots=True)
class Wording:
    """Writes values of features in one language."""

    catalogue: Catalogue

    def label(self, feature: Feature) -> str:
        """Return the feature's name for people."""
        return feature.label.speak(self.catalogue.language)

    def value(self, feature: Feature, value: Scalar) -> str:
        """Return a value with its unit, a word for a code, or "not given"."""
        if value is None:
            return self.catalogue.say("value-missing")
        word = _word(feature, value)
        if word is not None:
            return word.speak(self.catalogue.language)
        if isinstance(value, bool):
            return self.catalogue.say("value-yes" if value else "value-no")
        if isinstance(value, str):
            return value
        return self._quantity(feature, value)

    def phrase(self, feature: Feature, value: Scalar) -> str | None:
        """Return the manifest's clause about this feature with the value in it, or None."""
        if feature.phrase is None:
            return None
        clause = feature.phrase.speak(self.catalogue.language)
        return clause.replace("{value}", self.value(feature, value))

    def _quantity(self, feature: Feature, value: float) -> str:
        say = self.catalogue.say
        shown = _rounded(feature, value)
        number = self.catalogue.number(shown, feature.decimals)
        # A plural is chosen by the number shown: "1 year" also where it was 0.98.
        count = int(shown) if shown == shown.to_integral_value() else float(shown)
        match feature.unit:
            case "percent":
                return say("unit-percent", number=number)
            case "USD_thousands":
                return say("unit-usd", number=self._dollars(shown * 1000))
            case "USD_per_month":
                return say("unit-usd-per-month", number=self._dollars(shown))
            case "months" | "years":
                return say(f"unit-{feature.unit}", number=number, count=count)
            case "count":
                return say("unit-count", number=number)
        return say("unit-none", number=number)

    def _dollars(self, amount: Decimal) -> str:
        # Nothing that was shown to the model is cut off: "$18" where it is, else "$17.53".
        exponent = amount.normalize().as_tuple().exponent
        decimals = -exponent if isinstance(exponent, int) else 0
        return self.catalogue.money(amount, "USD", max(decimals, CENTS) if decimals > 0 else 0)


def alike(feature: Feature, one: Scalar, other: Scalar) -> bool:
    """Tell whether two values of a feature read the same to somebody, in whatever language."""
    if one is None or other is None:
        return one is other
    words, others = _texts(feature, one), _texts(feature, other)
    if words and others:
        return bool(words & others)
    if words or others:
        return str(other if words else one) in {text for _, text in words | others}
    if isinstance(one, str | bool) or isinstance(other, str | bool):
        return one == other
    return _rounded(feature, one) == _rounded(feature, other)


def typical(feature: Feature, column: NDArray[np.float32]) -> Scalar:
    """Return what is usual in a reference group: the median, or the commonest category.

    The lower of two middle values, so that it is one that somebody had. None if most of
    the group gave nothing.
    """
    given = column[~np.isnan(column)]
    if len(given) * 2 < len(column):
        return None
    if feature.type in {"number", "integer"} and not feature.words:
        return decode(feature, float(np.quantile(given, 0.5, method="lower")))
    values, counts = np.unique(given, return_counts=True)
    return decode(feature, float(values[np.argmax(counts)]))


def typical_values(features: tuple[Feature, ...], background: Rows) -> dict[str, Scalar]:
    """Return what is usual for every feature, by name."""
    return {
        feature.name: typical(feature, background[:, column])
        for column, feature in enumerate(features)
    }


def _rounded(feature: Feature, value: float) -> Decimal:
    """Return a number with as many decimals as are shown of this feature."""
    place = Decimal(1).scaleb(-feature.decimals)
    return Decimal(str(value)).quantize(place, rounding=ROUND_HALF_UP)


def _texts(feature: Feature, value: Scalar) -> set[tuple[str, str]]:
    word = _word(feature, value)
    return set(word.texts) if word else set()


def _word(feature: Feature, value: Scalar) -> LocalText | None:
    words = dict(feature.words)
    codes = [str(value)]
    if isinstance(value, bool):
        codes = ["true", "1"] if value else ["false", "0"]
    elif isinstance(value, float) and value.is_integer():
        codes = [str(int(value))]
    return next((words[code] for code in codes if code in words), None)
