"""Shapes and labels as SVG elements: the pens that every chart draws with.

Colours are presentation attributes, because a PDF's inline drawing does not see the
document's stylesheet; the `chart-…` classes let a page restyle them (dark mode), since a
stylesheet wins over an attribute.
"""

from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

__all__ = ["WIDTH", "drawing", "label", "line", "number", "path", "serialise"]

WIDTH: Final = 720  # units of every drawing; it is scaled to the space there is
FONT: Final = "IBM Plex Sans, sans-serif"
FILLS: Final = {
    "chart-ink": "#17191c",
    "chart-soft": "#555b63",
    "chart-rule": "#d5d2ca",
    "chart-adverse": "#9c3420",
    "chart-favourable": "#dfeaf6",
    "chart-ground": "#ffffff",
}
STROKES: Final = FILLS | {"chart-favourable": "#1d5f9e"}
# The text of a favourable amount has the colour of its outline: its fill is too light to read.
TEXTS: Final = FILLS | {"chart-favourable": "#1d5f9e"}


def number(value: float) -> str:
    """Return a coordinate with at most one decimal place, always the same way."""
    text = f"{value:.1f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def drawing(chart_id: str, height: float, title: str, description: str) -> Element:
    """Return an empty drawing that a screen reader announces as one picture.

    Args:
        chart_id: unique in the document; letters, digits and hyphens.
        height: of the drawing; its width is :data:`WIDTH`.
        title: what the picture says in one sentence.
        description: every figure in it.
    """
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "chart",
            "direction": "ltr",  # its scale runs from left to right in every language
            "role": "img",
            "aria-labelledby": f"{chart_id}-title {chart_id}-description",
            "viewBox": f"0 0 {WIDTH} {number(height)}",
            "width": str(WIDTH),
            "height": number(height),
            "font-family": FONT,
        },
    )
    SubElement(root, "title", {"id": f"{chart_id}-title"}).text = title
    SubElement(root, "desc", {"id": f"{chart_id}-description"}).text = description
    return root


def label(
    root: Element,
    x: float,
    y: float,
    text: str,
    *,
    size: float = 12,
    look: str = "chart-ink",
    anchor: str = "start",
    bold: bool = False,
    after: str = "",
) -> None:
    """Add one line of text whose baseline is at `y`, and softly, a word space later, `after`."""
    attributes = {
        "x": number(x),
        "y": number(y),
        "class": f"{look} chart-text",
        "fill": TEXTS[look],
        "font-size": number(size),
        "text-anchor": anchor,
    }
    if bold:
        attributes["font-weight"] = "600"
    element = SubElement(root, "text", attributes)
    element.text = text
    if after:
        soft = {"class": "chart-soft chart-text", "fill": TEXTS["chart-soft"]}
        SubElement(element, "tspan", soft).text = f" \N{EN SPACE}{after}" if text else after


def path(root: Element, data: str, look: str, *, stroke: float = 0) -> None:
    """Add a filled outline; `stroke` is the width of its edge."""
    attributes = {"class": f"{look} chart-shape", "d": data, "fill": FILLS[look]}
    if stroke:
        attributes |= {"stroke": STROKES[look], "stroke-width": number(stroke)}
    SubElement(root, "path", attributes)


def line(root: Element, data: str, look: str, *, stroke: float = 1, dashes: str = "") -> None:
    """Add a line that encloses nothing."""
    attributes = {
        "class": f"{look} chart-line",
        "d": data,
        "fill": "none",
        "stroke": STROKES[look],
        "stroke-width": number(stroke),
    }
    if dashes:
        attributes["stroke-dasharray"] = dashes
    SubElement(root, "path", attributes)


def serialise(root: Element) -> str:
    """Return the drawing as markup for a page; every text in it is escaped."""
    return tostring(root, encoding="unicode")
