"""Formats with one annotation file per image: read one such file, or those of a folder."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from vipllava_cli.errors import InputError
from vipllava_cli.sources.files import relative_path
from vipllava_cli.sources.folder import image_names, list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.image_finder import FoundImage, ImageFinder, folders_near
from vipllava_cli.sources.read_options import ReadOptions
from vipllava_cli.sources.regions import AnnotatedImage, Annotations
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.storage.counts import count_noun


@dataclass(frozen=True)
class FileContext:
    """What the reader of one file needs. Image ids are relative to `folder`."""

    folder: str
    finder: ImageFinder
    encoding: str | None

    def find_image(self, file: str, names: Sequence[str]) -> FoundImage:
        """Find the image of an annotation file: by these names, then by the name of the file."""
        stem = os.path.splitext(os.path.basename(file))[0]
        return self.finder.find([*names, *image_names(stem)], folders_near(os.path.dirname(file)))

    def image_id(self, image: FoundImage) -> str:
        return self.finder.image_id(image, self.folder)


ReadFile = Callable[[str, FileContext], AnnotatedImage]


def read_per_image(
    name: str,
    options: ReadOptions,
    format: SourceFormat,
    suffix: str,
    has_format: Callable[[str], bool],
    read_file: ReadFile,
    *,
    ignored: Collection[str] = (),
) -> Annotations:
    """Read one annotation file, or all files of this format in a folder.

    A malformed file in a folder becomes a bad row. `ignored` are names of files that belong to the
    format and hold no regions. Raises InputError if there is no file of this format, or if a single
    file is malformed.
    """
    if not os.path.isdir(name):
        finder = ImageFinder(options.image_folders)
        image = read_file(name, FileContext(os.path.dirname(name), finder, options.encoding))
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
    known = {*files, *(file for file in candidates if os.path.basename(file) in ignored)}
    skipped = len(candidates) - len(known)
    finder = ImageFinder(options.image_folders, name, listing.images)
    return Annotations(
        name,
        format,
        partial(_iter_images, files, FileContext(name, finder, options.encoding), read_file),
        folder_images=tuple(os.path.normpath(os.path.join(name, file)) for file in listing.images),
        notes=(f"skipped {suffix} files of another format: {skipped}",) if skipped else (),
    )


def _iter_images(
    files: Sequence[str], context: FileContext, read_file: ReadFile
) -> Iterator[AnnotatedImage | BadRow]:
    for file in files:
        try:
            yield read_file(file, context)
        except InputError as error:
            yield BadRow(relative_path(file, context.folder), "", error)
