"""Supervisely: `ann/a.jpg.json` with `objects` for each `img/a.jpg` of a project -> annotated images.

https://docs.supervisely.com/data-organization/00_ann_format_navi
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import XY, MarkSpec
from vipllava_cli.sources.files import load_json, matches_all
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.per_image import FileContext, read_per_image
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.region_shapes import (
    bitmap_mark,
    decode_bitmap,
    hull_mark,
    points_mark,
)
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
    unreadable_region,
)

JsonObject = Mapping[str, Any]

_SIGNATURE = (rb'"objects"\s*:\s*\[', rb'"size"\s*:\s*\{\s*"(?:height|width)"\s*:')
_PROJECT_FILES = ("meta.json", "key_id_map.json", "obj_class_to_machine_color.json")


def is_supervisely(name: str) -> bool:
    """Return whether a JSON file looks like an annotation of Supervisely. It may be malformed."""
    return matches_all(name, map(re.compile, _SIGNATURE))


def read_supervisely(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read one annotation file, or those of a project. Raises InputError for any other file."""
    return read_per_image(
        name,
        options,
        SourceFormat.supervisely,
        ".json",
        is_supervisely,
        _read_file,
        ignored=_PROJECT_FILES,
    )


def _read_file(file: str, context: FileContext) -> AnnotatedImage:
    content = load_json(file, encoding=context.encoding)
    objects = content.get("objects") if isinstance(content, dict) else None
    if not isinstance(objects, list):
        found = short_repr(content)
        raise InputError(
            f'{file} is not Supervisely: expected an object with "objects", not {found}'
        )
    if "frames" in content or "figures" in content:
        raise InputError(
            f"{file} annotates a video or a point cloud of Supervisely: expected an image; export the"
            " frames as an images project"
        )
    image = context.find_image(file, [_image_name(file)])
    size = content.get("size")
    sides = size if isinstance(size, dict) else {}
    of_image = _tags(content.get("tags"))
    regions = tuple(_region(each, of_image) for each in objects)
    declared = declared_size(sides.get("width"), sides.get("height"))
    return AnnotatedImage(context.image_id(image), image.path, file, regions, declared, image.error)


def _image_name(file: str) -> str:
    """Return the name of the image of `ann/a.jpg.json`."""
    return re.split(r"[\\/]", file)[-1].removesuffix(".json")


def _tags(tags: Any) -> dict[str, Any]:
    """Return the tags of an image or object by name. A tag without a value is true."""
    listed = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    values = {str(tag.get("name")): tag.get("value") for tag in listed}
    return scalar_fields({name: True if value is None else value for name, value in values.items()})


def _region(value: Any, of_image: JsonObject) -> Region:
    if not isinstance(value, dict):
        reason = f"expected an object with a classTitle, found {short_repr(value)}"
        return unreadable_region(InputError(reason))
    title = value.get("classTitle")
    label = None if title is None else str(title)
    extra = {**of_image, **_tags(value.get("tags"))}
    if isinstance(value.get("description"), str) and value["description"]:
        extra.setdefault("description", value["description"])
    return Region(label, partial(_mark, value, label), extra)


def _mark(value: JsonObject, label: str | None) -> MarkSpec:
    shape = value.get("geometryType") or value.get("shape")
    build = _BUILDERS.get(shape) if isinstance(shape, str) else None
    if build is None:
        known = ", ".join(_BUILDERS)
        raise InputError(f"expected one of the geometry types {known}, found {short_repr(shape)}")
    return build(value, label)


# --- shapes ----------------------------------------------------------------------------------

Builder = Callable[[JsonObject, str | None], MarkSpec]


def _outline(value: Any, ring: str = "exterior") -> list[XY]:
    points = value.get(ring) if isinstance(value, dict) else None
    if not isinstance(points, list):
        raise InputError(f'expected "{ring}" points [[x, y], …], found {short_repr(value)}')
    pairs = (check_numbers(point, "a point [x, y]", 2) for point in points)
    return [(x, y) for x, y in pairs]


def _flat(points: list[XY]) -> list[float]:
    return [value for point in points for value in point]


def _corners(value: JsonObject) -> tuple[float, float, float, float]:
    """Return left, top, width and height of two corners in any order."""
    points = _outline(value.get("points"))
    if len(points) != 2:
        raise InputError(f"expected 2 corners, found {len(points)}")
    (x1, y1), (x2, y2) = points
    return min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)


def _rectangle(value: JsonObject, label: str | None) -> MarkSpec:
    return box_mark(*_corners(value), label)


def _oriented_box(value: JsonObject, label: str | None) -> MarkSpec:
    """Make the contour of a box with an angle in radians, clockwise about its centre."""
    left, top, width, height = _corners(value)
    [angle] = check_numbers([value.get("angle", 0)], "an angle in radians")
    centre = left + width / 2, top + height / 2
    return rotated_box_mark(centre, (width, height), math.degrees(angle), label)


def _rings(polygon: Any) -> Iterator[list[float]]:
    """Iterate over the outline of a polygon and its holes."""
    yield _flat(_outline(polygon))
    holes = polygon.get("interior") or []
    if not isinstance(holes, list):
        raise InputError(f'expected "interior" as a list of holes, found {short_repr(holes)}')
    yield from (_flat(_outline({"exterior": hole})) for hole in holes)


def _polygon(value: JsonObject, label: str | None) -> MarkSpec:
    return region_mark("contour", list(_rings(value.get("points"))), label)


def _multipolygon(value: JsonObject, label: str | None) -> MarkSpec:
    parts = value.get("parts")
    listed = parts if isinstance(parts, list) else []
    return region_mark("contour", [ring for part in listed for ring in _rings(part)], label)


def _line(value: JsonObject, label: str | None) -> MarkSpec:
    return region_mark("scribble", _flat(_outline(value.get("points"))), label)


def _points(value: JsonObject, label: str | None) -> MarkSpec:
    return points_mark(_outline(value.get("points")), label)


def _nodes(value: JsonObject) -> list[XY]:
    """Return the places of the nodes that are not disabled."""
    nodes = value.get("nodes")
    listed = nodes.values() if isinstance(nodes, dict) else ()
    enabled = [node for node in listed if isinstance(node, dict) and not node.get("disabled")]
    return _outline({"exterior": [node.get("loc") for node in enabled]})


def _graph(value: JsonObject, label: str | None) -> MarkSpec:
    return points_mark(_nodes(value), label)


def _cuboid(value: JsonObject, label: str | None) -> MarkSpec:
    """Make the outline of a cuboid of eight nodes or, in older files, of a list of points."""
    points = value.get("points")
    is_list = isinstance(points, list)
    return hull_mark(_outline({"exterior": points}) if is_list else _nodes(value), label)


def _bitmap(value: JsonObject, label: str | None) -> MarkSpec:
    bitmap = value.get("bitmap") or value.get("alpha_mask")
    if not isinstance(bitmap, dict):
        raise InputError(f'expected a "bitmap" with data and origin, found {short_repr(bitmap)}')
    x, y = check_numbers(bitmap.get("origin"), "an origin [x, y]", 2)
    return bitmap_mark(decode_bitmap(bitmap.get("data")), (x, y), label)


_BUILDERS: Mapping[str, Builder] = {
    "rectangle": _rectangle,
    "oriented_bbox": _oriented_box,
    "polygon": _polygon,
    "multipolygon": _multipolygon,
    "line": _line,
    "polyline": _line,
    "point": _points,
    "bitmap": _bitmap,
    "alpha_mask": _bitmap,
    "graph": _graph,
    "cuboid": _cuboid,
    "cuboid_2d": _cuboid,
}
