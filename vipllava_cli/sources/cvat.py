"""CVAT: one XML file for many images ("CVAT for images 1.1") -> annotated images.

https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import read_head
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.one_file import AnnotationFile, open_annotation_file
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    declared_size,
    region_mark,
    rotated_box_mark,
    scalar_fields,
    to_number,
)
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.sources.xml_files import parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SIGNATURE = re.compile(rb"<annotations[\s>]")
_WITHOUT_REGION = ("tag", "attribute")


def is_cvat(name: str) -> bool:
    """Return whether a file starts like CVAT's XML. It may still be malformed."""
    return _SIGNATURE.search(read_head(name)) is not None


def read_cvat(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a CVAT file, or the only one in a folder. Raises InputError."""
    file = open_annotation_file(name, options, SourceFormat.cvat, ".xml", is_cvat)
    root = parse_xml(file.path, options.encoding)
    images = root.findall("image")
    if root.tag != "annotations" or not images:
        found = "a video" if root.find("track") is not None else f"<{root.tag}>"
        raise InputError(
            f"{file.path}: expected CVAT's <annotations> with <image>, found {found}: export it as"
            " 'CVAT for images 1.1'"
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
        subset = image.get("subset")  # of a project: its images are in `images/<subset>/`
        found = file.find_image([f"{subset}/{name}", name] if subset else [name])
        regions = tuple(_region(shape) for shape in image if shape.tag not in _WITHOUT_REGION)
        size = declared_size(image.get("width"), image.get("height"))
        yield AnnotatedImage(name, found.path, file.path, regions, size, found.error)


def _region(shape: "Element") -> Region:
    label = shape.get("label")
    attributes = {each.get("name"): each.text or "" for each in shape.findall("attribute")}
    return Region(label, partial(_mark, shape, label), scalar_fields(attributes))


def _mark(shape: "Element", label: str | None) -> MarkSpec:
    build = _BUILDERS.get(shape.tag)
    if build is None:
        known = ", ".join(_BUILDERS)
        raise InputError(f"expected one of the shapes {known}, found {short_repr(shape.tag)}")
    return build(shape, label)


def _numbers(shape: "Element", *names: str) -> list[float]:
    values = [to_number(shape.get(name)) for name in names]
    return check_numbers(values, f"a {shape.tag} of {', '.join(names)}")


def _rotation(shape: "Element") -> float:
    return check_numbers([shape.get("rotation", "0")], "a rotation in degrees")[0] % 360


def _box(shape: "Element", label: str | None) -> MarkSpec:
    left, top, right, bottom = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
    angle, size = _rotation(shape), (right - left, bottom - top)
    if angle:
        centre = (left + right) / 2, (top + bottom) / 2
        return rotated_box_mark(centre, size, angle, label)
    return box_mark(left, top, *size, label)


def _ellipse(shape: "Element", label: str | None) -> MarkSpec:
    x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
    if _rotation(shape):
        raise InputError("expected an ellipse without rotation: draw it as a polygon")
    return region_mark("ellipse", [x - across, y - down, x + across, y + down], label)


def _through_points(mark_shape: str) -> Callable[["Element", str | None], MarkSpec]:
    def build(shape: "Element", label: str | None) -> MarkSpec:
        texts = (shape.get("points") or "").replace(";", ",").split(",")
        return region_mark(mark_shape, check_numbers(texts, "points x,y;x,y;…"), label)

    return build


_BUILDERS: Mapping[str, Callable[["Element", str | None], MarkSpec]] = {
    "box": _box,
    "polygon": _through_points("contour"),
    "polyline": _through_points("scribble"),
    "points": _through_points("point"),
    "ellipse": _ellipse,
}
