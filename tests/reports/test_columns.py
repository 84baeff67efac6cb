"""The chart over time: no label on another, none outside, counts that agree."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.columns import HEIGHT, Column, ColumnWords, columns
from reports.errors import DocumentError
from reports.svg import WIDTH
from tests.reports.drawings import labels, outlines

WORDS = ColumnWords("Decisions", "Approval rate", "approved", "declined", ("0 %", "50 %", "100 %"))
counts = st.integers(0, 10_000_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
months = st.lists(
    st.builds(
        lambda c, name: Column(name, c[0], c[1], f"{c[0]:,}", f"{c[1]} %"),
        counts,
        st.sampled_from(["Jan", "September 2026", "a name that is far too long for any column"]),
    ),
    min_size=1,
    max_size=60,
)


def drawn(shown: list[Column]) -> str:
    return columns(shown, WORDS, chart_id="c", title="t")


@settings(max_examples=50)
@given(months)
def test_no_label_leaves_the_frame_or_stands_on_another(shown: list[Column]) -> None:
    found = labels(drawn(shown))
    for label in found:
        assert -0.1 <= label.left <= label.right <= WIDTH + 0.1
        assert 8 <= label.y <= HEIGHT
    for y in {label.y for label in found}:
        row = sorted((label for label in found if label.y == y), key=lambda label: label.left)
        assert all(one.right < other.left for one, other in pairwise(row))


def test_favourable_is_solid_and_adverse_hollow() -> None:
    svg = drawn([Column("Jan", 10, 7, "10", "70 %"), Column("Feb", 5, 5, "5", "100 %")])
    assert len(outlines(svg, "chart-soft")) == 3  # two months and the legend
    assert len(outlines(svg, "chart-ground")) == 2  # one month and the legend
    assert {"Jan", "Feb", "10", "5", "70 %"} <= {label.text for label in labels(svg)}


def test_a_month_without_decisions_has_no_rate() -> None:
    svg = drawn([Column("Jan", 0, 0, "0", "–"), Column("Feb", 5, 5, "5", "100.0 %")])
    assert len(outlines(svg, "chart-ink")) == 1


@pytest.mark.parametrize(
    "shown", [[], [Column("a", 1, 2, "1", "2")], [Column("a", 1, 1, "1", "1")] * 241]
)
def test_contradictions_are_refused(shown: list[Column]) -> None:
    with pytest.raises(DocumentError):
        drawn(shown)
