"""The demo's clock: it starts seven months ago and is moved forward, decision by decision.

Only a log whose origin ends in `/demo` is ever kept with it. A real ledger takes the
machine's clock and nobody can set it.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

SPAN = timedelta(days=212)  # seven months


class DemoClock:
    """A callable that tells the demo's time; never goes backwards."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Return the demo's time, a microsecond later than last time."""
        with self._lock:
            self._now += timedelta(microseconds=1)
            return self._now

    def move_to(self, moment: datetime) -> None:
        """Go forward to `moment`."""
        with self._lock:
            if moment < self._now:
                raise ValueError("a ledger's clock does not go backwards")
            self._now = moment


def office_hours(start: datetime, end: datetime, count: int) -> list[datetime]:
    """Return `count` moments between two days, on weekdays, 9:00 to 17:00 UTC, in order."""
    days = [
        start + timedelta(days=offset)
        for offset in range(1, (end - start).days)
        if (start + timedelta(days=offset)).weekday() < 5  # noqa: PLR2004  Monday to Friday
    ]
    moments = []
    for number in range(count):
        day_number = number * len(days) // count
        day = days[day_number]
        first = -(-day_number * count // len(days))
        today = -(-(day_number + 1) * count // len(days)) - first
        minutes = 480 * (number - first + 1) // (today + 1)
        moments.append(
            datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
            + timedelta(minutes=minutes, seconds=(number * 37) % 60)
        )
    return moments
