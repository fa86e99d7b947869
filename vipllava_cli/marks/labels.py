"""Write the labels of marks beside them, on plates in the colours of the marks."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from vipllava_cli.marks.number_layout import MIN_SIZE, Plate, lay_out
from vipllava_cli.marks.shape_table import MODEL_VIEW_SIDE
from vipllava_cli.marks.types import Mark

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

MAX_LABELS = 200  # more of them hide the image

_SIZE = 14  # pixels of the model's 336-pixel view: the height of a plate
_MIN_DEFAULT_SIZE = 12.0  # pixels of the image
_MAX_LENGTH = 24  # characters
_FONT_SHARE = 0.72  # of the height of a plate
_LAST_LETTER = "\u024f"  # of the letters that the font has


def draw_labels(image: Image.Image, marks: Sequence[Mark]) -> None:
    """Write the labels of marks on the image itself. Labels without room are left out.

    A label that the font cannot show is replaced by the number of its mark, from 1.
    """
    texts = {number: _shown_text(mark.label, number) for number, mark in enumerate(marks, 1)}
    named = [number for number, text in texts.items() if _fits(text, image.width)][:MAX_LABELS]
    # The layout takes the last plate for the widest.
    named.sort(key=lambda number: _plate_size(texts[number], MIN_SIZE)[0])
    size = max(_SIZE * max(image.size) / MODEL_VIEW_SIDE, _MIN_DEFAULT_SIZE)
    layout = lay_out(
        [marks[number - 1].bounds for number in named],
        image.size,
        size,
        lambda place, size: _plate_size(texts[named[place - 1]], size),
    )
    for plate, number in zip(layout.plates, named, strict=False):
        _draw_plate(image, plate, layout.size, texts[number], marks[number - 1].color.rgb)


def _fits(text: str, width: int) -> bool:
    return bool(text) and _plate_size(text, MIN_SIZE)[0] <= width


def _shown_text(label: str | None, number: int) -> str:
    """Return a label as it is drawn: short, on one line, in letters that the font has."""
    text = " ".join((label or "").split())
    if not all(each <= _LAST_LETTER and not _is_control(each) for each in text):
        return str(number)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."


def _is_control(character: str) -> bool:
    return unicodedata.category(character).startswith("C")


@lru_cache(maxsize=64)
def _font(size: float) -> "FreeTypeFont | ImageFont":
    from PIL import ImageFont

    return ImageFont.load_default(max(size * _FONT_SHARE, 5))


@lru_cache(maxsize=4096)
def _plate_size(text: str, size: float) -> tuple[int, int]:
    """Return the width and height of the plate of a text."""
    return round(_font(size).getlength(text) + size / 2) + 1, round(size) + 1


def _draw_plate(
    image: Image.Image, plate: Plate, size: float, text: str, rgb: tuple[int, int, int]
) -> None:
    luminance = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
    ink = (0, 0, 0) if luminance > 140 else (255, 255, 255)
    drawing = ImageDraw.Draw(image)
    right, bottom = plate.left + plate.width - 1, plate.top + plate.height - 1
    drawing.rectangle((plate.left, plate.top, right, bottom), rgb)
    center = (plate.left + plate.width / 2, plate.top + plate.height / 2)
    drawing.text(center, text, ink, _font(size), anchor="mm")
