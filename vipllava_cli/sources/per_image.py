"""Formats with an annotation file for each image: one such file, or all those of a folder."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from vipllava_cli.errors import InputError
from vipllava_cli.sources.files import count_noun, relative
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.regions import AnnotatedImage, Annotations
from vipllava_cli.sources.rows import BadRow

Read = Callable[[str, str], AnnotatedImage]  # the file, the folder that names start from


def read_per_image(
    name: str, kind: str, suffix: str, is_one: Callable[[str], bool], read: Read
) -> Annotations:
    """The image of the one file, or those of the files with this suffix in the folder that are of
    this kind. Raises InputError where there is none; a broken file of a folder is a bad row.
    """
    if not os.path.isdir(name):
        one = read(name, os.path.dirname(name))
        return Annotations(name, kind, lambda: iter([one]))
    listing = list_folder(name)
    candidates = [os.path.join(name, file) for file in listing.ending(suffix)]
    files = [file for file in candidates if is_one(file)]
    if not files:
        images = count_noun(len(listing.images), "image")
        others = count_noun(len(listing.others), "other file")
        raise InputError(
            f"{name} holds no {suffix} of the format {kind}, only {images} and {others}:"
            " name the folder that does"
        )
    passed_over = len(candidates) - len(files)
    return Annotations(
        name,
        kind,
        partial(_images, files, name, read),
        around=tuple(os.path.normpath(os.path.join(name, file)) for file in listing.images),
        notes=(f"passed over {suffix} files of another kind: {passed_over}",)
        if passed_over
        else (),
    )


def _images(files: Sequence[str], folder: str, read: Read) -> Iterator[AnnotatedImage | BadRow]:
    for file in files:
        try:
            yield read(file, folder)
        except InputError as error:
            yield BadRow(relative(file, folder), "", error)
