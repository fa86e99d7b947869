"""The square view of an image that the model sees."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

PADDING = (122, 116, 104)  # the mean pixel of CLIP, with which ViP-LLaVA's training pads
MAX_SIDE = 8192  # pixels of a square: above the input of any model, and small enough for memory


def pad_to_square(image: Image.Image) -> Image.Image:
    """Centre an RGB image in a square of the padding colour. Sides above MAX_SIDE are scaled down.

    ViP-LLaVA trains on such squares. The checkpoint's own processor crops the centre instead, and
    can crop a mark away.
    """
    place = place_in_square(image.size)
    if place.size != image.size:
        image = image.resize(place.size, Image.Resampling.BICUBIC)
    width, height = image.size
    if width == height:
        return image
    canvas = Image.new("RGB", (place.side, place.side), PADDING)
    canvas.paste(image, (place.left, place.top))
    return canvas


@dataclass(frozen=True)
class SquarePlace:
    """Where an image lies in its square, in pixels of a square of `side` pixels.

    `size` is the width and height of the image in it, and `original` that of the image itself.
    """

    side: int
    left: int
    top: int
    size: tuple[int, int]
    original: tuple[int, int]

    def enter(self, points: Sequence[float]) -> tuple[float, ...]:
        """Convert x, y, x, y, … of the image to those of the square."""
        offsets = (self.left, self.top)
        return tuple(
            value * self.size[at % 2] / self.original[at % 2] + offsets[at % 2]
            for at, value in enumerate(points)
        )

    def leave(self, points: Sequence[float]) -> tuple[float, ...]:
        """Convert x, y, x, y, … of the square to those of the image. They may lie outside it."""
        offsets = (self.left, self.top)
        return tuple(
            (value - offsets[at % 2]) * self.original[at % 2] / self.size[at % 2]
            for at, value in enumerate(points)
        )


def shrink(image: Image.Image) -> Image.Image:
    """Return an image as it is, with sides of at most MAX_SIDE."""
    size = place_in_square(image.size).size
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def place_in_square(size: tuple[int, int]) -> SquarePlace:
    """Return where `pad_to_square` puts an image of this width and height."""
    longest = max(size)
    width, height = size
    if longest > MAX_SIDE:
        width, height = (max(round(length * MAX_SIDE / longest), 1) for length in size)
    side = max(width, height)
    return SquarePlace(side, (side - width) // 2, (side - height) // 2, (width, height), size)


def model_view(image: Image.Image, side: int) -> Image.Image:
    """Pad to a square and resize to `side` x `side` pixels, as the checkpoint's processor does."""
    return pad_to_square(image).resize((side, side), Image.Resampling.BICUBIC)
