"""Message catalogues: every sentence an explanation can say, per language, as data.

Sentences live in `locale/<language>.ftl` (Fluent, https://projectfluent.org) so that a
translator may reorder and inflect them; code only supplies their parts. A catalogue's digest
is recorded with each explanation, so that a text can be traced to its wording.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal
from fluent.runtime import FluentBundle, FluentResource

from explain.errors import LanguageMissing

__all__ = ["Catalogue", "languages", "load_catalogue"]

_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")  # also keeps a path inside the package
MINUS = "\u2212"  # the sign that typesetters and screen readers take for a minus


class Catalogue:
    """The messages and number formats of one language.

    Attributes:
        language: the BCP 47 tag.
        digest: lowercase hex SHA-256 of the messages' text.
    """

    def __init__(self, language: str, text: str) -> None:
        try:
            self._locale = Locale.parse(language, sep="-")
        except (UnknownLocaleError, ValueError) as error:
            raise LanguageMissing("not a language that numbers can be written in") from error
        self.language = language
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        # Values keep their own direction inside a sentence that runs from right to left
        # (Unicode Standard Annex 9, FSI and PDI); elsewhere the marks would only be noise.
        isolating = self._locale.text_direction == "rtl"
        self._bundle = FluentBundle([language], use_isolating=isolating)
        self._bundle.add_resource(FluentResource(text))

    def has(self, message: str) -> bool:
        """Tell whether this language has the message."""
        return bool(self._bundle.has_message(message))

    def say(self, message: str, **parts: str | float) -> str:
        """Return a message with its parts filled in.

        Raises:
            LanguageMissing: the message is not in this language, or names a part not given.
        """
        if not self.has(message):
            raise LanguageMissing(f"the {self.language} catalogue has no message {message!r}")
        pattern: Any = self._bundle.get_message(message).value
        text, errors = self._bundle.format_pattern(pattern, parts)
        if errors:
            raise LanguageMissing(f"message {message!r} asks for a part that is not given")
        return str(text)

    def number(self, value: Decimal, decimals: int) -> str:
        """Return a number with at most this many decimals, no trailing zeros."""
        pattern = "#,##0" + ("." + "#" * decimals if decimals else "")
        return _minus(format_decimal(value, format=pattern, locale=self._locale))

    def signed(self, value: Decimal, decimals: int) -> str:
        """Return a number with its sign and exactly this many decimals."""
        zeros = "#,##0" + ("." + "0" * decimals if decimals else "")
        text = format_decimal(abs(value), format=zeros, locale=self._locale)
        sign = MINUS if value < 0 else "+" if value > 0 else ""
        return f"{sign}{text}"

    def money(self, value: Decimal, currency: str, decimals: int = 0) -> str:
        """Return an amount of a currency, in whole units or with exactly these decimals."""
        pattern = self._locale.currency_formats["standard"].pattern
        wanted = re.sub(r"\.0+", "." + "0" * decimals if decimals else "", pattern)
        return _minus(
            format_currency(
                value, currency, format=wanted, locale=self._locale, currency_digits=False
            )
        )

    def day(self, value: date) -> str:
        """Return a day as it is written in a letter: "14 May 2026"."""
        return str(format_date(value, format="long", locale=self._locale))

    def listed(self, items: Sequence[str]) -> str:
        """Return the items as one enumeration: "a, b and c"."""
        return str(format_list(list(items), locale=self._locale))


@cache
def languages() -> tuple[str, ...]:
    """Return the languages that this package speaks, by tag."""
    folder = resources.files("explain") / "locale"
    names = [file.name for file in folder.iterdir() if file.name.endswith(".ftl")]
    return tuple(sorted(name.removesuffix(".ftl") for name in names))


@cache
def load_catalogue(language: str) -> Catalogue:
    """Return the catalogue of a language that this package ships.

    Raises:
        LanguageMissing: there is none.
    """
    file = resources.files("explain") / "locale" / f"{language}.ftl"
    if not _TAG.fullmatch(language) or not file.is_file():
        raise LanguageMissing("no catalogue for this language")
    return Catalogue(language, file.read_text(encoding="utf-8"))


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
