"""LabelMe: one JSON file with `shapes` per image, alone or in a folder -> annotated images.

https://github.com/wkentaro/labelme. X-AnyLabeling writes the same files with more types of shapes.
"""

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import load_json, matches_all
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.image_finder import FoundImage
from vipllava_cli.sources.per_image import FileContext, read_per_image
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.region_shapes import hull_mark, points_mark
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    declared_size,
    region_mark,
    scalar_fields,
    unreadable_region,
)

_SIGNATURE = (rb'"shapes"\s*:\s*\[', rb'"imagePath"\s*:')


def is_labelme(name: str) -> bool:
    """Return whether a JSON file looks like LabelMe. It may still be malformed."""
    return matches_all(name, map(re.compile, _SIGNATURE))


def read_labelme(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read one LabelMe file, or those of a folder. Raises InputError for any other file."""
    return read_per_image(name, options, SourceFormat.labelme, ".json", is_labelme, _read_file)


def _read_file(file: str, context: FileContext) -> AnnotatedImage:
    content = load_json(file, encoding=context.encoding)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        found = short_repr(content)
        raise InputError(f'{file} is not LabelMe: expected an object with "shapes", found {found}')
    path = content.get("imagePath")
    found_image = context.find_image(file, [path] if isinstance(path, str) and path else [])
    id = context.image_id(found_image)
    embedded = content.get("imageData")
    if found_image.error and isinstance(embedded, str) and embedded.strip():
        found_image = FoundImage(_data_address(embedded))
    size = declared_size(content.get("imageWidth"), content.get("imageHeight"))
    regions = tuple(map(_region, shapes))
    return AnnotatedImage(id, found_image.path, file, regions, size, found_image.error)


def _data_address(encoded: str) -> str:
    """Return the address of the image that the file contains, in base64 or as an address."""
    return f"data:image/*;base64,{''.join(_base64_part(encoded).split())}"


def _base64_part(text: str) -> str:
    """Return the base64 of a text that may be a `data:` address."""
    return text.rpartition(",")[2]


def _region(shape: Any) -> Region:
    if not isinstance(shape, dict):
        reason = f"expected a shape as an object, found {short_repr(shape)}"
        return unreadable_region(InputError(reason))
    label = shape.get("label")
    label = None if label is None else str(label)
    return Region(label, partial(_mark, shape, label), _extra(shape))


def _extra(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags and attributes of a shape, its group and its description."""
    extra = {**scalar_fields(shape.get("flags")), **scalar_fields(shape.get("attributes"))}
    named = {
        name: shape.get(name)
        for name in ("group_id", "description")
        if shape.get(name) not in (None, "")
    }
    return {**extra, **scalar_fields(named)}


def _mark(shape: Mapping[str, Any], label: str | None) -> MarkSpec:
    shape_type = shape.get("shape_type") or "polygon"  # files written before 2018 have no type
    build = _BUILDERS.get(shape_type) if isinstance(shape_type, str) else None
    if build is None:
        known = ", ".join(_BUILDERS)
        raise InputError(f"expected one of the shape types {known}, found {short_repr(shape_type)}")
    points = shape.get("points")
    if not isinstance(points, list):
        raise InputError(f"expected points [[x, y], …], found {short_repr(points)}")
    return build([check_numbers(point, "a point [x, y]", 2) for point in points], label, shape)


# --- shapes ----------------------------------------------------------------------------------

Points = Sequence[Sequence[float]]
Builder = Callable[[Points, str | None, Mapping[str, Any]], MarkSpec]


def _rectangle(points: Points, label: str | None, _: Mapping[str, Any]) -> MarkSpec:
    """Make a box from two opposite corners in any order, or from all four."""
    if len(points) not in (2, 4):
        raise InputError(f"expected 2 or 4 corners of a rectangle, found {len(points)}")
    xs, ys = zip(*points, strict=True)
    return box_mark(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys), label)


def _circle(points: Points, label: str | None, _: Mapping[str, Any]) -> MarkSpec:
    """Make an ellipse from the centre and a point on the edge."""
    if len(points) != 2 or points[0] == points[1]:
        raise InputError(
            f"expected the centre of a circle and a point on its edge, found {short_repr(points)}"
        )
    (x, y), edge = points
    radius = math.dist((x, y), edge)
    return region_mark("ellipse", [x - radius, y - radius, x + radius, y + radius], label)


def _mask(points: Points, label: str | None, shape: Mapping[str, Any]) -> MarkSpec:
    """Make a mask from its box, whose edges are pixels of the mask, and a PNG of the box."""
    import numpy as np

    from vipllava_cli.images.load import decode
    from vipllava_cli.marks.masks import trace_outlines

    if len(points) != 2:
        raise InputError(f"expected 2 corners of a mask, found {len(points)}")
    try:
        data = base64.b64decode(_base64_part(str(shape.get("mask"))), validate=True)
    except ValueError:
        found = short_repr(shape.get("mask"))
        raise InputError(f"expected a mask as a PNG in base64, found {found}") from None
    pixels = np.asarray(decode(data, "the mask", over=(0, 0, 0)).convert("L"))
    (x1, y1), (x2, y2) = points
    left, top = round(min(x1, x2)), round(min(y1, y2))
    size = round(max(x1, x2)) - left + 1, round(max(y1, y2)) - top + 1
    if pixels.shape != (size[1], size[0]):
        raise InputError(
            f"expected a mask of {size[0]}x{size[1]} pixels, the size of its box; found"
            f" {pixels.shape[1]}x{pixels.shape[0]}"
        )
    outlines = trace_outlines((pixels != 0).astype(np.uint8))
    if not outlines:
        raise InputError("the mask contains no region: expected one of several pixels")
    shifted = [
        [value + (top if number % 2 else left) for number, value in enumerate(outline)]
        for outline in outlines
    ]
    return region_mark("mask", shifted, label)


def _point_group(points: Points, label: str | None, _: Mapping[str, Any]) -> MarkSpec:
    return points_mark([(x, y) for x, y in points], label)


def _cuboid(points: Points, label: str | None, _: Mapping[str, Any]) -> MarkSpec:
    return hull_mark([(x, y) for x, y in points], label)


def _through_points(mark_shape: str) -> Builder:
    """Make the builder of a shape whose coordinates are the points."""

    def build(points: Points, label: str | None, _: Mapping[str, Any]) -> MarkSpec:
        return region_mark(mark_shape, [value for point in points for value in point], label)

    return build


_BUILDERS: Mapping[str, Builder] = {
    "rectangle": _rectangle,
    "polygon": _through_points("contour"),
    "rotation": _through_points("contour"),
    "oriented_rectangle": _through_points("contour"),
    "quadrilateral": _through_points("contour"),
    "circle": _circle,
    "mask": _mask,
    "point": _through_points("point"),
    "points": _point_group,
    "cuboid": _cuboid,
    "line": _through_points("scribble"),
    "linestrip": _through_points("scribble"),
}
