"""The image processor of Llama 4, without torchvision, which that of transformers (5.23.0) needs.

An image fills one of the canvases of at most `max_patches` tiles, and is followed by a tile that shows
all of it. Pillow resizes; the rest is the arithmetic of the published processor.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor

Size = tuple[int, int]  # height, width


class Llama4ImageProcessor(BaseImageProcessor):
    """Makes pixels bfloat16 [tiles, 3, side, side] of each image, and the tiles' rows and columns."""

    model_input_names = ("pixel_values",)

    def __init__(
        self,
        size: Mapping[str, int] | None = None,
        max_patches: int = 16,
        resample: int = Image.Resampling.BILINEAR,
        rescale_factor: float = 1 / 255,
        image_mean: Sequence[float] = (0.5, 0.5, 0.5),
        image_std: Sequence[float] = (0.5, 0.5, 0.5),
        *,
        resize_to_max_canvas: bool = False,
        **_: Any,
    ) -> None:
        super().__init__()
        self.size = dict(size or {"height": 336, "width": 336})
        self.max_patches, self.resample = max_patches, resample
        self.resize_to_max_canvas = resize_to_max_canvas
        self.rescale_factor = rescale_factor
        self.image_mean, self.image_std = list(image_mean), list(image_std)

    def preprocess(self, images: Any, **_: Any) -> BatchFeature:
        """Prepare RGB images."""
        prepared = [self._prepare(image.convert("RGB")) for image in images]
        pixels, ratios = zip(*prepared, strict=True)
        return BatchFeature(
            {"pixel_values": torch.cat(pixels), "aspect_ratios": torch.tensor(ratios)}
        )

    def _prepare(self, image: Image.Image) -> tuple[Tensor, Size]:
        side = self.size["height"]
        size = image.height, image.width
        canvas = best_canvas(size, side, self.max_patches, fills=self.resize_to_max_canvas)
        limit = canvas
        if not self.resize_to_max_canvas:  # enlarges an image at most to one tile
            limit = min(max(size[0], side), canvas[0]), min(max(size[1], side), canvas[1])
        height, width = fit_inside(size, limit)
        whole = Image.new("RGB", (canvas[1], canvas[0]))
        whole.paste(image.resize((width, height), self.resample))
        rows, columns = canvas[0] // side, canvas[1] // side
        tiles = self._numbers(whole).view(3, rows, side, columns, side).permute(1, 3, 0, 2, 4)
        tiles = tiles.reshape(rows * columns, 3, side, side)
        if len(tiles) > 1:
            all_of_it = self._numbers(image.resize((side, side), self.resample))
            tiles = torch.cat([tiles, all_of_it[None]])
        return tiles, (rows, columns)

    def _numbers(self, image: Image.Image) -> Tensor:
        """Return the pixels [3, height, width], scaled in bfloat16 as in the published processor."""
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        scaled = pixels.to(torch.bfloat16) * self.rescale_factor
        mean, deviation = (
            torch.tensor(values, dtype=scaled.dtype)[:, None, None]
            for values in (self.image_mean, self.image_std)
        )
        return (scaled - mean) / deviation


def best_canvas(size: Size, side: int, max_tiles: int, *, fills: bool) -> Size:
    """Choose the canvas that needs the least enlargement, or else the least reduction, of an image.

    Among equal ones the smallest counts. With `fills` it is the one with the most enlargement.
    """
    canvases = [
        (rows * side, count // rows * side)
        for count in range(max_tiles, 0, -1)
        for rows in range(1, count + 1)
        if count % rows == 0
    ]
    scales = [min(canvas[0] / size[0], canvas[1] / size[1]) for canvas in canvases]
    larger = [scale for scale in scales if scale >= 1]
    chosen = (max(larger) if fills else min(larger)) if larger else max(scales)
    fitting = (canvas for canvas, scale in zip(canvases, scales, strict=True) if scale == chosen)
    return min(fitting, key=lambda canvas: canvas[0] * canvas[1])


def fit_inside(size: Size, limit: Size) -> Size:
    """Return the largest size of the same shape inside the limit, at least 1 by 1."""
    scale_height, scale_width = limit[0] / size[0], limit[1] / size[1]
    if scale_width < scale_height:
        height, width = min(int(size[0] * scale_width), limit[0]), limit[1]
    else:
        height, width = limit[0], min(int(size[1] * scale_height), limit[1])
    return max(height, 1), max(width, 1)
