"""A chart over time: how many decisions each month had, and what share was favourable.

Pure and deterministic, like :mod:`reports.charts`: figures in, markup out, texts arrive
formatted. Favourable decisions are solid and adverse ones hollow, so that print without
colour says the same. Where months stand too close for their labels, every n-th has one;
the table beside the chart has all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final
from xml.etree.ElementTree import Element

from reports import svg
from reports.errors import DocumentError
from reports.svg import WIDTH, label, line, number, path
from reports.texts import check_texts
from reports.typography import fit, width

__all__ = ["Column", "ColumnWords", "columns"]

MAX_COLUMNS: Final = 240  # twenty years of months
TEXT: Final = 11.0  # font size
SIDE: Final = 46.0  # units left free at both ends, for the scale's labels
VOLUME_TOP, VOLUME_BASE = 46.0, 132.0
RATE_TOP, RATE_BASE = 178.0, 234.0
HEIGHT: Final = 258.0
WIDEST_COLUMN: Final = 30.0
APART: Final = 8.0  # units between the labels of two neighbours, at least


@dataclass(frozen=True, slots=True)
class Column:
    """One month: its name, how many decisions, and how many of them were favourable."""

    label: str
    count: int
    favourable: int
    count_text: str
    rate_text: str


@dataclass(frozen=True, slots=True)
class ColumnWords:
    """What the chart's two parts and two shades are called; `scale` is no, half and every case."""

    counts: str
    rate: str
    favourable: str
    adverse: str
    scale: tuple[str, str, str]


def columns(months: Sequence[Column], words: ColumnWords, *, chart_id: str, title: str) -> str:
    """Return months as columns over a line of their rates, as an SVG element.

    Raises:
        DocumentError: nothing to draw, too many months, counts that contradict each other,
            a text that cannot be printed.
    """
    _check(months, words)
    told = ". ".join(f"{m.label}: {m.count_text}, {m.rate_text}" for m in months) + "."
    root = svg.drawing(chart_id, HEIGHT, title, told)
    step = (WIDTH - 2 * SIDE) / len(months)
    centres = [SIDE + step * (at + 0.5) for at in range(len(months))]
    _draw_legend(root, words)
    _draw_counts(root, months, centres, step)
    label(root, 0, RATE_TOP - 20, fit(words.rate, TEXT, WIDTH, bold=True), size=TEXT, bold=True)
    _draw_rates(root, months, words, centres, step)
    every = _every([m.label for m in months], step)
    for at in range(0, len(months), every):
        room = step * every - APART
        _put(root, centres[at], HEIGHT - 6, months[at].label, room, look="chart-soft")
    return svg.serialise(root)


def _check(months: Sequence[Column], words: ColumnWords) -> None:
    if not 1 <= len(months) <= MAX_COLUMNS:
        raise DocumentError("a chart over time needs 1 to 240 months", member="months")
    check_texts(words, "words")
    for at, month in enumerate(months):
        check_texts(month, f"months[{at}]")
        if not 0 <= month.favourable <= month.count:
            raise DocumentError("more favourable than decided", member=f"months[{at}].favourable")


def _every(texts: Sequence[str], step: float) -> int:
    """Return that each n-th text has room beside its neighbours."""
    return max(1, math.ceil((max(width(text, TEXT) for text in texts) + APART) / step))


def _put(
    root: Element,
    x: float,
    y: float,
    text: str,
    room: float,
    *,
    look: str = "chart-ink",
    edge: float = WIDTH,
) -> None:
    """Add a label centred at `x`, cut to its room; none where it would leave the drawing."""
    text = fit(text, TEXT, room)
    half = width(text, TEXT) / 2
    if half <= x <= edge - half:
        label(root, x, y, text, size=TEXT, look=look, anchor="middle")


def _draw_legend(root: Element, words: ColumnWords) -> None:
    label(root, 0, 12, fit(words.counts, TEXT, WIDTH / 2, bold=True), size=TEXT, bold=True)
    x = float(WIDTH)
    for name, solid in ((words.adverse, False), (words.favourable, True)):
        text = fit(name, TEXT, WIDTH / 5)
        x -= width(text, TEXT)
        label(root, x, 12, text, size=TEXT)
        x -= 16
        _draw_block(root, x, 3, 10, 10, solid=solid)
        x -= 18


def _draw_counts(
    root: Element, months: Sequence[Column], centres: Sequence[float], step: float
) -> None:
    most = max(month.count for month in months) or 1
    wide = min(WIDEST_COLUMN, step * 0.62)
    every = _every([m.count_text for m in months], step)
    for at, (month, x) in enumerate(zip(months, centres, strict=True)):
        tall = (VOLUME_BASE - VOLUME_TOP) * month.count / most
        good = (VOLUME_BASE - VOLUME_TOP) * month.favourable / most
        if month.count > month.favourable:
            _draw_block(root, x - wide / 2, VOLUME_BASE - tall, wide, tall - good, solid=False)
        if month.favourable:
            _draw_block(root, x - wide / 2, VOLUME_BASE - good, wide, good, solid=True)
        if at % every == 0:
            _put(root, x, VOLUME_BASE - tall - 6, month.count_text, step * every - APART)
    line(root, f"M0 {number(VOLUME_BASE)}H{WIDTH}", "chart-ink")


def _draw_rates(
    root: Element,
    months: Sequence[Column],
    words: ColumnWords,
    centres: Sequence[float],
    step: float,
) -> None:
    for text, share in zip(words.scale, (Fraction(0), Fraction(1, 2), Fraction(1)), strict=True):
        y = _height(share)
        line(root, f"M0 {number(y)}H{number(WIDTH - SIDE)}", "chart-rule", stroke=0.6)
        name = fit(text, TEXT, SIDE - 6)
        label(root, WIDTH, y + 4, name, size=TEXT, look="chart-soft", anchor="end")
    known = [
        (month, x, _height(Fraction(month.favourable, month.count)))
        for month, x in zip(months, centres, strict=True)
        if month.count
    ]
    course = "L".join(f"{number(x)} {number(y)}" for _, x, y in known)
    if len(known) > 1:
        line(root, f"M{course}", "chart-ink", stroke=1.2)
    every = _every([m.rate_text for m in months], step)
    for at, (month, x, y) in enumerate(known):
        path(root, f"M{number(x - 3)} {number(y)}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0Z", "chart-ink")
        if at % every == 0:
            # Above the point where there is room, so that no label stands on the line below.
            side = -8 if y > RATE_TOP + 14 else 16
            room = step * every - APART
            _put(root, x, y + side, month.rate_text, room, edge=WIDTH - SIDE + APART / 2)


def _height(share: Fraction) -> float:
    return RATE_BASE - (RATE_BASE - RATE_TOP) * float(share)


def _draw_block(
    root: Element, x: float, y: float, wide: float, tall: float, *, solid: bool
) -> None:
    outline = f"M{number(x)} {number(y)}h{number(wide)}v{number(tall)}h-{number(wide)}Z"
    path(root, outline, "chart-soft" if solid else "chart-ground")
    line(root, outline, "chart-soft", stroke=0.8)
