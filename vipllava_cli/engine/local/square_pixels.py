"""Pixels of square images for ViP-LLaVA: those of the checkpoint's processor, in half the time.

Behind the resizing, a processor computes each value of a pixel on its own. So a table of what it makes
of the 256 values replaces the arithmetic. An image that waits for its batch needs only the values:
a quarter of the memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_CHANNELS = 3
_VALUES = 256
_PROBE = (401, 401)  # pixels of an image that is resized both ways

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class TablePixels:
    """Pixels that are not looked up yet: `values` uint8 [side, side, 3], `table` float32 [3, 256]."""

    values: _Array
    table: _Array

    def look_up(self) -> Tensor:
        """Return float32 [1, 3, side, side]."""
        pixels = np.empty((1, _CHANNELS, *self.values.shape[:2]), self.table.dtype)
        for channel in range(_CHANNELS):
            values = self.values[..., channel]
            np.take(self.table[channel], values, out=pixels[0, channel], mode="clip")
        return torch.from_numpy(pixels)


def join_pixels(images: Sequence[Tensor | TablePixels]) -> Tensor:
    """Return the pixels of images as one tensor, float32 [images, 3, side, side]."""
    return torch.cat([each if isinstance(each, Tensor) else each.look_up() for each in images])


class SquarePixels:
    """Makes pixels with a processor for images of `side` x `side`. Threads may share it.

    The first image takes the processor itself: a table does not pay for one image.
    """

    def __init__(self, processor: Any, side: int) -> None:
        self._processor = processor
        self._side = side
        self._is_used = False

    def __call__(self, image: Image.Image) -> Tensor | TablePixels:
        """Return float32 [1, 3, side, side], or what becomes that."""
        is_square = image.mode == "RGB" and image.width == image.height
        if self._is_used and is_square and self._table is not None:
            return TablePixels(self._values(image), self._table)
        self._is_used = True
        return self._process(image)

    def _process(self, image: Image.Image) -> Tensor:
        pixels: Tensor = self._processor(image, return_tensors="pt")["pixel_values"]
        return pixels

    def _values(self, image: Image.Image) -> _Array:
        return np.asarray(image.resize((self._side, self._side), Image.Resampling.BICUBIC))

    @cached_property
    def _table(self) -> _Array | None:
        """What the processor makes of each value, float32 [3, 256].

        None if a look-up gives other pixels: the processor resizes in another way, or crops.
        """
        if self._side**2 < _VALUES:
            return None
        grey = np.resize(np.arange(_VALUES, dtype=np.uint8), (self._side, self._side))
        pixels = self._process(Image.fromarray(grey).convert("RGB"))
        if pixels.dtype != torch.float32 or pixels.shape != (1, _CHANNELS, *grey.shape):
            return None
        table = pixels[0].reshape(_CHANNELS, -1)[:, :_VALUES].numpy().copy()
        noise = np.random.default_rng(0).integers(0, _VALUES, (*_PROBE, _CHANNELS))
        probe = Image.fromarray(noise.astype(np.uint8))
        looked_up = TablePixels(self._values(probe), table).look_up()
        return table if torch.equal(looked_up, self._process(probe)) else None
