"""Periods of retention: ISO 8601 durations in calendar units, counted from a day.

The rules, stated once and used everywhere:

- Years and months are counted first, then weeks and days. A month that lacks the day ends on its
  last one: 31 January and a month is 28 or 29 February.
- The day counted from is the local day of the event in the zone of the class, and the
  period runs to the end of its last local day. So a period never ends early.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger.errors import MalformedError

__all__ = ["MAX_YEARS", "Period", "end_of", "zone_of"]

MAX_YEARS: Final = 100  # longer than any period in law; keeps dates within what databases hold
_FORM: Final = re.compile(
    r"P(?=\d)(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?", re.ASCII
)
_LONGEST_MONTH: Final = 31
_LONGEST_YEAR: Final = 366


@dataclass(frozen=True, slots=True)
class Period:
    """A time by the calendar, of more than nothing and at most `MAX_YEARS`."""

    months: int
    days: int

    def __post_init__(self) -> None:
        days = self.months * _LONGEST_MONTH + self.days
        if min(self.months, self.days) < 0 or not 0 < days <= MAX_YEARS * _LONGEST_YEAR * 2:
            raise MalformedError("retention: not a period of 1 day to 100 years", member="period")
        if self.months > MAX_YEARS * 12 or self.days > MAX_YEARS * _LONGEST_YEAR:
            raise MalformedError("retention: not a period of 1 day to 100 years", member="period")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The period that a duration of years, months, weeks and days says, as `P25M`.

        Raises:
            MalformedError: it is another text, empty or longer than `MAX_YEARS`.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise MalformedError(
                "retention: not an ISO 8601 period of years, months, weeks or days, as P25M",
                member="period",
            )
        years, months, weeks, days = (int(part or 0) for part in found.groups())
        return cls(12 * years + months, 7 * weeks + days)

    def after(self, day: date) -> date:
        """The last day of the period that is counted from this day.

        Raises:
            MalformedError: it is beyond the calendar's end.
        """
        try:
            year, month = divmod(day.year * 12 + day.month - 1 + self.months, 12)
            last = calendar.monthrange(year, month + 1)[1]
            return date(year, month + 1, min(day.day, last)) + timedelta(days=self.days)
        except (ValueError, OverflowError):
            raise MalformedError("retention: beyond the end of the calendar") from None

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        parts = ((years, "year"), (months, "month"), (self.days, "day"))
        return " ".join(f"{n} {unit}{'s' * (n != 1)}" for n, unit in parts if n)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name, as `Europe/Berlin`.

    Raises:
        MalformedError: there is none, or this machine has no data on it.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MalformedError(
            "retention: no time zone that this machine knows", member="zone"
        ) from None


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, at which a local day is over."""
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
