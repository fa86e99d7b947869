"""The square view of the model."""

import pytest
from PIL import Image

from tests.support.images import ORANGE
from vipllava_cli.images.square import MAX_SIDE, PADDING, pad_to_square, place_for_model


def test_a_square_contains_the_full_image_in_its_centre() -> None:
    wide = Image.new("RGB", (60, 20), ORANGE)
    view = pad_to_square(wide)
    assert view.size == (60, 60)
    assert view.crop((0, 20, 60, 40)).tobytes() == wide.tobytes()
    assert view.getpixel((0, 0)) == PADDING


def test_a_very_long_image_is_scaled_down_before_padding() -> None:
    assert pad_to_square(Image.new("RGB", (40_000, 3), ORANGE)).size == (MAX_SIDE, MAX_SIDE)


@pytest.mark.parametrize("size", [(60, 20), (20, 60), (50, 50), (101, 40), (20_000, 6_000)])
def test_points_enter_the_square_and_leave_it(size: tuple[int, int]) -> None:
    place = place_for_model(size)
    corners = (0.0, 0.0, float(size[0]), float(size[1]))
    entered = place.to_sent(corners)
    assert entered == (
        place.left,
        place.top,
        place.left + place.size[0],
        place.top + place.size[1],
    )
    assert place.to_original(entered) == pytest.approx(corners)
    point = (size[0] / 3, size[1] / 7)
    assert place.to_original(place.to_sent(point)) == pytest.approx(point)


def test_a_point_of_the_square_is_where_the_pixel_is() -> None:
    image = Image.new("RGB", (61, 20))
    image.putpixel((40, 7), ORANGE)
    x, y = place_for_model(image.size).to_sent((40, 7))
    assert pad_to_square(image).getpixel((int(x), int(y))) == ORANGE
