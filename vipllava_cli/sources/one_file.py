"""Formats with one file for many images: find that file, and the images that it names."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from vipllava_cli.errors import InputError
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.image_finder import FoundImage, ImageFinder, folders_near
from vipllava_cli.sources.read_options import ReadOptions

_MAX_LISTED = 4  # in a message


@dataclass(frozen=True)
class AnnotationFile:
    """An annotation file, and a function from the possible names of an image to the image."""

    path: str
    find_image: Callable[[list[str]], FoundImage]


def open_annotation_file(
    name: str,
    options: ReadOptions,
    format: SourceFormat,
    suffix: str,
    has_format: Callable[[str], bool],
) -> AnnotationFile:
    """Find the only file of a format in a folder, or the file itself. Raises InputError."""
    finder, path = ImageFinder(options.image_folders), name
    if os.path.isdir(name):
        listing = list_folder(name)
        paths = [os.path.join(name, file) for file in listing.with_suffix(suffix)]
        files = [file for file in paths if has_format(file)]
        if len(files) != 1:
            listed = ", ".join(files[:_MAX_LISTED]) or "none"
            raise InputError(
                f"expected one {format} file in {name}, found {listed}: name one as the source"
            )
        finder, path = ImageFinder(options.image_folders, name, listing.images), files[0]
    folders = folders_near(os.path.dirname(path))
    return AnnotationFile(path, partial(finder.find, folders=folders))
