"""Reads a chart back: where its labels and shapes lie, by the fonts' own widths."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

import reports

SVG = "{http://www.w3.org/2000/svg}"
FONTS = Path(reports.__file__).parent / "fonts"


@dataclass(frozen=True, slots=True)
class Label:
    text: str
    left: float
    right: float
    y: float


def read(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own drawing


@cache
def advances(weight: str) -> dict[int, int]:
    with TTFont(FONTS / f"IBMPlexSans-{weight}.ttf") as font:
        metrics = font["hmtx"]
        return {code: metrics[name][0] for code, name in font.getBestCmap().items()}


def measured(text: str, size: float, weight: str = "Regular") -> float:
    known = advances(weight)
    return sum(known[ord(character)] for character in text) * size / 1000


def labels(svg: str) -> list[Label]:
    found = []
    for element in read(svg).iter(f"{SVG}text"):
        text = "".join(element.itertext())
        weight = "SemiBold" if element.get("font-weight") else "Regular"
        wide = measured(text, float(element.attrib["font-size"]), weight)
        x = float(element.attrib["x"])
        left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[element.attrib["text-anchor"]]
        found.append(Label(text, left, left + wide, float(element.attrib["y"])))
    return found


def height(svg: str) -> float:
    return float(read(svg).attrib["height"])


def outlines(svg: str, look: str) -> list[str]:
    """The outlines of the shapes of one look."""
    return [
        element.attrib["d"]
        for element in read(svg).iter(f"{SVG}path")
        if element.attrib["class"] == f"{look} chart-shape"
    ]


def verticals(svg: str) -> list[float]:
    """Where upright lines stand."""
    upright = re.compile(r"M(-?[\d.]+) [\d.]+V[\d.]+")
    paths = (element.attrib["d"] for element in read(svg).iter(f"{SVG}path"))
    return [float(match[1]) for path in paths if (match := upright.fullmatch(path))]
