"""The columns of manifests: their names in any case, and the regions and questions in them."""

import json
import re
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import Any

from vipllava_cli.errors import InputError, short_name, short_repr
from vipllava_cli.marks.parse import check_mark_count, parse_mark
from vipllava_cli.marks.shape_table import SHAPES, Units
from vipllava_cli.marks.types import DeclaredSize, MarkSpec
from vipllava_cli.sources.regions import box_mark, check_numbers, declared_size, region_mark
from vipllava_cli.storage.counts import list_some

FIELDS = ("id", "image", "question", "questions", "choices", "marks")

# Other names of a field, the usual ones first.
_ALIASES: Mapping[str, Sequence[str]] = {
    "image": (
        *("image_path", "path", "file_name", "filename", "img_path", "file", "img"),
        *("image_file", "image_name", "filepath", "file_path", "image_url", "img_url"),
    ),
}

# Columns with the edges of a box.
_FROM_0 = ("x0", "y0", "x1", "y1")
_FROM_1 = ("x1", "y1", "x2", "y2")
_EDGES = (
    _FROM_0,
    _FROM_1,
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
)
_SIZES = (
    ("image_width", "image_height"),
    ("img_width", "img_height"),
    ("original_width", "original_height"),
    ("width", "height"),
)
_CORNER_LISTS = ("boxes", "bboxes")  # lists of x1, y1, x2, y2
_REGION_COLUMNS = ("bbox", *_CORNER_LISTS, *(name for names in _EDGES for name in names))
_KNOWN = (*FIELDS, *SHAPES, *_REGION_COLUMNS)

_EDGE = r"([xy]_?([0-3]|min|max|c|cent(er|re))?|(cent(er|re)_?|c)[xy]|left|top|right|bottom)"
_LIKE_REGION = re.compile(
    r"(\w+[_.])?(b?box(es)?|bounding_?box(es)?|region|rect)[_.]?"
    rf"({_EDGE}|w|h|width|height|xyxyn?|xywhn?|[23]d|list|norm.*|coord.*)?"
    rf"|{_EDGE}(_?n|_norm)?|[wh]|xyxyn?|xywhn?|rois?|regions|rectangles?|coord(inate)?s"
    r"|polygons?|polylines?|segmentations?|points|keypoints|masks|rle|annotations|objects"
    r"|detections|instances|shapes"
)
_LIKE_QUESTION = re.compile(
    r"(user_|text_)?(text|prompt|query|instruction|question)s?(_text)?"
    r"|conversations?|messages|input|problem"
)
_MAX_NAME = 60  # characters of a column that may look like a region or a question

_NUMBERS = re.compile(r"[\s,;]+")


def canonical_names(names: Iterable[str]) -> dict[str, str]:
    """Map the names of columns to the names in the program: `Image` and `path` are `image`.

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
    columns: list[list[MarkSpec]] = [
        _shape_marks(shape, fields[shape], units) for shape in SHAPES if shape in fields
    ]
    boxes = _number_lists(fields.get("bbox"), "bbox", "x, y, width, height")
    columns.append([box_mark(x, y, width, height, None, units) for x, y, width, height in boxes])
    for column in _CORNER_LISTS:
        corners = _number_lists(fields.get(column), column, "x1, y1, x2, y2")
        columns.append([region_mark("box", each, None, units) for each in corners])
    for names in _EDGES:
        if names == (_FROM_1 if _is_from_0(fields) else _FROM_0):
            continue
        edges = [fields.get(name) for name in names]
        if any(edge not in (None, "") for edge in edges):
            numbers = check_numbers(edges, f"{', '.join(names)} of a box")
            columns.append([region_mark("box", numbers, None, units)])
    marks: list[MarkSpec] = []
    for listed in columns:  # several columns may hold the same regions
        check_mark_count(len(marks) + len(listed))
        known = set(marks) if marks and listed else ()
        marks += listed if any(mark not in known for mark in listed) else []
    return marks


def _is_from_0(names: Container[str]) -> bool:
    """Return whether the corners of a box are numbered from 0: `x1` is its right edge then."""
    return "x0" in names and "x2" not in names


def image_size(fields: Mapping[str, Any], marks: Sequence[MarkSpec] = ()) -> DeclaredSize | None:
    """Return the size of the image that a row declares.

    `width` and `height` may be those of the box in `marks` instead.
    """
    lower = {name.strip().lower(): value for name, value in fields.items()}
    for width, height in _SIZES:
        if width not in lower:
            continue
        size = declared_size(lower.get(width), lower.get(height))
        is_box = width == "width" and ({"x", "y"} <= lower.keys() or _is_size_of(size, marks))
        if size and not is_box:
            return size
    return None


def _is_size_of(size: DeclaredSize | None, marks: Sequence[MarkSpec]) -> bool:
    """Return whether a size is that of the only mark, a box that does not begin at the corner."""
    if size is None or len(marks) != 1 or marks[0].shape != "box":
        return False
    left, top, *ends = marks[0].parts[0]
    starts = [
        0.0 if end.is_size else start.value for end, start in zip(ends, (left, top), strict=True)
    ]
    sides = [end.value - start for end, start in zip(ends, starts, strict=True)]
    is_equal = abs(sides[0] - size.width) < 1 and abs(sides[1] - size.height) < 1
    return is_equal and (left.value, top.value) != (0, 0)


def is_row_column(name: str) -> bool:
    """Return whether a canonical name is read as a part of the row, and goes to no `extra`."""
    return name in _KNOWN


def is_like_question(name: str) -> bool:
    """Return whether a column looks like one of questions."""
    return _is_like(_LIKE_QUESTION, name)


def _is_like(pattern: re.Pattern[str], name: str) -> bool:
    return len(name) <= _MAX_NAME and pattern.fullmatch(name.strip().lower()) is not None


def unused_notes(
    source: str,
    names: Collection[str],
    used: Iterable[str] = (),
    markers: Sequence[str] = ("marks",),
) -> list[str]:
    """Return notes about columns that look like a region or a question and are not used.

    `names` are canonical. `used` are further columns that the reader uses. In a row, each of
    `markers` hides the columns for regions that are no markers.
    """
    others = [name for name in names if name not in _KNOWN and name not in used]
    regions = [name for name in others if _is_like(_LIKE_REGION, name)]
    questions = list(filter(is_like_question, others))
    notes = []
    found = [name for name in markers if name in names]
    hidden = [n for n in names if n not in markers and (n in SHAPES or n in _REGION_COLUMNS)]
    if found and hidden:
        notes.append(f"{source}: a row with {' or '.join(found)} does not use {_listed(hidden)}")
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
    return f"the column{'s' if len(names) > 1 else ''} {list_some([*map(short_name, names)], 10)}"


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
        if value in (None, []):  # a list column of a program in which some rows have no box
            return []
    if not isinstance(value, list):
        raise InputError(f"expected {column} as a list {form}, found {short_repr(value)}")
    nested = value if value and all(isinstance(part, list) for part in value) else [value]
    return [check_numbers(part, f"{column} as {form}", 4) for part in nested]
