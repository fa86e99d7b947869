"""Random masks and label maps: which is which."""

import io
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from vipllava_cli.errors import InputError
from vipllava_cli.marks.mask_region import find_region, read_pixels

SCENES = 40


def paint_shape(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Paint a random polygon on [height, width]."""
    height, width = size
    angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
    radii = rng.uniform(0.15, 0.4, 7) * min(size)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
    canvas = np.zeros(size, np.uint8)
    points += rng.uniform((0.2 * width, 0.2 * height), (0.8 * width, 0.8 * height))
    cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 1)
    return canvas > 0


def encode(image: Image.Image, format: str, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, format, **options)
    encoded = Image.open(file)
    encoded.load()
    return encoded


def iter_masks(rng: np.random.Generator) -> Iterator[Image.Image]:
    """Iterate over one mask with hard edges, with soft ones, and with the noise of compression."""
    size = (int(rng.integers(60, 200)), int(rng.integers(60, 200)))
    large = Image.fromarray(paint_shape(rng, (size[0] * 4, size[1] * 4)))
    hard = large.resize(size[::-1], Image.Resampling.NEAREST).convert("L")
    soft = large.convert("L").resize(size[::-1], Image.Resampling.BOX)
    quality = int(rng.integers(15, 98))
    jpeg = encode(hard.convert("RGB"), "JPEG", quality=quality)
    yield from (hard, soft, soft.convert("RGB").quantize(8), encode(soft, "GIF"))
    yield from (hard.filter(ImageFilter.GaussianBlur(radius)) for radius in (1, 3))
    yield from (jpeg, encode(jpeg, "PNG"), encode(soft, "JPEG", quality=quality))
    yield encode(hard, "WEBP", quality=quality)


@pytest.mark.parametrize("seed", range(SCENES))
def test_a_mask_is_its_object_whatever_its_edges(seed: int) -> None:
    hard, *others = iter_masks(np.random.default_rng(seed))
    expected = np.asarray(hard) > 0
    for image in (hard, *others):
        found = find_region(read_pixels(image, "mask"))
        assert (found & expected).sum() >= 0.85 * (found | expected).sum()


@pytest.mark.parametrize("seed", range(SCENES))
def test_a_label_map_is_never_taken_for_a_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(60, 200)), int(rng.integers(60, 200)))
    count = int(rng.integers(2, 30))
    classes = rng.choice(np.arange(1, 255), count, replace=False) if seed % 2 else range(1, count)
    labels = np.zeros(size, np.uint8)
    labels[: size[0] // 2, : size[1] // 3] = 1
    labels[size[0] // 2 :, -size[1] // 3 :] = 2
    for value in classes:
        labels[paint_shape(rng, size)] = value
    border = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    colors = rng.integers(0, 256, (256, 3), np.uint8)
    for values in (
        labels,
        np.where(border, np.uint8(255), labels),
        labels.astype(np.uint16) * 257,
        colors[labels],
    ):
        with pytest.raises(InputError, match="expected black and white"):
            find_region(read_pixels(Image.fromarray(values), "mask"))
