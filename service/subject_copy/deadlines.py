"""By when a request of a data subject has to be answered.

GDPR Art. 12(3): within one month of its receipt, with two further months where that is
necessary and the person is told so, with the reasons, within the first. Regulation (EEC,
Euratom) No 1182/71 says how such a month is counted: the day of receipt does not count
(Art. 3(1)); it ends with the day of the same date, or the last day of a shorter month
(Art. 3(2)(c)); and if that is a Saturday or a Sunday, with the next working day (Art. 3(4)).
Public holidays move it too, but differ by country: they are left out, so that the day given
here is never too late.
"""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Self

__all__ = ["RULE", "Deadlines"]

RULE: Final = (
    "GDPR Art. 12(3), counted by Regulation (EEC, Euratom) No 1182/71 Art. 3, public holidays left"
    " out"
)
_SATURDAY: Final = 5
_DECEMBER: Final = 12


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The days of one request.

    Attributes:
        received: when it came.
        answer_by: the last day for the answer, or for saying why it takes longer.
        extended_by: the last day if that was said in time.
    """

    received: date
    answer_by: date
    extended_by: date

    @classmethod
    def of(cls, received: date) -> Self:
        """The deadlines of a request that came on this day."""
        return cls(received, _months_after(received, 1), _months_after(received, 3))


def _months_after(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, _DECEMBER)
    year, month = day.year + years, month + 1
    last = date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
    while last.weekday() >= _SATURDAY:
        last += timedelta(days=1)
    return last
