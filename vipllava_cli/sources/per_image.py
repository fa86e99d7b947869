"""Formats with one annotation file per image: read one such file, or those of a folder."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from vipllava_cli.errors import InputError
from vipllava_cli.sources.files import relative_path
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.regions import AnnotatedImage, Annotations
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.storage.counts import count_noun

# Reads an annotation file. The second argument is the folder that image ids are relative to.
ReadFile = Callable[[str, str], AnnotatedImage]


def read_per_image(
    name: str,
    format: SourceFormat,
    suffix: str,
    has_format: Callable[[str], bool],
    read_file: ReadFile,
) -> Annotations:
    """Read one annotation file, or all files of this format in a folder.

    A malformed file in a folder becomes a bad row. Raises InputError if there is no file of this
    format, or if a single file is malformed.
    """
    if not os.path.isdir(name):
        image = read_file(name, os.path.dirname(name))
        return Annotations(name, format, lambda: iter([image]))
    listing = list_folder(name)
    candidates = [os.path.join(name, file) for file in listing.with_suffix(suffix)]
    files = [file for file in candidates if has_format(file)]
    if not files:
        images = count_noun(len(listing.images), "image")
        others = count_noun(len(listing.others), "other file")
        raise InputError(
            f"{name} contains no {suffix} file of the format {format}, only {images} and {others}:"
            " name a folder that contains one"
        )
    skipped = len(candidates) - len(files)
    return Annotations(
        name,
        format,
        partial(_iter_images, files, name, read_file),
        folder_images=tuple(os.path.normpath(os.path.join(name, file)) for file in listing.images),
        notes=(f"skipped {suffix} files of another format: {skipped}",) if skipped else (),
    )


def _iter_images(
    files: Sequence[str], folder: str, read_file: ReadFile
) -> Iterator[AnnotatedImage | BadRow]:
    for file in files:
        try:
            yield read_file(file, folder)
        except InputError as error:
            yield BadRow(relative_path(file, folder), "", error)
