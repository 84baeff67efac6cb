"""The picture of a lineage: labels in their boxes, arrows between rows, everything in words."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.documents import LineageItem, LineageStage
from reports.errors import DocumentError
from reports.html import report_html
from reports.lineage_chart import ACROSS, BOX, MAX_STAGES, lineage
from reports.svg import WIDTH
from tests.reports.drawings import SVG, height, labels, read, verticals
from tests.reports.samples import report
from tests.reports.test_charts import words

items = st.builds(
    LineageItem,
    words,
    st.lists(words, max_size=5).map(tuple),
    st.sampled_from(["", "ab" * 32]),
    st.booleans(),
)
rows = st.lists(st.lists(items, min_size=1, max_size=6).map(tuple), min_size=1, max_size=6)


def drawn(*stages: LineageStage) -> str:
    return lineage(stages, chart_id="l", title="From data to decisions")


def row(*names: str, each: bool = False) -> LineageStage:
    return LineageStage("Stage", tuple(map(LineageItem, names)), each)


@settings(max_examples=50)
@given(rows, words)
def test_every_label_and_arrow_stays_inside(
    found: list[tuple[LineageItem, ...]], name: str
) -> None:
    svg = drawn(*(LineageStage(name, each) for each in found))
    for label in labels(svg):
        assert -0.1 <= label.left <= label.right <= WIDTH + 0.1
        assert 8 <= label.y <= height(svg) - 2
    assert all(0 <= x <= WIDTH for x in verticals(svg))


def test_rows_are_joined_and_a_pair_leads_straight_down() -> None:
    joined = drawn(row("a", "b"), row("c"), row("d", "e"))
    assert joined.count('d="M') == len(read(joined).findall(f"{SVG}path"))
    rails = [each.attrib["d"] for each in read(joined).iter(f"{SVG}path")]
    assert sum("H" in each and "V" not in each for each in rails) == 2
    paired = drawn(row("a", "b"), row("c", "d", each=True))
    assert not any("H" in each.attrib["d"] for each in read(paired).iter(f"{SVG}path"))


def test_boxes_stand_beside_each_other() -> None:
    svg = drawn(row("a", "b", "c"))
    lefts = [label.left for label in labels(svg) if label.text in {"a", "b", "c"}]
    assert all(after - before > BOX for before, after in pairwise(lefts))


def test_more_than_fit_are_named_in_the_last_box_and_all_in_words() -> None:
    names = [f"set {at}" for at in range(ACROSS + 2)]
    svg = drawn(row(*names))
    shown = [label.text for label in labels(svg)]
    assert "and 3 more" in shown
    assert "set 2" in shown
    description = read(svg).findtext(f"{SVG}desc") or ""
    assert all(name in description for name in names)


def test_what_is_not_stated_has_another_frame() -> None:
    silent = LineageStage("Run", (LineageItem("Training run not stated", stated=False),))
    assert "stroke-dasharray" in drawn(silent)
    assert "stroke-dasharray" not in drawn(row("run"))
    assert "Run: Training run not stated." in drawn(silent)


@pytest.mark.parametrize(
    ("stages", "member"),
    [
        ([], "stages"),
        ([row("a")] * (MAX_STAGES + 1), "stages"),
        ([LineageStage("empty", ())], "stages[0].items"),
        ([row("a", each=True)], "stages[0].items"),
        ([row("a", "b"), row("c", each=True)], "stages[1].items"),
        ([row("bell \N{BELL}\a")], "stages[0].items[0].name"),
    ],
)
def test_what_cannot_be_drawn_is_named(stages: list[LineageStage], member: str) -> None:
    with pytest.raises(DocumentError) as caught:
        drawn(*stages)
    assert caught.value.member == member


def test_a_card_shows_it_as_picture_and_table() -> None:
    value = report()
    assert "From data to decisions" not in report_html(value)
    silent = LineageItem("Training run not stated", stated=False)
    data = LineageItem("Mortgages & loans", ("1990", "1,488 rows"), "ab" * 32)
    stages = (LineageStage("Data and code", (data,)), LineageStage("Training run", (silent,)))
    page = report_html(replace(value, card=replace(value.card, lineage=stages)))
    assert page.count("Mortgages &amp; loans, 1990, 1,488 rows") == 2  # in the drawing's words too
    assert f'<td class="code">{"ab" * 32}</td>' in page
