"""Office hours are read strictly, and counted by the clock of their place."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.errors import MalformedError
from service.office_hours import OfficeHours
from service.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-03-27 05:59", False),  # a Friday in winter, one hour ahead of UTC
        ("2026-03-27 06:00", True),
        ("2026-03-27 17:59", True),
        ("2026-03-27 18:00", False),
        ("2026-03-28 12:00", False),  # a Saturday
        ("2026-03-30 05:00", True),  # a Monday in summer, two hours ahead
        ("2026-03-30 17:00", False),
    ],
)
def test_they_follow_the_clock_of_the_place(at: str, *, inside: bool) -> None:
    hours = OfficeHours.parse("Mon-Fri 07:00-19:00 Europe/Berlin")
    assert hours.covers(datetime.fromisoformat(at).replace(tzinfo=UTC)) is inside


def test_a_week_may_begin_on_a_sunday_and_a_day_end_at_midnight() -> None:
    hours = OfficeHours.parse("Sun-Thu 00:00-24:00 UTC")
    days = [datetime(2026, 5, day, 23, 59, tzinfo=UTC) for day in range(3, 10)]  # from a Sunday
    assert [hours.covers(day) for day in days] == [True] * 5 + [False] * 2
    one = OfficeHours.parse("Wed-Wed 09:00-17:00 UTC")
    assert one.days == {2}


@pytest.mark.parametrize(
    "text",
    [
        "Mon-Fri 07:00-19:00", "Mon-Fri 7:00-19:00 UTC", "Mon-Xxx 07:00-19:00 UTC",
        "Mon-Fri 19:00-07:00 UTC", "Mon-Fri 07:00-24:01 UTC", "Mon-Fri 07:60-19:00 UTC",
        "Mon-Fri 07:00-19:00 Mars/Base", "Mon-Fri 07:00-19:00 ../../etc/passwd",
        "Mon-Fri 07:00-19:00 UTC ", "Mon-Fri ٠7:00-19:00 UTC", "",
    ],
)  # fmt: skip
def test_whatever_else_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        OfficeHours.parse(text)


def test_a_setting_that_is_wrong_is_named() -> None:
    with pytest.raises(SettingsError, match="LEDGER_OFFICE_HOURS: office hours: no such day"):
        Settings.from_environ({"LEDGER_OFFICE_HOURS": "Mon-Fri 07:00-19:00 Nowhere/Else"})
    found = Settings.from_environ(
        {"LEDGER_OFFICE_HOURS": "Mon-Fri 07:00-19:00 UTC", "LEDGER_DATA": str(Path())}
    )
    assert found.office_hours == OfficeHours.parse("Mon-Fri 07:00-19:00 UTC")
