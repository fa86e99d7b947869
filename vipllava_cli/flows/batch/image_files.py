"""Open the images of rows."""

import os

from vipllava_cli.errors import InputError
from vipllava_cli.images.source import display_name, parse_source
from vipllava_cli.images.window import Window
from vipllava_cli.marks.marked_image import ImageFile, open_image


def open_regular_file(image: str, frame: int | None, window: Window | None = None) -> ImageFile:
    """Open an image, but not a pipe or a device: reading one might never end. Raises InputError."""
    path = parse_source(image).location
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise InputError(f"{display_name(path)} is a pipe or a device: expected an image file")
    return open_image(image, frame, window)
