"""The regions of a Label Studio annotation.

Coordinates are percentages of the sides of the image as it was before a turn of the view, which
`image_rotation` records. Rotations are clockwise, in pixels: of a rectangle about its top left corner, of
an ellipse about its centre. https://labelstud.io/guide/export
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.marks.types import XY, Coordinate, MarkSpec
from vipllava_cli.sources.brush_rle import decode_brush
from vipllava_cli.sources.region_shapes import bitmap_mark, decode_bitmap, ellipse_mark
from vipllava_cli.sources.regions import (
    Region,
    box_mark,
    check_numbers,
    declared_size,
    region_mark,
    rotated_box_mark,
    scalar_fields,
)

JsonObject = Mapping[str, Any]

# A result of another type with coordinates belongs to the region with the same id: a choice for each
# region repeats the coordinates of the region.
_SHAPE_TYPES = ("rectangle", "ellipse", "polygon", "keypoint", "brush", "bitmask", "vector")
_PLACE = (
    "x",
    "y",
    "width",
    "height",
    "radiusX",
    "radiusY",
    "rotation",
    "points",
    "vertices",
    "rle",
)
_SIZE = ("original_width", "original_height")


def iter_annotation_regions(results: Any) -> Iterator[tuple[JsonObject, Region]]:
    """Iterate over the regions of an annotation, each with the result that has its shape."""
    listed = [r for r in results if isinstance(r, dict)] if isinstance(results, list) else []
    groups: dict[str, list[JsonObject]] = {}
    for number, result in enumerate(listed):
        id = result.get("id")
        groups.setdefault(f"#{number}" if id is None else str(id), []).append(result)
    shapes = {id: shape for id, group in groups.items() if (shape := _find_shape(group))}
    of_image = _columns([r for id, group in groups.items() if id not in shapes for r in group])
    relations = [result for result in listed if result.get("type") == "relation"]
    for id, shape in shapes.items():
        others = [result for result in groups[id] if result is not shape]
        labels = _labels([shape, *others])
        extra = {**of_image, **_columns(others), **_label_columns(labels)}
        extra |= scalar_fields({"score": shape.get("score")})
        if shape.get("id") is not None:
            extra["region_id"] = id
        related = [_relation(each) for each in relations if str(each.get("from_id")) == id]
        if related:
            extra["relations"] = related
        label = labels[0] if labels else None
        yield shape, Region(label, partial(_mark, {**shape, **_value(shape)}, label), extra)


def iter_min_regions(task: JsonObject) -> Iterator[Region]:
    """Iterate over the regions of a task in JSON-MIN: lists of regions under the names of controls.

    A control for the labels, or for each region, repeats the coordinates of the regions.
    """
    places: dict[str, list[JsonObject]] = {}
    for control, values in task.items():
        seen: dict[str, int] = {}
        for value in values if isinstance(values, list) else ():
            if not isinstance(value, dict) or "original_width" not in value or not _is_place(value):
                continue
            place = json.dumps([value.get(name) for name in _PLACE])
            seen[place] = seen.get(place, 0) + 1  # two equal regions of one control stay two
            group = places.setdefault(f"{place}{seen[place]}", [])
            group.append({**value, "from_name": control, "value": value})
    for group in places.values():
        labels = _labels(group)
        label = labels[0] if labels else None
        extra = {**_columns(group), **_label_columns(labels)}
        yield Region(label, partial(_mark, group[0], label), extra)


def _label_columns(labels: Sequence[str]) -> dict[str, str]:
    """Return the column for a region with several labels. The first one is its label."""
    return {"all_labels": ", ".join(labels)} if len(labels) > 1 else {}


def _value(result: JsonObject) -> JsonObject:
    value = result.get("value")
    return value if isinstance(value, dict) else {}


def _is_place(value: JsonObject) -> bool:
    return any(name in value for name in (*_PLACE, "imageDataURL"))


def _find_shape(group: Sequence[JsonObject]) -> JsonObject | None:
    """Return the result with the shape of a region: one of a shape's type, else one with any."""
    placed = [result for result in group if _is_place(_value(result))]
    typed = (r for r in placed if str(r.get("type", "rectangle")).startswith(_SHAPE_TYPES))
    return next(typed, next((r for r in placed if r.get("type") == "labels"), None))


def _labels(group: Sequence[JsonObject]) -> list[str]:
    """Return the labels of a region: `rectanglelabels`, `polygonlabels`, `labels`, …"""
    lists = (
        value
        for result in group
        for name, value in _value(result).items()
        if name.endswith("labels") and isinstance(value, list)
    )
    return list(dict.fromkeys(str(label) for each in lists for label in each))


def _columns(results: Sequence[JsonObject]) -> dict[str, Any]:
    """Return the choices, texts and ratings of results, by the names of their controls."""
    columns: dict[str, Any] = {}
    for result in results:
        control = result.get("from_name")
        for name, value in _value(result).items():
            if name in _PLAIN_VALUES and isinstance(control, str):
                columns[control] = plain_value(value)
    return scalar_fields(columns)


_PLAIN_VALUES = ("choices", "text", "taxonomy", "rating", "number", "datetime")


def plain_value(value: Any) -> Any:
    """Return a value as text or number: `red, blue`, or `animal/cat` for a taxonomy."""
    if isinstance(value, dict):
        value = next((value[name] for name in _PLAIN_VALUES if name in value), None)
    if not isinstance(value, list):
        return value
    return ", ".join("/".join(map(str, v)) if isinstance(v, list) else str(v) for v in value)


def _relation(relation: JsonObject) -> dict[str, Any]:
    labels = relation.get("labels")
    named = [str(label) for label in labels] if isinstance(labels, list) else []
    return {"to": str(relation.get("to_id")), "labels": named}


# --- shapes ----------------------------------------------------------------------------------


def _mark(value: JsonObject, label: str | None) -> MarkSpec:
    size = declared_size(value.get("original_width"), value.get("original_height"))
    build = next((build for name, build in _BUILDERS.items() if name in value), None)
    if build is None:
        raise InputError(f"expected a region with one of {', '.join(_BUILDERS)}, found none")
    if size is None:
        if build in (_brush, _bitmask) or _angle(value):
            raise InputError("expected an original_width and an original_height in pixels")
        return _in_percent(build(value, label, (100, 100)))
    return replace(build(value, label, (size.width, size.height)), declared=size)


def _in_percent(spec: MarkSpec) -> MarkSpec:
    """Return a mark in percent of the image, for one on an image of 100x100 pixels."""
    parts = tuple(tuple(Coordinate(each.value, 100) for each in part) for part in spec.parts)
    return replace(spec, parts=parts)


def _pixels(value: JsonObject, names: Sequence[str], size: XY) -> list[float]:
    """Return percentages, of the width and of the height in turns, in pixels. Raises InputError."""
    values = [value.get(name) for name in names]
    percents = check_numbers(values, f"a region of {', '.join(names)} in percent")
    return [percent / 100 * size[number % 2] for number, percent in enumerate(percents)]


def _angle(value: JsonObject) -> float:
    return check_numbers([value.get("rotation") or 0], "a rotation in degrees")[0] % 360


def _rectangle(value: JsonObject, label: str | None, size: XY) -> MarkSpec:
    """Make a box or, if it is rotated about its top left corner, its contour."""
    if "height" not in value:
        return region_mark("point", _pixels(value, ("x", "y"), size), label)
    x, y, width, height = _pixels(value, ("x", "y", "width", "height"), size)
    angle = _angle(value)
    if not angle:
        return box_mark(x, y, width, height, label)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    centre = x + (width * cos - height * sin) / 2, y + (width * sin + height * cos) / 2
    return rotated_box_mark(centre, (width, height), angle, label)


def _ellipse(value: JsonObject, label: str | None, size: XY) -> MarkSpec:
    x, y, across, down = _pixels(value, ("x", "y", "radiusX", "radiusY"), size)
    return ellipse_mark((x, y), (across, down), _angle(value), label)


def _polygon(value: JsonObject, label: str | None, size: XY) -> MarkSpec:
    listed = value["points"] if isinstance(value["points"], list) else []
    points = [check_numbers(point, "a point [x, y]", 2) for point in listed]
    shape = "scribble" if value.get("closed") is False else "contour"
    return region_mark(
        shape, [v / 100 * s for p in points for v, s in zip(p, size, strict=True)], label
    )


def _vector(value: JsonObject, label: str | None, size: XY) -> MarkSpec:
    listed = value["vertices"] if isinstance(value["vertices"], list) else []
    points = [[v.get("x"), v.get("y")] for v in listed if isinstance(v, dict)]
    return _polygon({"points": points, "closed": bool(value.get("closed"))}, label, size)


def _brush(value: JsonObject, label: str | None, size: XY) -> MarkSpec:
    inside = decode_brush(value["rle"], round(size[0]), round(size[1]))
    return bitmap_mark(inside, (0, 0), label)


def _bitmask(value: JsonObject, label: str | None, size: XY) -> MarkSpec:
    inside = decode_bitmap(value["imageDataURL"])
    if inside.shape != (round(size[1]), round(size[0])):
        found = f"{inside.shape[1]}x{inside.shape[0]}"
        raise InputError(f"expected a mask of {size[0]:g}x{size[1]:g} pixels, found {found}")
    return bitmap_mark(inside, (0, 0), label)


# The field of a region that tells its shape -> how to read it. The first one that fits counts.
_BUILDERS: Mapping[str, Callable[[JsonObject, str | None, XY], MarkSpec]] = {
    "rle": _brush,
    "imageDataURL": _bitmask,
    "vertices": _vector,
    "points": _polygon,
    "radiusX": _ellipse,
    "x": _rectangle,
}
