"""The regions of stage 2: which image and region of a row is meant, and the mark that is drawn on it.

The forms are those of the repository's `tools/collect2parquet.py`. `image`, `meta_bbox` and
`meta_polygon` are objects by view, the name of an image; a view has a region, or regions by role. The
published evaluation takes the first view in `data_file`, and the first of the roles in `ROLES`.

The README of VP-Bench says that a box is [x_min, y_min, x_max, y_max], and its drawing code reads
[x_min, y_min, width, height]. `find_box_forms` decides for each source of the data.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.vp_bench.cells import parsed_cell, text_cell
from vipllava_cli.flows.evals.vp_bench.data_files import DataFile
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.json_marks import is_finite_number
from vipllava_cli.marks.types import Coordinate, MarkSpec

ROLES = ("relation", "object", "subject", "default")
XYXY, XYWH = "xyxy", "xywh"
_TOLERANCE = 3.0  # pixels between a box and the extent of its polygon

BoxForms = Mapping[str, str]  # source of the data -> XYXY or XYWH

Numbers = tuple[float, ...]  # x, y, x, y, …

# `<VP>`, `<vp2>`, `<red> <vp>` and `<color> <vp>`, with the article before them.
_TAG = re.compile(
    r"(?:\bthe\s+)?(?:<\s*[a-z]+\s*>\s*)?<\s*vp\s*_?(?P<number>\d?)\s*>", re.IGNORECASE
)


@dataclass(frozen=True)
class MarkedRegion:
    """The image of a row, still encoded, and the marks for its regions."""

    image: Any
    marks: tuple[MarkSpec, ...]

    def name_marks(self, question: str) -> str:
        """Replace the tags in a question by the placeholders of the marks, `{1}` for the first.

        Without tags, the question stays as it is. One tag names all marks.
        """
        tags = list(_TAG.finditer(question))
        numbers = range(1, len(self.marks) + 1)
        if len(tags) == 1:
            every = " and ".join(f"{{{number}}}" for number in numbers)
            return _TAG.sub(lambda match: every, question)
        order = iter([min(each, len(self.marks)) for each in range(1, len(tags) + 1)])
        return _TAG.sub(lambda match: f"{{{match['number'] or next(order)}}}", question)


def mark_region(fields: Mapping[str, Any], forms: BoxForms) -> MarkedRegion:
    """Choose the image of a row, and make a mark for each of its regions. Raises InputError."""
    views = _views(fields.get("data_file"))
    boxes, polygons = (_regions(fields.get(name), views, name) for name in _COLUMNS)
    view = next((view for view in views if view in boxes or view in polygons), None)
    view = view or next(chain(boxes, polygons), None)
    if view is None:
        raise InputError("the row has no region in meta_bbox or meta_polygon")
    form = forms.get(text_cell(fields.get("meta_source")), XYXY)
    shapes = [("box", [_corners(box, form)]) for box in boxes.get(view, ())]
    shapes = shapes or [("contour", polygons[view])]  # of an object, perhaps in several parts
    marks = tuple(
        MarkSpec(shape, _coordinates(parts), color=MODEL_COLORS[number % len(MODEL_COLORS)])
        for number, (shape, parts) in enumerate(shapes)
    )
    return MarkedRegion(_image(fields.get("image"), view, views), marks)


def find_box_forms(files: Sequence[DataFile]) -> BoxForms:
    """Return the form of the boxes of each source of the data. Reads no image.

    Boxes of a source are x, y, width and height if one of them can be nothing else: its third or
    fourth number is below the first or second, or its polygon says so.
    """
    forms: dict[str, str] = {}
    for file in files:
        for fields in file.rows(("meta_source", "data_file", *_COLUMNS)):
            if isinstance(fields, InputError):
                continue
            source = text_cell(fields.get("meta_source"))
            if forms.get(source) != XYWH and _has_sizes(fields):
                forms[source] = XYWH
    return forms


# --- regions -----------------------------------------------------------------------------------

_COLUMNS = ("meta_bbox", "meta_polygon")


def _views(value: Any) -> list[str]:
    parsed = parsed_cell(value)
    names = parsed if isinstance(parsed, list) else [parsed]
    return [name for name in map(text_cell, names) if name]


def _regions(value: Any, views: Sequence[str], name: str) -> dict[str, list[Numbers]]:
    """Return the boxes or polygons of each view. Raises InputError for another form."""
    parsed = parsed_cell(value)
    if not parsed or parsed == "null":
        return {}
    if not isinstance(parsed, Mapping) or set(parsed) <= set(ROLES):
        parsed = {views[0] if views else "": parsed}
    found = {
        view: list(_numbers(_of_role(region), name)) for view, region in parsed.items() if region
    }
    return {view: regions for view, regions in found.items() if regions}


def _of_role(region: Any) -> Any:
    """Return the region of the first role that has one."""
    region = parsed_cell(region)
    if not isinstance(region, Mapping):
        return region
    given = {role: each for role, each in region.items() if each}
    return next((given[role] for role in ROLES if role in given), next(iter(given.values()), None))


def _numbers(region: Any, name: str) -> Iterator[Numbers]:
    """Iterate over the boxes or polygons of a region. Raises InputError."""
    if region is None or region == []:
        return
    least = 4 if name == "meta_bbox" else 6
    if _is_flat(region):
        numbers = tuple(map(float, region))
        is_right = (
            len(numbers) == 4 if least == 4 else len(numbers) >= least and not len(numbers) % 2
        )
        if is_right:
            yield numbers
            return
    elif isinstance(region, list) and not any(isinstance(part, int | float) for part in region):
        if least == 6 and all(_is_flat(point) and len(point) == 2 for point in region):
            region = [[number for point in region for number in point]]
            yield from _numbers(region[0], name)
            return
        for part in region:
            yield from _numbers(part, name)
        return
    wanted = "boxes of 4 numbers" if least == 4 else "polygons of 3 points or more"
    raise InputError(f'expected "{name}" with {wanted}, found {short_repr(region)}')


def _is_flat(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_finite_number, value))


def _corners(box: Numbers, form: str) -> Numbers:
    x, y, right, bottom = box
    return (x, y, x + right, y + bottom) if form == XYWH else box


def _has_sizes(fields: Mapping[str, Any]) -> bool:
    """Return whether the boxes of a row can only be x, y, width and height."""
    views = _views(fields.get("data_file"))
    try:
        boxes, polygons = (_regions(fields.get(name), views, name) for name in _COLUMNS)
    except InputError:
        return False
    for view, each in boxes.items():
        if any(x >= right or y >= bottom for x, y, right, bottom in each):
            return True
        parts = polygons.get(view)
        if parts and len(each) == 1:
            xs, ys = (sorted(n for part in parts for n in part[at::2]) for at in (0, 1))
            extent = (xs[0], ys[0], xs[-1], ys[-1])
            if _is_near(_corners(each[0], XYWH), extent) and not _is_near(each[0], extent):
                return True
    return False


def _is_near(one: Numbers, other: Numbers) -> bool:
    return all(abs(a - b) <= _TOLERANCE for a, b in zip(one, other, strict=True))


def _coordinates(parts: Sequence[Numbers]) -> tuple[tuple[Coordinate, ...], ...]:
    return tuple(tuple(map(Coordinate, part)) for part in parts)


def _image(value: Any, view: str, views: Sequence[str]) -> Any:
    """Return the image of a view, from an object by view, a list in the order of `views`, or alone."""
    parsed = _parsed_images(value)
    if isinstance(parsed, Mapping) and "bytes" not in parsed:
        if view not in parsed and len(parsed) > 1:
            raise InputError(
                f'expected an "image" for {view}, found those of {short_repr(list(parsed))}'
            )
        return parsed.get(view, next(iter(parsed.values()), None))
    if isinstance(parsed, list):
        at = views.index(view) if view in views else 0
        return parsed[at] if at < len(parsed) else None
    return parsed


def _parsed_images(value: Any) -> Any:
    """Parse a text of any length that is an object or a list; base64 begins with neither sign."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise InputError(f'the "image" is not valid JSON: found {short_repr(value)}') from None
    return parsed_cell(value)
