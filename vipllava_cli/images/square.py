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
    return fit_to_model(image, is_padded=True)


def fit_to_model(image: Image.Image, *, is_padded: bool) -> Image.Image:
    """Return the image that a model's processor gets: a square if `is_padded`, else as it is.

    Sides above MAX_SIDE are scaled down.
    """
    place = place_for_model(image.size, is_padded=is_padded)
    if place.size != image.size:
        image = image.resize(place.size, Image.Resampling.BICUBIC)
    if place.frame == image.size:
        return image
    canvas = Image.new("RGB", place.frame, PADDING)
    canvas.paste(image, (place.left, place.top))
    return canvas


@dataclass(frozen=True)
class SentPlace:
    """Where an image lies in the one that the model receives, in pixels of that.

    `frame` is the width and height of what the model receives, `size` that of the image in it, and
    `original` that of the image itself.
    """

    frame: tuple[int, int]
    left: int
    top: int
    size: tuple[int, int]
    original: tuple[int, int]

    def to_sent(self, points: Sequence[float]) -> tuple[float, ...]:
        """Convert x, y, x, y, … of the image to those of the image that the model receives."""
        offsets = (self.left, self.top)
        return tuple(
            value * self.size[at % 2] / self.original[at % 2] + offsets[at % 2]
            for at, value in enumerate(points)
        )

    def to_original(self, points: Sequence[float]) -> tuple[float, ...]:
        """Convert x, y, x, y, … of what the model receives to those of the image; may lie outside it."""
        offsets = (self.left, self.top)
        return tuple(
            (value - offsets[at % 2]) * self.original[at % 2] / self.size[at % 2]
            for at, value in enumerate(points)
        )


def place_for_model(size: tuple[int, int], *, is_padded: bool = True) -> SentPlace:
    """Return where `fit_to_model` puts an image of this width and height."""
    longest = max(size)
    width, height = size
    if longest > MAX_SIDE:
        width, height = (max(round(length * MAX_SIDE / longest), 1) for length in size)
    if not is_padded:
        return SentPlace((width, height), 0, 0, (width, height), size)
    side = max(width, height)
    place = (side - width) // 2, (side - height) // 2
    return SentPlace((side, side), *place, (width, height), size)


def model_view(image: Image.Image, side: int) -> Image.Image:
    """Pad to a square and resize to `side` x `side` pixels, as the checkpoint's processor does."""
    return pad_to_square(image).resize((side, side), Image.Resampling.BICUBIC)
