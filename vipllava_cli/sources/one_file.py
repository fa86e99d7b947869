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
    """An annotation file, and a function from the possible names of an image to the image.

    `prefix` is put before each image id, to keep the ids of several files apart.
    """

    path: str
    find_image: Callable[[list[str]], FoundImage]
    prefix: str = ""


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


def open_split_files(
    name: str,
    options: ReadOptions,
    format: SourceFormat,
    suffix: str,
    has_format: Callable[[str], bool],
) -> list[AnnotationFile]:
    """Find the files of a format with one name in the folders of splits: `train/`, `test/`.

    Another folder, or a file, gives the one file of `open_annotation_file`. Raises InputError.
    """
    files = []
    if os.path.isdir(name):
        listing = list_folder(name)
        finder = ImageFinder(options.image_folders, name, listing.images)
        files = [f for f in listing.with_suffix(suffix) if has_format(os.path.join(name, f))]
    if len(files) < 2 or len({os.path.basename(file) for file in files}) > 1:
        return [open_annotation_file(name, options, format, suffix, has_format)]
    found = []
    for file in files:
        folder, path = os.path.dirname(file), os.path.join(name, file)
        find_image = partial(finder.find, folders=folders_near(os.path.dirname(path)))
        found.append(AnnotationFile(path, find_image, f"{folder}/" if folder else ""))
    return found
