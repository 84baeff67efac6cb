"""The clock of a log: it may be slow or be put right, and is not believed when it leaps."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.errors import StoppedError
from ledger.operate.log_clock import MAX_AHEAD, LogClock, behind, ticks

NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)


class Machine:
    """A clock that can be set, and what really passed."""

    def __init__(self) -> None:
        self.wall = NOON
        self.passed = 0.0

    def wait(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.passed += seconds

    def clock(self) -> LogClock:
        return LogClock(lambda: self.wall, lambda: self.passed)


def test_time_that_passed_is_no_leap() -> None:
    machine = Machine()
    clock = machine.clock()
    for seconds in (0, 1, 86_400 * 400):
        machine.wait(seconds)
        assert clock() == machine.wall


@pytest.mark.parametrize("leap", [timedelta(days=365), MAX_AHEAD + timedelta(seconds=1)])
def test_a_leap_ahead_is_refused_until_the_clock_is_back(leap: timedelta) -> None:
    machine = Machine()
    clock = machine.clock()
    clock()
    machine.wall += leap
    for _ in range(2):
        machine.wait(10)
        with pytest.raises(StoppedError, match="leapt ahead"):
            clock()
    machine.wall -= leap
    assert clock() == machine.wall


def test_a_leap_is_believed_by_who_starts_anew() -> None:
    machine = Machine()
    machine.clock()()
    machine.wall += timedelta(days=365)
    assert machine.clock()() == machine.wall


def test_what_a_correction_takes_is_believed() -> None:
    machine = Machine()
    clock = machine.clock()
    clock()
    for step in (MAX_AHEAD, -MAX_AHEAD, timedelta(hours=-5)):
        machine.wall += step
        machine.wait(1)
        assert clock() == machine.wall


@pytest.mark.parametrize(
    ("span", "said"),
    [(3, "3 seconds"), (119, "119 seconds"), (600, "10 minutes"), (7_200, "2 hours"),
     (86_400 * 365, "365 days")],
)  # fmt: skip
def test_it_says_how_long(span: float, said: str) -> None:
    assert f"it is {said} behind" in str(behind(NOON, NOON + timedelta(seconds=span)))


def test_ticks_go_forwards() -> None:
    first = ticks()
    assert ticks() >= first
