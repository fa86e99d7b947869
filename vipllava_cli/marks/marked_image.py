"""An image with its marks, and the crop of `--zoom`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from PIL import Image

from vipllava_cli.images.fetch import display_name, read_bytes
from vipllava_cli.images.load import decode, fingerprint, read_orientation, upright_size
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.types import Mark, shift_mark


class ImageFile:
    """An encoded image that is decoded on first use. Safe to use from several threads.

    `size` is the upright width and height, from the header. `fingerprint` is a hash of the bytes.
    """

    def __init__(self, source: str, data: bytes) -> None:
        self.source = source
        self.data = data
        # Not `cached_property`: in Python 3.11 it has one lock for all images, and decodes one at a time.
        self._lock = Lock()
        self._image: Image.Image | None = None
        self.fingerprint = fingerprint(data)
        self.size = upright_size(data, display_name(source))

    @property
    def image(self) -> Image.Image:
        """The upright RGB image. Raises InputError."""
        with self._lock:
            if self._image is None:
                self._image = decode(self.data, display_name(self.source))
            return self._image

    def read_orientation(self) -> int:
        """Read the EXIF orientation, 1 to 8, from the header."""
        return read_orientation(self.data, display_name(self.source))


def open_image(source: str) -> ImageFile:
    """Read the image at a path, an address or `-`, without decoding it. Raises InputError."""
    return ImageFile(source, read_bytes(source))


@dataclass(frozen=True)
class MarkedImage:
    """An image file and the marks on it.

    `crop` is the part that the model sees: left, top, right, bottom in pixels. None is the full image.
    """

    file: ImageFile
    marks: tuple[Mark, ...] = ()
    numbers: bool = False
    crop: tuple[int, int, int, int] | None = None

    def drawn(self) -> Image.Image:
        """Draw the marks on the image, or on its crop. Raises InputError."""
        image = self.file.image
        if self.crop is None:
            return draw(image, self.marks, numbers=self.numbers)
        marks = [shift_mark(mark, -self.crop[0], -self.crop[1]) for mark in self.marks]
        return draw(image.crop(self.crop), marks, numbers=self.numbers)


def zoom_in(marked: MarkedImage) -> MarkedImage:
    """Crop to the marks and their context. An image without marks is not cropped."""
    if not marked.marks:
        return marked
    return replace(marked, crop=crop_around(marked.marks, marked.file.size))


def crop_around(marks: Sequence[Mark], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a crop around the marks: left, top, right, bottom in pixels.

    The context on each side is as wide as the longer side of the marks, and at least a tenth of the
    longer side of the image.
    """
    width, height = size
    lefts, tops, rights, bottoms = zip(*(mark.bounds for mark in marks), strict=True)
    left, top, right, bottom = min(lefts), min(tops), max(rights), max(bottoms)
    context = max(right - left, bottom - top, 0.1 * max(size))
    return (
        max(int(left - context), 0),
        max(int(top - context), 0),
        min(int(right + context) + 1, width),
        min(int(bottom + context) + 1, height),
    )
