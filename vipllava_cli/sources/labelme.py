"""LabelMe: one JSON file with `shapes` per image, alone or in a folder -> annotated images.

https://github.com/wkentaro/labelme
"""

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import (
    first_existing,
    load_json,
    matches_all,
    relative_path,
    resolve_path,
)
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.per_image import read_per_image
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    region_mark,
    unreadable_region,
)

_SIGNATURE = (rb'"shapes"\s*:\s*\[', rb'"imagePath"\s*:')


def is_labelme(name: str) -> bool:
    """Return whether a JSON file looks like LabelMe. It may still be malformed."""
    return matches_all(name, map(re.compile, _SIGNATURE))


def read_labelme(name: str) -> Annotations:
    """Read one LabelMe file, or those of a folder. Raises InputError for any other file."""
    return read_per_image(name, SourceFormat.labelme, ".json", is_labelme, _read_file)


def _read_file(file: str, folder: str) -> AnnotatedImage:
    content = load_json(file)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        found = short_repr(content)
        raise InputError(f'{file} is not LabelMe: expected an object with "shapes", found {found}')
    image = _find_image(file, content.get("imagePath"))
    return AnnotatedImage(relative_path(image, folder), image, file, tuple(map(_region, shapes)))


def _find_image(file: str, image_path: Any) -> str:
    """Find the image at `imagePath`, which may be a Windows path, or with the name of the JSON file."""
    folder, own_name = os.path.split(file)
    stem = os.path.splitext(own_name)[0]
    names = [stem + suffix for suffix in image_suffixes()]
    if isinstance(image_path, str) and image_path:
        slashed = image_path.replace("\\", "/")
        names = [image_path, slashed, os.path.basename(slashed), *names]
    return first_existing(resolve_path(folder, name) for name in names)


def _region(shape: Any) -> Region:
    if not isinstance(shape, dict):
        reason = f"expected a shape as an object, found {short_repr(shape)}"
        return unreadable_region(InputError(reason))
    label = shape.get("label")
    label = None if label is None else str(label)
    return Region(label, partial(_mark, shape, label))


def _mark(shape: Mapping[str, Any], label: str | None) -> MarkSpec:
    shape_type = shape.get("shape_type") or "polygon"  # files written before 2018 have no type
    build = _BUILDERS.get(shape_type) if isinstance(shape_type, str) else None
    if build is None:
        known = ", ".join(_BUILDERS)
        raise InputError(f"expected one of the shape types {known}, found {short_repr(shape_type)}")
    points = shape.get("points")
    if not isinstance(points, list):
        raise InputError(f"expected points [[x, y], …], found {short_repr(points)}")
    return build([check_numbers(point, "a point [x, y]", 2) for point in points], label)


# --- shapes ----------------------------------------------------------------------------------

Points = Sequence[Sequence[float]]


def _rectangle(points: Points, label: str | None) -> MarkSpec:
    """Make a box from two opposite corners in any order, or from all four."""
    if len(points) not in (2, 4):
        raise InputError(f"expected 2 or 4 corners of a rectangle, found {len(points)}")
    xs, ys = zip(*points, strict=True)
    return box_mark(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys), label)


def _circle(points: Points, label: str | None) -> MarkSpec:
    """Make an ellipse from the centre and a point on the edge."""
    if len(points) != 2 or points[0] == points[1]:
        raise InputError(
            f"expected the centre of a circle and a point on its edge, found {short_repr(points)}"
        )
    (x, y), edge = points
    radius = math.dist((x, y), edge)
    return region_mark("ellipse", [x - radius, y - radius, x + radius, y + radius], label)


def _through_points(mark_shape: str) -> Callable[[Points, str | None], MarkSpec]:
    """Make the builder of a shape whose coordinates are the points."""

    def build(points: Points, label: str | None) -> MarkSpec:
        return region_mark(mark_shape, [value for point in points for value in point], label)

    return build


_BUILDERS: Mapping[str, Callable[[Points, str | None], MarkSpec]] = {
    "rectangle": _rectangle,
    "polygon": _through_points("contour"),
    "circle": _circle,
    "point": _through_points("point"),
    "line": _through_points("scribble"),
    "linestrip": _through_points("scribble"),
}
