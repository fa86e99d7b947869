"""The size to which a model resizes an image."""

import pytest
from PIL import Image

from vipllava_cli.images.resized import SizeLimits, fit_size, resize_within

QWEN = SizeLimits(28, 56 * 56, 1280 * 28 * 28)


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((640, 480), (644, 476)),
        ((644, 476), (644, 476)),
        ((1, 1), (56, 56)),
        ((4000, 4000), (980, 980)),
        ((4032, 3024), (1148, 840)),
        ((30, 4000), (28, 4004)),
        ((13, 930), (28, 476)),
    ],
)
def test_sides_are_multiples_within_the_limits(
    size: tuple[int, int], fitted: tuple[int, int]
) -> None:
    assert fit_size(size, QWEN) == fitted
    assert fit_size(fitted, QWEN) == fitted  # the step of the model itself changes nothing


def test_an_image_of_a_fitting_size_is_not_touched() -> None:
    image = Image.new("RGB", (56, 84))
    assert resize_within(image, QWEN) is image
    assert resize_within(Image.new("RGB", (50, 80)), QWEN).size == (56, 84)
