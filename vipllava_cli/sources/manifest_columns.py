"""The columns of manifests: their names in any case, and the regions and questions in them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.shape_table import SHAPES, Units
from vipllava_cli.marks.types import DeclaredSize, MarkSpec
from vipllava_cli.sources.regions import box_mark, check_numbers, declared_size, region_mark

FIELDS = ("id", "image", "question", "questions", "choices", "marks")

# Other names of a field, the usual ones first.
_ALIASES: Mapping[str, Sequence[str]] = {
    "image": ("image_path", "path", "file_name", "filename", "img_path", "file", "img"),
}

# Columns with the edges of a box.
_EDGES = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
)
_SIZES = (("image_width", "image_height"), ("width", "height"))
_CORNER_LISTS = ("boxes", "bboxes")  # lists of x1, y1, x2, y2
_REGION_COLUMNS = ("bbox", *_CORNER_LISTS, *(name for names in _EDGES for name in names))
_KNOWN = (*FIELDS, *SHAPES, *_REGION_COLUMNS)

_LIKE_REGION = re.compile(
    r"b?box(es)?|bounding_?box(es)?|[xy]([12]|_?(min|max|c|center))?|[wh]|left|top|right|bottom|roi"
    r"|region|regions|rect|rectangle|coords|coordinates|polygon|polygons|segmentation|points|annotations"
    r"|objects"
)
_LIKE_QUESTION = re.compile(r"text|prompt|query|instruction|questions?|conversations?|messages")

_NUMBERS = re.compile(r"[\s,;]+")


def canonical_names(names: Iterable[str]) -> dict[str, str]:
    """Map the names of columns to those that the program knows: `Image` and `path` are `image`.

    Other names stay as they are. So do second columns for one field.
    """
    given = list(names)
    found = {name: name for name in given if name in _KNOWN}
    for name in given:
        lower = name.strip().lower()
        if name not in found and lower in _KNOWN and lower not in found.values():
            found[name] = lower
    for field, aliases in _ALIASES.items():
        if field in found.values():
            continue
        by_lower = {name.strip().lower(): name for name in reversed(given)}
        alias = next((by_lower[alias] for alias in aliases if alias in by_lower), None)
        if alias is not None:
            found[alias] = field
    return {name: found.get(name, name) for name in given}


def region_marks(fields: Mapping[str, Any], units: str = Units.px) -> list[MarkSpec]:
    """Read the marks in columns for regions. Raises InputError."""
    marks: list[MarkSpec] = []
    for shape in SHAPES:
        marks += _shape_marks(shape, fields.get(shape), units)
    for x, y, width, height in _number_lists(fields.get("bbox"), "bbox", "x, y, width, height"):
        marks.append(box_mark(x, y, width, height, None, units))
    for column in _CORNER_LISTS:
        for corners in _number_lists(fields.get(column), column, "x1, y1, x2, y2"):
            marks.append(region_mark("box", corners, None, units))
    for names in _EDGES:
        edges = [fields.get(name) for name in names]
        if any(edge not in (None, "") for edge in edges):
            corners = check_numbers(edges, f"{', '.join(names)} of a box")
            marks.append(region_mark("box", corners, None, units))
    return marks


def image_size(fields: Mapping[str, Any]) -> DeclaredSize | None:
    """Return the size of the image that a row declares."""
    lower = {name.strip().lower(): value for name, value in fields.items()}
    if {"x", "y"} <= lower.keys():
        lower = {name: value for name, value in lower.items() if name not in _SIZES[1]}
    sizes = (declared_size(lower.get(width), lower.get(height)) for width, height in _SIZES)
    return next(filter(None, sizes), None)


def is_row_column(name: str) -> bool:
    """Return whether a canonical name is read as a part of the row, and goes to no `extra`."""
    return name in _KNOWN


def unused_notes(source: str, names: Iterable[str], used: Iterable[str] = ()) -> list[str]:
    """Return notes about columns that look like a region or a question and are not used.

    `names` are canonical. `used` are further columns that the reader uses.
    """
    others = [name for name in names if name not in _KNOWN and name not in used]
    regions = [name for name in others if _LIKE_REGION.fullmatch(name.strip().lower())]
    questions = [name for name in others if _LIKE_QUESTION.fullmatch(name.strip().lower())]
    notes = []
    if regions:
        notes.append(
            f"{source}: no region is read from {_listed(regions)}; a box is in x1, y1, x2, y2, in bbox"
            " (x, y, width, height) or in box (x1,y1,x2,y2)"
        )
    if questions:
        advice = f"--question '{{{questions[0]}}}' asks it, or name the column question"
        notes.append(f"{source}: no question is read from {_listed(questions)}; {advice}")
    return notes


def _listed(names: Sequence[str]) -> str:
    return f"the column{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _shape_marks(shape: str, value: Any, units: str) -> list[MarkSpec]:
    """Read the marks of a shape: text as on the command line, a list of numbers, or of such lists."""
    if value in (None, "", []):
        return []
    if isinstance(value, str):
        return [parse_mark(shape, value, units)]
    if isinstance(value, list) and all(isinstance(part, list) for part in value):
        return [region_mark(shape, check_numbers(part, shape), None, units) for part in value]
    return [region_mark(shape, check_numbers(value, f"a {shape} as numbers"), None, units)]


def _number_lists(value: Any, column: str, form: str) -> list[list[float]]:
    """Read four numbers, or a list of such lists. They may be text, in JSON or with commas."""
    if value in (None, "", []):
        return []
    if isinstance(value, str):
        text = value
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = [part for part in _NUMBERS.split(text.strip("()[] ")) if part]
    if not isinstance(value, list):
        raise InputError(f"expected {column} as a list {form}, found {short_repr(value)}")
    nested = value if value and all(isinstance(part, list) for part in value) else [value]
    return [check_numbers(part, f"{column} as {form}", 4) for part in nested]
