"""Draw marks on an image with OpenCV. Equal input gives equal pixels.

Widths are in pixels of the model's 336-pixel view. They are scaled by max(width, height) / 336, as in
ViP-LLaVA's visual_prompt_generator.py, so that a line is still visible after the image is resized.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.marks.colors import Color
from vipllava_cli.marks.numbers import draw_numbers
from vipllava_cli.marks.shape_table import MODEL_VIEW_SIDE
from vipllava_cli.marks.types import Mark, Points

POINT_RADIUS = 8 / 3  # in line widths: ViP-LLaVA draws 8 pixels where its lines have 3
ARROW_HEAD = 0.35  # of the arrow's length
MIN_ARROW_HEAD = 4.0  # in line widths

MAX_THICKNESS = 32767  # pixels: OpenCV's limit
BAND_PIXELS = 1 << 20  # pixels blended at a time

_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates

Pixels = NDArray[np.uint8]


def draw(
    image: Image.Image,
    marks: Sequence[Mark],
    *,
    numbers: bool = False,
    numbers_inside: bool = False,
) -> Image.Image:
    """Draw the marks, in order, on an RGB copy of the image.

    `numbers` adds 1, 2, 3 beside them, and with `numbers_inside` on the regions that have room.
    """
    drawn = image.copy() if image.mode == "RGB" else image.convert("RGB")
    for mark in marks:
        canvas = _cover(mark, *image.size)
        _blend(drawn, canvas, mark.color, mark.alpha)
    if numbers:
        draw_numbers(drawn, marks, inside=numbers_inside)
    return drawn


def is_visible(mark: Mark, width: int, height: int) -> bool:
    """Return whether a mark touches any pixel. A line around the whole image touches none."""
    return bool(_cover(mark, width, height).pixels.any())


def coverage(mark: Mark, width: int, height: int) -> Pixels:
    """Return how much of each pixel a mark covers: uint8 [height, width], 255 for full coverage."""
    canvas = _cover(mark, width, height)
    covered: Pixels = np.zeros((height, width), np.uint8)
    rows, columns = canvas.pixels.shape
    left, top = canvas.left, canvas.top
    covered[top : top + rows, left : left + columns] = canvas.pixels
    return covered


class Canvas(NamedTuple):
    """A part of an image of `width` x `height` pixels: its coverage, and where it is in the image."""

    pixels: Pixels
    left: int
    top: int
    width: int
    height: int


def _cover(mark: Mark, width: int, height: int) -> Canvas:
    """Draw a mark on the part of the image that it can touch: many small marks take little time."""
    line = line_width(mark, width, height)
    left, top, right, bottom = mark.bounds
    # A dot is wider than a line, and the head of an arrow than the bounds of its ends.
    margin = 3 * line + 4
    if mark.shape == "arrow":
        margin += max(right - left, bottom - top)
    x1, x2 = (_part(value, width) for value in (left - margin, right + margin))
    y1, y2 = (_part(value, height) for value in (top - margin, bottom + margin))
    canvas = Canvas(np.zeros((y2 - y1, x2 - x1), np.uint8), x1, y1, width, height)
    if canvas.pixels.size:
        _DRAWERS[mark.shape](canvas, mark, line)
    return canvas


def _part(value: float, side: int) -> int:
    return min(max(math.floor(value), 0), side)


def line_width(mark: Mark, width: int, height: int) -> float:
    """Return the line width in pixels of an image of this size, at least 1."""
    return max(mark.width * max(width, height) / MODEL_VIEW_SIDE, 1.0)


def _box(canvas: Canvas, mark: Mark, width: float) -> None:
    (x1, y1), (x2, y2) = _inset(canvas, mark.parts[0], width)
    _line(canvas, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)), width, closed=True)


def _ellipse(canvas: Canvas, mark: Mark, width: float) -> None:
    (x1, y1), (x2, y2) = _inset(canvas, mark.parts[0], width)
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    xs = (x1 + x2) / 2 + (x2 - x1) / 2 * np.cos(angles)
    ys = (y1 + y2) / 2 + (y2 - y1) / 2 * np.sin(angles)
    _line(canvas, tuple(zip(xs.tolist(), ys.tolist(), strict=True)), width, closed=True)


def _triangle(canvas: Canvas, mark: Mark, width: float) -> None:
    _line(canvas, _inset(canvas, mark.parts[0], width), width, closed=True)


def _scribble(canvas: Canvas, mark: Mark, width: float) -> None:
    _line(canvas, _inset(canvas, mark.parts[0], width), width, closed=False)


def _point(canvas: Canvas, mark: Mark, width: float) -> None:
    center = _fixed_point(mark.parts[0], canvas)[0]
    radius = round(POINT_RADIUS * width * (1 << _SHIFT))
    cv2.circle(canvas.pixels, center.tolist(), radius, 255, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _arrow(canvas: Canvas, mark: Mark, width: float) -> None:
    tail, tip = (np.array(point) for point in mark.parts[0])
    length = float(np.hypot(*(tip - tail)))
    along = (tip - tail) / length
    across = np.array([-along[1], along[0]])
    head = min(max(ARROW_HEAD * length, MIN_ARROW_HEAD * width), length)
    base = tip - head * along
    _line(canvas, (tuple(tail), tuple(base)), width, closed=False)
    _fill(canvas, [(tuple(tip), tuple(base + head / 2 * across), tuple(base - head / 2 * across))])


def _mask(canvas: Canvas, mark: Mark, width: float) -> None:
    _fill(canvas, mark.parts)


def _contour(canvas: Canvas, mark: Mark, width: float) -> None:
    for part in mark.parts:
        _line(canvas, _inset(canvas, part, width), width, closed=True)


_DRAWERS: Mapping[str, Callable[[Canvas, Mark, float], None]] = {
    "box": _box,
    "ellipse": _ellipse,
    "arrow": _arrow,
    "point": _point,
    "triangle": _triangle,
    "scribble": _scribble,
    "mask": _mask,
    "contour": _contour,
}


def _inset(canvas: Canvas, points: Points, line: float) -> Points:
    """Move points half a line width away from the edges, so that the whole line is visible."""
    width, height = canvas.width, canvas.height
    margin = min(line, width, height) / 2
    return tuple((_move_in(x, margin, width), _move_in(y, margin, height)) for x, y in points)


def _move_in(value: float, margin: float, side: int) -> float:
    """Move a coordinate out of the margin. One outside the image stays: the edge cuts the line."""
    return min(max(value, margin), side - margin) if 0 <= value <= side else value


def _line(canvas: Canvas, points: Points, width: float, *, closed: bool) -> None:
    thickness = min(max(round(width), 1), MAX_THICKNESS)
    fixed = _fixed_point(points, canvas)
    cv2.polylines(canvas.pixels, [fixed], closed, 255, thickness, cv2.LINE_AA, _SHIFT)


def _fill(canvas: Canvas, parts: Sequence[Points]) -> None:
    """Fill polygons by the even-odd rule: a part inside another is a hole."""
    fixed = [_fixed_point(part, canvas) for part in parts]
    cv2.fillPoly(canvas.pixels, fixed, 255, cv2.LINE_AA, _SHIFT)


def _fixed_point(points: Points, canvas: Canvas) -> NDArray[np.int32]:
    """Convert to OpenCV's fixed-point coordinates, whose origin is the centre of the first pixel."""
    fixed = np.round((np.array(points) - 0.5) * (1 << _SHIFT)).astype(np.int32)
    fixed -= np.array([canvas.left << _SHIFT, canvas.top << _SHIFT], np.int32)
    return fixed


def _blend(image: Image.Image, canvas: Canvas, color: Color, alpha: float) -> None:
    """Blend the colour into the image by the coverage in `canvas`.

    This works on bands of rows: the floats of a complete image take many times its size.
    """
    left, top, width, height = cv2.boundingRect(canvas.pixels)
    rows = max(BAND_PIXELS // max(width, 1), 1)
    for upper in range(top, top + height, rows):
        lower = min(upper + rows, top + height)
        x, y = canvas.left + left, canvas.top + upper
        band = (x, y, x + width, y + lower - upper)
        covered = canvas.pixels[upper:lower, left : left + width].reshape(-1)
        touched = np.flatnonzero(covered)  # the line of a large box touches few of the pixels in it
        pixels = np.array(image.crop(band))
        flat = pixels.reshape(-1, 3)
        background = flat[touched].astype(np.float32)
        opacity = covered[touched, None].astype(np.float32) * (alpha / 255)
        blended = np.round(background + (np.array(color.rgb, np.float32) - background) * opacity)
        flat[touched] = blended.astype(np.uint8)
        image.paste(Image.fromarray(pixels), band)
