"""Views of an image: padded to a square, and as the model sees it."""

from PIL import Image

PADDING = (122, 116, 104)  # what ViP-LLaVA's training pads with: CLIP's mean pixel
# Of a square view, in pixels: far above what any model sees, and a square of it fits into memory.
MAX_SIDE = 8192


def pad_to_square(image: Image.Image) -> Image.Image:
    """The RGB image in the middle of a square of the padding colour.

    ViP-LLaVA trains on such squares; the checkpoint's own processor would crop the centre instead,
    and a mark at the edge with it.
    """
    image = _no_longer_than(image, MAX_SIDE)
    width, height = image.size
    if width == height:
        return image
    side = max(width, height)
    canvas = Image.new("RGB", (side, side), PADDING)
    canvas.paste(image, ((side - width) // 2, (side - height) // 2))
    return canvas


def _no_longer_than(image: Image.Image, side: int) -> Image.Image:
    longest = max(image.size)
    if longest <= side:
        return image
    width, height = (max(round(length * side / longest), 1) for length in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def model_view(image: Image.Image, side: int) -> Image.Image:
    """The square at `side` x `side` pixels, resized as the checkpoint's processor resizes it."""
    return pad_to_square(image).resize((side, side), Image.Resampling.BICUBIC)
