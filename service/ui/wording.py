"""Numbers, dates and identifiers in words, one way for every page.

British English by the Unicode CLDR (Babel). Times are UTC; the page says so once, in its foot.
"""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

LOCALE: Final = "en_GB"
MINUS: Final = "\N{MINUS SIGN}"
SHORT_ID_TAIL: Final = 12  # hex digits; a UUIDv7's last group is its random part
SHORT_DIGEST: Final = 12  # hex digits; enough to tell versions apart by eye


def number(value: int) -> str:
    """Return `value` with thousands separators and a real minus sign: `48,960`."""
    return format_decimal(value, locale=LOCALE).replace("-", MINUS)


def signed(value: Decimal) -> str:
    """Return `value` to one decimal with its sign, halves away from zero: `+12.1`."""
    rounded = value.quantize(Decimal("0.1"), ROUND_HALF_UP)
    text = format_decimal(abs(rounded), "#,##0.0", locale=LOCALE)
    return f"{'+' if rounded >= 0 else MINUS}{text}"


def decimal(value: Decimal) -> str:
    """Return `value` with as many decimals as it has, and thousands separators: `1,586.4`."""
    places = max(0, -int(value.as_tuple().exponent))
    pattern = "#,##0." + "0" * places if places else "#,##0"
    return format_decimal(value, pattern, locale=LOCALE).replace("-", MINUS)


def counted(value: int, singular: str, plural: str) -> str:
    """Return the number and the right noun: `1 decision`, `48,960 decisions`."""
    return f"{number(value)} {singular if value == 1 else plural}"


def day(value: date | datetime) -> str:
    """Return `14 May 2026`."""
    return format_date(_utc(value), "d MMMM y", locale=LOCALE)


def weekday(value: date | datetime) -> str:
    """Return `Thu 14 May`."""
    return format_date(_utc(value), "EEE d MMM", locale=LOCALE)


def month(value: date | datetime) -> str:
    """Return `May 2026`."""
    return format_date(_utc(value), "MMMM y", locale=LOCALE)


def minute(value: datetime) -> str:
    """Return `14 May 2026, 09:31`."""
    return format_datetime(_utc(value), "d MMM y, HH:mm", locale=LOCALE)


def second(value: datetime) -> str:
    """Return `14 May 2026, 09:31:07`."""
    return format_datetime(_utc(value), "d MMMM y, HH:mm:ss", locale=LOCALE)


def iso(value: datetime) -> str:
    """Return RFC 3339 in UTC to the second: `2026-05-14T09:31:07Z`."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short_id(identifier: str) -> str:
    """Return the random end of an identifier, which tells records of one moment apart."""
    return f"…{identifier[-SHORT_ID_TAIL:]}" if len(identifier) > SHORT_ID_TAIL else identifier


def short_digest(digest: str) -> str:
    """Return the first digits of a hexadecimal digest, and an ellipsis."""
    return f"{digest[:SHORT_DIGEST]}…" if len(digest) > SHORT_DIGEST else digest


def words(code: str) -> str:
    """Return a code as words: `data_protection_officer` → `Data protection officer`."""
    text = code.replace("_", " ").replace("-", " ")
    return text[:1].upper() + text[1:]


def _utc(value: date | datetime) -> date | datetime:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
