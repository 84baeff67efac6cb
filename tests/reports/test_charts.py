"""Charts: every label inside the frame, no line through a number, direction without colour."""

import re
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import charts
from reports.charts import Bar, Mark, Step, bars, waterfall
from reports.errors import DocumentError
from reports.glyphs import drawable
from reports.svg import WIDTH
from tests.reports.drawings import SVG, advances, height, labels, outlines, read, verticals

printable = st.characters(codec="utf-8").filter(
    lambda c: ord(c) in drawable() and ord(c) in advances("SemiBold") and c.isprintable()
)
words = st.text(st.sampled_from("abcdefghijklmnop WMé−%$0123456789"), max_size=80)
texts = words | st.text(printable, max_size=40)
amounts = st.decimals(-2_000, 2_000, places=1)
steps = st.lists(
    st.builds(lambda a, n, v: Step(n, v, a, f"{a:+}"), amounts, texts, texts), max_size=20
)


def mark(amount: Decimal | int, name: str = "start") -> Mark:
    return Mark(name, Decimal(amount), str(amount))


def drawn(moves: list[Step], *, limit: int = 600) -> str:
    result = Decimal(620) + sum((move.amount for move in moves), Decimal(0))
    return waterfall(
        moves, mark(620), mark(result, "result"), mark(limit, "limit"), chart_id="c", title="t"
    )


@settings(max_examples=50)
@given(steps, amounts, amounts, texts)
def test_labels_stay_inside_and_clear_of_every_line(
    moves: list[Step], start: Decimal, limit: Decimal, name: str
) -> None:
    result = start + sum((move.amount for move in moves), Decimal(0))
    svg = waterfall(
        moves, mark(start, name), mark(result, name), mark(limit, name), chart_id="c", title="t"
    )
    for label in labels(svg):
        assert -0.1 <= label.left <= label.right <= WIDTH + 0.1
        assert 8 <= label.y <= height(svg) - 2
    # The limit's own label stands above the plot; all others beside it, left or right.
    for label in labels(svg)[1:]:
        assert label.right <= charts.PLOT_LEFT or label.left >= charts.PLOT_RIGHT
    for x in verticals(svg):
        assert charts.PLOT_LEFT <= x <= charts.PLOT_RIGHT


@settings(max_examples=50)
@given(steps.filter(bool))
def test_lines_of_text_do_not_touch(moves: list[Step]) -> None:
    for side in (charts.PLOT_LEFT, WIDTH):
        rows = sorted(
            label.y for label in labels(drawn(moves))[1:] if (label.left < charts.PLOT_LEFT) == (side == charts.PLOT_LEFT)
        )  # fmt: skip
        assert all(after - before >= charts.TEXT for before, after in pairwise(rows))


@settings(max_examples=50)
@given(steps)
def test_the_same_figures_give_the_same_bytes(moves: list[Step]) -> None:
    assert drawn(moves) == drawn(list(moves))


def test_direction_needs_no_colour() -> None:
    svg = drawn([Step("a", "", Decimal(-40), "−40"), Step("b", "", Decimal(25), "+25")])
    (left,), (right,) = outlines(svg, "chart-adverse"), outlines(svg, "chart-favourable")
    tail, neck, tip = (float(x) for x in re.findall(r"[MHL](-?[\d.]+)", left)[:3])
    assert tail > neck > tip
    tail, neck, tip = (float(x) for x in re.findall(r"[MHL](-?[\d.]+)", right)[:3])
    assert tail < neck < tip
    fills = {
        e.attrib["class"].split()[0]: (e.get("fill"), e.get("stroke"))
        for e in read(svg).iter(f"{SVG}path")
        if "chart-shape" in e.attrib["class"]
    }
    assert fills["chart-adverse"][1] is None  # filled
    assert fills["chart-favourable"][1] is not None  # an outline


def test_a_small_contribution_is_visible_and_none_is_a_mark() -> None:
    svg = drawn(
        [Step("large", "", Decimal(900), "+900"), Step("small", "", Decimal("-0.1"), "−0.1"),
         Step("none", "", Decimal(0), "0.0")]
    )  # fmt: skip
    (small,) = outlines(svg, "chart-adverse")
    left, *_, right = sorted(float(x) for x in re.findall(r"[MHL](-?[\d.]+)", small))
    assert right - left >= charts.MIN_BAR - 0.1


def test_figures_are_the_texts_that_were_given() -> None:
    svg = drawn([Step("Net worth", "$39,000", Decimal("-8.6"), "−8.6")])
    shown = [label.text for label in labels(svg)]
    assert shown == [
        "limit 600", "start", "620", "Net worth \u2002$39,000", "−8.6", "result", "611.4",
    ]  # fmt: skip
    said = read(svg).findtext(f"{SVG}desc")
    assert said == "start: 620. Net worth ($39,000): −8.6. result: 611.4. limit: 600."


def test_a_screen_reader_hears_one_picture() -> None:
    root = read(drawn([]))
    assert root.get("role") == "img"
    names = root.attrib["aria-labelledby"].split()
    assert names == [root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")]  # type: ignore[union-attr]


def test_a_label_is_text_whatever_it_looks_like() -> None:
    svg = drawn([Step("<script>alert(1)</script>", "</svg>", Decimal(1), "&lt;")])
    assert "<script" not in svg
    assert svg.count("</svg>") == 1


@pytest.mark.parametrize("text", ["a\u202eb", "a\nb", "a\x00b", "\ud800", "x" * 5_000])
def test_what_cannot_be_printed_is_refused(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        drawn([Step(text, "", Decimal(1), "+1")])
    assert caught.value.member == "rows[3].label"


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e13"])
def test_an_absurd_amount_is_refused(amount: str) -> None:
    with pytest.raises(DocumentError, match="too large"):
        drawn([Step("a", "", Decimal(amount), "")])


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(DocumentError, match="too many"):
        drawn([Step("a", "", Decimal(1), "+1")] * 201)


@settings(max_examples=50)
@given(st.lists(st.builds(lambda n, a: Bar(n, abs(a), str(abs(a))), texts, amounts), min_size=1))
def test_bars_stay_inside(rows: list[Bar]) -> None:
    svg = bars(rows, chart_id="c", title="t")
    for label in labels(svg):
        assert -0.1 <= label.left <= label.right <= WIDTH + 0.1
        assert label.right <= charts.PLOT_LEFT or label.left >= charts.PLOT_RIGHT
    assert len(outlines(svg, "chart-soft")) == len(rows)


@pytest.mark.parametrize("rows", [[], [Bar("a", Decimal(-1), "−1")]])
def test_bars_need_amounts_from_zero_up(rows: list[Bar]) -> None:
    with pytest.raises(DocumentError):
        bars(rows, chart_id="c", title="t")
