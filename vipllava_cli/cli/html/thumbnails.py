"""Thumbnails of marked images: marks are drawn at full size, then the image is reduced."""

import base64
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.images.source import parse_source
from vipllava_cli.images.window import Window, check_window
from vipllava_cli.marks.marked_image import ImageFile, MarkedImage, check_kept, open_image
from vipllava_cli.marks.recorded_marks import read_recorded_marks
from vipllava_cli.marks.reference_style import ReferenceStyle
from vipllava_cli.storage.zip_archive import is_member

WEBP = {"quality": 80, "method": 2}  # files 4 % larger than by method 4, in half the time

Size = tuple[int, int]
Crop = tuple[int, int, int, int]


@dataclass(frozen=True)
class ThumbnailSpec:
    """The content of a thumbnail: the image as its record names it, and the drawing as JSON text.

    The drawing stays text, because the points of thousands of masks would fill memory as numbers.
    """

    image: str
    drawn: str


# Fields of a record.
_DRAWN = (
    "width",
    "height",
    "marks",
    "numbers",
    "crop",
    "window",
    "mark_style",
    "answer_marks",
)


def thumbnail_spec(record: Mapping[str, Any]) -> ThumbnailSpec:
    """Return the thumbnail of a record. Equal specs give equal thumbnails."""
    return ThumbnailSpec(record["image"], json.dumps([record.get(name) for name in _DRAWN]))


@dataclass(frozen=True)
class Thumbnail:
    """An image as a data URL, with its size in pixels; or `why` there is none, in one line."""

    src: str = ""
    width: int = 0
    height: int = 0
    why: str = ""


def thumbnails(views: Sequence[ThumbnailSpec], folder: str, side: int) -> list[Thumbnail]:
    """Draw several thumbnails of one image, which is read once. `side` is in pixels.

    `folder` is the second place to find the image in.
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
    return Thumbnail(why=one_line(str(error)) or "not enough memory")


def _find(image: str, folder: str) -> str:
    """Find the image file: as written, then in the folder. Raises InputError.

    Only regular files count: a report downloads nothing, and a pipe would block it forever.
    """
    if not image:
        raise InputError("the record names no image")
    check_kept(image)
    if is_data_address(image):
        return image
    source = parse_source(image)
    if source.is_address:
        raise InputError("the image is at a web address, and a report downloads nothing")
    for path in (source.location, os.path.join(folder, source.location)):
        if os.path.isfile(path) or is_member(path):
            return str(replace(source, location=path))
    raise InputError(f"there is no file {source.location}")


def _marked(file: ImageFile, view: ThumbnailSpec) -> MarkedImage:
    """Put the marks that the model saw, and those of its answer, on the image. Raises InputError."""
    width, height, marks, numbers, crop, window, style, answer_marks = json.loads(view.drawn)
    file = file.with_window(_window(window))
    size = file.image.size
    if width is not None and (width, height) != size:
        raise InputError(
            f"the image has changed: it was {width}x{height} pixels and is {size[0]}x{size[1]}"
        )
    drawn = (read_recorded_marks(each, size) for each in (marks, answer_marks or ()))
    return MarkedImage(
        file,
        next(drawn),
        numbers is True,
        _crop(crop, size),
        style=_style(style),
        answer_marks=next(drawn),
    )


def _style(value: Any) -> ReferenceStyle:
    """Return the style of a record. Raises InputError."""
    try:
        return ReferenceStyle.drawn if value is None else ReferenceStyle(value)
    except ValueError:
        raise InputError(f"the mark style {short_repr(value)} is unknown") from None


def _window(value: Any) -> Window | None:
    """Check the window of a record. Raises InputError."""
    try:
        return None if value is None else check_window(value)
    except UsageError as error:
        raise InputError(str(error)) from None


def _crop(value: Any, size: Size) -> Crop | None:
    """Check the crop of a record. Raises InputError if it is not within the image."""
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 4 and all(type(edge) is int for edge in value):
        left, top, right, bottom = value
        if 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]:
            return left, top, right, bottom
    raise InputError(f"the crop is not within the {size[0]}x{size[1]} pixels of the image")
