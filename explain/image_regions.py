"""Why a model that sees saw what it saw: its output shared out among regions of the image.

Regions come from the image by a rule without chance: a grid, or superpixels (patches of like
colour). A region that is left out is painted with the baseline, and that choice is part of
the result: against black and against the image's own average are two questions. Few regions
are split exactly, more by seeded orders, with the error that comes with it.

Superpixels follow SLIC (Achanta et al. 2012, https://doi.org/10.1109/TPAMI.2012.120) in whole
numbers, so that they are the same on every machine.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from explain.attribution import SCALE, Attribution, quantise
from explain.coalitions import Split, by_orders, by_subsets
from explain.errors import SchemaError

__all__ = ["ImageAttribution", "ImagePredictor", "Region", "Segments", "attribute_image", "grid",
           "superpixels"]  # fmt: skip

Image = NDArray[np.uint8]  # shape (height, width, channels)
Labels = NDArray[np.intp]  # shape (height, width): the region of each pixel, from 0

MAX_PIXELS: Final = 16_000_000  # a photograph of 4,000 by 4,000
MAX_REGIONS: Final = 256  # more, and nobody sees which one it was
MAX_EXACT_REGIONS: Final = 10  # 1,024 images are run; more regions are split by orders
MAX_CHANNELS: Final = 4
ROUNDS: Final = 5  # of moving superpixels' centres; they hardly move after
COMPACT: Final = 10  # SLIC's m: how many levels of colour a whole step of distance counts for
EXACT: Final = "image-regions"
APPROXIMATE: Final = "image-regions-approximate"
TOLERANCE: Final = 100  # units; image models compute in 32 bits
_AT_ONCE: Final = 64 * 2**20  # bytes of images that the model is asked for together


class ImagePredictor(Protocol):
    """A model that is asked what it sees."""

    @property
    def space(self) -> str:
        """In which its output lies: `log-odds`, `probability` or `response`."""

    def margin(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return its output per image; shapes (images, height, width, channels) and (images,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Which pixel is in which region, and the rule by which (`grid 4x6`, `superpixels 40`)."""

    rule: str
    labels: Labels

    @property
    def count(self) -> int:
        """How many regions there are."""
        return int(self.labels.max()) + 1


@dataclass(frozen=True, slots=True)
class Region:
    """One region: the box around it in pixels, right and bottom exclusive, and its value.

    `value` and its standard `error` (zero: exact) are in units of 10^-6 of the output space.
    """

    name: str
    left: int
    top: int
    right: int
    bottom: int
    pixels: int
    value: int
    error: int


@dataclass(frozen=True, slots=True)
class ImageAttribution:
    """One image's output taken apart. Plain values: it can be stored and committed to.

    `image` is the SHA-256 of its size and pixels. `baseline` is the colour that a region left
    out is painted with, one number a channel. base + Σ values + residual is the margin.
    """

    engine: str
    space: str
    image: str
    width: int
    height: int
    rule: str
    baseline: tuple[int, ...]
    orders: int
    seed: int
    base: int
    residual: int
    regions: tuple[Region, ...]

    @property
    def margin(self) -> int:
        """The model's own output for the whole image, in units."""
        return self.base + sum(region.value for region in self.regions) + self.residual

    def attribution(self) -> Attribution:
        """Return it in the form of a decision's attributions, with regions as features."""
        values = tuple(sorted((region.name, region.value) for region in self.regions))
        return Attribution(self.engine, self.space, SCALE, self.base, values, self.residual)


def grid(image: Image, rows: int, columns: int) -> Segments:
    """Return `rows` times `columns` rectangles that cover the image, as equal as pixels allow.

    Raises:
        SchemaError: no image, more regions than anyone can read, or than there are pixels.
    """
    height, width = _size(image)
    if not (1 <= rows <= height and 1 <= columns <= width and rows * columns <= MAX_REGIONS):
        raise SchemaError(f"must be 1 to {MAX_REGIONS} regions of at least a pixel", member="grid")
    down = np.arange(height) * rows // height
    across = np.arange(width) * columns // width
    return Segments(f"grid {rows}x{columns}", down[:, None] * columns + across[None, :])


def superpixels(image: Image, wanted: int) -> Segments:
    """Return about `wanted` patches of like colour; the same image gives the same patches.

    Raises:
        SchemaError: no image, or more regions than anyone can read.
    """
    height, width = _size(image)
    if not 1 <= wanted <= min(MAX_REGIONS, height * width):
        raise SchemaError(f"must be 1 to {MAX_REGIONS} regions", member="superpixels")
    step = max(1, math.isqrt(height * width // wanted))
    tops, lefts = range(step // 2, height, step), range(step // 2, width, step)
    centres = [(top, left, *image[top, left].tolist()) for top in tops for left in lefts]
    labels = np.zeros((height, width), dtype=np.intp)
    for _ in range(ROUNDS):
        labels = _nearest(image, centres, step)
        centres = _moved(image, labels, centres)
    used, compact = np.unique(labels, return_inverse=True)
    if len(used) > MAX_REGIONS:
        raise SchemaError(f"came out as more than {MAX_REGIONS} regions", member="superpixels")
    return Segments(f"superpixels {wanted}", compact.reshape(height, width))


def _nearest(image: Image, centres: list[tuple[int, ...]], step: int) -> Labels:
    """Return for each pixel the nearest centre, in place and colour; of two the first."""
    height, width = image.shape[:2]
    best = np.full((height, width), np.iinfo(np.int64).max)
    labels = np.zeros((height, width), dtype=np.intp)
    for at, (row, column, *colour) in enumerate(centres):
        down = slice(max(0, row - 2 * step), row + 2 * step + 1)
        over = slice(max(0, column - 2 * step), column + 2 * step + 1)
        part = image[down, over].astype(np.int64) - np.array(colour)
        far = (np.arange(height)[down, None] - row) ** 2 + (np.arange(width)[over] - column) ** 2
        distance = (part**2).sum(axis=2) * step**2 + far * COMPACT**2
        nearer = distance < best[down, over]
        best[down, over] = np.where(nearer, distance, best[down, over])
        labels[down, over] = np.where(nearer, at, labels[down, over])
    return labels


def _moved(image: Image, labels: Labels, centres: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return each centre in the middle of its pixels; one without pixels stays."""
    flat = labels.ravel()
    sizes = np.bincount(flat, minlength=len(centres))
    rows = np.broadcast_to(np.arange(labels.shape[0])[:, None], labels.shape)
    columns = np.broadcast_to(np.arange(labels.shape[1])[None, :], labels.shape)
    planes: tuple[NDArray[Any], ...] = (
        rows, columns, *(image[..., at] for at in range(image.shape[2])),
    )  # fmt: skip
    sums = [
        np.bincount(flat, plane.ravel().astype(np.float64), len(centres)).astype(np.int64)
        for plane in planes
    ]
    return [
        tuple(int(each[at] // size) for each in sums) if size else old
        for at, (old, size) in enumerate(zip(centres, sizes.tolist(), strict=True))
    ]


def attribute_image(
    predictor: ImagePredictor,
    image: Image,
    segments: Segments,
    *,
    baseline: tuple[int, ...] | Literal["average"] = "average",
    orders: int = 32,
    seed: int = 0,
    tolerance: int = TOLERANCE,
) -> ImageAttribution:
    """Return how far each region moved the model's output away from the painted-over image.

    Args:
        predictor: the model.
        image: as the model takes it, in bytes.
        segments: its regions, from :func:`grid` or :func:`superpixels`.
        baseline: the colour of what is left out; `average` is the image's own average colour.
        orders: tried forwards and backwards, where there are more than ten regions.
        seed: of those orders.
        tolerance: how many units the model may differ from itself.

    Raises:
        AdditivityError: the model answered the same image differently.
        SchemaError: regions, colour or orders do not fit.
    """
    height, width = _size(image)
    if segments.labels.shape != (height, width) or segments.count > MAX_REGIONS:
        raise SchemaError("the regions are of another image", member="segments")
    colour = _colour(image, baseline)

    exact = segments.count <= MAX_EXACT_REGIONS
    split = _split(predictor, image, segments, colour, None if exact else (orders, seed))
    regions, held = _shared_out(predictor, image, segments, split, tolerance)
    return ImageAttribution(
        engine=EXACT if exact else APPROXIMATE,
        space=predictor.space,
        image=_digest(image),
        width=width,
        height=height,
        rule=segments.rule,
        baseline=colour,
        orders=0 if exact else orders,
        seed=0 if exact else seed,
        base=held.base,
        residual=held.residual,
        regions=regions,
    )


def _shared_out(
    predictor: ImagePredictor, image: Image, segments: Segments, split: Split, tolerance: int
) -> tuple[tuple[Region, ...], Attribution]:
    """Return the regions with their values, held to the model's own output."""
    names = tuple(f"region_{at:03d}" for at in range(segments.count))
    found = quantise(
        "image regions",
        names,
        base=split.base,
        phi=split.values,
        margin=float(predictor.margin(image[None])[0]),
        tolerance=tolerance,
        space=predictor.space,
    )
    errors = np.ceil(split.error * 10**SCALE).astype(np.int64).tolist()
    regions = tuple(
        _region(name, segments.labels == at, found.value(name), errors[at])
        for at, name in enumerate(names)
    )
    return regions, found


def _split(
    predictor: ImagePredictor,
    image: Image,
    segments: Segments,
    colour: tuple[int, ...],
    drawn: tuple[int, int] | None,
) -> Split:
    def game(sets: NDArray[np.bool_]) -> NDArray[np.float64]:
        return _asked(predictor, image, segments.labels, colour, sets)

    if drawn is None:
        return by_subsets(segments.count, game)
    return by_orders(segments.count, game, orders=drawn[0], seed=drawn[1])


def _digest(image: Image) -> str:
    size = " ".join(map(str, image.shape))
    return hashlib.sha256(f"{size}\n".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def _asked(
    predictor: ImagePredictor,
    image: Image,
    labels: Labels,
    colour: tuple[int, ...],
    sets: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the output for each set of regions, the others painted over."""
    step = max(1, _AT_ONCE // image.size)
    painted = np.array(colour, dtype=np.uint8)
    found = np.empty(len(sets))
    for start in range(0, len(sets), step):
        shown = sets[start : start + step][:, labels]
        images = np.where(shown[..., None], image[None], painted)
        found[start : start + step] = predictor.margin(images)
    return found


def _region(name: str, inside: NDArray[np.bool_], value: int, error: int) -> Region:
    rows = np.flatnonzero(inside.any(axis=1))
    columns = np.flatnonzero(inside.any(axis=0))
    return Region(
        name,
        left=int(columns[0]),
        top=int(rows[0]),
        right=int(columns[-1]) + 1,
        bottom=int(rows[-1]) + 1,
        pixels=int(inside.sum()),
        value=value,
        error=error,
    )


def _colour(image: Image, baseline: tuple[int, ...] | Literal["average"]) -> tuple[int, ...]:
    channels = image.shape[2]
    if baseline == "average":
        sums = image.reshape(-1, channels).astype(np.int64).sum(axis=0)
        return tuple(int(each) for each in sums // (image.shape[0] * image.shape[1]))
    fits = len(baseline) == channels and all(
        type(each) is int and 0 <= each <= np.iinfo(np.uint8).max for each in baseline
    )
    if not fits:
        raise SchemaError("must be a byte for each channel", member="baseline")
    return baseline


def _size(image: Image) -> tuple[int, int]:
    if image.dtype != np.uint8 or image.ndim != 3 or not 1 <= image.shape[2] <= MAX_CHANNELS:  # noqa: PLR2004  # height, width, channels
        raise SchemaError("must be bytes by height, width and channel", member="image")
    if not 1 <= image.shape[0] * image.shape[1] <= MAX_PIXELS:
        raise SchemaError(f"must have 1 to {MAX_PIXELS:,} pixels", member="image")
    return image.shape[0], image.shape[1]
