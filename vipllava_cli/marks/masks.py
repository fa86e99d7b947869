"""Convert mask images to the outlines of masks and contours."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vipllava_cli.errors import InputError
from vipllava_cli.images.load import load_image
from vipllava_cli.marks.types import Coordinate, MarkSpec


def load_mask_outlines(specs: Sequence[MarkSpec], size: tuple[int, int]) -> list[MarkSpec]:
    """Replace the mask images of specs by their outlines.

    A mask image has the size (width, height) of the image. It is bright where the object is, and dark
    or transparent elsewhere. Raises InputError.
    """
    return [
        spec if spec.file is None else replace(spec, file=None, parts=_outlines(spec.file, size))
        for spec in specs
    ]


def _outlines(file: str, size: tuple[int, int]) -> tuple[tuple[Coordinate, ...], ...]:
    mask = load_image(file, over=(0, 0, 0)).convert("L")
    if mask.size != size:
        raise InputError(
            f"the mask {file} is {mask.width}x{mask.height} pixels and the image"
            f" {size[0]}x{size[1]}: expected a mask of the image's size"
        )
    bright = np.asarray(mask, np.int32)
    parts = trace_outlines((bright * 2 > bright.max()).astype(np.uint8))
    if not parts:
        raise InputError(
            f"the mask {file} has no bright region: expected white where the object is"
        )
    return tuple(tuple(map(Coordinate, part)) for part in parts)


def trace_outlines(inside: NDArray[np.uint8]) -> list[list[float]]:
    """Trace the outlines, with holes, of the nonzero pixels of a uint8 array [height, width].

    Each outline is a flat list x, y, x, y, … through the centres of pixels. Outlines of fewer than
    three pixels are dropped.
    """
    contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [
        [float(value) + 0.5 for value in contour.reshape(-1)]
        for contour in contours
        if len(contour) >= 3
    ]
