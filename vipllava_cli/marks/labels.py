"""Write the labels of marks beside them, on plates in the colours of the marks."""

import threading
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import cv2
import numpy as np
from PIL import Image

from vipllava_cli.marks.number_layout import MIN_SIZE, Plate, lay_out
from vipllava_cli.marks.shape_table import MODEL_VIEW_SIDE
from vipllava_cli.marks.types import Mark

MAX_LABELS = 200  # more of them hide the image

_SIZE = 14  # pixels of the model's 336-pixel view: the height of a plate
_MIN_DEFAULT_SIZE = 12.0  # pixels of the image
_MAX_LENGTH = 24  # characters
_FONT_SHARE = 0.72  # of the height of a plate
_WEIGHT = 500
_FONT_LOCK = threading.Lock()  # OpenCV's font keeps the size of the text that it draws


def draw_labels(image: Image.Image, marks: Sequence[Mark]) -> None:
    """Write the labels of marks on the image itself. Labels without room are left out."""
    texts = [_shown_text(mark.label) for mark in marks]
    named = [at for at, text in enumerate(texts) if _fits(text, image.width)][:MAX_LABELS]
    # The layout takes the last plate for the widest.
    named.sort(key=lambda at: _plate_size(texts[at], MIN_SIZE)[0])
    size = max(_SIZE * max(image.size) / MODEL_VIEW_SIDE, _MIN_DEFAULT_SIZE)
    layout = lay_out(
        [marks[at].bounds for at in named],
        image.size,
        size,
        lambda number, size: _plate_size(texts[named[number - 1]], size),
    )
    for plate, at in zip(layout.plates, named, strict=False):
        _draw_plate(image, plate, layout.size, texts[at], marks[at].color.rgb)


def _fits(text: str, width: int) -> bool:
    return bool(text) and _plate_size(text, MIN_SIZE)[0] <= width


def _shown_text(label: str | None) -> str:
    """Return a label as it is drawn: short, on one line, without control characters."""
    words = " ".join((label or "").split())
    text = "".join(each for each in words if not unicodedata.category(each).startswith("C"))
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 1]}…"


@cache
def _font() -> Any:
    return cv2.FontFace("sans")  # OpenCV has a font for all scripts


def _font_size(size: float) -> int:
    return max(round(size * _FONT_SHARE), 5)


@lru_cache(maxsize=4096)
def _plate_size(text: str, size: float) -> tuple[int, int]:
    """Return the width and height of the plate of a text."""
    with _FONT_LOCK:
        _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _font(), _font_size(size), _WEIGHT)
    return int(width) + round(size / 2) + 1, round(size) + 1


def _draw_plate(
    image: Image.Image, plate: Plate, size: float, text: str, rgb: tuple[int, int, int]
) -> None:
    luminance = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
    ink = (0, 0, 0) if luminance > 140 else (255, 255, 255)
    pixels = np.full((plate.height, plate.width, 3), rgb, np.uint8)
    origin = (round(size / 4), round(size * 0.76))
    with _FONT_LOCK:
        cv2.putText(pixels, text, origin, ink, _font(), _font_size(size), _WEIGHT)
    image.paste(Image.fromarray(pixels), (plate.left, plate.top))
