"""Numbers, dates and ids read the same on every page."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from service.ui import wording

MOMENT = datetime(2026, 5, 14, 9, 31, 7, 125000, tzinfo=UTC)
MINUS = "\N{MINUS SIGN}"


def test_numbers_have_thousands_separators_and_a_real_minus() -> None:
    assert wording.number(48960) == "48,960"
    assert wording.number(-1200) == f"{MINUS}1,200"
    assert wording.counted(1, "decision", "decisions") == "1 decision"
    assert wording.counted(0, "decision", "decisions") == "0 decisions"


@pytest.mark.parametrize(
    ("value", "text"),
    [("9.85", "+9.9"), ("-9.85", f"{MINUS}9.9"), ("0", "+0.0"), ("-0.04", "+0.0"),
     ("1234.5", "+1,234.5")],
)  # fmt: skip
def test_points_are_rounded_once_half_up(value: str, text: str) -> None:
    assert wording.signed(Decimal(value)) == text


def test_dates_are_words_in_utc_wherever_they_come_from() -> None:
    assert wording.day(date(2026, 5, 14)) == "14 May 2026"
    assert wording.month(MOMENT) == "May 2026"
    assert wording.minute(MOMENT) == "14 May 2026, 09:31"
    assert wording.second(MOMENT) == "14 May 2026, 09:31:07"
    assert wording.iso(MOMENT) == "2026-05-14T09:31:07Z"
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=14)))
    assert wording.minute(elsewhere) == "14 May 2026, 09:31"
    assert wording.day(elsewhere) == "14 May 2026"
    assert wording.iso(elsewhere) == "2026-05-14T09:31:07Z"


def test_ids_and_digests_keep_the_part_that_differs() -> None:
    assert wording.short_id("0196ceb1-7f4a-7c31-9d2e-8a51c0f361f2") == "…8a51c0f361f2"
    assert wording.short_id("short") == "short"
    assert wording.short_digest("ab" * 32) == "abababababab…"
    assert wording.short_digest("abc") == "abc"


def test_codes_are_words() -> None:
    assert wording.words("data_protection_officer") == "Data protection officer"
    assert wording.words("") == ""
