"""The square view of an image that the model sees."""

from typing import NamedTuple

from PIL import Image

PADDING = (122, 116, 104)  # the mean pixel of CLIP, with which ViP-LLaVA's training pads
MAX_SIDE = 8192  # pixels of a square: above the input of any model, and small enough for memory


class SquarePlace(NamedTuple):
    """Where an image lies in its square of `side` pixels: its left, top, width and height there."""

    side: int
    left: int
    top: int
    width: int
    height: int


def place_in_square(size: tuple[int, int]) -> SquarePlace:
    """Return where `pad_to_square` puts an image of this width and height."""
    longest = max(size)
    side = min(longest, MAX_SIDE)
    width, height = size
    if longest > MAX_SIDE:
        width, height = (max(round(length * MAX_SIDE / longest), 1) for length in size)
    return SquarePlace(side, (side - width) // 2, (side - height) // 2, width, height)


def pad_to_square(image: Image.Image) -> Image.Image:
    """Centre an RGB image in a square of the padding colour. Sides above MAX_SIDE are scaled down.

    ViP-LLaVA trains on such squares. The checkpoint's own processor crops the centre instead, and
    can crop a mark away.
    """
    place = place_in_square(image.size)
    inner = (place.width, place.height)
    if image.size != inner:
        image = image.resize(inner, Image.Resampling.BICUBIC)
    if place.width == place.height:
        return image
    canvas = Image.new("RGB", (place.side, place.side), PADDING)
    canvas.paste(image, (place.left, place.top))
    return canvas


def model_view(image: Image.Image, side: int) -> Image.Image:
    """Pad to a square and resize to `side` x `side` pixels, as the checkpoint's processor does."""
    return pad_to_square(image).resize((side, side), Image.Resampling.BICUBIC)
