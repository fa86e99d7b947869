"""Pixels by a table equal those of the processor."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.local.square_pixels import SquarePixels, TablePixels, join_pixels
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model


class CountedProcessor:
    """Counts the images of a processor, whose pixels `change` may alter."""

    def __init__(self, processor: Any, **changes: Any) -> None:
        self._processor, self._changes = processor, changes
        self.images = 0

    def __call__(self, image: Image.Image, **options: Any) -> Any:
        self.images += 1
        return self._processor(image, **options, **self._changes)


def side_of(engine: VipLlavaEngine) -> int:
    side: int = engine.model.config.vision_config.image_size
    return side


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return Image.fromarray(values.astype(np.uint8))


def test_equals_the_processor(engine: VipLlavaEngine) -> None:
    processor = CountedProcessor(engine.processor.image_processor)
    pixels = SquarePixels(processor, side_of(engine))
    street = pad_to_square(open_sample("street"))
    images = [street, street, *(noise(side, side) for side in (1, 7, 255, 256, 257, 900))]
    for image in images:
        own = engine.processor.image_processor(image, return_tensors="pt")["pixel_values"]
        found = join_pixels([pixels(image)])
        assert torch.equal(found, own)
        assert found.dtype == own.dtype
        assert found.is_contiguous()
    assert processor.images == 3  # the first image, and two for the table


def test_images_that_wait_take_a_byte_for_each_value(engine: VipLlavaEngine) -> None:
    pixels = SquarePixels(engine.processor.image_processor, side_of(engine))
    first, *waiting = (pixels(noise(400, 400, seed)) for seed in range(4))
    assert isinstance(first, torch.Tensor)
    for number, image in enumerate(waiting, 1):
        assert isinstance(image, TablePixels)
        assert image.values.nbytes == 3 * side_of(engine) ** 2
        own = engine.processor.image_processor(noise(400, 400, number), return_tensors="pt")
        assert torch.equal(join_pixels([first, image])[1:], own["pixel_values"])


def test_takes_the_processor_for_other_images(engine: VipLlavaEngine) -> None:
    pixels = SquarePixels(engine.processor.image_processor, side_of(engine))
    for image in (noise(300, 300), noise(300, 200), noise(300, 300).convert("L")):
        own = engine.processor.image_processor(image, return_tensors="pt")["pixel_values"]
        assert torch.equal(join_pixels([pixels(image)]), own)


@pytest.mark.parametrize(
    "changes",
    [
        {"resample": Image.Resampling.BILINEAR},
        {"size": {"shortest_edge": 300}},
        {"do_resize": False},
        {"do_normalize": False},
    ],
)
def test_a_processor_that_works_in_another_way_stays_in_use(
    engine: VipLlavaEngine, changes: dict[str, Any]
) -> None:
    processor = CountedProcessor(engine.processor.image_processor, **changes)
    pixels = SquarePixels(processor, side_of(engine))
    for number in range(3):
        image = noise(301, 301, number)
        own = engine.processor.image_processor(image, return_tensors="pt", **changes)
        assert torch.equal(join_pixels([pixels(image)]), own["pixel_values"])
