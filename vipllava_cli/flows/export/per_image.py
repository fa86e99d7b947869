"""Formats with one file for each image: the names of the files."""

import os
from collections.abc import Iterator, Sequence

from vipllava_cli.errors import UsageError
from vipllava_cli.flows.export.dataset import Dataset, ExportImage
from vipllava_cli.flows.export.image_names import unique_stems
from vipllava_cli.flows.export.output import SINGLE, Target
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.images.source import is_address


def file_names(dataset: Dataset, target: Target, suffix: str) -> Iterator[tuple[ExportImage, str]]:
    """Iterate over the images that have a size, each with the path of its file in the export."""
    images = [image for image in dataset.images if image.size[0]]
    if not target.is_folder:
        _check_single(len(images))
        yield from ((image, SINGLE) for image in images)
        return
    stems = image_stems(images, target)
    yield from ((image, f"{stems[image.name]}{suffix}") for image in images)


def _check_single(images: int) -> None:
    """Raise UsageError if one file cannot hold the export."""
    if images > 1:
        raise UsageError(
            f"the format has one file for each image, and there are {images} images: give -o a"
            " name without a suffix, for a folder"
        )


def image_stems(images: Sequence[ExportImage], target: Target) -> dict[str, str]:
    """Give the images file names without a suffix, by the names with which records hold them."""
    absolute = [path for image in images if (path := target.paths.absolute(image.name))]
    common = os.path.commonpath([os.path.dirname(path) for path in absolute]) if absolute else ""

    def below(name: str) -> str:
        path = target.paths.absolute(name)
        if path is not None:
            return os.path.relpath(path, common).replace(os.sep, "/")
        if is_data_address(name):
            return "image"
        if is_address(name):
            parts = name.partition("?")[0].partition("://")[2].split("/")
            return "/".join(part for part in parts if part not in ("", ".", "..")) or "image"
        return name.replace("/", "_")

    return unique_stems([image.name for image in images], below)


def source_files(
    dataset: Dataset, target: Target, sources: Sequence[str]
) -> Iterator[tuple[ExportImage, str, str]]:
    """Iterate over the images of a source, each with its file in the export and in the source."""
    if not target.is_folder:
        _check_single(len(sources))
    name = target.source.name if target.source else ""
    folder = name if os.path.isdir(name) else os.path.dirname(name)
    for image, source in zip(dataset.images, sources, strict=True):
        relative = os.path.relpath(source, folder or os.curdir).replace(os.sep, "/")
        yield image, relative if target.is_folder else SINGLE, source
