"""The strip below the image: the progress, the shape and colour in use, and the keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.cli.picker.gestures import PICKED_SHAPES
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.cli.terminal.messages import one_line

LINE_HEIGHT = 22
_FONT_SIZE, _FONT_WEIGHT = 15, 400
_BASELINE = 15  # pixels below the top of a line
_PADDING = 8
_GAP = 18  # between two texts of a line
_KEY_GAP = 5  # between a key and its effect
_SWATCH = 14  # pixels of the side of the colour sample
_BACKGROUND, _INK, _KEY_INK, _CHOSEN = (32, 32, 32), (190, 190, 190), (255, 255, 255), (80, 80, 80)
_ELLIPSIS = "…"

RGB = tuple[int, int, int]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Item:
    """A text with the keys that it is about. `is_chosen`: with a plate, as the shape in use."""

    text: str
    keys: str = ""
    is_chosen: bool = False

    @property
    def text_offset(self) -> int:
        """The distance of the text from the left, in pixels."""
        return text_width(self.keys) + _KEY_GAP if self.keys else 0

    @property
    def width(self) -> int:
        return self.text_offset + text_width(self.text)


@dataclass(frozen=True)
class Help:
    """The texts that do not change while an image is open: its caption, and the keys with effects."""

    caption: str
    keys: tuple[tuple[str, str], ...]

    def height(self, width: int) -> int:
        """Return the height of the strip in a window of this width."""
        lines = 1 + sum(1 for _ in self.lines("", width))
        return lines * LINE_HEIGHT + 2 * _PADDING

    def draw(self, state: PickerState, width: int) -> Image.Image:
        """Draw the strip."""
        pixels: Pixels = np.full((self.height(width), width, 3), _BACKGROUND, np.uint8)
        _rectangle(pixels, _PADDING, _PADDING + 2, _SWATCH, _SWATCH, state.current_color.rgb)
        left = _PADDING + _SWATCH + 8
        status = _shorten(self.status(state), width - left - _PADDING)
        _write(pixels, status, left, _PADDING, _KEY_INK)
        top = _PADDING + LINE_HEIGHT
        for line in self.lines(state.shape, width):
            left = _PADDING
            for item in line:
                _draw_item(pixels, item, left, top)
                left += item.width + _GAP
            top += LINE_HEIGHT
        return Image.fromarray(pixels)

    def status(self, state: PickerState) -> str:
        """Return the first line: a message or a hint, the number of marks, and the caption."""
        count = len(state.kept)
        marks = "no marks yet" if not count else "1 mark" if count == 1 else f"{count} marks"
        hint = f"{state.current_color.name} {state.shape}: {PICKED_SHAPES[state.shape].hint}"
        parts = (state.message or hint, marks, one_line(self.caption))
        return "  |  ".join(part for part in parts if part)

    def lines(self, shape: str, width: int) -> Iterator[list[Item]]:
        """Iterate over the other lines: the shapes, then the other keys."""
        shapes = [
            Item(name, picked.key.upper(), is_chosen=name == shape)
            for name, picked in PICKED_SHAPES.items()
        ]
        keys = [Item(effect, keys) for keys, effect in self.keys]
        return chain(_wrap(shapes, width), _wrap(keys, width))


# --- text ------------------------------------------------------------------------------------
# OpenCV has a font for all scripts: a file name may be in any of them.


@cache
def _font() -> Any:
    return cv2.FontFace("sans")


@lru_cache(maxsize=1024)
def text_width(text: str) -> int:
    """Return the width of a text in pixels."""
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _font(), _FONT_SIZE, _FONT_WEIGHT)
    return int(width)


def _write(pixels: Pixels, text: str, left: int, top: int, color: RGB) -> None:
    origin = (left, top + _BASELINE)
    cv2.putText(pixels, text, origin, color, _font(), _FONT_SIZE, _FONT_WEIGHT)


def _rectangle(pixels: Pixels, left: int, top: int, width: int, height: int, color: RGB) -> None:
    corner = (left + width - 1, top + height - 1)
    cv2.rectangle(pixels, (left, top), corner, color, cv2.FILLED)


def _draw_item(pixels: Pixels, item: Item, left: int, top: int) -> None:
    if item.is_chosen:
        _rectangle(pixels, left - 5, top - 1, item.width + 10, LINE_HEIGHT - 1, _CHOSEN)
    _write(pixels, item.keys, left, top, _KEY_INK)
    _write(pixels, item.text, left + item.text_offset, top, _INK)


def _wrap(items: Sequence[Item], width: int) -> Iterator[list[Item]]:
    """Break a row of texts into lines that fit into the width."""
    line: list[Item] = []
    used = 2 * _PADDING
    for item in items:
        if line and used + item.width > width:
            yield line
            line, used = [], 2 * _PADDING
        line.append(item)
        used += item.width + _GAP
    yield line


def _shorten(text: str, width: int) -> str:
    """Cut the end of a text that does not fit into the width."""
    if text_width(text) <= width:
        return text
    kept = text
    while kept and text_width(kept + _ELLIPSIS) > width:
        kept = kept[:-1]
    return kept + _ELLIPSIS
