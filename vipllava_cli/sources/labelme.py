"""LabelMe: a JSON with `shapes` for each image, alone or in a folder -> annotated images.

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
    holds,
    load_json,
    relative,
    resolve_path,
)
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.sources.per_image import read_per_image
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    numbers,
    region_mark,
    unknown_region,
)

_SIGNATURE = (rb'"shapes"\s*:\s*\[', rb'"imagePath"\s*:')


def is_labelme(name: str) -> bool:
    """Whether a file of JSON looks like LabelMe's; it may be broken all the same."""
    return holds(name, map(re.compile, _SIGNATURE))


def read_labelme(name: str) -> Annotations:
    """The image of one LabelMe file, or those of a folder. Raises InputError for another."""
    return read_per_image(name, "labelme", ".json", is_labelme, _read)


def _read(file: str, folder: str) -> AnnotatedImage:
    value = load_json(file)
    shapes = value.get("shapes") if isinstance(value, dict) else None
    if not isinstance(shapes, list):
        found = short_repr(value)
        raise InputError(f'{file} is not LabelMe: expected an object with "shapes", found {found}')
    image = _find(file, value.get("imagePath"))
    return AnnotatedImage(relative(image, folder), image, file, tuple(map(_region, shapes)))


def _find(file: str, path: Any) -> str:
    """The image: where `imagePath` says, which may be as Windows writes it; else beside the JSON
    under the same name.
    """
    folder, own = os.path.split(file)
    stem = os.path.splitext(own)[0]
    names = [stem + suffix for suffix in image_suffixes()]
    if isinstance(path, str) and path:
        slashed = path.replace("\\", "/")
        names = [path, slashed, os.path.basename(slashed), *names]
    return first_existing(resolve_path(folder, name) for name in names)


def _region(shape: Any) -> Region:
    if not isinstance(shape, dict):
        return unknown_region(InputError(f"expected a shape, an object; found {short_repr(shape)}"))
    label = shape.get("label")
    label = None if label is None else str(label)
    return Region(label, partial(_mark, shape, label))


def _mark(shape: Mapping[str, Any], label: str | None) -> MarkSpec:
    kind = shape.get("shape_type") or "polygon"  # files of before 2018 do not say it
    build = _MARKS.get(kind) if isinstance(kind, str) else None
    if build is None:
        raise InputError(
            f"expected a shape_type among {', '.join(_MARKS)}; found {short_repr(kind)}"
        )
    points = shape.get("points")
    if not isinstance(points, list):
        raise InputError(f"expected points [[x, y], …], found {short_repr(points)}")
    return build([numbers(point, "a point [x, y]", 2) for point in points], label)


# --- shapes ----------------------------------------------------------------------------------

Points = Sequence[Sequence[float]]


def _rectangle(points: Points, label: str | None) -> MarkSpec:
    """Two opposite corners in any order, or all four."""
    if len(points) not in (2, 4):
        raise InputError(f"a rectangle has two corners, or four; found {len(points)}")
    xs, ys = zip(*points, strict=True)
    return box_mark(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys), label)


def _circle(points: Points, label: str | None) -> MarkSpec:
    """The centre and a point of the edge."""
    if len(points) != 2 or points[0] == points[1]:
        raise InputError(
            f"a circle is its centre and a point of its edge, found {short_repr(points)}"
        )
    (x, y), edge = points
    radius = math.dist((x, y), edge)
    return region_mark("ellipse", [x - radius, y - radius, x + radius, y + radius], label)


def _through(mark: str) -> Callable[[Points, str | None], MarkSpec]:
    """A shape that goes through the points as they are."""

    def build(points: Points, label: str | None) -> MarkSpec:
        return region_mark(mark, [value for point in points for value in point], label)

    return build


_MARKS: Mapping[str, Callable[[Points, str | None], MarkSpec]] = {
    "rectangle": _rectangle,
    "polygon": _through("contour"),
    "circle": _circle,
    "point": _through("point"),
    "line": _through("scribble"),
    "linestrip": _through("scribble"),
}
