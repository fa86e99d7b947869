"""VGG Image Annotator (VIA) 1 and 2: one JSON file or CSV for many images -> annotated images.

The JSON is a project, whose images are in `_via_img_metadata`, or an export of the images only. VIA has
no classes: an attribute of the regions holds the label.
https://www.robots.ox.ac.uk/~vgg/software/via/docs/
"""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import load_json, matches_all
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.image_finder import FoundImage
from vipllava_cli.sources.manifest import json_or_text
from vipllava_cli.sources.one_file import AnnotationFile, open_annotation_file
from vipllava_cli.sources.plain_tables import iter_records, table_columns
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.region_shapes import ellipse_mark
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    region_mark,
    scalar_fields,
    unreadable_region,
)
from vipllava_cli.sources.rows import BadRow

JsonObject = Mapping[str, Any]

_SIGNATURE = (rb'"filename"\s*:', rb'"regions"\s*:\s*[\[{]', rb'"file_attributes"\s*:')
_VIA_3 = (rb'"metadata"\s*:\s*\{', rb'"vid"\s*:', rb'"xy"\s*:\s*\[')
_COLUMNS = {"region_shape_attributes", "region_attributes"}
# The attribute with one of these names holds the label, in any letter case.
_LABELS = ("label", "class", "name", "type", "category", "object", "class_name", "object_name")


def is_via_json(name: str) -> bool:
    """Return whether a JSON file looks like VIA. It may still be malformed."""
    return any(matches_all(name, map(re.compile, patterns)) for patterns in (_SIGNATURE, _VIA_3))


def is_via_table(name: str) -> bool:
    """Return whether a table has the columns of VIA."""
    return set(table_columns(name)) >= _COLUMNS


def read_via(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a JSON file or CSV of VIA, or the only one in a folder. Raises InputError."""
    file = _open(name, options)
    is_table = file.path.lower().endswith(".csv")
    content = _read_table(file.path, options) if is_table else _read_json(file.path, options)
    label_name = _label_name(content.entries)
    notes = [f"{file.path}: the attribute {label_name!r} is the label"] if label_name else []
    if not label_name and any(entry.regions for entry in content.entries):
        expected = ", ".join(_LABELS[:4])
        notes = [f"{file.path} has no attribute {expected} or the like: its regions have no label"]
    return Annotations(
        name,
        SourceFormat.via,
        partial(_iter_images, file, content, label_name),
        notes=tuple(notes),
    )


def _open(name: str, options: ReadOptions) -> AnnotationFile:
    """Find the file. A folder may hold the JSON and the CSV of the same regions: the JSON is read."""
    find = partial(open_annotation_file, name, options, SourceFormat.via)
    if os.path.isdir(name):
        files = list_folder(name).with_suffix(".json")
        if not any(is_via_json(os.path.join(name, file)) for file in files):
            return find(".csv", is_via_table)
    return find(".json", is_via_json)


# --- files -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Entry:
    """An image of a file: its name, pairs of shape and attributes, and the image itself if inside."""

    filename: Any
    regions: Sequence[Any]
    data: str = ""


@dataclass(frozen=True)
class _Content:
    """The images of a file. A project has a folder in which its images were."""

    entries: Sequence[_Entry]
    folder: str = ""


def _read_json(name: str, options: ReadOptions) -> _Content:
    content = load_json(name, encoding=options.encoding)
    images = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if isinstance(content, dict) and "metadata" in content and "view" in content:
        raise InputError(
            f"{name} is of VIA 3: expected a file of VIA 1 or 2; export it from VIA 3 as COCO, and read"
            " that file"
        )
    values = list(images.values()) if isinstance(images, dict) else []
    if not any(isinstance(value, dict) and "filename" in value for value in values):
        raise InputError(
            f'{name} is not VIA: expected an object of images with "filename" and "regions", found'
            f" {short_repr(content)}"
        )
    settings = content.get("_via_settings")
    core = settings.get("core") if isinstance(settings, dict) else None
    folder = core.get("default_filepath") if isinstance(core, dict) else None
    entries = [_entry(value) for value in values]
    return _Content(entries, folder if isinstance(folder, str) else "")


def _entry(value: Any) -> _Entry:
    fields = value if isinstance(value, dict) else {}
    regions = fields.get("regions")
    listed = list(regions.values()) if isinstance(regions, dict) else regions
    data = fields.get("base64_img_data")
    return _Entry(
        fields.get("filename"),
        listed if isinstance(listed, list) else [],
        data if isinstance(data, str) else "",
    )


def _read_table(name: str, options: ReadOptions) -> _Content:
    if not is_via_table(name):
        expected = ", ".join(("filename", *sorted(_COLUMNS)))
        raise InputError(f"{name} is not a table of VIA: expected the columns {expected}")
    regions: dict[str, list[Any]] = {}
    for record in iter_records(name, options.encoding):
        filename = record.get("filename") or record.get("#filename") or ""
        listed = regions.setdefault(filename, [])
        shape = json_or_text(record.get("region_shape_attributes", ""))
        if shape not in ({}, ""):  # a line without a region is about an image without one
            attributes = json_or_text(record.get("region_attributes", ""))
            listed.append({"shape_attributes": shape, "region_attributes": attributes})
    return _Content([_Entry(filename, listed) for filename, listed in regions.items()])


# --- labels ----------------------------------------------------------------------------------


def _attributes(region: Any) -> dict[str, Any]:
    """Return the attributes of a region. Ticked boxes of a list become text: `red, blue`."""
    listed = region.get("region_attributes") if isinstance(region, dict) else None
    values = listed.items() if isinstance(listed, dict) else ()
    return {name: _ticked(value) if isinstance(value, dict) else value for name, value in values}


def _ticked(options: JsonObject) -> str:
    return ", ".join(str(name) for name, is_ticked in options.items() if is_ticked)


def _label_name(entries: Sequence[_Entry]) -> str | None:
    """Return the attribute that holds the labels: the one with such a name, or the only one."""
    names = dict.fromkeys(
        name for entry in entries for region in entry.regions for name in _attributes(region)
    )
    by_name = {name.strip().casefold(): name for name in reversed(names)}
    found = next((by_name[name] for name in _LABELS if name in by_name), None)
    return next(iter(names)) if found is None and len(names) == 1 else found


# --- images and regions ----------------------------------------------------------------------


def _iter_images(
    file: AnnotationFile, content: _Content, label_name: str | None
) -> Iterator[AnnotatedImage | BadRow]:
    for number, entry in enumerate(content.entries, 1):
        name = entry.filename
        if not isinstance(name, str) or not name:
            reason = f'{file.path}, image {number}: expected a "filename", found {short_repr(name)}'
            yield BadRow(f"image {number}", "", InputError(reason))
            continue
        in_folder = content.folder.rstrip("/\\") + "/" + name if content.folder else name
        found = file.find_image(list(dict.fromkeys((name, in_folder))))
        if found.is_missing and entry.data:
            is_address = is_data_address(entry.data)
            found = FoundImage(entry.data if is_address else f"data:image/*;base64,{entry.data}")
        regions = tuple(_region(region, label_name) for region in entry.regions)
        yield AnnotatedImage(name, found.path, file.path, regions, None, found.error)


def _region(region: Any, label_name: str | None) -> Region:
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    if not isinstance(shape, dict):
        reason = f'expected a region with "shape_attributes", found {short_repr(region)}'
        return unreadable_region(InputError(reason))
    attributes = _attributes(region)
    value = attributes.get(label_name) if label_name else None
    label = str(value).strip() or None if isinstance(value, str | int | float) else None
    return Region(label, partial(_mark, shape, label), scalar_fields(attributes))


def _mark(shape: JsonObject, label: str | None) -> MarkSpec:
    name = shape.get("name")
    build = _BUILDERS.get(name) if isinstance(name, str) else None
    if build is None:
        known = ", ".join(_BUILDERS)
        raise InputError(f"expected one of the shapes {known}, found {short_repr(name)}")
    return build(shape, label)


# --- shapes ----------------------------------------------------------------------------------

Builder = Callable[[JsonObject, str | None], MarkSpec]


def _numbers(shape: JsonObject, *names: str) -> list[float]:
    what = f"a {shape.get('name')} of {', '.join(names)}"
    return check_numbers([shape.get(name) for name in names], what)


def _rect(shape: JsonObject, label: str | None) -> MarkSpec:
    left, top, width, height = _numbers(shape, "x", "y", "width", "height")
    return box_mark(left, top, width, height, label)


def _circle(shape: JsonObject, label: str | None) -> MarkSpec:
    x, y, radius = _numbers(shape, "cx", "cy", "r")
    return ellipse_mark((x, y), (radius, radius), 0, label)


def _ellipse(shape: JsonObject, label: str | None) -> MarkSpec:
    """Make an ellipse. `theta` turns it clockwise, in radians; older files have none."""
    x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
    [theta] = check_numbers([shape.get("theta", 0)], "theta in radians")
    return ellipse_mark((x, y), (across, down), math.degrees(theta), label)


def _point(shape: JsonObject, label: str | None) -> MarkSpec:
    return region_mark("point", _numbers(shape, "cx", "cy"), label)


def _through_points(mark_shape: str) -> Builder:
    def build(shape: JsonObject, label: str | None) -> MarkSpec:
        xs, ys = (
            check_numbers(shape.get(f"all_points_{axis}"), f"all_points_{axis}") for axis in "xy"
        )
        if len(xs) != len(ys):
            raise InputError(f"expected as many y as x of points, found {len(xs)} x, {len(ys)} y")
        flat = [value for point in zip(xs, ys, strict=True) for value in point]
        return region_mark(mark_shape, flat, label)

    return build


_BUILDERS: Mapping[str, Builder] = {
    "rect": _rect,
    "circle": _circle,
    "ellipse": _ellipse,
    "polygon": _through_points("contour"),
    "polyline": _through_points("scribble"),
    "point": _point,
}
