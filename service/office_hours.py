"""When colleagues are expected to look at records: weekdays, from when to when, and where."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from zoneinfo import ZoneInfo

from ledger.errors import MalformedError

__all__ = ["OfficeHours"]

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK: Final = len(_DAYS)
_HOUR: Final = 60  # minutes
_DAY: Final = 24 * _HOUR
_FORM: Final = re.compile(
    r"(?P<first>[A-Z][a-z]{2})-(?P<last>[A-Z][a-z]{2})"
    r" (?P<start>\d{2}:\d{2})-(?P<end>\d{2}:\d{2}) (?P<zone>[A-Za-z0-9_+/-]{1,64})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """Hours of some days of the week. Public holidays are not known here.

    Attributes:
        days: weekdays, Monday is 0.
        start: minutes after midnight, of the place's own time.
        end: likewise, later than `start`; not an office hour itself.
        zone: the place, as the time zone database names it.
    """

    days: frozenset[int]
    start: int
    end: int
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= _DAY:
            raise MalformedError("office hours: they begin and end within one day")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read hours such as `Mon-Fri 07:00-19:00 Europe/Berlin`.

        Raises:
            MalformedError: they are in another form, or there is no such day, hour or zone.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise MalformedError("office hours: not as Mon-Fri 07:00-19:00 Europe/Berlin")
        try:
            first, last = _DAYS.index(found["first"]), _DAYS.index(found["last"])
            zone = ZoneInfo(found["zone"])
        except (ValueError, OSError, KeyError) as error:  # a zone that is not there is a KeyError
            raise MalformedError("office hours: no such day or time zone") from error
        days = frozenset((first + n) % _WEEK for n in range((last - first) % _WEEK + 1))
        return cls(days, _minutes(found["start"]), _minutes(found["end"]), zone)

    def covers(self, at: datetime) -> bool:
        """Say whether an aware moment is within these hours."""
        there = at.astimezone(self.zone)
        minute = there.hour * _HOUR + there.minute
        return there.weekday() in self.days and self.start <= minute < self.end


def _minutes(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute >= _HOUR:
        raise MalformedError("office hours: no such minute")
    return hour * _HOUR + minute
