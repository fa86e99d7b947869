"""The square view of the model."""

from PIL import Image

from tests.support.images import ORANGE
from vipllava_cli.images.square import MAX_SIDE, PADDING, pad_to_square


def test_a_square_contains_the_full_image_in_its_centre() -> None:
    wide = Image.new("RGB", (60, 20), ORANGE)
    view = pad_to_square(wide)
    assert view.size == (60, 60)
    assert view.crop((0, 20, 60, 40)).tobytes() == wide.tobytes()
    assert view.getpixel((0, 0)) == PADDING


def test_a_very_long_image_is_scaled_down_before_padding() -> None:
    assert pad_to_square(Image.new("RGB", (40_000, 3), ORANGE)).size == (MAX_SIDE, MAX_SIDE)
