"""A picture with its marks, whole or zoomed, ready to be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.images.fetch import called, read_bytes
from vipllava_cli.images.load import decode, fingerprint, upright_size, zoom_box
from vipllava_cli.marks.coordinates import reaches_outside
from vipllava_cli.marks.draw import draw, shows
from vipllava_cli.marks.types import Mark, shifted


class PictureFile:
    """An encoded picture, decoded when its pixels are wanted; its upright size and the hash of its
    bytes are known before. May be used from several threads.
    """

    def __init__(self, source: str, data: bytes) -> None:
        self.source = source
        self.data = data
        self._lock = Lock()  # of its own: `cached_property` of Python 3.11 has one for all pictures
        self._picture: Image.Image | None = None
        self.fingerprint = fingerprint(data)
        self.size = upright_size(data, called(source))

    @property
    def picture(self) -> Image.Image:
        """Upright RGB. Raises InputError."""
        with self._lock:
            if self._picture is None:
                self._picture = decode(self.data, called(self.source))
            return self._picture


def read_picture(source: str) -> PictureFile:
    """The file at a path, an address or `-`, not decoded yet. Raises InputError."""
    return PictureFile(source, read_bytes(source))


@dataclass(frozen=True)
class MarkedPicture:
    """A picture's file and the marks on it; `crop` is the part to look at."""

    file: PictureFile
    marks: tuple[Mark, ...] = ()
    numbers: bool = False
    crop: tuple[int, int, int, int] | None = None

    def drawn(self) -> Image.Image:
        """The picture, or its crop, with the marks drawn on it. Raises InputError."""
        picture = self.file.picture
        if self.crop is None:
            return draw(picture, self.marks, numbers=self.numbers)
        marks = [shifted(mark, -self.crop[0], -self.crop[1]) for mark in self.marks]
        return draw(picture.crop(self.crop), marks, numbers=self.numbers)


def check_they_show(marks: Sequence[Mark], size: tuple[int, int]) -> None:
    """Refuse a line that goes around the picture. Raises InputError."""
    for mark in marks:
        if reaches_outside(mark, *size) and not shows(mark, *size):
            raise InputError(
                f"the {mark.color.name} {mark.shape} touches no pixel of the picture: the picture is"
                f" {size[0]}x{size[1]} pixels; give coordinates inside it"
            )


def zoomed(marked: MarkedPicture) -> MarkedPicture:
    """The same with a crop around the marks; as it is without marks."""
    if not marked.marks:
        return marked
    return replace(marked, crop=zoom_box(marked.marks, marked.file.size))
