"""Numbers on regions: the style `numbered`."""

import random

import numpy as np
import pytest
from PIL import Image

from tests.support.marks import resolve_text
from vipllava_cli.marks.draw import coverage, draw
from vipllava_cli.marks.number_anchor import find_anchor
from vipllava_cli.marks.numbers import place_numbers
from vipllava_cli.marks.types import Mark

SIZE = (800, 600)


def mark(text: str) -> Mark:
    shape, _, value = text.partition("=")
    return resolve_text(shape, value, size=SIZE)


REGIONS = (
    "ellipse=100,100,500,400",
    "triangle=100,500,500,500,300,100",
    "mask=100,100,300,100,300,400,700,400,700,500,100,500",  # an L
    "contour=100,100,700,100,400,550",
)


@pytest.mark.parametrize("text", REGIONS)
def test_a_number_lies_on_its_region(text: str) -> None:
    region = mark(text)
    filled = resolve_text("mask", _outline(region), size=SIZE)
    inside = coverage(filled, *SIZE) > 0
    plate = place_numbers([region], SIZE, inside=True).plates[0]
    rows = slice(plate.top, plate.top + plate.height)
    covered = inside[rows, plate.left : plate.left + plate.width]
    assert covered.mean() > 0.95


def _outline(region: Mark) -> str:
    if region.shape != "ellipse":
        return ",".join(f"{x},{y}" for x, y in region.parts[0])
    left, top, right, bottom = region.bounds
    angles = np.linspace(0, 2 * np.pi, 60)
    xs = (left + right) / 2 + (right - left) / 2 * np.cos(angles)
    ys = (top + bottom) / 2 + (bottom - top) / 2 * np.sin(angles)
    return ",".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


def test_a_hole_gets_no_number() -> None:
    ring = Mark(
        "mask",
        (
            ((0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0)),
            ((20.0, 5.0), (80.0, 5.0), (80.0, 80.0), (20.0, 80.0)),
        ),
        mark("box=1,1,9,9").color,
    )
    anchor = find_anchor(ring, 9)
    assert anchor
    assert not (20 < anchor.x < 80 and 5 < anchor.y < 80)


def test_a_box_has_its_number_in_a_corner_and_an_arrow_at_its_tail() -> None:
    box, arrow = mark("box=100,100,500,400"), mark("arrow=700,500,600,450")
    first, second = place_numbers([box, arrow], SIZE, inside=True).plates
    assert (first.left, first.top) == (100, 100)
    assert second.left + second.width / 2 > 700
    assert second.top + second.height / 2 > 500
    assert second.left < 740
    assert second.top < 540


def test_a_small_region_keeps_its_number_beside_it() -> None:
    small = mark("box=300,300,340,330")
    plate = place_numbers([small], SIZE, inside=True).plates[0]
    left, top, right, bottom = small.bounds
    is_apart = (
        plate.left + plate.width <= left
        or plate.left >= right
        or plate.top + plate.height <= top
        or plate.top >= bottom
    )
    assert is_apart


def test_no_two_of_many_numbers_share_a_place() -> None:
    numbers = random.Random(3)
    shapes = ("box", "ellipse")
    many = [
        mark(
            f"{shapes[n % 2]}={numbers.randint(0, 500)},{numbers.randint(0, 400)},"
            f"+{numbers.randint(5, 290)},+{numbers.randint(5, 190)}"
        )
        for n in range(60)
    ]
    plates = place_numbers(many, SIZE, inside=True).plates
    assert len(plates) == 60
    assert not any(a.overlaps(b) for n, a in enumerate(plates) for b in plates[:n])


@pytest.mark.parametrize("background", [(255, 0, 0), (0, 0, 0), (255, 255, 255), (127, 127, 127)])
@pytest.mark.parametrize("color", ["red", "yellow", "black", "white"])
def test_a_number_is_readable_on_any_background(
    background: tuple[int, int, int], color: str
) -> None:
    region = mark(f"box={color}:100,100,500,400")
    drawn = np.asarray(
        draw(Image.new("RGB", SIZE, background), [region], numbers=True, numbers_inside=True)
    )
    plate = place_numbers([region], SIZE, inside=True).plates[0]
    pixels = drawn[plate.top : plate.top + plate.height, plate.left : plate.left + plate.width]
    light = pixels @ np.array([0.299, 0.587, 0.114])
    assert light.max() - light.min() > 70  # the ink against its plate
