"""Pixels of square images for ViP-LLaVA: those of the checkpoint's processor, in half the time.

Behind the resizing, a processor computes each value of a pixel on its own. So a table of what it makes
of the 256 values replaces the arithmetic.
"""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_CHANNELS = 3
_VALUES = 256
_PROBE = (401, 401)  # pixels of an image that is resized both ways


class SquarePixels:
    """Makes pixels with a processor for images of `side` x `side`. Threads may share it.

    The first image takes the processor itself: a table does not pay for one image.
    """

    def __init__(self, processor: Any, side: int) -> None:
        self._processor = processor
        self._side = side
        self._is_used = False

    def __call__(self, image: Image.Image) -> Tensor:
        """Return float32 [1, 3, side, side]."""
        is_square = image.mode == "RGB" and image.width == image.height
        if self._is_used and is_square and self._table is not None:
            return self._look_up(image, self._table)
        self._is_used = True
        return self._process(image)

    def _process(self, image: Image.Image) -> Tensor:
        pixels: Tensor = self._processor(image, return_tensors="pt")["pixel_values"]
        return pixels

    def _look_up(self, image: Image.Image, table: "np.ndarray[Any, Any]") -> Tensor:
        size = (self._side, self._side)
        values = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
        pixels = np.empty((1, _CHANNELS, *size), table.dtype)
        for channel in range(_CHANNELS):
            np.take(table[channel], values[..., channel], out=pixels[0, channel], mode="clip")
        return torch.from_numpy(pixels)

    @cached_property
    def _table(self) -> "np.ndarray[Any, Any] | None":
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
        is_equal = torch.equal(self._look_up(probe, table), self._process(probe))
        return table if is_equal else None
