"""Periods by the calendar: month ends, leap days, zones; nothing ends early."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.operate.periods import MAX_YEARS, Period, end_of, zone_of

days = st.dates(date(1990, 1, 1), date(2150, 12, 31))
periods = st.builds(Period, st.integers(0, MAX_YEARS * 12), st.integers(1, 4_000))


@pytest.mark.parametrize(
    ("start", "period", "last"),
    [
        ("2026-01-31", "P1M", "2026-02-28"),
        ("2028-01-31", "P1M", "2028-02-29"),
        ("2028-02-29", "P1Y", "2029-02-28"),
        ("2028-02-29", "P4Y", "2032-02-29"),
        ("2026-11-25", "P25M", "2028-12-25"),
        ("2026-12-31", "P2M", "2027-02-28"),
        ("2026-01-31", "P1M1D", "2026-03-01"),
        ("2026-12-25", "P1W", "2027-01-01"),
        ("2026-01-01", "P1Y2M3W4D", "2027-03-26"),
    ],
)  # fmt: skip
def test_the_calendar(start: str, period: str, last: str) -> None:
    assert Period.parse(period).after(date.fromisoformat(start)) == date.fromisoformat(last)


@pytest.mark.parametrize(
    "text",
    ["", "P", "P0D", "P1H", "PT1H", "P1.5M", "25M", "P-1M", "P1M1Y", "P101Y", "P9999M", "P٣M"],
)
def test_other_texts_are_no_periods(text: str) -> None:
    with pytest.raises(MalformedError):
        Period.parse(text)


def test_beyond_the_calendar() -> None:
    with pytest.raises(MalformedError, match="calendar"):
        Period.parse("P100Y").after(date(9950, 1, 1))
    with pytest.raises(MalformedError, match="calendar"):
        Period.parse("P90D").after(date(9999, 12, 1))


@given(periods, days, days)
def test_a_later_day_never_ends_earlier(period: Period, one: date, two: date) -> None:
    first, second = sorted((one, two))
    assert first < period.after(first) <= period.after(second)


def test_the_last_day_is_over_where_the_class_counts() -> None:
    day = date(2026, 3, 28)
    assert end_of(day, zone_of("UTC")) == datetime(2026, 3, 29, tzinfo=UTC)
    assert end_of(day, zone_of("Europe/Berlin")) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert end_of(date(2026, 3, 29), zone_of("Europe/Berlin")) == datetime(
        2026, 3, 29, 22, tzinfo=UTC
    )


@pytest.mark.parametrize("name", ["Europe/Nowhere", "../etc/passwd", "", "UTC\0"])
def test_no_such_zone(name: str) -> None:
    with pytest.raises(MalformedError):
        zone_of(name)


def test_words() -> None:
    assert str(Period.parse("P25M")) == "2 years 1 month"
    assert str(Period.parse("P1Y2D")) == "1 year 2 days"
