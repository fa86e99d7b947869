"""Where a careful person would put a mark of each shape on a thing of a scene."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vipllava_cli.marks.types import Points


@dataclass(frozen=True)
class Silhouette:
    """A thing to mark: `alpha`, uint8 [height, width], lies with its upper left at `corner` in a
    image of `size` pixels.
    """

    alpha: NDArray[np.uint8]
    corner: tuple[int, int]
    size: tuple[int, int]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        x, y = self.corner
        height, width = self.alpha.shape
        return float(x), float(y), float(x + width), float(y + height)


def outline(rng: Generator, shape: str, thing: Silhouette) -> tuple[Points, ...]:
    """The parts of a mark of this shape on the thing, in pixels of the image."""
    return _OUTLINES[shape](rng, thing)


def _around(rng: Generator, thing: Silhouette, room: float) -> Points:
    left, top, right, bottom = thing.box
    grow = rng.uniform(0.0, 0.12, 4) + room
    wide, high = right - left, bottom - top
    return (
        _inside_image(thing, left - grow[0] * wide, top - grow[1] * high),
        _inside_image(thing, right + grow[2] * wide, bottom + grow[3] * high),
    )


def _box(rng: Generator, thing: Silhouette) -> tuple[Points, ...]:
    return (_around(rng, thing, 0.0),)


def _ellipse(rng: Generator, thing: Silhouette) -> tuple[Points, ...]:
    return (_around(rng, thing, 0.12),)


def _triangle(rng: Generator, thing: Silhouette) -> tuple[Points, ...]:
    """Over the thing, a corner up, or down."""
    (left, top), (right, bottom) = _around(rng, thing, 0.1)
    if rng.random() < 0.25:
        top, bottom = bottom, top
    middle = (left + right) / 2 + rng.uniform(-0.15, 0.15) * (right - left)
    return (((middle, top), (right, bottom), (left, bottom)),)


def _point(rng: Generator, thing: Silhouette) -> tuple[Points, ...]:
    return ((_on(rng, thing),),)


def _arrow(rng: Generator, thing: Silhouette) -> tuple[Points, ...]:
    """The tip lies on the thing, the tail away from it and inside the image."""
    tip = _on(rng, thing)
    width, height = thing.size
    for _ in range(20):
        angle = rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0.12, 0.24) * max(width, height)
        tail = (tip[0] + reach * np.cos(angle), tip[1] + reach * np.sin(angle))
        if 0 <= tail[0] <= width and 0 <= tail[1] <= height:
            break
    else:
        tail = (width / 2, height / 2)
    return (((float(tail[0]), float(tail[1])), tip),)


def _scribble(rng: Generator, thing: Silhouette) -> tuple[Points, ...]:
    """To and fro over the thing, or a curl on it."""
    left, top, right, bottom = thing.box
    turns = int(rng.integers(3, 7))
    along = np.linspace(0.15, 0.85, turns) + rng.uniform(-0.05, 0.05, turns)
    across = 0.5 + np.where(np.arange(turns) % 2, 1, -1) * rng.uniform(0.12, 0.35, turns)
    shares = (along, across) if rng.random() < 0.5 else (across, along)
    xs, ys = left + shares[0] * (right - left), top + shares[1] * (bottom - top)
    return (tuple(zip(xs.tolist(), ys.tolist(), strict=True)),)


def _mask(rng: Generator, thing: Silhouette) -> tuple[Points, ...]:
    """The silhouette's own outline, as a person's segmentation tool would give it."""
    grown = cv2.copyMakeBorder(thing.alpha, 4, 4, 4, 4, cv2.BORDER_CONSTANT)
    reach = 2 * int(rng.integers(0, 3)) + 1
    grown = cv2.dilate((grown > 100).astype(np.uint8), np.ones((reach, reach), np.uint8))
    found, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    least = 0.02 * thing.alpha.size
    parts = [part for part in found if cv2.contourArea(part) > least] or [max(found, key=len)]
    return tuple(_shifted(cv2.approxPolyDP(part, 1.0, True), thing) for part in parts)


def _shifted(points: NDArray[np.int32], thing: Silhouette) -> Points:
    x, y = thing.corner
    return tuple(
        _inside_image(thing, float(px) + x - 3.5, float(py) + y - 3.5) for px, py in points[:, 0]
    )


def _on(rng: Generator, thing: Silhouette) -> tuple[float, float]:
    """A point on the thing's own pixels, near its middle."""
    ys, xs = np.nonzero(thing.alpha > 128)
    middle = thing.alpha.shape[1] / 2, thing.alpha.shape[0] / 2
    picks = rng.integers(0, len(xs), 4)
    nearest = min(picks, key=lambda i: (xs[i] - middle[0]) ** 2 + (ys[i] - middle[1]) ** 2)
    return float(xs[nearest] + thing.corner[0]), float(ys[nearest] + thing.corner[1])


def _inside_image(thing: Silhouette, x: float, y: float) -> tuple[float, float]:
    return min(max(x, 0.0), float(thing.size[0])), min(max(y, 0.0), float(thing.size[1]))


_OUTLINES: Mapping[str, Callable[[Generator, Silhouette], tuple[Points, ...]]] = {
    "box": _box,
    "ellipse": _ellipse,
    "triangle": _triangle,
    "point": _point,
    "scribble": _scribble,
    "mask": _mask,
    "contour": _mask,
    "arrow": _arrow,
}
