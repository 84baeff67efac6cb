"""Dates, counts and shares as a reader of a language writes them.

Every number is rounded here once, half up, from an exact value; what a template receives is
text.
"""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal

from reports.errors import DocumentError

__all__ = ["ISOLATE", "NOTHING", "RELEASE", "Formatting"]

ISOLATE: Final = "\N{FIRST STRONG ISOLATE}"
RELEASE: Final = "\N{POP DIRECTIONAL ISOLATE}"
NOTHING: Final = "–"  # noqa: RUF001 - an en dash where a table has no figure


class Formatting:
    """Writes values in one language.

    Raises:
        DocumentError: the language is not known to the CLDR.
    """

    def __init__(self, language: str) -> None:
        try:
            self._locale = Locale.parse(language, sep="-")
        except (UnknownLocaleError, ValueError) as error:
            raise DocumentError("unknown language", member="language") from error

    @property
    def direction(self) -> str:
        """How the language runs, as HTML's `dir` says it: "ltr" or "rtl"."""
        return str(self._locale.text_direction)

    def apart(self, text: str) -> str:
        """Return a value that keeps its own direction where the language runs right to left.

        Between FSI and PDI (Unicode Standard Annex 9): there "-5" would be read "5-".
        """
        return f"{ISOLATE}{text}{RELEASE}" if text and self.direction == "rtl" else text

    def day(self, value: date) -> str:
        """Return a calendar day in full: "May 14, 2026"."""
        return str(format_date(value, "long", locale=self._locale))

    def short_day(self, value: datetime) -> str:
        """Return the day of a moment in UTC, short, as tables have it: "May 14, 2026"."""
        return str(format_date(value.astimezone(UTC).date(), "medium", locale=self._locale))

    def month(self, value: date) -> str:
        """Return a month in full: "May 2026"."""
        return str(format_date(value, "MMMM y", locale=self._locale))

    def short_month(self, value: date) -> str:
        """Return a month without its year: "May"."""
        return str(format_date(value, "MMM", locale=self._locale))

    def moment(self, value: datetime) -> str:
        """Return a day and a time in UTC, to the minute."""
        time = format_datetime(value.astimezone(UTC), "HH:mm", tzinfo=UTC, locale=self._locale)
        return f"{self.day(value.astimezone(UTC).date())}, {time}\u00a0UTC"

    def stamp(self, value: datetime) -> str:
        """Return a moment as tables have it: 2026-05-14 09:31:07, UTC."""
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

    def count(self, value: int) -> str:
        """Return a whole number with its groups of thousands."""
        return self.decimal(Decimal(value), 0)

    def decimal(self, value: Decimal, places: int) -> str:
        """Return a number with exactly so many decimal places, rounded half up."""
        shown = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        shown = shown or abs(shown)  # nothing has no sign
        pattern = "#,##0" + ("." + "0" * places if places else "")
        text = format_decimal(shown, format=pattern, locale=self._locale)
        return str(text).replace("-", "\N{MINUS SIGN}")

    def exact(self, value: Decimal) -> str:
        """Return a number with all the decimal places that it has, and no more."""
        exponent = value.as_tuple().exponent
        return self.decimal(value, max(0, -exponent) if isinstance(exponent, int) else 0)

    def signed(self, value: Decimal, places: int) -> str:
        """Return a difference with its sign, whichever it is; nothing has none."""
        text = self.decimal(value, places)
        return f"+{text}" if value > 0 and text.strip("0.,") else text

    def ratio(self, value: Fraction | None, places: int = 2) -> str:
        """Return a ratio as a number, a dash where there is none."""
        return NOTHING if value is None else self.decimal(_exact(value), places)

    def percent(self, value: Fraction | None, places: int = 1) -> str:
        """Return a share in per cent, a dash where there is none."""
        return NOTHING if value is None else f"{self.decimal(_exact(value * 100), places)}\u00a0%"

    def money(self, value: Decimal, currency: str) -> str:
        """Return an amount in a currency, to the cent."""
        return str(format_currency(value, currency, locale=self._locale))


def _exact(value: Fraction) -> Decimal:
    """Return a fraction as a decimal that is exact where rounding half up could notice."""
    return Decimal(value.numerator) / Decimal(value.denominator)
