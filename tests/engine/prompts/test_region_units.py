"""Places in pixels, in the numbers of every model family, and back."""

import itertools

import pytest

from vipllava_cli.engine.prompts.region_conventions import (
    CONVENTIONS,
    Order,
    RegionConvention,
    Unit,
    find_convention,
)
from vipllava_cli.engine.prompts.region_units import to_pixels, to_units

BOX, POINT = (120.0, 80.0, 340.0, 300.0), (500.0, 42.0)
SIZES = ((640, 480), (480, 640), (644, 644), (3000, 2000), (500, 375))


def named(name: str) -> RegionConvention:
    convention = find_convention(name)
    assert convention is not None
    return convention


@pytest.mark.parametrize(
    ("model", "numbers"),
    [
        ("qwen3-vl:8b", (188, 167, 531, 625)),
        ("Qwen/Qwen2.5-VL-7B-Instruct", (121, 79, 342, 298)),  # 640x480 becomes 644x476
        ("qwen2-vl", (188, 167, 531, 625)),
        ("gemini-2.5-flash", (167, 188, 625, 531)),  # y before x
        ("paligemma", (171, 192, 640, 544)),
        ("kimi-vl-a3b", (0.188, 0.167, 0.531, 0.625)),
        ("allenai/Molmo-7B", (18.8, 16.7, 53.1, 62.5)),
        ("llava-1.5-7b", (0.188, 0.25, 0.531, 0.594)),  # 80 rows of padding above
    ],
)
def test_a_box_in_the_numbers_of_a_family(model: str, numbers: tuple[float, ...]) -> None:
    assert to_units(BOX, (640, 480), named(model)) == pytest.approx(numbers)


def test_a_point_has_the_order_of_the_convention() -> None:
    assert to_units((64, 48), (640, 480), named("qwen3-vl")) == (100, 100)
    assert to_units((320, 48), (640, 480), named("gemini-2.5-pro")) == (100, 500)


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda each: each.family)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", [BOX, POINT, (0.0, 0.0, 1.0, 1.0)])
def test_round_trip(
    convention: RegionConvention, size: tuple[int, int], place: tuple[float, ...]
) -> None:
    inside = tuple(min(value, size[at % 2]) for at, value in enumerate(place))
    back = to_pixels(to_units(inside, size, convention), size, convention)
    # Half a unit, in pixels of the longer side; the last loc bin is one short of the edge.
    unit = {Unit.LOC_BINS: 1 / 512, Unit.RESIZED_PIXELS: 1.1 / min(size)}.get(
        convention.unit, 1 / 1000
    )
    assert back == pytest.approx(inside, abs=0.5 * unit * max(size) + 0.01)


def test_numbers_stay_inside_the_image() -> None:
    for convention in CONVENTIONS:
        low = to_units((-50, -50, 0, 0), (640, 480), convention)
        high = to_units((640, 480, 700, 500), (640, 480), convention)
        assert min(low) >= 0
        assert max(high) <= {Unit.LOC_BINS: 1023, Unit.RESIZED_PIXELS: 644}.get(
            convention.unit, 1000
        )


def test_every_combination_of_unit_and_order_has_a_row_or_converts() -> None:
    for unit, order in itertools.product(Unit, Order):
        row = named("qwen2.5-vl")
        made = RegionConvention(
            "made", unit, row.notation, row.name, (), "", order, row.patch, 3136, 10**7
        )
        assert to_pixels(to_units(BOX, (640, 480), made), (640, 480), made) == pytest.approx(
            BOX, abs=1
        )
