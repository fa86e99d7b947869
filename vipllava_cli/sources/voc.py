"""Pascal VOC: one XML file per image, alone or in a folder -> annotated images.

VOC counts pixels from 1, and a box includes its last pixel: xmin 1 is the left edge of the image, and
xmax equals the width at its right edge. So left = xmin - 1, top = ymin - 1, right = xmax and
bottom = ymax. Many tools write edges from 0 instead. A box with an xmin or ymin below 1 comes from such
a tool, and its edges are used unchanged.
http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html

roLabelImg adds rotated boxes (`robndbox`), and other tools add polygons to objects.
"""

import math
import re
from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.coco_region import MARK_SHAPE
from vipllava_cli.sources.files import read_head
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.per_image import FileContext, read_per_image
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
from vipllava_cli.sources.xml_files import child_text, parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SIGNATURE = re.compile(rb"<annotation[\s>]")
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_ROTATED = ("cx", "cy", "w", "h", "angle")
# LabelMe on the web writes the second pair.
_SIZES = (("size/width", "size/height"), ("imagesize/ncols", "imagesize/nrows"))
_OUTLINED = ("triangle", "contour", "mask")  # values of the attribute MARK_SHAPE
_FLAGS = ("difficult", "truncated", "occluded")


def is_voc(name: str) -> bool:
    """Return whether a file starts like Pascal VOC. It may still be malformed."""
    return _SIGNATURE.search(read_head(name)) is not None


def read_voc(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read one VOC file, or those of a folder. Raises InputError for any other file."""
    return read_per_image(name, options, SourceFormat.voc, ".xml", is_voc, _read_file)


def _read_file(file: str, context: FileContext) -> AnnotatedImage:
    root = parse_xml(file, context.encoding)
    if root.tag != "annotation":
        found = short_repr(root.tag)
        raise InputError(f"{file} is not Pascal VOC: expected an <annotation>, found {found}")
    # Some tools write `filename` without a suffix, so the name of the XML file comes last.
    names = [child_text(root, "filename"), child_text(root, "path")]
    image = context.find_image(file, list(filter(None, names)))
    sizes = (declared_size(*(child_text(root, side) for side in sides)) for sides in _SIZES)
    size = next(filter(None, sizes), None)
    regions = tuple(map(_region, find_objects(root)))
    return AnnotatedImage(context.image_id(image), image.path, file, regions, size, image.error)


def find_objects(root: "Element") -> list["Element"]:
    """Return the objects of a file, without the deleted ones, which LabelMe on the web keeps."""
    return [each for each in root.findall("object") if child_text(each, "deleted") != "1"]


def _region(element: "Element") -> Region:
    label = child_text(element, "name")
    return Region(label, partial(_mark, element, label), _extra(element))


def _extra(element: "Element") -> dict[str, object]:
    """Return the attributes that CVAT writes, and the flags that are set."""
    attributes = {
        child_text(attribute, "name"): child_text(attribute, "value") or ""
        for attribute in element.findall("attributes/attribute")
    }
    flags = {flag: 1 for flag in _FLAGS if child_text(element, flag) == "1"}
    return {**scalar_fields(attributes), **flags}


def _mark(element: "Element", label: str | None) -> MarkSpec:
    rotated = element.find("robndbox")
    if rotated is not None:
        return _rotated_mark(rotated, label)
    box, polygon = element.find("bndbox"), element.find("polygon")
    shape = _extra(element).get(MARK_SHAPE)
    if polygon is not None and (box is None or shape in _OUTLINED):
        outline = str(shape) if shape in _OUTLINED else "contour"
        return region_mark(outline, _polygon(polygon), label)
    edges = [None if box is None else to_number(child_text(box, edge)) for edge in _EDGES]
    x1, y1, x2, y2 = check_numbers(edges, f"a bndbox of {', '.join(_EDGES)}")
    left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    if min(left, top) >= 1:
        left, top = left - 1, top - 1
    angle = to_number(_extra(element).get("rotation", 0.0))  # CVAT, in degrees
    if isinstance(angle, float) and angle % 360:
        centre = (left + right) / 2, (top + bottom) / 2
        return rotated_box_mark(centre, (right - left, bottom - top), angle, label)
    return box_mark(left, top, right - left, bottom - top, label)


def _rotated_mark(box: "Element", label: str | None) -> MarkSpec:
    """Make the contour of a box that roLabelImg has rotated by `angle`, in radians, clockwise."""
    values = [to_number(child_text(box, name)) for name in _ROTATED]
    x, y, width, height, angle = check_numbers(values, f"a robndbox of {', '.join(_ROTATED)}")
    return rotated_box_mark((x, y), (width, height), math.degrees(angle), label)


def _polygon(polygon: "Element") -> list[float]:
    """Read the points of a polygon: <x1/><y1/><x2/>…, or <pt><x/><y/></pt> for each."""
    nested = [
        child for point in polygon.findall("pt") for child in (point.find("x"), point.find("y"))
    ]
    if nested:
        texts = [None if child is None else child.text for child in nested]
    else:
        numbers = range(1, len(polygon) // 2 + 1)
        texts = [polygon.findtext(f"{axis}{number}") for number in numbers for axis in "xy"]
    values = [to_number((text or "").strip()) for text in texts]
    return check_numbers(values, "a polygon of x1, y1, x2, y2, …")
