"""The section on completeness: words, dates in the reader's language, bounds."""

from dataclasses import replace

import pytest

from reports.completeness_view import view_completeness
from reports.documents import MissingRange, StatedTotal
from reports.documents.completeness import MAX_GAPS, MAX_TOTALS
from reports.errors import DocumentError
from reports.formatting import Formatting
from tests.reports import samples

EN, DE = Formatting("en"), Formatting("de")


def test_gaps_say_whose_word_the_reason_is() -> None:
    shown = view_completeness(samples.completeness(), EN)
    assert [(gap.numbers, gap.count, gap.reason, gap.since) for gap in shown.gaps] == [
        ("1,412", "1", "no reason given", "Jun 1, 2026"),
        ("5 to 6", "2", "outage (operator)", "Jun 1, 2026"),
        ("9 to 10", "2", "spool full (source)", "–"),
    ]
    assert [row.heard for row in shown.sources] == ["Jun 1, 2026", "–"]
    assert shown.more == ""


def test_totals_are_compared_in_words() -> None:
    short, more, agrees, unknown = view_completeness(samples.completeness(), EN).totals
    assert (short.span, short.verdict) == (
        "numbers 1 to 2,381",
        "short by 1, 1 missing with a reason",
    )
    assert more.span.startswith("June 1, 2026, 00:00")
    assert [each.verdict for each in (more, agrees, unknown)] == [
        "more held than stated",
        "agrees",
        "cannot be told: times were erased",
    ]
    bare = replace(samples.completeness().totals[0], explained=0)
    (row,) = view_completeness(samples.completeness(totals=(bare,)), EN).totals
    assert row.verdict == "short by 1"


def test_numbers_and_dates_are_in_the_readers_language() -> None:
    shown = view_completeness(samples.completeness(), DE)
    assert shown.gaps[0].numbers == "1.412"
    assert shown.gaps[0].since == "01.06.2026"


def test_what_is_not_printed_is_said() -> None:
    shown = view_completeness(samples.completeness(ranges=1_003), EN)
    assert shown.more == (
        "1,000 more ranges are not printed here; the attached file missing-numbers.csv has them."
    )
    alone = view_completeness(samples.completeness(ranges=4, attachment=""), EN)
    assert alone.more == "1 more ranges are not printed here."


def test_several_sources_with_gaps_are_drawn() -> None:
    section = samples.completeness()
    assert "loan-desk: 1" in view_completeness(section, EN).chart
    one = replace(section, sources=section.sources[:1])
    assert view_completeness(one, EN).chart == ""


@pytest.mark.parametrize(
    "change",
    [
        {"ranges": 2},
        {"gaps": (MissingRange("a", 1, 1, "", None, None),) * (MAX_GAPS + 1), "ranges": 99},
        {"totals": (samples.completeness().totals[0],) * (MAX_TOTALS + 1)},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DocumentError):
        samples.completeness(**change)


@pytest.mark.parametrize(
    "members",
    [
        (None, None, None, None, 1, 1, "agrees"),
        (1, None, None, None, 1, 1, "agrees"),
        (1, 2, None, None, 1, 1, "fine"),
    ],
)
def test_a_total_that_is_none_is_refused(members: tuple[object, ...]) -> None:
    with pytest.raises(DocumentError):
        StatedTotal("desk", *members, 0, 0)  # type: ignore[arg-type, call-arg]
