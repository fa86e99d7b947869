"""The square view of an image that the model sees."""

from PIL import Image

PADDING = (122, 116, 104)  # the mean pixel of CLIP, with which ViP-LLaVA's training pads
MAX_SIDE = 8192  # pixels of a square: above the input of any model, and small enough for memory


def pad_to_square(image: Image.Image) -> Image.Image:
    """Centre an RGB image in a square of the padding colour. Sides above MAX_SIDE are scaled down.

    ViP-LLaVA trains on such squares. The checkpoint's own processor crops the centre instead, and
    can crop a mark away.
    """
    image = _shrink(image, MAX_SIDE)
    width, height = image.size
    if width == height:
        return image
    side = max(width, height)
    canvas = Image.new("RGB", (side, side), PADDING)
    canvas.paste(image, ((side - width) // 2, (side - height) // 2))
    return canvas


def fit_to_model(image: Image.Image, *, is_padded: bool) -> Image.Image:
    """Return the image that a model's processor gets: a square if `is_padded`, else as it is.

    Sides above MAX_SIDE are scaled down.
    """
    return pad_to_square(image) if is_padded else _shrink(image, MAX_SIDE)


def _shrink(image: Image.Image, side: int) -> Image.Image:
    longest = max(image.size)
    if longest <= side:
        return image
    width, height = (max(round(length * side / longest), 1) for length in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def model_view(image: Image.Image, side: int) -> Image.Image:
    """Pad to a square and resize to `side` x `side` pixels, as the checkpoint's processor does."""
    return pad_to_square(image).resize((side, side), Image.Resampling.BICUBIC)
