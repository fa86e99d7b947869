"""The style `crop`: regions enlarged beside their image."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from tests.support.marks import resolve_text
from vipllava_cli.images.square import PADDING
from vipllava_cli.marks.enlarged_regions import (
    MAX_IMAGE_SIDE,
    add_enlarged_regions,
    composed_sizes,
    region_around,
)
from vipllava_cli.marks.types import Mark

RED, GREEN = (255, 0, 0), (0, 255, 0)


Color = tuple[int, int, int]


def canvas(size: tuple[int, int], *patches: tuple[tuple[int, int, int, int], Color]) -> Image.Image:
    image = Image.new("RGB", size, (90, 90, 200))
    for box, color in patches:
        image.paste(color, box)
    return image


def marks(size: tuple[int, int], *texts: str) -> Sequence[Mark]:
    shapes = (text.partition("=") for text in texts)
    return [resolve_text(shape, value, size=size) for shape, _, value in shapes]


def count(image: Image.Image, color: tuple[int, int, int]) -> int:
    """Count the pixels near a colour."""
    return int((np.abs(np.asarray(image).astype(int) - color).max(-1) < 30).sum())


@pytest.mark.parametrize(
    ("size", "grown"), [((800, 600), (0, 400)), ((600, 800), (400, 0)), ((500, 500), (250, 0))]
)
def test_regions_go_below_a_wide_image_and_beside_another(
    size: tuple[int, int], grown: tuple[int, int]
) -> None:
    image = canvas(size, ((100, 100, 140, 140), GREEN))
    composed = add_enlarged_regions(image, image, marks(size, "box=100,100,140,140"), numbers=False)
    assert composed.size == (size[0] + grown[0], size[1] + grown[1])
    assert composed.crop((0, 0, *size)).tobytes() == image.tobytes()  # the whole stays as it is
    added = composed.crop((size[0] if grown[0] else 0, size[1] if grown[1] else 0, *composed.size))
    assert count(added, GREEN) > 15 * 40 * 40  # far more pixels than the region itself
    assert count(added, PADDING) > 0


def test_a_panorama_has_regions_where_the_padding_would_be() -> None:
    size = (1200, 320)
    image = canvas(size)
    composed = add_enlarged_regions(image, image, marks(size, "box=0,0,90,90"), numbers=False)
    assert composed.size == (1200, 1200)


def test_a_region_keeps_its_aspect_and_its_margin() -> None:
    size = (800, 800)
    left, top, right, bottom = region_around(marks(size, "box=100,200,300,250")[0], size)
    assert (left, right) == (70, 330)
    assert (top, bottom) == (170, 280)


@pytest.mark.parametrize("box", ["0,0,40,40", "760,760,800,800", "790,0,800,800"])
def test_a_region_at_an_edge_stays_inside_the_image(box: str) -> None:
    size = (800, 800)
    left, top, right, bottom = region_around(marks(size, f"box={box}")[0], size)
    assert 0 <= left < right <= 800
    assert 0 <= top < bottom <= 800
    x1, y1, x2, y2 = map(int, box.split(","))
    assert (left <= x1, top <= y1, right >= x2, bottom >= y2) == (True,) * 4


def test_the_region_of_an_arrow_is_at_its_tip_and_that_of_a_point_has_a_size() -> None:
    size = (800, 800)
    arrow, point = marks(size, "arrow=50,50,600,500", "point=600,500")
    for mark in (arrow, point):
        assert region_around(mark, size) == (580, 480, 620, 520)


def test_an_enlarged_region_shows_no_mark() -> None:
    size = (800, 800)
    mark = marks(size, "mask=red:100,100,200,100,200,200,100,200")
    image = canvas(size, ((100, 100, 200, 200), GREEN))
    drawn = canvas(size, ((100, 100, 200, 200), RED))
    composed = add_enlarged_regions(drawn, image, mark, numbers=False)
    added = composed.crop((800, 0, 1200, 800))
    assert count(added, GREEN) > 50_000
    frame = count(added, RED)
    assert 0 < frame < 12_000  # in the colour of the mark


def test_many_regions_do_not_overlap_and_stay_in_the_strip() -> None:
    size = (640, 480)
    many = marks(
        size,
        *(
            f"box={x},{y},+{20 + x // 20},+{10 + y // 9}"
            for x in (5, 200, 400)
            for y in (5, 90, 300)
        ),
    )
    white = Image.new("RGB", size, (255, 255, 255))
    composed = add_enlarged_regions(white, white, many, numbers=True)
    strip = np.asarray(composed.crop((0, 480, *composed.size)))
    shown = (strip == 255).all(-1)
    assert shown.any()
    assert not shown[0].any()
    assert not shown[-1].any()
    assert not shown[:, 0].any()
    assert not shown[:, -1].any()


def test_a_huge_image_is_composed_at_a_bounded_size_with_regions_of_full_resolution() -> None:
    size = (9000, 6000)
    image = Image.new("RGB", size)
    checks = (np.indices((60, 60)).sum(0) // 10 % 2 * 255).astype(np.uint8)
    image.paste(Image.fromarray(checks).convert("RGB"), (4000, 3000))
    composed = add_enlarged_regions(
        image, image, marks(size, "box=4000,3000,4060,3060"), numbers=False
    )
    assert composed.width == MAX_IMAGE_SIDE
    strip = composed.crop((0, round(6000 * MAX_IMAGE_SIDE / 9000) + 20, *composed.size))
    assert count(strip, (255, 255, 255)) > 3000  # the squares of 10 pixels are still squares


def test_a_tiny_image_gets_pixels_for_its_regions() -> None:
    size = (20, 10)
    image = canvas(size)
    composed = add_enlarged_regions(image, image, marks(size, "box=2,2,9,8"), numbers=False)
    assert max(composed.size) >= 336


def test_without_marks_nothing_is_added() -> None:
    image = canvas((80, 60))
    assert add_enlarged_regions(image, image, [], numbers=False) is image


@pytest.mark.parametrize(
    "size", [(640, 480), (480, 640), (300, 200), (5000, 300), (100, 4000), (50, 50)]
)
def test_the_sizes_are_known_without_an_image(size: tuple[int, int]) -> None:
    for texts in ((), ("10,10,40,40",), ("10,10,40,40", "0,0,50,20", "5,5,30,49")):
        found = marks(size, *(f"box={text}" for text in texts))
        image = Image.new("RGB", size)
        composed = add_enlarged_regions(image, image, found, numbers=False)
        whole, expected = composed_sizes(size, found)
        assert composed.size == expected
        assert whole[0] / whole[1] == pytest.approx(size[0] / size[1], rel=0.02)
        assert whole[0] == expected[0] or whole[1] == expected[1]
