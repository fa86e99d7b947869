"""The shapes in CVAT's XML -> marks.

https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import XY, MarkSpec
from vipllava_cli.sources.region_shapes import (
    bitmap_mark,
    ellipse_mark,
    hull_mark,
    points_mark,
    runs_bitmap,
)
from vipllava_cli.sources.regions import (
    box_mark,
    check_numbers,
    region_mark,
    rotated_box_mark,
    scalar_fields,
    to_number,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_WITHOUT_REGION = ("tag", "attribute")
_WHOLE_NUMBER = re.compile(r"\s*[0-9]{1,9}\s*")
_CUBOID = tuple(
    f"{axis}{corner}{face}" for face in "12" for corner in ("tl", "bl", "tr", "br") for axis in "xy"
)


@dataclass(frozen=True)
class Shape:
    """A shape: its XML tag and attributes, the columns that it gives, and the points of a skeleton."""

    kind: str
    values: Mapping[str, Any]
    extra: Mapping[str, Any]
    parts: tuple["Shape", ...] = ()

    @property
    def is_outside(self) -> bool:
        """Whether the object of a track has left the image."""
        return self.values.get("outside") == "1"


def iter_shapes(element: "Element") -> list[Shape]:
    """Return the shapes in an image or a track."""
    return [_shape(child) for child in element if child.tag not in _WITHOUT_REGION]


def _shape(element: "Element", *, is_part: bool = False) -> Shape:
    attributes = {each.get("name"): each.text or "" for each in element.findall("attribute")}
    extra = scalar_fields(attributes)
    if element.get("occluded") == "1":
        extra.setdefault("occluded", 1)
    if element.get("source"):
        extra.setdefault("source", element.get("source"))
    # A skeleton contains points only, and a damaged file any depth of skeletons.
    has_parts = element.tag == "skeleton" and not is_part
    children = [child for child in element if child.tag not in _WITHOUT_REGION]
    parts = tuple(_shape(child, is_part=True) for child in children) if has_parts else ()
    return Shape(element.tag, dict(element.attrib), extra, parts)


def shape_mark(shape: Shape, label: str | None) -> MarkSpec:
    """Make the mark of a shape. Raises InputError."""
    build = _BUILDERS.get(shape.kind)
    if build is None:
        known = ", ".join(_BUILDERS)
        raise InputError(f"expected one of the shapes {known}, found {short_repr(shape.kind)}")
    return build(shape, label)


# --- shapes ----------------------------------------------------------------------------------


def _numbers(shape: Shape, *names: str) -> list[float]:
    values = [to_number(shape.values.get(name)) for name in names]
    return check_numbers(values, f"a {shape.kind} of {', '.join(names)}")


def _rotation(shape: Shape) -> float:
    return check_numbers([shape.values.get("rotation", 0)], "a rotation in degrees")[0] % 360


def _points(shape: Shape) -> list[XY]:
    text = str(shape.values.get("points") or "")
    pairs = (check_numbers(pair.split(","), "points x,y;x,y;…", 2) for pair in text.split(";"))
    return [(x, y) for x, y in pairs]


def _box(shape: Shape, label: str | None) -> MarkSpec:
    left, top, right, bottom = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
    angle, size = _rotation(shape), (right - left, bottom - top)
    if angle:
        centre = (left + right) / 2, (top + bottom) / 2
        return rotated_box_mark(centre, size, angle, label)
    return box_mark(left, top, *size, label)


def _ellipse(shape: Shape, label: str | None) -> MarkSpec:
    x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
    return ellipse_mark((x, y), (across, down), _rotation(shape), label)


def _mask(shape: Shape, label: str | None) -> MarkSpec:
    """Make a mask of run lengths that fill a box row by row."""
    left, top, width, height = _numbers(shape, "left", "top", "width", "height")
    runs = str(shape.values.get("rle") or "").split(",")
    if not all(map(_WHOLE_NUMBER.fullmatch, runs)):
        found = short_repr(shape.values.get("rle"))
        raise InputError(f"expected a mask with an rle of run lengths, found {found}")
    bitmap = runs_bitmap([int(run) for run in runs], round(width), round(height))
    return bitmap_mark(bitmap, (left, top), label)


def _point_group(shape: Shape, label: str | None) -> MarkSpec:
    return points_mark(_points(shape), label)


def _skeleton(shape: Shape, label: str | None) -> MarkSpec:
    """Make the box around the points of a skeleton that are in the image."""
    visible = (part for part in shape.parts if not part.is_outside)
    return points_mark([point for part in visible for point in _points(part)], label)


def _cuboid(shape: Shape, label: str | None) -> MarkSpec:
    values = _numbers(shape, *_CUBOID)
    return hull_mark(list(zip(values[::2], values[1::2], strict=True)), label)


def _through_points(mark_shape: str) -> Callable[[Shape, str | None], MarkSpec]:
    def build(shape: Shape, label: str | None) -> MarkSpec:
        return region_mark(mark_shape, [v for point in _points(shape) for v in point], label)

    return build


_BUILDERS: Mapping[str, Callable[[Shape, str | None], MarkSpec]] = {
    "box": _box,
    "polygon": _through_points("contour"),
    "polyline": _through_points("scribble"),
    "points": _point_group,
    "ellipse": _ellipse,
    "mask": _mask,
    "cuboid": _cuboid,
    "skeleton": _skeleton,
}


# --- between two keyframes -------------------------------------------------------------------

_LINEAR: Mapping[str, Sequence[str]] = {
    "box": ("xtl", "ytl", "xbr", "ybr"),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "cuboid": _CUBOID,
}


def interpolate(first: Shape, second: Shape, share: float) -> Shape | None:
    """Return the shape at a share of the way from one keyframe to the next.

    CVAT interpolates boxes, ellipses, cuboids and points along lines. It returns None for another
    shape, whose way is not known. Raises InputError.
    """
    if first.kind != second.kind or first.kind == "mask":
        return None
    names = _LINEAR.get(first.kind)
    if names:
        ends = zip(_numbers(first, *names), _numbers(second, *names), strict=True)
        values = {name: a + (b - a) * share for name, (a, b) in zip(names, ends, strict=True)}
        turn = (_rotation(second) - _rotation(first) + 180) % 360 - 180  # the shorter way
        values["rotation"] = _rotation(first) + turn * share
        return replace(first, values={**first.values, **values})
    if first.kind == "points":
        starts, ends_of = _points(first), _points(second)
        if len(starts) != len(ends_of):
            return None
        pairs = zip(starts, ends_of, strict=True)
        texts = (f"{x + (u - x) * share},{y + (v - y) * share}" for (x, y), (u, v) in pairs)
        return replace(first, values={**first.values, "points": ";".join(texts)})
    if first.kind == "skeleton":
        return _between_skeletons(first, second, share)
    return first if first.values.get("points") == second.values.get("points") else None


def _between_skeletons(first: Shape, second: Shape, share: float) -> Shape | None:
    others = {part.values.get("label"): part for part in second.parts}
    parts = []
    for part in first.parts:
        other = others.get(part.values.get("label"))
        between = interpolate(part, other, share) if other else None
        if between is None:
            return None
        parts.append(between)
    return replace(first, parts=tuple(parts))
