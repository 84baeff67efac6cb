"""An image's regions as a layer to lay over it, for screens and documents: SVG or PNG.

Colour says the direction and its strength the share of the strongest region; since a colour
alone tells not everybody, each region of the SVG has its name and value as a title.
"""

import struct
import zlib
from html import escape
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from explain.attribution import SCALE
from explain.errors import SchemaError
from explain.image_regions import ImageAttribution, Segments

__all__ = ["overlay_png", "overlay_svg"]

ADVERSE: Final = "#9c3420"
FAVOURABLE: Final = "#1d5f9e"
STRONGEST: Final = 0.7  # opacity of the strongest region; the image still shows through

Favourable = Literal["higher", "lower"]


def overlay_svg(
    found: ImageAttribution, segments: Segments, favourable: Favourable = "higher"
) -> str:
    """Return the layer as SVG in the image's own pixels, one shape a region.

    Raises:
        SchemaError: the regions are of another image.
    """
    _check(found, segments)
    size = f'viewBox="0 0 {found.width} {found.height}"'
    title = f"What each of {len(found.regions)} regions counted for ({escape(found.rule)})"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{title}</title>",
    ]
    for at, (region, (colour, opacity)) in enumerate(
        zip(found.regions, _looks(found, favourable), strict=True)
    ):
        value = f"{region.value / 10**SCALE:+.{SCALE}f}"
        parts.append(
            f'<path fill="{colour}" fill-opacity="{opacity:.3f}" d="{_outline(segments, at)}">'
            f"<title>{region.name}: {value} {escape(found.space)}</title></path>"
        )
    return "".join([*parts, "</svg>"])


def overlay_png(
    found: ImageAttribution, segments: Segments, favourable: Favourable = "higher"
) -> bytes:
    """Return the layer as PNG with transparency, in the image's own size.

    Raises:
        SchemaError: the regions are of another image.
    """
    _check(found, segments)
    looks = np.array(
        [
            (*bytes.fromhex(colour[1:]), round(opacity * 255))
            for colour, opacity in _looks(found, favourable)
        ],
        dtype=np.uint8,
    )
    lines = np.zeros((found.height, 1 + 4 * found.width), dtype=np.uint8)  # filter 0 before each
    lines[:, 1:] = looks[segments.labels].reshape(found.height, -1)
    header = struct.pack(">IIBBBBB", found.width, found.height, 8, 6, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _check(found: ImageAttribution, segments: Segments) -> None:
    if segments.labels.shape != (found.height, found.width) or segments.rule != found.rule:
        raise SchemaError("the regions are of another image", member="segments")
    if segments.count != len(found.regions):
        raise SchemaError("the regions are of another image", member="segments")


def _looks(found: ImageAttribution, favourable: Favourable) -> list[tuple[str, float]]:
    """Return each region's colour and opacity."""
    sign = 1 if favourable == "higher" else -1
    strongest = max(abs(region.value) for region in found.regions) or 1
    return [
        (
            FAVOURABLE if region.value * sign >= 0 else ADVERSE,
            STRONGEST * abs(region.value) / strongest,
        )
        for region in found.regions
    ]


def _outline(segments: Segments, at: int) -> str:
    """Return a region as rectangles: a run of pixels, as far down as it stays the same."""
    inside = segments.labels == at
    parts: list[str] = []
    open_runs: dict[tuple[int, int], int] = {}
    for row in range(inside.shape[0] + 1):
        runs = set(_runs(inside[row])) if row < inside.shape[0] else set()
        for run in sorted(open_runs.keys() - runs):
            start, (left, right) = open_runs.pop(run), run
            parts.append(f"M{left} {start}H{right}V{row}H{left}Z")
        for run in runs - open_runs.keys():
            open_runs[run] = row
    return "".join(parts)


def _runs(line: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], line, [False])).astype(np.int8)))
    return [(int(left), int(right)) for left, right in edges.reshape(-1, 2)]
