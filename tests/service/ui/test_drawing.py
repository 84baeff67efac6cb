"""Bars stand where the figures say."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from service.ui import drawing
from service.ui.views import Segment, SparkBar, Tone

amounts = st.decimals(-500, 500, places=1)


def test_a_waterfall_runs_from_the_reference_to_the_result() -> None:
    placed = drawing.steps(Decimal(620), [Decimal(-40), Decimal(10)], Decimal(600))
    # 580 to 620 is the span; 4 % of it stays free on both sides.
    assert placed == drawing.Steps(start=962, limit=500, result=268, bars=((37, 925), (37, 231)))


@given(amounts, st.lists(amounts, min_size=1, max_size=20), amounts)
def test_every_bar_is_inside_and_meets_the_next(
    start: Decimal, moves: list[Decimal], limit: Decimal
) -> None:
    placed = drawing.steps(start, moves, limit)
    at = placed.start
    for move, (x, width) in zip(moves, placed.bars, strict=True):
        assert 0 <= x <= x + width <= drawing.WIDTH
        assert (width >= drawing.MIN_BAR) == (move != 0)
        if width > drawing.MIN_BAR:
            at = x + width if move > 0 else x
    assert abs(at - placed.result) <= drawing.MIN_BAR * len(moves)
    assert 0 <= placed.limit <= drawing.WIDTH


def test_nothing_moved_is_a_drawing_too() -> None:
    placed = drawing.steps(Decimal(600), [Decimal(0)], Decimal(600))
    assert placed.start == placed.limit == placed.result == 500
    assert placed.bars == ((500, 0),)


def test_a_spark_shows_the_largest_first_and_better_upwards() -> None:
    assert drawing.spark([3, 0, -8, 4], higher_is_better=True) == (
        SparkBar(0, 9, 8, Tone.ADVERSE),
        SparkBar(9, 5, 4, Tone.FAVOURABLE),
        SparkBar(18, 6, 3, Tone.FAVOURABLE),
    )
    assert drawing.spark([5], higher_is_better=False) == (SparkBar(0, 9, 8, Tone.ADVERSE),)
    assert drawing.spark([], higher_is_better=True) == ()
    assert len(drawing.spark(range(1, 50), higher_is_better=True)) == drawing.SPARK_BARS


def test_segments_adjoin_and_empty_ones_are_left_out() -> None:
    counts = [(30, Tone.FAVOURABLE), (0, Tone.PLAIN), (10, Tone.ADVERSE)]
    assert drawing.stack(counts, 80) == (
        Segment(0, 375, Tone.FAVOURABLE),
        Segment(375, 125, Tone.ADVERSE),
    )
    assert drawing.stack([(0, Tone.PLAIN)], 0) == ()
