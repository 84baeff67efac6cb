"""Where bars stand: figures in, whole drawing units out. No words, no markup.

Positions are rounded once, at the end, so that neighbouring bars meet.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from service.ui.views import Segment, SparkBar, Tone

WIDTH: Final = 1000  # units of every bar drawing; its SVG is stretched to the space there is
PADDING: Final = Decimal("0.04")  # of the span, left free on both sides
MIN_BAR: Final = 3  # units; a contribution that is not zero must not vanish

SPARK_BARS: Final = 8  # as many as a glance takes in
SPARK_STEP: Final = 9  # units from bar to bar
SPARK_BASE: Final = 9  # units from the top to the zero line
SPARK_REACH: Final = 8  # units of the largest bar


@dataclass(frozen=True, slots=True)
class Steps:
    """A waterfall's positions: `bars` are (x, width) from left to right edge."""

    start: int
    limit: int
    result: int
    bars: tuple[tuple[int, int], ...]


def steps(start: Decimal, moves: Sequence[Decimal], limit: Decimal) -> Steps:
    """Return where a waterfall from `start` over `moves` stands beside `limit`."""
    edges = [start]
    for move in moves:
        edges.append(edges[-1] + move)
    low, high = min(*edges, limit), max(*edges, limit)
    pad = (high - low) * PADDING or Decimal(1)
    scale = WIDTH / (high - low + 2 * pad)

    def place(value: Decimal) -> int:
        return int((value - low + pad) * scale)

    bars = tuple(
        (min(place(a), place(b)), max(abs(place(b) - place(a)), MIN_BAR if a != b else 0))
        for a, b in itertools.pairwise(edges)
    )
    return Steps(place(start), place(limit), place(edges[-1]), bars)


def spark(values: Iterable[int], *, higher_is_better: bool) -> tuple[SparkBar, ...]:
    """Return the largest contributions as bars, largest first; up is better for the person."""
    largest = sorted((v for v in values if v), key=abs, reverse=True)[:SPARK_BARS]
    bars = []
    for position, value in enumerate(largest):
        height = max(1, round(SPARK_REACH * abs(value) / abs(largest[0])))
        good = (value > 0) == higher_is_better
        bars.append(
            SparkBar(
                x=position * SPARK_STEP,
                y=SPARK_BASE - height if good else SPARK_BASE,
                height=height,
                tone=Tone.FAVOURABLE if good else Tone.ADVERSE,
            )
        )
    return tuple(bars)


def stack(counts: Sequence[tuple[int, Tone]], most: int) -> tuple[Segment, ...]:
    """Return counts as adjoining segments of a bar whose full width stands for `most`."""
    segments, before = [], 0
    for count, tone in counts:
        left, right = (before * WIDTH // most, (before + count) * WIDTH // most) if most else (0, 0)
        if count:
            segments.append(Segment(left, max(1, right - left), tone))
        before += count
    return tuple(segments)
