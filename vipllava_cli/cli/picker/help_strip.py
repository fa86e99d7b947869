"""The strip below the image: the progress, the shape and colour in use, and the keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

from PIL import Image, ImageDraw, ImageFont

from vipllava_cli.cli.picker.gestures import PICKED_SHAPES
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.cli.terminal.messages import one_line

FONT_SIZE = 15  # pixels
LINE_HEIGHT = 22
_PADDING = 8
_GAP = 18  # between two texts of a line
_BACKGROUND, _INK, _KEY_INK, _CHOSEN = (32, 32, 32), (190, 190, 190), (255, 255, 255), (75, 75, 75)
_ELLIPSIS = "…"


@dataclass(frozen=True)
class Item:
    """A text with the keys that it is about. `is_chosen`: with a plate, as the shape in use."""

    text: str
    keys: str = ""
    is_chosen: bool = False

    def width(self) -> int:
        return round(_font().getlength(f"{self.keys} {self.text}" if self.keys else self.text))


@dataclass(frozen=True)
class Help:
    """The texts that do not change while an image is open: its caption, and the keys with effects."""

    caption: str
    keys: tuple[tuple[str, str], ...]

    def height(self, width: int) -> int:
        """Return the height of the strip in a window of this width."""
        lines = 1 + sum(1 for _ in chain.from_iterable(_wrap(row, width) for row in self._rows("")))
        return lines * LINE_HEIGHT + 2 * _PADDING

    def draw(self, state: PickerState, width: int) -> Image.Image:
        """Draw the strip."""
        strip = Image.new("RGB", (width, self.height(width)), _BACKGROUND)
        pen = ImageDraw.Draw(strip)
        color = state.current_color.rgb
        pen.rectangle((_PADDING, _PADDING + 3, _PADDING + 14, _PADDING + 17), color, _KEY_INK)
        left = _PADDING + 22
        status = _shorten(self._status(state), width - left - _PADDING)
        pen.text((left, _PADDING), status, _KEY_INK, _font())
        top = _PADDING + LINE_HEIGHT
        for line in chain.from_iterable(_wrap(row, width) for row in self._rows(state.shape)):
            left = _PADDING
            for item in line:
                _draw_item(pen, item, left, top)
                left += item.width() + _GAP
            top += LINE_HEIGHT
        return strip

    def _status(self, state: PickerState) -> str:
        count = len(state.kept)
        marks = "no marks yet" if not count else "1 mark" if count == 1 else f"{count} marks"
        hint = f"{state.current_color.name} {state.shape}: {PICKED_SHAPES[state.shape].hint}"
        parts = (state.message or hint, marks, one_line(self.caption))
        return "  |  ".join(part for part in parts if part)

    def _rows(self, shape: str) -> tuple[Sequence[Item], Sequence[Item]]:
        """Return the shapes, and the other keys."""
        shapes = [
            Item(name, picked.key.upper(), is_chosen=name == shape)
            for name, picked in PICKED_SHAPES.items()
        ]
        return shapes, [Item(effect, keys) for keys, effect in self.keys]


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT_SIZE)


def _wrap(items: Sequence[Item], width: int) -> Iterator[list[Item]]:
    """Break a row of texts into lines that fit into the width."""
    line: list[Item] = []
    used = 2 * _PADDING
    for item in items:
        if line and used + item.width() > width:
            yield line
            line, used = [], 2 * _PADDING
        line.append(item)
        used += item.width() + _GAP
    yield line


def _draw_item(pen: ImageDraw.ImageDraw, item: Item, left: int, top: int) -> None:
    if item.is_chosen:
        pen.rounded_rectangle((left - 5, top - 2, left + item.width() + 5, top + 18), 4, _CHOSEN)
    pen.text((left, top), item.keys, _KEY_INK, _font())
    offset = _font().getlength(f"{item.keys} ") if item.keys else 0
    pen.text((left + offset, top), item.text, _INK, _font())


def _shorten(text: str, width: int) -> str:
    """Cut the end of a text that does not fit into the width."""
    if _font().getlength(text) <= width:
        return text
    kept = text
    while kept and _font().getlength(kept + _ELLIPSIS) > width:
        kept = kept[:-1]
    return kept + _ELLIPSIS
