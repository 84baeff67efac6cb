"""The clock that a log's entries carry: one that jumped is not believed.

A log's times only go forwards. A clock that was set back a little (a leap second, a server of
the time that corrects itself) is waited out; one that is further behind than that, or that leapt
ahead, stops the writing until it is right again. An entry with a time of next year would keep
every later one out until next year.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ledger.errors import ClockWrong

__all__ = ["MAX_AHEAD", "MAX_BEHIND", "LogClock", "behind", "ticks"]

Clock = Callable[[], datetime]

MAX_BEHIND: Final = timedelta(seconds=2)  # a leap second and a step of ntpd; entries share a time
MAX_AHEAD: Final = timedelta(hours=1)  # of a leap; a machine that slept has counted the time


def ticks() -> float:
    """Seconds that only go forwards, those asleep included where the system counts them."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):  # not Linux
        return time.monotonic()


class LogClock:
    """The time now, unless the clock leapt ahead since it was last read. Safe between threads."""

    def __init__(self, clock: Clock, ticks: Callable[[], float] = ticks) -> None:
        """Measure leaps of `clock` against `ticks`; the first reading is believed."""
        self._clock = clock
        self._ticks = ticks
        self._lock = threading.Lock()
        self._before: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        """The time now.

        Raises:
            ClockWrong: the clock is ahead of what passed since it was last believed. It is
                believed again once it is back, or by a process that starts anew.
        """
        with self._lock:
            now, tick = self._clock(), self._ticks()
            if self._before is not None:
                then, tick_then = self._before
                leap = now - then - timedelta(seconds=tick - tick_then)
                if leap > MAX_AHEAD:
                    raise ClockWrong(
                        f"log: the clock leapt ahead by {_words(leap)}; nothing is written until"
                        " it is back. If it is right now, start the service again"
                    )
            self._before = now, tick
            return now


def behind(now: datetime, last: datetime) -> ClockWrong:
    """What a caller is told while the clock is behind the newest entry."""
    return ClockWrong(
        f"log: the clock went backwards: it is {_words(last - now)} behind the newest entry;"
        " nothing is written until it has caught up"
    )


def _words(span: timedelta) -> str:
    """A span as people say it, in its largest unit; rounded up, so that it is never zero."""
    seconds = span.total_seconds()
    for name, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
