"""Label Studio: a JSON list of tasks, exported as JSON or JSON-MIN -> annotated images.

Coordinates are percentages of the sides. A rotation is clockwise about the top left corner, in pixels.
https://labelstud.io/guide/export
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import load_json, read_head_text
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
)
from vipllava_cli.sources.rows import BadRow

_SIGNATURE = '"original_width"'
_UPLOADED = re.compile(
    r"\A[0-9a-f]{4,8}-(?=.)"
)  # Label Studio puts it before the name of an upload
_GEOMETRY = ("x", "points", "vertices", "rle", "format")

JsonObject = Mapping[str, Any]


def is_label_studio(name: str) -> bool:
    """Return whether a JSON list looks like an export of Label Studio."""
    head = read_head_text(name)
    return head.lstrip().startswith("[") and _SIGNATURE in head


def read_label_studio(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read an export, or the only one in a folder. Raises InputError."""
    file = open_annotation_file(name, options, SourceFormat.label_studio, ".json", is_label_studio)
    tasks = load_json(file.path, encoding=options.encoding)
    if not isinstance(tasks, list):
        found = short_repr(tasks)
        raise InputError(f"{file.path}: expected Label Studio's list of tasks, found {found}")
    several = sum(len(_annotations(task)) > 1 for task in tasks if isinstance(task, dict))
    note = f"{file.path}: tasks with several annotations (the first one is used): {several}"
    return Annotations(
        name,
        SourceFormat.label_studio,
        partial(_iter_images, file, tasks),
        notes=(note,) if several else (),
    )


def _iter_images(file: AnnotationFile, tasks: Sequence[Any]) -> Iterator[AnnotatedImage | BadRow]:
    images = {_image(task) for task in tasks if isinstance(task, dict)}
    uploads = Counter(_UPLOADED.sub("", image.rpartition("/")[2]) for image in images if image)
    for number, task in enumerate(tasks, 1):
        image = _image(task) if isinstance(task, dict) else None
        if not image:
            reason = f"{file.path}, task {number}: expected an image, found {short_repr(task)}"
            yield BadRow(f"task {number}", "", InputError(reason))
            continue
        original = _UPLOADED.sub("", image.rpartition("/")[2])
        # Two uploads of one name may be two images.
        names = [image, original] if uploads[original] == 1 else [image]
        found = file.find_image(names)
        regions = tuple(_iter_regions(task))
        yield AnnotatedImage(names[-1], found.path, file.path, regions, None, found.error)


def _image(task: JsonObject) -> str | None:
    """Return the name of a task's image: of an upload, or of a file in the local storage."""
    data = task.get("data") if isinstance(task.get("data"), dict) else task
    texts = [data.get("image"), data.get("img"), *data.values()] if data else []
    named = (text for text in texts if isinstance(text, str) and "." in text)
    image = next(named, None)
    return image.rpartition("?d=")[2] if image else None


def _annotations(task: JsonObject) -> list[JsonObject]:
    annotations = task.get("annotations") or task.get("completions")
    valid = annotations if isinstance(annotations, list) else []
    finished: list[JsonObject] = [
        each for each in valid if isinstance(each, dict) and not each.get("was_cancelled")]
    predictions = task.get("predictions")
    if finished or not isinstance(predictions, list):
        return finished
    return [each for each in predictions[:1] if isinstance(each, dict)]  # one for each model


def _iter_regions(task: JsonObject) -> Iterator[Region]:
    annotations = _annotations(task)
    if annotations:
        listed = annotations[0].get("result")
        results = [r for r in listed if isinstance(r, dict)] if isinstance(listed, list) else []
        labels = {
            str(r.get("id")): _label(r.get("value")) for r in results if r.get("type") == "labels"
        }
        for result in results:
            value = result.get("value")
            if isinstance(value, dict) and any(name in value for name in _GEOMETRY):
                label = _label(value) or labels.get(str(result.get("id")))
                if result.get("type") != "labels":
                    yield Region(label, partial(_mark, {**result, **value}, label))
        return
    for values in task.values():  # JSON-MIN
        for value in values if isinstance(values, list) else []:
            if isinstance(value, dict) and "original_width" in value:
                label = _label(value)
                yield Region(label, partial(_mark, value, label))


def _label(value: Any) -> str | None:
    """Return the first label of a region: `rectanglelabels`, `polygonlabels`, …"""
    lists = value.items() if isinstance(value, dict) else ()
    found = (v for name, v in lists if name.endswith("labels") and isinstance(v, list) and v)
    first = next(found, None)
    return str(first[0]) if first else None


def _mark(value: JsonObject, label: str | None) -> MarkSpec:
    size = declared_size(value.get("original_width"), value.get("original_height"))
    if size is None:
        raise InputError("expected an original_width and an original_height in pixels")
    if value.get("image_rotation"):
        raise InputError(
            f"the image was rotated by {short_repr(value['image_rotation'])} degrees in Label Studio:"
            " rotate the file, and annotate it without"
        )
    scale = size.width / 100, size.height / 100
    return replace(_shape(value, label, scale), declared=size)


def _shape(value: JsonObject, label: str | None, scale: tuple[float, float]) -> MarkSpec:
    """Make the mark of a region, in pixels. `scale` is the pixels of a percent."""
    if isinstance(value.get("points"), list):
        points = [check_numbers(point, "a point [x, y]", 2) for point in value["points"]]
        flat = [
            side * factor for point in points for side, factor in zip(point, scale, strict=True)
        ]
        return region_mark("contour", flat, label)
    names = (
        ("x", "y", "radiusX", "radiusY") if "radiusX" in value else ("x", "y", "width", "height")
    )
    if "x" in value and "height" not in value and "radiusX" not in value:
        x, y = check_numbers([value.get("x"), value.get("y")], "a point x, y")
        return region_mark("point", [x * scale[0], y * scale[1]], label)
    sides = check_numbers([value.get(name) for name in names], f"a region of {', '.join(names)}")
    x, y, width, height = (side * scale[number % 2] for number, side in enumerate(sides))
    angle = check_numbers([value.get("rotation") or 0], "a rotation in degrees")[0] % 360
    if "radiusX" in value:
        if angle:
            raise InputError("expected an ellipse without rotation: draw it as a polygon")
        return region_mark("ellipse", [x - width, y - height, x + width, y + height], label)
    if not angle:
        return box_mark(x, y, width, height, label)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    centre = (
        x + (width * cos - height * sin) / 2,
        y + (width * sin + height * cos) / 2,
    )
    return rotated_box_mark(centre, (width, height), angle, label)
