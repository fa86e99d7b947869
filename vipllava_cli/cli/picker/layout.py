"""Where the image is in the window, and which of its pixels is under the mouse."""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from vipllava_cli.marks.types import XY

Size = tuple[int, int]  # width, height, in pixels

MARGIN = 8  # pixels around the image, so that the mouse reaches its edges
ENLARGED_SIDE = 800  # pixels: a smaller image is enlarged to this longer side at most
MIN_WIDTH = 640  # pixels of the window: the help needs few lines


@dataclass(frozen=True)
class Layout:
    """An image of size `image` in a window of size `window`.

    The image is shown in the size `shown`, with its top left at (`left`, `top`).
    """

    image: Size
    window: Size
    shown: Size
    left: int
    top: int

    def to_image(self, x: float, y: float) -> XY:
        """Convert a pixel of the window to whole pixels of the image. The result may lie outside."""
        return (
            float(floor((x - self.left) * self.image[0] / self.shown[0] + 0.5)),
            float(floor((y - self.top) * self.image[1] / self.shown[1] + 0.5)),
        )


def lay_out(image: Size, window: Size, help_height: int) -> Layout:
    """Centre an image above the help. Large images are shrunk to fit, small ones are enlarged."""
    width, height = window[0], max(window[1] - help_height, 1)
    room = max(width - 2 * MARGIN, 1), max(height - 2 * MARGIN, 1)
    fit = min(room[0] / image[0], room[1] / image[1])
    scale = min(fit, max(ENLARGED_SIDE / max(image), 1.0))
    shown = max(round(image[0] * scale), 1), max(round(image[1] * scale), 1)
    return Layout(image, window, shown, (width - shown[0]) // 2, (height - shown[1]) // 2)


def window_size(layout: Layout, help_height: Callable[[int], int]) -> Size:
    """Return the size of a window without room that neither the image nor the help needs.

    `help_height` returns the height of the help in a window of a width.
    """
    width = max(layout.shown[0] + 2 * MARGIN, min(MIN_WIDTH, layout.window[0]))
    return width, min(layout.shown[1] + 2 * MARGIN + help_height(width), layout.window[1])
