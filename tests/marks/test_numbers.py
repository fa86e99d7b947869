"""Numbers beside marks: disjoint, inside the image, readable."""

import time
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from vipllava_cli.marks.colors import NAMED_COLORS
from vipllava_cli.marks.number_layout import Plate
from vipllava_cli.marks.numbers import count_numbers, draw_numbers, place_numbers
from vipllava_cli.marks.types import Mark

Bounds = tuple[float, float, float, float]


def boxes(*bounds: Bounds) -> list[Mark]:
    return [
        Mark("box", (((left, top), (right, bottom)),), NAMED_COLORS[n % len(NAMED_COLORS)])
        for n, (left, top, right, bottom) in enumerate(bounds)
    ]


def check_plates(plates: Sequence[Plate], size: tuple[int, int]) -> None:
    """Check that the plates are inside the image and pairwise disjoint."""
    owner = np.zeros((size[1], size[0]), int)
    for number, (left, top, width, height, _) in enumerate(plates, 1):
        assert left >= 0
        assert top >= 0
        assert left + width <= size[0]
        assert top + height <= size[1]
        assert not owner[top : top + height, left : left + width].any(), number
        owner[top : top + height, left : left + width] = number


def random_scene(seed: int) -> tuple[tuple[int, int], list[Mark]]:
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(8, 900)), int(rng.integers(8, 900)))
    count = int(rng.integers(1, 80))
    spots = rng.uniform((0, 0), size, (count, 2))
    if seed % 3 == 0:  # many marks at few places
        spots = spots[rng.integers(0, min(3, count), count)]
    extents = rng.exponential(0.1 * min(size), (count, 2)) + 1
    corners = np.hstack([spots, np.minimum(spots + extents, size)])
    return size, boxes(*map(tuple, corners.tolist()))


@pytest.mark.parametrize("seed", range(60))
def test_numbers_are_disjoint_and_inside_wherever_they_fit(seed: int) -> None:
    size, marks = random_scene(seed)
    plates = place_numbers(marks, size).plates
    check_plates(plates, size)
    assert len(plates) == count_numbers(len(marks), size)


@pytest.mark.parametrize(
    ("size", "bounds"),
    [
        ((300, 200), [(100, 80, 140, 120)] * 2),
        ((300, 200), [(100, 80, 140, 120)] * 12),
        ((300, 200), [(0, 0, 9, 9), (291, 0, 300, 9), (0, 191, 9, 200), (291, 191, 300, 200)]),
        (
            (300, 200),
            [(0, 90, 4, 110), (296, 90, 300, 110), (140, 0, 160, 4), (140, 196, 160, 200)],
        ),
        ((20, 20), [(2, 2, 18, 18), (5, 5, 9, 9)]),
        (
            (500, 400),
            [(x, y, x + 30, y + 30) for y in range(10, 360, 75) for x in range(10, 460, 46)],
        ),
        ((4000, 20), [(x, 5, x + 20, 15) for x in range(0, 3900, 300)]),
    ],
)
def test_every_number_has_its_place(size: tuple[int, int], bounds: list[Bounds]) -> None:
    layout = place_numbers(boxes(*bounds), size)
    check_plates(layout.plates, size)
    assert len(layout.plates) == len(bounds)


def test_numbers_cover_no_small_mark_where_there_is_room() -> None:
    bounds = [(x, y, x + 8.0, y + 8.0) for y in range(20, 380, 60) for x in range(20, 580, 60)]
    marks = boxes(*map(tuple, bounds))  # type: ignore[arg-type]
    for plate in place_numbers(marks, (600, 400)).plates:
        for left, top, right, bottom in bounds:
            mark = Plate(int(left), int(top), int(right - left), int(bottom - top))
            assert not plate.overlaps(mark)


def test_a_number_at_the_edge_does_not_cover_its_small_mark() -> None:
    for bounds in ((0, 0, 6, 6), (294, 0, 300, 6), (0, 194, 6, 200), (294, 194, 300, 200)):
        [plate] = place_numbers(boxes(bounds), (300, 200)).plates
        assert not plate.overlaps(Plate(bounds[0], bounds[1], 6, 6))


def test_a_single_number_is_above_its_mark() -> None:
    [plate] = place_numbers(boxes((100, 80, 140, 120)), (300, 200)).plates
    assert (plate.left, plate.top + plate.height) == (100, 80)


@pytest.mark.parametrize(("size", "count"), [((1, 50), 3), ((50, 1), 3), ((4, 6), 1), ((1, 1), 1)])
def test_an_image_without_room_shows_no_number(size: tuple[int, int], count: int) -> None:
    marks = boxes(*[(0, 0, size[0], size[1])] * count)
    assert place_numbers(marks, size).plates == ()
    assert count_numbers(count, size) == 0
    draw_numbers(Image.new("RGB", size), marks)


def test_as_many_numbers_as_possible_are_drawn() -> None:
    plates = place_numbers(boxes(*[(1, 1, 9, 9)] * 200), (60, 60)).plates
    check_plates(plates, (60, 60))
    assert len(plates) == count_numbers(200, (60, 60)) > 20


@pytest.mark.parametrize("scene", ["spread", "one place"])
def test_a_thousand_numbers_take_no_time(scene: str) -> None:
    rng = np.random.default_rng(0)
    spots = rng.uniform(0, 1, (1000, 2)) * (3900, 2900) * (scene == "spread")
    marks = boxes(*((x, y, x + 60, y + 60) for x, y in spots.tolist()))
    image = Image.new("RGB", (4000, 3000))
    start = time.perf_counter()
    draw_numbers(image, marks)
    assert time.perf_counter() - start < 3
    plates = place_numbers(marks, image.size).plates
    check_plates(plates, image.size)
    assert len(plates) == 1000


@pytest.mark.parametrize("side", [60, 120, 336, 2000])
def test_digits_stand_out_from_their_plates(side: int) -> None:
    marks = boxes(*[(side * 0.3, side * 0.3, side * 0.6, side * 0.6)] * len(NAMED_COLORS))
    image = Image.new("RGB", (side, side), (128, 128, 128))
    layout = place_numbers(marks, image.size)
    draw_numbers(image, marks)
    pixels = np.asarray(image, int) @ (299, 587, 114) / 1000
    for left, top, width, height, _ in layout.plates:
        plate = pixels[top : top + height, left : left + width]
        assert np.ptp(plate) >= 75
    for one, other in combinations(layout.plates, 2):
        assert not one.overlaps(other)


def test_every_number_has_its_own_digits() -> None:
    for size in ((100, 60), (400, 300)):
        shown = set()
        for count in (1, 40):
            marks = boxes(*[(5, 30, 20, 50)] * count)
            image = Image.new("RGB", size)
            draw_numbers(image, [Mark(m.shape, m.parts, NAMED_COLORS[0]) for m in marks])
            plates = place_numbers(marks, size).plates
            crops = {
                image.crop((p.left, p.top, p.left + p.width, p.top + p.height)).tobytes()
                for p in plates
            }
            assert len(crops) == count
            shown |= crops
        assert shown
