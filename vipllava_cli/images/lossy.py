"""Whether an image comes from a JPEG. It may be a JPEG again, in a tenth of the time of a PNG."""

from PIL import Image

_KEY = "vipllava_lossy"  # in Pillow's dictionary of an image's properties, which copies keep
_JPEG_START = b"\xff\xd8\xff"


def remember_loss(image: Image.Image, data: bytes) -> Image.Image:
    """Note in an image whether the file that it comes from is a JPEG. Returns the image."""
    image.info[_KEY] = data.startswith(_JPEG_START)
    return image


def is_lossy(image: Image.Image) -> bool:
    """Return whether an image comes from a JPEG. An image of unknown origin does not."""
    return bool(image.info.get(_KEY))
