"""Draw marks on an image with OpenCV: a new image, the same pixels for the same input.

Widths are given in the model's 336-pixel view and scaled by max(width, height) / 336, as
ViP-LLaVA's visual_prompt_generator.py does, so that a line survives the way down to that view.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.marks.colors import Color
from vipllava_cli.marks.types import Mark, Polyline

MODEL_VIEW_SIDE = 336  # the side, in pixels, in which widths are given
POINT_RADIUS = 8 / 3  # a dot's radius in line widths: ViP-LLaVA's 8 pixels beside its width of 3
ARROW_HEAD = 0.35  # of the arrow's length
ARROW_HEAD_MIN = 4.0  # in line widths

MAX_THICKNESS = 32767  # what OpenCV can draw
BAND_PIXELS = 1 << 20  # mixed at a time

_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates

Pixels = NDArray[np.uint8]


def draw(image: Image.Image, marks: Sequence[Mark], *, numbers: bool = False) -> Image.Image:
    """The RGB image with the marks on it, and 1, 2, 3 beside them if `numbers`."""
    drawn = image.copy() if image.mode == "RGB" else image.convert("RGB")
    for mark in marks:
        _blend(drawn, coverage(mark, *image.size), mark.color, mark.alpha)
    if numbers:
        for number, mark in enumerate(marks, 1):
            _number(drawn, number, mark)
    return drawn


def is_visible(mark: Mark, width: int, height: int) -> bool:
    """Whether any pixel of an image of this size is touched: one around the image shows nothing."""
    return bool(coverage(mark, width, height).any())


def coverage(mark: Mark, width: int, height: int) -> Pixels:
    """How much of each pixel the mark covers: uint8 [height, width], 255 for all of it."""
    canvas: Pixels = np.zeros((height, width), np.uint8)
    _DRAWERS[mark.shape](canvas, mark, line_width(mark, width, height))
    return canvas


def line_width(mark: Mark, width: int, height: int) -> float:
    """The line's width in pixels of an image of this size, at least one."""
    return max(mark.width * max(width, height) / MODEL_VIEW_SIDE, 1.0)


def _box(canvas: Pixels, mark: Mark, width: float) -> None:
    corners = _inset(canvas, mark.parts[0], width)
    (x1, y1), (x2, y2) = corners
    _line(canvas, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)), width, closed=True)


def _ellipse(canvas: Pixels, mark: Mark, width: float) -> None:
    (x1, y1), (x2, y2) = _inset(canvas, mark.parts[0], width)
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    xs = (x1 + x2) / 2 + (x2 - x1) / 2 * np.cos(angles)
    ys = (y1 + y2) / 2 + (y2 - y1) / 2 * np.sin(angles)
    _line(canvas, tuple(zip(xs.tolist(), ys.tolist(), strict=True)), width, closed=True)


def _triangle(canvas: Pixels, mark: Mark, width: float) -> None:
    _line(canvas, _inset(canvas, mark.parts[0], width), width, closed=True)


def _scribble(canvas: Pixels, mark: Mark, width: float) -> None:
    _line(canvas, _inset(canvas, mark.parts[0], width), width, closed=False)


def _point(canvas: Pixels, mark: Mark, width: float) -> None:
    center = _fixed(mark.parts[0])[0]
    radius = round(POINT_RADIUS * width * (1 << _SHIFT))
    cv2.circle(canvas, center.tolist(), radius, 255, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _arrow(canvas: Pixels, mark: Mark, width: float) -> None:
    tail, tip = (np.array(point) for point in mark.parts[0])
    length = float(np.hypot(*(tip - tail)))
    along = (tip - tail) / length
    across = np.array([-along[1], along[0]])
    head = min(max(ARROW_HEAD * length, ARROW_HEAD_MIN * width), length)
    base = tip - head * along
    _line(canvas, (tuple(tail), tuple(base)), width, closed=False)
    _fill(canvas, [(tuple(tip), tuple(base + head / 2 * across), tuple(base - head / 2 * across))])


def _mask(canvas: Pixels, mark: Mark, width: float) -> None:
    _fill(canvas, mark.parts)


def _contour(canvas: Pixels, mark: Mark, width: float) -> None:
    for part in mark.parts:
        _line(canvas, _inset(canvas, part, width), width, closed=True)


_DRAWERS: Mapping[str, Callable[[Pixels, Mark, float], None]] = {
    "box": _box,
    "ellipse": _ellipse,
    "triangle": _triangle,
    "point": _point,
    "scribble": _scribble,
    "mask": _mask,
    "contour": _contour,
    "arrow": _arrow,
}


def _inset(canvas: Pixels, points: Polyline, width: float) -> Polyline:
    """The points kept half a line away from the image's edge, so that the whole line shows."""
    height, full = canvas.shape
    room = min(width, full, height) / 2
    return tuple((_moved_in(x, room, full), _moved_in(y, room, height)) for x, y in points)


def _moved_in(value: float, room: float, side: int) -> float:
    """A coordinate on the edge, or just inside it, moved in; one outside is left to the edge's cut."""
    return min(max(value, room), side - room) if 0 <= value <= side else value


def _line(canvas: Pixels, points: Polyline, width: float, *, closed: bool) -> None:
    thickness = min(max(round(width), 1), MAX_THICKNESS)
    cv2.polylines(canvas, [_fixed(points)], closed, 255, thickness, cv2.LINE_AA, _SHIFT)


def _fill(canvas: Pixels, parts: Sequence[Polyline]) -> None:
    """Fill by the even-odd rule: a part inside another is a hole."""
    cv2.fillPoly(canvas, [_fixed(part) for part in parts], 255, cv2.LINE_AA, _SHIFT)


def _fixed(points: Polyline) -> NDArray[np.int32]:
    """Points with the origin at the image's corner -> OpenCV's, at the first pixel's centre."""
    return np.round((np.array(points) - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _blend(image: Image.Image, canvas: Pixels, color: Color, alpha: float) -> None:
    """Lay the colour over the image where the canvas is not 0, a band of rows at a time: floats of
    a whole image take many times its size.
    """
    left, top, width, height = cv2.boundingRect(canvas)
    rows = max(BAND_PIXELS // max(width, 1), 1)
    for upper in range(top, top + height, rows):
        lower = min(upper + rows, top + height)
        place = (left, upper, left + width, lower)
        below = np.asarray(image.crop(place)).astype(np.float32)
        covered = canvas[upper:lower, left : left + width, None]
        share = covered.astype(np.float32) * (alpha / 255)
        above = np.round(below + (np.array(color.rgb, np.float32) - below) * share)
        image.paste(Image.fromarray(above.astype(np.uint8)), place)


def _number(image: Image.Image, number: int, mark: Mark) -> None:
    """Write the number on a plate of the mark's colour, at its upper left, inside the image."""
    width, height = image.size
    size = max(16 * max(width, height) / MODEL_VIEW_SIDE, 10.0)
    scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, max(round(size * 0.6), 1))
    weight = max(round(size / 9), 1)
    (text_width, text_height), _ = cv2.getTextSize(
        str(number), cv2.FONT_HERSHEY_SIMPLEX, scale, weight
    )
    plate = (text_width + round(size * 0.5), text_height + round(size * 0.5))
    left, top = (round(edge) for edge in mark.bounds[:2])
    left = min(max(left, 0), max(width - plate[0], 0))
    top = min(max(top - plate[1], 0), max(height - plate[1], 0))
    rgb = mark.color.rgb
    luminance = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
    ink = (0, 0, 0) if luminance > 140 else (255, 255, 255)
    pixels = np.full((plate[1] + 1, plate[0] + 1, 3), rgb, np.uint8)
    origin = ((plate[0] - text_width) // 2, (plate[1] + text_height) // 2)
    cv2.putText(
        pixels, str(number), origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, weight, cv2.LINE_AA
    )
    image.paste(Image.fromarray(pixels), (left, top))
