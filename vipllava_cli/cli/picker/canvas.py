"""Draw the window: the image with its marks, as they will be in the result, and the help below."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.cli.picker.help_strip import Help
from vipllava_cli.cli.picker.layout import Layout, Size
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.numbers import draw_numbers
from vipllava_cli.marks.types import Mark

_BACKGROUND = (60, 60, 60)


class Canvas:
    """The content of the window for one image and one size of the window.

    Draws on a large image after it is shrunk, so that its size does not matter: widths are relative to
    the size of the image, and the marks look the same. Draws on a small image before it is enlarged.
    The finished marks are drawn once and kept.
    """

    def __init__(self, image: Image.Image, layout: Layout, help: Help, *, numbers: bool) -> None:
        self.layout = layout
        self._help = help
        self._numbers = numbers
        is_shrunk = max(layout.shown) < max(layout.image)
        self._image = _resize(image, layout.shown) if is_shrunk else image
        self._drawn: tuple[tuple[Mark, ...], Image.Image] = ((), self._image)

    def render(self, state: PickerState) -> NDArray[np.uint8]:
        """Draw the window. Returns uint8 [height, width, 3] in OpenCV's order, blue first."""
        window = Image.new("RGB", self.layout.window, _BACKGROUND)
        window.paste(self._draw_marks(state), (self.layout.left, self.layout.top))
        strip = self._help.draw(state, self.layout.window[0])
        window.paste(strip, (0, max(self.layout.window[1] - strip.height, 0)))
        pixels: NDArray[np.uint8] = cv2.cvtColor(np.asarray(window), cv2.COLOR_RGB2BGR)
        return pixels

    def _draw_marks(self, state: PickerState) -> Image.Image:
        """Draw the finished marks and the mark in progress, in the order of the result."""
        finished = (*state.before, *state.kept)
        if self._drawn[0] != finished:
            self._drawn = (finished, draw(self._image, self._scale(finished)))
        preview = state.preview()
        rest = (*((preview,) if preview else ()), *state.after)
        drawn = draw(self._drawn[1], self._scale(rest))
        if self._numbers:
            draw_numbers(drawn, self._scale((*finished, *rest)))
        return _resize(drawn, self.layout.shown)

    def _scale(self, marks: tuple[Mark, ...]) -> list[Mark]:
        """Convert marks from pixels of the image to pixels of the image that is drawn on."""
        across, down = (
            drawn / side for drawn, side in zip(self._image.size, self.layout.image, strict=True)
        )
        return [
            replace(
                mark,
                parts=tuple(tuple((x * across, y * down) for x, y in part) for part in mark.parts),
            )
            for mark in marks
        ]


def _resize(image: Image.Image, size: Size) -> Image.Image:
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
