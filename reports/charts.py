"""Charts as SVG, the same for page and print: figures in, markup out.

Pure and deterministic. Texts arrive formatted, so that a number is rounded once, by whoever
rounds it for the sentences too. Nothing is told by colour alone: direction is an arrow, a
sign and a filled or hollow shape. Amounts stand in a column of their own, where no line or
bar can cross them. Beside each chart belongs a table with the same figures.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from reports import svg
from reports.errors import DocumentError
from reports.svg import WIDTH, label, line, number, path
from reports.texts import check_texts
from reports.typography import fit, width

__all__ = ["Bar", "Mark", "Step", "bars", "waterfall"]

MAX_ROWS: Final = 200  # of one chart; more is a table
MAX_AMOUNT: Final = Decimal(10) ** 12  # larger figures are a mistake, and would overflow a drawing

TEXT: Final = 12.0  # font size of every label
LABEL_ROOM: Final = 262.0  # units at the left, for a label and its value
PLOT_LEFT, PLOT_RIGHT = 278.0, 638.0
AMOUNT_ROOM: Final = WIDTH - PLOT_RIGHT - 12  # units at the right, for the amount
ROW, TALL_ROW = 20.0, 34.0  # with one line of label, with two
HEAD: Final = 22.0  # above the rows, for the limit's label
GAP: Final = 9.0  # between a label and its value
BAR: Final = 11.0  # height of a bar
TIP: Final = 6.0  # length of an arrow's head
MIN_BAR: Final = 1.6  # a contribution that is not nothing must not vanish


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that moved the result: its name, its value, and by how much.

    A positive `amount` is favourable and points right.
    """

    label: str
    value_text: str
    amount: Decimal
    amount_text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the scale: where the steps start, where they end, or the limit."""

    label: str
    amount: Decimal
    amount_text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart; `amount` is not negative."""

    label: str
    amount: Decimal
    amount_text: str


def waterfall(
    steps: Sequence[Step], start: Mark, result: Mark, limit: Mark, *, chart_id: str, title: str
) -> str:
    """Return how `steps` lead from `start` to `result`, beside the `limit`, as an SVG element.

    Raises:
        DocumentError: a text that cannot be printed, too many steps, an amount too large.
    """
    _check((start, result, limit, *steps))
    edges = [start.amount, *itertools.accumulate((s.amount for s in steps), initial=start.amount)]
    place = _scale([*edges, result.amount, limit.amount])
    told = (_told(start), *(_told(step) for step in steps), _told(result), _told(limit))
    rows = [_lines(step.label, step.value_text) for step in steps]
    heights = [ROW, *(ROW if len(lines) == 1 else TALL_ROW for lines in rows), ROW + 4]
    root = svg.drawing(chart_id, HEAD + sum(heights) + 4, title, ". ".join(told) + ".")
    _draw_limit(root, limit, place(limit.amount), HEAD + sum(heights))
    _draw_mark(root, start, place(start.amount), HEAD + ROW / 2, bold=False)
    top, before = HEAD + ROW, start.amount
    for step, lines, tall in zip(steps, rows, heights[1:-1], strict=True):
        middle, after = top + tall / 2, before + step.amount
        _connect(root, place(before), top - ROW / 2, middle - BAR / 2)
        _draw_label(root, lines, middle)
        _draw_arrow(root, place(before), place(after), middle, step.amount)
        _draw_amount(root, step, middle)
        top, before = top + tall, after
    line(root, f"M0 {number(top + 2)}H{WIDTH}", "chart-rule")
    _draw_mark(root, result, place(result.amount), top + 4 + ROW / 2, bold=True)
    return svg.serialise(root)


def bars(rows: Sequence[Bar], *, chart_id: str, title: str) -> str:
    """Return `rows` as horizontal bars from a common line, as an SVG element.

    Raises:
        DocumentError: nothing to draw, a text that cannot be printed, too many rows, an
            amount that is negative or too large.
    """
    _check(rows)
    if not rows or min(row.amount for row in rows) < 0:
        raise DocumentError("a bar chart shows amounts from zero up", member="rows")
    most = max(row.amount for row in rows) or Decimal(1)
    labels = [_lines(row.label, "") for row in rows]
    heights = [ROW if len(lines) == 1 else TALL_ROW for lines in labels]
    told = ". ".join(f"{row.label}: {row.amount_text}" for row in rows) + "."
    root = svg.drawing(chart_id, sum(heights) + 4, title, told)
    top = 2.0
    for row, lines, tall in zip(rows, labels, heights, strict=True):
        middle = top + tall / 2
        length = max(float(row.amount / most) * (PLOT_RIGHT - PLOT_LEFT), MIN_BAR)
        _draw_label(root, lines, middle)
        path(root, _box(PLOT_LEFT, middle - BAR / 2, length, BAR), "chart-soft")
        amount = fit(row.amount_text, TEXT, AMOUNT_ROOM)
        label(root, WIDTH, middle + 4.2, amount, anchor="end")
        top += tall
    line(root, f"M{number(PLOT_LEFT)} 0V{number(top + 2)}", "chart-ink")
    return svg.serialise(root)


def _check(rows: Sequence[Step | Mark | Bar]) -> None:
    if len(rows) > MAX_ROWS:
        raise DocumentError("too many rows for a chart")
    for at, row in enumerate(rows):
        check_texts(row, f"rows[{at}]")
        if not row.amount.is_finite() or abs(row.amount) > MAX_AMOUNT:
            raise DocumentError("amount is too large to draw", member=f"rows[{at}].amount")


class _Scale:
    """Places amounts between the plot's edges, with a little room on both sides."""

    def __init__(self, low: Decimal, high: Decimal) -> None:
        pad = (high - low) * Decimal("0.03") or Decimal(1)
        self._low, self._span = low - pad, high - low + 2 * pad

    def __call__(self, amount: Decimal) -> float:
        return PLOT_LEFT + float((amount - self._low) / self._span) * (PLOT_RIGHT - PLOT_LEFT)


def _scale(amounts: Sequence[Decimal]) -> _Scale:
    return _Scale(min(amounts), max(amounts))


def _told(row: Step | Mark) -> str:
    value = f" ({row.value_text})" if isinstance(row, Step) and row.value_text else ""
    return f"{row.label}{value}: {row.amount_text}"


def _lines(name: str, value: str) -> tuple[tuple[str, str], ...]:
    """Return a label and its value on one line, or on two; as (label part, value part)."""
    if width(name, TEXT) + GAP + width(value, TEXT) <= LABEL_ROOM:
        return ((name, value),)
    value = fit(value, TEXT, LABEL_ROOM * 0.7)
    first, rest = _break(name)
    room = LABEL_ROOM - (width(value, TEXT) + GAP if value else 0)
    return ((first, ""), (fit(rest, TEXT, room) if rest else "", value))


def _break(name: str) -> tuple[str, str]:
    """Return what fits on a line, broken between words where there is a place, and the rest."""
    words = name.split(" ")
    taken = len(words)
    while taken > 1 and width(" ".join(words[:taken]), TEXT) > LABEL_ROOM:
        taken -= 1
    first = " ".join(words[:taken])
    if width(first, TEXT) > LABEL_ROOM:
        return fit(name, TEXT, LABEL_ROOM), ""
    return first, " ".join(words[taken:])


def _draw_label(root: Element, lines: Sequence[tuple[str, str]], middle: float) -> None:
    for at, (name, value) in enumerate(lines):
        y = middle + 4.2 + (at - (len(lines) - 1) / 2) * 14
        if name or value:
            label(root, 0, y, name, after=value)


def _draw_amount(root: Element, step: Step, middle: float) -> None:
    look = "chart-favourable" if step.amount > 0 else "chart-adverse"
    if not step.amount:
        look = "chart-soft"
    text = fit(step.amount_text, TEXT, AMOUNT_ROOM, bold=True)
    label(root, WIDTH, middle + 4.2, text, look=look, anchor="end", bold=True)


def _draw_mark(root: Element, mark: Mark, x: float, middle: float, *, bold: bool) -> None:
    look = "chart-ink" if bold else "chart-soft"
    name = fit(mark.label, TEXT, LABEL_ROOM, bold=bold)
    label(root, 0, middle + 4.2, name, look=look, bold=bold)
    amount = fit(mark.amount_text, TEXT, AMOUNT_ROOM, bold=bold)
    label(root, WIDTH, middle + 4.2, amount, look=look, anchor="end", bold=bold)
    dot = f"M{number(x - 4)} {number(middle)}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z"
    path(root, dot, look)


def _draw_limit(root: Element, limit: Mark, x: float, bottom: float) -> None:
    text = fit(f"{limit.label} {limit.amount_text}", TEXT, PLOT_RIGHT - PLOT_LEFT, bold=True)
    half = width(text, TEXT, bold=True) / 2
    centre = min(max(x, PLOT_LEFT + half), PLOT_RIGHT - half)
    label(root, centre, 12, text, anchor="middle", bold=True)
    line(root, f"M{number(x)} 17V{number(bottom)}", "chart-ink", stroke=1.2, dashes="4 3")


def _connect(root: Element, x: float, top: float, bottom: float) -> None:
    line(root, f"M{number(x)} {number(top)}V{number(bottom)}", "chart-soft", stroke=0.6)


def _draw_arrow(root: Element, tail: float, head: float, middle: float, amount: Decimal) -> None:
    """Draw an arrow from tail to head: filled if it points left, hollow if it points right."""
    top, bottom = number(middle - BAR / 2), number(middle + BAR / 2)
    if not amount:
        line(root, f"M{number(tail)} {top}V{bottom}", "chart-soft", stroke=MIN_BAR)
        return
    way = 1 if amount > 0 else -1
    length = max(abs(head - tail), MIN_BAR)
    point = tail + way * length
    neck = number(point - way * min(TIP, length))
    outline = (
        f"M{number(tail)} {top}H{neck}L{number(point)} {number(middle)}L{neck} {bottom}"
        f"H{number(tail)}Z"
    )
    if amount > 0:
        path(root, outline, "chart-favourable", stroke=1.2)
    else:
        path(root, outline, "chart-adverse")


def _box(x: float, y: float, wide: float, tall: float) -> str:
    return f"M{number(x)} {number(y)}h{number(wide)}v{number(tall)}h-{number(wide)}Z"
