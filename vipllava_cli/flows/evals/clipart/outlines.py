"""Mark outlines on an object, placed as a careful annotator would place them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vipllava_cli.marks.types import Points


@dataclass(frozen=True)
class Silhouette:
    """The pixels of an object in an image.

    `alpha` is uint8 [height, width]. `corner` is its top left (x, y) in an image of `size` (width,
    height).
    """

    alpha: NDArray[np.uint8]
    corner: tuple[int, int]
    size: tuple[int, int]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in pixels of the image."""
        x, y = self.corner
        height, width = self.alpha.shape
        return float(x), float(y), float(x + width), float(y + height)


def outline(rng: Generator, shape: str, target: Silhouette) -> tuple[Points, ...]:
    """Draw the parts of a mark of `shape` on an object, in pixels of the image."""
    return _OUTLINES[shape](rng, target)


def _around(rng: Generator, target: Silhouette, margin: float) -> Points:
    left, top, right, bottom = target.box
    margins = rng.uniform(0.0, 0.12, 4) + margin
    width, height = right - left, bottom - top
    return (
        _clip_to_image(target, left - margins[0] * width, top - margins[1] * height),
        _clip_to_image(target, right + margins[2] * width, bottom + margins[3] * height),
    )


def _box(rng: Generator, target: Silhouette) -> tuple[Points, ...]:
    return (_around(rng, target, 0.0),)


def _ellipse(rng: Generator, target: Silhouette) -> tuple[Points, ...]:
    return (_around(rng, target, 0.12),)


def _triangle(rng: Generator, target: Silhouette) -> tuple[Points, ...]:
    """Cover the object, with one corner at the top or, one time in four, at the bottom."""
    (left, top), (right, bottom) = _around(rng, target, 0.1)
    if rng.random() < 0.25:
        top, bottom = bottom, top
    apex = (left + right) / 2 + rng.uniform(-0.15, 0.15) * (right - left)
    return (((apex, top), (right, bottom), (left, bottom)),)


def _point(rng: Generator, target: Silhouette) -> tuple[Points, ...]:
    return ((_point_on(rng, target),),)


def _arrow(rng: Generator, target: Silhouette) -> tuple[Points, ...]:
    """Put the tip on the object and the tail inside the image."""
    tip = _point_on(rng, target)
    width, height = target.size
    for _ in range(20):
        angle = rng.uniform(0, 2 * np.pi)
        length = rng.uniform(0.12, 0.24) * max(width, height)
        tail = (tip[0] + length * np.cos(angle), tip[1] + length * np.sin(angle))
        if 0 <= tail[0] <= width and 0 <= tail[1] <= height:
            break
    else:
        tail = (width / 2, height / 2)
    return (((float(tail[0]), float(tail[1])), tip),)


def _scribble(rng: Generator, target: Silhouette) -> tuple[Points, ...]:
    """Zigzag over the object, horizontally or vertically."""
    left, top, right, bottom = target.box
    corners = int(rng.integers(3, 7))
    along = np.linspace(0.15, 0.85, corners) + rng.uniform(-0.05, 0.05, corners)
    across = 0.5 + np.where(np.arange(corners) % 2, 1, -1) * rng.uniform(0.12, 0.35, corners)
    shares = (along, across) if rng.random() < 0.5 else (across, along)
    xs, ys = left + shares[0] * (right - left), top + shares[1] * (bottom - top)
    return (tuple(zip(xs.tolist(), ys.tolist(), strict=True)),)


def _trace(rng: Generator, target: Silhouette) -> tuple[Points, ...]:
    """Trace the silhouette, dilated by 0 to 2 pixels like the output of a segmentation tool."""
    padded = cv2.copyMakeBorder(target.alpha, 4, 4, 4, 4, cv2.BORDER_CONSTANT)
    kernel = 2 * int(rng.integers(0, 3)) + 1
    dilated = cv2.dilate((padded > 100).astype(np.uint8), np.ones((kernel, kernel), np.uint8))
    contours, _ = cv2.findContours(dilated, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    min_area = 0.02 * target.alpha.size
    parts = [part for part in contours if cv2.contourArea(part) > min_area] or [
        max(contours, key=len)
    ]
    return tuple(_to_image(cv2.approxPolyDP(part, 1.0, True), target) for part in parts)


def _to_image(points: NDArray[np.int32], target: Silhouette) -> Points:
    x, y = target.corner
    return tuple(
        _clip_to_image(target, float(px) + x - 3.5, float(py) + y - 3.5) for px, py in points[:, 0]
    )


def _point_on(rng: Generator, target: Silhouette) -> tuple[float, float]:
    """Pick four of the object's pixels and return the one nearest to its centre."""
    ys, xs = np.nonzero(target.alpha > 128)
    center = target.alpha.shape[1] / 2, target.alpha.shape[0] / 2
    picks = rng.integers(0, len(xs), 4)
    nearest = min(picks, key=lambda i: (xs[i] - center[0]) ** 2 + (ys[i] - center[1]) ** 2)
    return float(xs[nearest] + target.corner[0]), float(ys[nearest] + target.corner[1])


def _clip_to_image(target: Silhouette, x: float, y: float) -> tuple[float, float]:
    return min(max(x, 0.0), float(target.size[0])), min(max(y, 0.0), float(target.size[1]))


_OUTLINES: Mapping[str, Callable[[Generator, Silhouette], tuple[Points, ...]]] = {
    "box": _box,
    "ellipse": _ellipse,
    "triangle": _triangle,
    "point": _point,
    "scribble": _scribble,
    "mask": _trace,
    "contour": _trace,
    "arrow": _arrow,
}
