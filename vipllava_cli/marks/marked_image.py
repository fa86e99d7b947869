"""An image with its marks, whole or zoomed, ready to be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from PIL import Image

from vipllava_cli.images.fetch import display_name, read_bytes
from vipllava_cli.images.load import decode, fingerprint, upright_size
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.types import Mark, shift_mark


class ImageFile:
    """An encoded image, decoded when its pixels are wanted; its upright size and the hash of its
    bytes are known before. May be used from several threads.
    """

    def __init__(self, source: str, data: bytes) -> None:
        self.source = source
        self.data = data
        self._lock = Lock()  # of its own: `cached_property` of Python 3.11 has one for all images
        self._image: Image.Image | None = None
        self.fingerprint = fingerprint(data)
        self.size = upright_size(data, display_name(source))

    @property
    def image(self) -> Image.Image:
        """Upright RGB. Raises InputError."""
        with self._lock:
            if self._image is None:
                self._image = decode(self.data, display_name(self.source))
            return self._image


def open_image(source: str) -> ImageFile:
    """The file at a path, an address or `-`, not decoded yet. Raises InputError."""
    return ImageFile(source, read_bytes(source))


@dataclass(frozen=True)
class MarkedImage:
    """An image's file and the marks on it; `crop` is the part to look at."""

    file: ImageFile
    marks: tuple[Mark, ...] = ()
    numbers: bool = False
    crop: tuple[int, int, int, int] | None = None

    def drawn(self) -> Image.Image:
        """The image, or its crop, with the marks drawn on it. Raises InputError."""
        image = self.file.image
        if self.crop is None:
            return draw(image, self.marks, numbers=self.numbers)
        marks = [shift_mark(mark, -self.crop[0], -self.crop[1]) for mark in self.marks]
        return draw(image.crop(self.crop), marks, numbers=self.numbers)


def zoom_in(marked: MarkedImage) -> MarkedImage:
    """The same with a crop around the marks; as it is without marks."""
    if not marked.marks:
        return marked
    return replace(marked, crop=crop_around(marked.marks, marked.file.size))


def crop_around(marks: Sequence[Mark], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A crop around the marks, as much again on every side for context: left, top, right, bottom."""
    width, height = size
    edges = [mark.bounds for mark in marks]
    left, top = min(edge[0] for edge in edges), min(edge[1] for edge in edges)
    right, bottom = max(edge[2] for edge in edges), max(edge[3] for edge in edges)
    room = max(right - left, bottom - top, 0.1 * max(size))
    return (
        max(int(left - room), 0),
        max(int(top - room), 0),
        min(int(right + room) + 1, width),
        min(int(bottom + room) + 1, height),
    )
