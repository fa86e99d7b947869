"""Write 1, 2, 3 beside marks, on plates in the colours of the marks."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.marks.number_anchor import find_anchor
from vipllava_cli.marks.number_layout import MIN_SIZE, Layout, Plate, count_places, lay_out
from vipllava_cli.marks.shape_table import MODEL_VIEW_SIDE
from vipllava_cli.marks.types import Mark

_SIZE = 16  # pixels of the model's 336-pixel view: the height of a plate
_CLEARANCE = 0.9  # of the height of a plate: from its centre to the edge of its region
_MIN_DEFAULT_SIZE = 10.0  # pixels of the image
_MIN_FONT_SIZE = 10.0  # pixels: smaller digits are readable only as the dots below

_DOTS: Mapping[str, tuple[str, ...]] = {
    "0": ("###", "# #", "# #", "# #", "###"),
    "1": (" # ", "## ", " # ", " # ", "###"),
    "2": ("###", "  #", "###", "#  ", "###"),
    "3": ("###", "  #", " ##", "  #", "###"),
    "4": ("# #", "# #", "###", "  #", "  #"),
    "5": ("###", "#  ", "###", "  #", "###"),
    "6": ("###", "#  ", "###", "# #", "###"),
    "7": ("###", "  #", " # ", " # ", " # "),
    "8": ("###", "# #", "###", "# #", "###"),
    "9": ("###", "# #", "###", "  #", "###"),
}


def place_numbers(marks: Sequence[Mark], image: tuple[int, int], *, inside: bool = False) -> Layout:
    """Place the numbers of marks on an image of this width and height.

    With `inside`, a number goes onto its region if it leaves most of it free, else beside it.
    """
    size = max(_SIZE * max(image) / MODEL_VIEW_SIDE, _MIN_DEFAULT_SIZE)
    anchors = [find_anchor(mark, size * _CLEARANCE) for mark in marks] if inside else None
    bounds = [mark.bounds for mark in marks]
    return lay_out(bounds, image, size, partial(_plate_on, min(image)), anchors)


def count_numbers(count: int, image: tuple[int, int]) -> int:
    """Return how many of the numbers 1 to `count` have room on an image."""
    return count_places(count, image, _plate_size)


def draw_numbers(image: Image.Image, marks: Sequence[Mark], *, inside: bool = False) -> None:
    """Write 1, 2, 3 beside the marks, on the image itself. Numbers without room are left out."""
    layout = place_numbers(marks, image.size, inside=inside)
    for plate, mark in zip(layout.plates, marks, strict=False):
        if plate.is_far:
            _draw_line(image, plate, mark, max(round(layout.size / 9), 1))
    for number, (plate, mark) in enumerate(zip(layout.plates, marks, strict=False), 1):
        paste_number(image, number, layout.size, mark.color.rgb, (plate.left, plate.top))


def paste_number(
    image: Image.Image, number: int, size: float, rgb: tuple[int, int, int], at: tuple[int, int]
) -> None:
    """Write a number on a plate of a colour, with its left top corner at a point of the image."""
    image.paste(Image.fromarray(_draw_plate(number, size, rgb)), at)


def _plate_on(side: int, number: int, size: float) -> tuple[int, int]:
    """Return the size of a plate on an image whose shorter side is `side`.

    OpenCV 5.0.0 takes a second to measure a digit of 50,000 pixels. A plate whose margin alone is
    larger than the image has no place, whatever the digits measure.
    """
    margin = round(size * 0.5) + 1
    return (
        (margin, margin) if margin > side and size >= _MIN_FONT_SIZE else _plate_size(number, size)
    )


@lru_cache(maxsize=4096)  # a number has one size for many plates, and several steps ask for it
def _plate_size(number: int, size: float) -> tuple[int, int]:
    """Return the width and height of the plate of a number."""
    if size < _MIN_FONT_SIZE:
        dot = _dot(size)
        return dot * (4 * len(str(number)) + 1), dot * 7
    (width, height), _, _ = _measure_text(number, size)
    return width + round(size * 0.5) + 1, height + round(size * 0.5) + 1


def _dot(size: float) -> int:
    return max(int(size / MIN_SIZE), 1)


def _measure_text(number: int, size: float) -> tuple[tuple[int, int], float, int]:
    """Return the width and height of a number, with the scale and weight of its font."""
    scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, max(round(size * 0.6), 1))
    weight = max(round(size / 9), 1)
    (width, height), _ = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    return (width, height), scale, weight


def _draw_plate(number: int, size: float, rgb: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Draw a number on its plate. Returns uint8 [height, width, 3] in RGB."""
    plate_width, plate_height = _plate_size(number, size)
    luminance = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
    ink = (0, 0, 0) if luminance > 140 else (255, 255, 255)
    pixels = np.full((plate_height, plate_width, 3), rgb, np.uint8)
    if size < _MIN_FONT_SIZE:
        dots = [" ".join(_DOTS[digit][row] for digit in str(number)) for row in range(5)]
        shown = np.array([[dot == "#" for dot in line] for line in dots])
        pixels[_dot(size) : -_dot(size), _dot(size) : -_dot(size)][
            np.kron(shown, np.ones((_dot(size), _dot(size)))) > 0
        ] = ink
        return pixels
    (width, height), scale, weight = _measure_text(number, size)
    origin = ((plate_width - 1 - width) // 2, (plate_height - 1 + height) // 2)
    cv2.putText(
        pixels, str(number), origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, weight, cv2.LINE_AA
    )
    return pixels


def _draw_line(image: Image.Image, plate: Plate, mark: Mark, width: int) -> None:
    """Draw a line from a plate to the nearest point of its mark's bounds."""
    from PIL import ImageDraw

    left, top, right, bottom = mark.bounds
    x, y = plate.left + plate.width / 2, plate.top + plate.height / 2
    end = (min(max(x, left), right), min(max(y, top), bottom))
    ImageDraw.Draw(image).line([(x, y), end], mark.color.rgb, width)
