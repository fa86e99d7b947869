"""FiftyOne: a folder with `samples.json`, as `dataset.export` of the older format and `export` write it.

Coordinates are shares of the sides. https://docs.voxel51.com/user_guide/import_datasets.html
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.json_marks import is_finite_number
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import load_json, matches_all
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.one_file import AnnotationFile, open_annotation_file
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.region_shapes import points_mark
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    declared_size,
    region_mark,
    scalar_fields,
)
from vipllava_cli.sources.rows import BadRow

_SIGNATURE = (rb'"samples"\s*:\s*\[', rb'"filepath"\s*:')
_OWN_FIELDS = ("_cls", "confidence", "closed", "filled", "index")

JsonObject = Mapping[str, Any]


def is_fiftyone(name: str) -> bool:
    """Return whether a JSON file looks like the samples of FiftyOne. It may still be malformed."""
    return matches_all(name, map(re.compile, _SIGNATURE))


def read_fiftyone(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a `samples.json`, or the only one in a folder. Raises InputError."""
    file = open_annotation_file(name, options, SourceFormat.fiftyone, ".json", is_fiftyone)
    content = load_json(file.path, encoding=options.encoding)
    samples = content.get("samples") if isinstance(content, dict) else None
    if not isinstance(samples, list):
        found = short_repr(content)
        raise InputError(f'{file.path}: expected an object with a list "samples", found {found}')
    return Annotations(name, SourceFormat.fiftyone, partial(_iter_images, file, samples))


def _iter_images(file: AnnotationFile, samples: Sequence[Any]) -> Iterator[AnnotatedImage | BadRow]:
    for number, sample in enumerate(samples, 1):
        path = sample.get("filepath") if isinstance(sample, dict) else None
        if not isinstance(path, str) or not path:
            reason = (
                f'{file.path}, sample {number}: expected a "filepath", found {short_repr(sample)}'
            )
            yield BadRow(f"sample {number}", "", InputError(reason))
            continue
        found = file.find_image([path])
        metadata = sample.get("metadata")
        sides = metadata if isinstance(metadata, dict) else {}
        size = declared_size(sides.get("width"), sides.get("height"))
        yield AnnotatedImage(
            path, found.path, file.path, tuple(_regions(sample)), size, found.error
        )


def _regions(sample: JsonObject) -> Iterator[Region]:
    """Iterate over the labels of all fields of a sample that mark a region."""
    for value in sample.values():
        kind = value.get("_cls") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            continue
        if kind in _BUILDERS:
            yield _region(value)
        listed = value.get(kind.lower())
        for label in listed if isinstance(listed, list) else []:
            if isinstance(label, dict) and str(label.get("_cls")) in _BUILDERS:
                yield _region(label)


def _region(value: JsonObject) -> Region:
    label = value.get("label")
    text = None if label is None else str(label)
    attributes = {name: field for name, field in value.items() if name not in _OWN_FIELDS}
    build = _BUILDERS[str(value["_cls"])]
    return Region(text, partial(build, value, text), scalar_fields(attributes))


def _detection(value: JsonObject, label: str | None) -> MarkSpec:
    box = check_numbers(value.get("bounding_box"), "a bounding_box [x, y, width, height]", 4)
    x, y, width, height = box
    return box_mark(x, y, width, height, label, "unit")


def _polyline(value: JsonObject, label: str | None) -> MarkSpec:
    parts = value.get("points")
    if not isinstance(parts, list) or not all(isinstance(part, list) for part in parts):
        raise InputError(f"expected points, a list of lists of [x, y], found {short_repr(parts)}")
    flat = [_flat(part) for part in parts]
    is_closed = value.get("closed") or value.get("filled")
    return region_mark("contour" if is_closed else "scribble", flat, label, "unit")


def _keypoint(value: JsonObject, label: str | None) -> MarkSpec:
    """Make a point, or the box around several. FiftyOne writes NaN for a point that is not visible."""
    listed = value.get("points")
    points = [each for each in listed if not _is_hidden(each)] if isinstance(listed, list) else []
    pairs = (check_numbers(point, "a point [x, y]", 2) for point in points)
    return points_mark([(x, y) for x, y in pairs], label, "unit")


def _is_hidden(point: Any) -> bool:
    """Return whether both coordinates of a point are missing."""
    is_pair = isinstance(point, list) and len(point) == 2
    return is_pair and not any(map(is_finite_number, point))


def _flat(points: Sequence[Any]) -> list[float]:
    return [number for point in points for number in check_numbers(point, "a point [x, y]", 2)]


_BUILDERS: Mapping[str, Callable[[JsonObject, str | None], MarkSpec]] = {
    "Detection": _detection,
    "Polyline": _polyline,
    "Keypoint": _keypoint,
}
