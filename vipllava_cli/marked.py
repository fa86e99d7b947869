"""A picture with its marks, whole or zoomed, ready to be drawn."""

from dataclasses import dataclass, replace

from PIL import Image

from vipllava_cli.drawing import draw
from vipllava_cli.marks import Mark, shifted
from vipllava_cli.pictures import zoom_box


@dataclass(frozen=True)
class MarkedPicture:
    """An upright picture, where it came from, and the marks on it; `crop` is the part to look at."""

    source: str
    picture: Image.Image
    marks: tuple[Mark, ...] = ()
    numbers: bool = False
    crop: tuple[int, int, int, int] | None = None

    def drawn(self) -> Image.Image:
        """The picture, or its crop, with the marks drawn on it."""
        if self.crop is None:
            return draw(self.picture, self.marks, numbers=self.numbers)
        marks = [shifted(mark, -self.crop[0], -self.crop[1]) for mark in self.marks]
        return draw(self.picture.crop(self.crop), marks, numbers=self.numbers)


def zoomed(marked: MarkedPicture) -> MarkedPicture:
    """The same with a crop around the marks; as it is without marks."""
    if not marked.marks:
        return marked
    return replace(marked, crop=zoom_box(marked.marks, marked.picture.size))
