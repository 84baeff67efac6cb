"""Images by region: a seeing model small enough to work out by hand."""

import itertools
import math
import zlib
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray

from explain.attribution import Attribution
from explain.errors import AdditivityError, SchemaError
from explain.image_overlay import overlay_png, overlay_svg
from explain.image_regions import Segments, attribute_image, grid, superpixels


class Crack:
    """Sees a crack where dark pixels lie in the middle and at the left together."""

    space = "log-odds"

    def margin(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        dark = (255.0 - images.mean(axis=3)) / 255
        middle, left = dark[:, 4:8, 4:8].mean(axis=(1, 2)), dark[:, 4:8, :4].mean(axis=(1, 2))
        return np.asarray(3 * middle * left + middle - 1)


@pytest.fixture(scope="module")
def plate() -> NDArray[np.uint8]:
    image = np.full((12, 12, 3), 200, dtype=np.uint8)
    image[5:7, 1:9] = (20, 30, 40)
    image[0, 0] = (0, 0, 255)
    return image


def by_definition(image: Any, labels: Any, colour: Any) -> list[float]:
    count = int(labels.max()) + 1
    value = {}
    for size in range(count + 1):
        for kept in itertools.combinations(range(count), size):
            shown = np.where(np.isin(labels, kept)[..., None], image, colour).astype(np.uint8)
            value[kept] = float(Crack().margin(shown[None])[0])
    phi = [0.0] * count
    for kept, worth in value.items():
        for at in set(range(count)) - set(kept):
            weight = math.factorial(len(kept)) * math.factorial(count - len(kept) - 1)
            gain = value[tuple(sorted((*kept, at)))] - worth
            phi[at] += weight / math.factorial(count) * gain
    return phi


def test_few_regions_are_split_exactly(plate: NDArray[np.uint8]) -> None:
    segments = grid(plate, 3, 3)
    found = attribute_image(Crack(), plate, segments, baseline=(255, 255, 255))
    wanted = by_definition(plate, segments.labels, (255, 255, 255))
    assert [one.value for one in found.regions] == pytest.approx(
        [each * 1e6 for each in wanted], abs=1
    )
    assert (found.engine, found.rule, found.orders) == ("image-regions", "grid 3x3", 0)
    assert found.margin == round(float(Crack().margin(plate[None])[0]) * 1e6)
    strongest = max(found.regions, key=lambda one: one.value)
    assert (strongest.left, strongest.top, strongest.right, strongest.bottom) == (4, 4, 8, 8)
    assert strongest.pixels == 16
    told = found.attribution()
    assert Attribution.from_json(told.to_json()) == told
    assert told.margin == found.margin


def test_many_regions_are_approximate_and_say_so(plate: NDArray[np.uint8]) -> None:
    segments = grid(plate, 6, 6)
    found = attribute_image(Crack(), plate, segments, orders=8, seed=3)
    assert (found.engine, found.orders, found.seed) == ("image-regions-approximate", 8, 3)
    assert found.baseline == tuple(int(each) for each in plate.reshape(-1, 3).mean(axis=0))
    assert any(one.error for one in found.regions)
    assert found.margin == round(float(Crack().margin(plate[None])[0]) * 1e6)
    assert attribute_image(Crack(), plate, segments, orders=8, seed=3) == found


def test_superpixels_follow_colour_and_are_the_same_every_time(plate: NDArray[np.uint8]) -> None:
    segments = superpixels(plate, 9)
    assert np.array_equal(segments.labels, superpixels(plate.copy(), 9).labels)
    assert set(segments.labels.ravel()) == set(range(segments.count))
    crack = segments.labels[5:7, 1:9]
    beside = np.delete(segments.labels, (5, 6), axis=0)
    assert not set(crack.ravel()) & set(beside.ravel())
    found = attribute_image(Crack(), plate, segments)
    assert sum(one.pixels for one in found.regions) == plate.shape[0] * plate.shape[1]


def test_the_layer_names_each_region_and_covers_its_pixels(plate: NDArray[np.uint8]) -> None:
    segments = superpixels(plate, 9)
    found = attribute_image(Crack(), plate, segments)
    drawn = ET.fromstring(overlay_svg(found, segments))  # noqa: S314  # our own
    paths = drawn.findall("{http://www.w3.org/2000/svg}path")
    assert len(paths) == len(found.regions)
    for path, region in zip(paths, found.regions, strict=True):
        title = path[0].text or ""
        assert title == f"{region.name}: {region.value / 1e6:+.6f} log-odds"
        boxes = [
            [int(number) for number in part.translate(str.maketrans("HV", "  ")).split()]
            for part in path.attrib["d"].replace("M", "").split("Z")
            if part
        ]
        covered = sum((right - left) * (end - top) for left, top, right, end, _ in boxes)
        assert covered == region.pixels
    png = overlay_png(found, segments, "lower")
    at = png.index(b"IDAT")
    size = int.from_bytes(png[at - 4 : at], "big")
    lines = np.frombuffer(zlib.decompress(png[at + 4 : at + 4 + size]), dtype=np.uint8)
    pixels = lines.reshape(12, 49)[:, 1:].reshape(12, 12, 4)
    strongest = max(found.regions, key=lambda one: abs(one.value))
    inside = segments.labels == found.regions.index(strongest)
    assert (pixels[inside][:, 3] == round(0.7 * 255)).all()
    assert bytes(pixels[inside][0][:3]).hex() == ("9c3420" if strongest.value > 0 else "1d5f9e")


def test_a_model_that_answers_differently_gives_no_numbers(plate: NDArray[np.uint8]) -> None:
    class Fickle(Crack):
        asked = 0.0

        def margin(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
            self.asked += 0.01
            return super().margin(images) + self.asked

    with pytest.raises(AdditivityError):
        attribute_image(Fickle(), plate, grid(plate, 2, 2))


def test_what_is_no_image_region_or_colour_is_refused(plate: NDArray[np.uint8]) -> None:
    segments = grid(plate, 2, 2)
    found = attribute_image(Crack(), plate, segments)
    for wrong in (
        lambda: grid(plate, 0, 2),
        lambda: grid(plate, 13, 1),
        lambda: grid(np.zeros((400, 400, 3), np.uint8), 20, 20),
        lambda: grid(plate.astype(np.float64), 2, 2),
        lambda: grid(plate[..., 0], 2, 2),
        lambda: grid(plate[:0], 1, 1),
        lambda: superpixels(plate, 0),
        lambda: superpixels(plate, 300),
        lambda: attribute_image(Crack(), plate, grid(plate[:6], 2, 2)),
        lambda: attribute_image(Crack(), plate, segments, baseline=(1, 2)),
        lambda: attribute_image(Crack(), plate, segments, baseline=(1, 2, 256)),
        lambda: overlay_svg(found, grid(plate, 3, 3)),
        lambda: overlay_png(found, Segments("grid 2x2", segments.labels[:6])),
        lambda: overlay_png(found, Segments("grid 2x2", segments.labels // 2)),
    ):
        with pytest.raises(SchemaError):
            wrong()
