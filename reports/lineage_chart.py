"""The way from data to decisions as a picture: a stage a row, arrows from row to row.

Pure and deterministic, like :mod:`reports.charts`. What the manifest does not state has a dashed
frame and says so in words. Beside the picture belongs a table with the same facts.
"""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from reports import svg
from reports.documents.lineage import LineageItem, LineageStage
from reports.errors import DocumentError
from reports.svg import WIDTH, label, line, number, path
from reports.texts import check_texts
from reports.typography import fit, width

__all__ = ["lineage"]

MAX_STAGES: Final = 12
ACROSS: Final = 3  # boxes beside each other; what is more is named in the last one
MAX_FACTS: Final = 3  # lines of a box under its name
DIGITS: Final = 12  # of a digest; the table beside the picture has all

TITLE_ROOM: Final = 100.0  # units at the left, for the names of stages
GAP: Final = 14.0  # between boxes
EDGE: Final = 2.0  # units left free around everything
BOX: Final = (WIDTH - EDGE - TITLE_ROOM - (ACROSS - 1) * GAP) / ACROSS  # width of a box
MARGIN: Final = 10.0  # inside a box
NAME, FACT = 12.0, 10.5  # font sizes
LINE: Final = 14.5  # from baseline to baseline
APART: Final = 30.0  # between two rows, for the arrows
HEAD: Final = 6.0  # length of an arrow's head


def lineage(stages: Sequence[LineageStage], *, chart_id: str, title: str) -> str:
    """Return the stages as an SVG element, first on top.

    Raises:
        DocumentError: nothing or too much to draw, a stage without items, a text that cannot be
            printed.
    """
    _check(stages)
    shown = [_shown(stage.items) for stage in stages]
    heights = [_height(items) for items in shown]
    tall = sum(heights) + APART * (len(stages) - 1) + 2 * EDGE
    root = svg.drawing(chart_id, tall, title, _told(stages))
    top = EDGE
    before: tuple[float, ...] = ()
    for stage, items, height in zip(stages, shown, heights, strict=True):
        middles = _middles(len(items))
        if before:
            _connect(root, before, middles, top, each=stage.each)
        name = fit(stage.title, NAME, TITLE_ROOM - GAP)
        label(root, 0, top + MARGIN + NAME, name, look="chart-soft")
        for item, middle in zip(items, middles, strict=True):
            _draw(root, item, middle - BOX / 2, top, height)
        top, before = top + height + APART, middles
    return svg.serialise(root)


def _check(stages: Sequence[LineageStage]) -> None:
    if not 1 <= len(stages) <= MAX_STAGES:
        raise DocumentError(f"a lineage has 1 to {MAX_STAGES} stages", member="stages")
    for at, stage in enumerate(stages):
        check_texts(stage, f"stages[{at}]")
        if not stage.items:
            raise DocumentError("a stage without items", member=f"stages[{at}].items")
        if stage.each and (not at or len(stages[at - 1].items) != len(stage.items)):
            raise DocumentError("not as many items as before", member=f"stages[{at}].items")


def _shown(items: tuple[LineageItem, ...]) -> tuple[LineageItem, ...]:
    """The items that have a box of their own, and one for the rest if there are too many."""
    if len(items) <= ACROSS:
        return items
    kept, rest = items[: ACROSS - 1], items[ACROSS - 1 :]
    names = tuple(each.name for each in rest[:MAX_FACTS])
    return (*kept, LineageItem(f"and {len(rest)} more", names))


def _lines(item: LineageItem) -> tuple[str, ...]:
    digest = (item.digest[:DIGITS] + "…",) if item.digest else ()
    return (*item.facts[: MAX_FACTS - len(digest)], *digest)


def _name(item: LineageItem) -> tuple[str, ...]:
    """The name on one line, or on two, broken between words."""
    room, bold = BOX - 2 * MARGIN, item.stated
    words = item.name.split(" ")
    taken = len(words)
    while taken > 1 and width(" ".join(words[:taken]), NAME, bold=bold) > room:
        taken -= 1
    lines = (" ".join(words[:taken]), " ".join(words[taken:]))
    return tuple(fit(each, NAME, room, bold=bold) for each in lines if each) or ("",)


def _height(items: tuple[LineageItem, ...]) -> float:
    lines = max(len(_name(item)) + len(_lines(item)) for item in items)
    return 2 * MARGIN + NAME + LINE * (lines - 1)


def _middles(count: int) -> tuple[float, ...]:
    """Where the boxes of a row stand: around the middle of the room for them."""
    centre = TITLE_ROOM + (WIDTH - EDGE - TITLE_ROOM) / 2
    return tuple(centre + (at - (count - 1) / 2) * (BOX + GAP) for at in range(count))


def _draw(root: Element, item: LineageItem, left: float, top: float, height: float) -> None:
    look = "chart-ink" if item.stated else "chart-soft"
    frame = f"M{number(left)} {number(top)}h{number(BOX)}v{number(height)}h-{number(BOX)}Z"
    line(root, frame, "chart-soft", dashes="" if item.stated else "4 3")
    y = top + MARGIN + NAME - 2
    for name in _name(item):
        label(root, left + MARGIN, y, name, look=look, bold=item.stated)
        y += LINE
    for text in _lines(item):
        said = fit(text, FACT, BOX - 2 * MARGIN)
        label(root, left + MARGIN, y, said, size=FACT, look="chart-soft")
        y += LINE


def _connect(
    root: Element, above: Sequence[float], below: Sequence[float], top: float, *, each: bool
) -> None:
    """Draw arrows down to the row that begins at `top`, over a rail that joins both rows."""
    start, end = top - APART, top - HEAD
    if each:
        for x in below:
            line(root, f"M{number(x)} {number(start)}V{number(end)}", "chart-soft")
    else:
        rail = top - APART / 2
        for x in above:
            line(root, f"M{number(x)} {number(start)}V{number(rail)}", "chart-soft")
        every = (*above, *below)
        if min(every) < max(every):
            data = f"M{number(min(every))} {number(rail)}H{number(max(every))}"
            line(root, data, "chart-soft")
        for x in below:
            line(root, f"M{number(x)} {number(rail)}V{number(end)}", "chart-soft")
    for x in below:
        head = f"M{number(x - 4)} {number(end)}h8L{number(x)} {number(top)}Z"
        path(root, head, "chart-soft")


def _told(stages: Sequence[LineageStage]) -> str:
    said = []
    for stage in stages:
        items = "; ".join((", ".join((item.name, *item.facts))) for item in stage.items)
        said.append(f"{stage.title}: {items}")
    return ". ".join(said) + "."
