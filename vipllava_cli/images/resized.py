"""The size to which a model resizes an image before it reads it."""

import math
from dataclasses import dataclass

from PIL import Image

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class SizeLimits:
    """The sizes that a model reads as they are: the multiple of their sides, and their pixels."""

    multiple: int
    min_pixels: int
    max_pixels: int


def fit_size(size: Size, limits: SizeLimits) -> Size:
    """Return the size to which a model resizes an image. A size within the limits stays as it is.

    This is `smart_resize` of the Qwen-VL models (transformers, image_processing_qwen2_vl.py).
    """
    width, height = size
    step = limits.multiple
    rounded = tuple(round(side / step) * step for side in size)
    pixels = rounded[0] * rounded[1]
    if pixels > limits.max_pixels:
        shrink = math.sqrt(width * height / limits.max_pixels)
        rounded = tuple(max(math.floor(side / shrink / step), 1) * step for side in size)
    elif pixels < limits.min_pixels:  # also a side that was rounded to 0
        grow = math.sqrt(limits.min_pixels / (width * height))
        rounded = tuple(math.ceil(side * grow / step) * step for side in size)
    return rounded[0], rounded[1]


def resize_within(image: Image.Image, limits: SizeLimits) -> Image.Image:
    """Resize an image as a model would, so that the model does not resize it again."""
    size = fit_size(image.size, limits)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)
