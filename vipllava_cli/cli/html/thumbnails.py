"""Images as the rows of a report show them: drawn in full with their marks, then shrunk."""

import base64
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.errors import InputError
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.marked_image import ImageFile, MarkedImage, open_image
from vipllava_cli.storage.files import STANDARD_INPUT

WEBP = {"quality": 80, "method": 2}  # 4 % longer than the default method, in half the time

Size = tuple[int, int]
Crop = tuple[int, int, int, int]


@dataclass(frozen=True)
class ThumbnailSpec:
    """What one thumbnail shows: an image as a record names it, and what the record says was drawn.

    That stays JSON: as numbers, the points of thousands of masks would fill memory.
    """

    image: str
    drawn: str


_DRAWN = ("width", "height", "marks", "numbers", "crop")


def thumbnail_spec(record: Mapping[str, Any]) -> ThumbnailSpec:
    """Equal views look the same."""
    return ThumbnailSpec(record["image"], json.dumps([record.get(name) for name in _DRAWN]))


@dataclass(frozen=True)
class Thumbnail:
    """An image as an address that holds the image itself, or a line of why there is none."""

    src: str = ""
    width: int = 0
    height: int = 0
    why: str = ""


def thumbnails(views: Sequence[ThumbnailSpec], folder: str, side: int) -> list[Thumbnail]:
    """One for each of several views of one image, which is read once.

    `folder` is where an image is looked for when it is not where its name says.
    """
    try:
        file = open_image(_find(views[0].image, folder))
    except (InputError, MemoryError) as error:
        return [_placeholder(error)] * len(views)
    return [_thumbnail(file, view, side) for view in views]


def _thumbnail(file: ImageFile, view: ThumbnailSpec, side: int) -> Thumbnail:
    try:
        shown = _marked(file, view).drawn()
    except (InputError, MemoryError) as error:
        return _placeholder(error)
    shown.thumbnail((side, side))
    encoded = io.BytesIO()
    shown.save(encoded, "WEBP", **WEBP)
    data = base64.b64encode(encoded.getvalue()).decode()
    return Thumbnail(f"data:image/webp;base64,{data}", shown.width, shown.height)


def _placeholder(error: Exception) -> Thumbnail:
    return Thumbnail(why=one_line(str(error)) or "it does not fit into memory")


_NO_FILES: Mapping[str, str] = {
    "": "the row names no image",
    STANDARD_INPUT: "it came from standard input, which nobody keeps",
}


def _find(image: str, folder: str) -> str:
    """The image's file: as written, then from the folder. Raises InputError.

    Only plain files: a report fetches nothing from the web, and a pipe would hold it up for ever.
    """
    if image in _NO_FILES:
        raise InputError(_NO_FILES[image])
    if image.lower().startswith(("http://", "https://")):
        raise InputError("it is at a web address, and a report fetches nothing")
    for place in (image, os.path.join(folder, image)):
        if os.path.isfile(place):
            return place
    raise InputError(f"there is no file {image}")


def _marked(file: ImageFile, view: ThumbnailSpec) -> MarkedImage:
    """The image with the marks that the model saw. Raises InputError."""
    width, height, marks, numbers, crop = json.loads(view.drawn)
    size = file.image.size
    if width is not None and (width, height) != size:
        raise InputError(
            f"it has changed: it was {width}x{height} pixels and is {size[0]}x{size[1]}"
        )
    specs = [mark_from_json(mark) for mark in marks]
    for spec in specs:
        if spec.file is not None:  # a record holds outlines; a file that a hand wrote in stays shut
            raise InputError(f"its {spec.shape} lies in a file of its own, {spec.file}")
    placed = resolve_coordinates(specs, *size)
    return MarkedImage(file, placed.marks, numbers is True, _crop(crop, size))


def _crop(value: Any, size: Size) -> Crop | None:
    """The part that was looked at. Raises InputError if it is no part of the image."""
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 4 and all(type(edge) is int for edge in value):
        left, top, right, bottom = value
        if 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]:
            return left, top, right, bottom
    raise InputError(f"its crop is no part of {size[0]}x{size[1]} pixels")
