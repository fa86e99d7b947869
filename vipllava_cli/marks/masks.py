"""Mask images -> the outlines of masks and contours."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vipllava_cli.errors import InputError
from vipllava_cli.images.load import load_image
from vipllava_cli.marks.types import Coordinate, MarkSpec


def load_mask_outlines(specs: Sequence[MarkSpec], size: tuple[int, int]) -> list[MarkSpec]:
    """The specs with the outlines of their mask images, for an image of this size.

    A mask image is as large as the image: bright where the object is, dark or clear elsewhere.
    Raises InputError.

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
        raise InputError(f"the mask {file} shows no region: expected white where the object is")
    return tuple(tuple(map(Coordinate, part)) for part in parts)


def trace_outlines(inside: NDArray[np.uint8]) -> list[list[float]]:
    """The outlines, holes too, of what is not 0 in uint8 [height, width]: for each a flat list
    x, y, x, y, … through the centres of its pixels. Specks of fewer than three are passed over.
    """
    contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [
        [float(value) + 0.5 for value in contour.reshape(-1)]
        for contour in contours
        if len(contour) >= 3
    ]
