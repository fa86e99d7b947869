"""CVAT: one XML file for many images, or for the frames of a video -> annotated images.

https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.errors import InputError
from vipllava_cli.sources.cvat_shapes import Shape, iter_shapes, shape_mark
from vipllava_cli.sources.cvat_video import read_video
from vipllava_cli.sources.files import read_head
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.one_file import AnnotationFile, open_annotation_file
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import AnnotatedImage, Annotations, Region, declared_size
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.sources.xml_files import parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SIGNATURE = re.compile(rb"<annotations[\s>]")


def is_cvat(name: str) -> bool:
    """Return whether a file starts like CVAT's XML. It may still be malformed."""
    return _SIGNATURE.search(read_head(name)) is not None


def read_cvat(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a CVAT file, or the only one in a folder. Raises InputError."""
    file = open_annotation_file(name, options, SourceFormat.cvat, ".xml", is_cvat)
    root = parse_xml(file.path, options.encoding)
    images = root.findall("image")
    if root.tag == "annotations" and not images and root.find("track") is not None:
        video = read_video(file, root)
        return Annotations(name, SourceFormat.cvat, video.iter_images, notes=video.notes)
    if root.tag != "annotations" or not images:
        raise InputError(
            f"{file.path}: expected CVAT's <annotations> with <image> or <track>, found"
            f" <{root.tag}>: export it as 'CVAT for images 1.1'"
        )
    return Annotations(name, SourceFormat.cvat, partial(_iter_images, file, images))


def _iter_images(
    file: AnnotationFile, images: Sequence["Element"]
) -> Iterator[AnnotatedImage | BadRow]:
    for number, image in enumerate(images, 1):
        name = image.get("name")
        if not name:
            reason = f'{file.path}, image {number}: expected a "name", found none'
            yield BadRow(f"image {number}", "", InputError(reason))
            continue
        found = file.find_image(_file_names(name, image.get("subset")))
        regions = tuple(_region(shape) for shape in iter_shapes(image))
        size = declared_size(image.get("width"), image.get("height"))
        yield AnnotatedImage(name, found.path, file.path, regions, size, found.error)


def _file_names(name: str, subset: str | None) -> list[str]:
    """Return the possible names of an image. A frame of a video has no suffix.

    A project keeps its images in a folder for each subset.
    """
    suffixes = image_suffixes()
    has_suffix = name.lower().endswith(suffixes)
    names = [name] if has_suffix else [name, *(name + suffix for suffix in (".PNG", *suffixes))]
    return [*(f"{subset}/{each}" for each in names if subset), *names]


def _region(shape: Shape) -> Region:
    label = shape.values.get("label")
    return Region(label, partial(shape_mark, shape, label), shape.extra)
