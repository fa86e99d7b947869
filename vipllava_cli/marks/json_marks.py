"""Marks as JSON, in records, manifests and `--marks` files.

Form: {"shape": "box", "coords": [x1, y1, x2, y2], "color": "red", "width": 3, "alpha": 1.0,
"label": "dog", "units": "px"}. Only `shape` and `coords` are required. The `coords` of a mask or a
contour may be a list of such lists, and "file" may replace them. "value" chooses the region of a label
map.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from json import JSONDecodeError
from typing import Any, NamedTuple

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.marks.mask_name import parse_values
from vipllava_cli.marks.parse import check_coordinates, check_count, check_mark_count, parse_units
from vipllava_cli.marks.shape_table import MASK_SHAPES, SHAPES, Units, with_article
from vipllava_cli.marks.types import Coordinate, DeclaredSize, Mark, MarkSpec, MarkStyle
from vipllava_cli.storage.json_files import read_json

_FIELDS = {"shape", "coords", "color", "width", "alpha", "label", "units", "file", "value"}
MAX_BYTES = 256 << 20
_EXPECTED_FILE = 'expected a list of marks like {"shape": "box", "coords": [10, 20, 110, 220]}'


def mark_from_json(value: Any, units: str = Units.px) -> MarkSpec:
    """Read a mark from a JSON value. `units` is the default unit. Raises InputError."""
    if not isinstance(value, Mapping):
        raise InputError(f'a mark is an object like {{"shape": "box", …}}, not {short_repr(value)}')
    unknown = sorted(set(value) - _FIELDS)
    if unknown:
        raise InputError(
            f"a mark has no field {short_repr(unknown[0])}: its fields are {', '.join(sorted(_FIELDS))}"
        )
    shape = value.get("shape")
    if not isinstance(shape, str) or shape not in SHAPES:
        raise InputError(f"a mark's shape is one of {', '.join(SHAPES)}, not {short_repr(shape)}")
    color = value.get("color")
    style = MarkStyle(_optional_number(value, "width"), _optional_number(value, "alpha"))
    spec = MarkSpec(
        shape,
        file=_optional_text(value, "file"),
        color=None if color is None else parse_color(str(color)),
        width=style.width,
        alpha=style.alpha,
        label=_optional_text(value, "label"),
    )
    if spec.file is not None:
        if shape not in MASK_SHAPES:
            raise InputError(
                f"only a mask or a contour can come from an image, not {with_article(shape)}"
            )
        value = value.get("value")
        return spec if value is None else replace(spec, values=parse_values(value))
    if value.get("value") is not None:
        raise InputError('a mark\'s value chooses a region of a mask image: it needs "file"')
    spec = replace(spec, parts=_parts(value.get("coords"), shape, value.get("units", units)))
    check_coordinates(spec)
    return spec


def mark_to_json(mark: Mark) -> dict[str, Any]:
    """Return the JSON form of a mark, in pixels to three decimals. `mark_from_json` reads it."""
    flat = [[_round(value) for point in part for value in point] for part in mark.parts]
    return {
        "shape": mark.shape,
        "coords": flat[0] if len(flat) == 1 else flat,
        "color": str(mark.color),
        "width": _round(mark.width),
        "alpha": mark.alpha,
        "label": mark.label,
        "units": Units.px.value,
    }


class MarksFile(NamedTuple):
    """The marks of a file. The answer of a record points at `answer_marks`."""

    marks: list[MarkSpec]
    answer_marks: list[MarkSpec]

    @property
    def all_marks(self) -> list[MarkSpec]:
        return self.marks + self.answer_marks


def read_marks_file(name: str, units: str = Units.px) -> MarksFile:
    """Read a JSON file: a list of marks, or an object with such a list in `marks`, like a record.

    The size of the image in a record is that of the image of its coordinates. Raises InputError.
    """
    try:
        value = read_json(name, MAX_BYTES, streams=True)
    except OSError as error:
        raise InputError(f"the marks file {name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, JSONDecodeError) and error.msg == "Extra data":
            raise InputError(
                f"the marks file {name} contains several JSON values, like the records of several"
                " answers: write the one with the marks to a file of its own"
            ) from None
        raise InputError(f"the marks file {name} is not JSON ({error}): {_EXPECTED_FILE}") from None
    fields = {"marks": value} if isinstance(value, list) else value
    if not isinstance(fields, dict) or "shape" in fields:
        fields = {}
    marks, pointed = fields.get("marks"), fields.get("answer_marks", [])
    if not isinstance(marks, list) or not isinstance(pointed, list):
        raise InputError(f"the marks file {name} contains no list of marks: {_EXPECTED_FILE}")
    check_mark_count(len(marks) + len(pointed))
    declared = _declared_size(fields)
    specs = []
    for number, item in enumerate([*marks, *pointed], 1):
        try:
            specs.append(replace(mark_from_json(item, units), declared=declared))
        except InputError as error:
            raise InputError(f"{name}, mark {number}: {error}") from None
    return MarksFile(specs[: len(marks)], specs[len(marks) :])


def _declared_size(record: Mapping[str, Any]) -> DeclaredSize | None:
    """Return the upright size of the image that a record is about, if it has one."""
    width: Any = record.get("width")
    height: Any = record.get("height")
    if not all(is_finite_number(side) and side > 0 for side in (width, height)):
        return None
    return DeclaredSize(width, height, is_upright=True)


def _parts(coords: Any, shape: str, units: Any) -> tuple[tuple[Coordinate, ...], ...]:
    scale = parse_units(units).scale
    if not isinstance(coords, list) or not coords:
        raise InputError(
            f'{with_article(shape)} needs "coords", a list like {SHAPES[shape].syntax}'
        )
    nested = coords if isinstance(coords[0], list) else [coords]
    if len(nested) > 1 and shape not in MASK_SHAPES:
        raise InputError(
            f"only masks and contours have several lists of coords, not {with_article(shape)}"
        )
    if not all(isinstance(part, list) for part in nested):
        raise InputError("coords are one flat list of numbers, or several such lists")
    check_count(shape, sum(map(len, nested)))
    for value in (value for part in nested for value in part):
        if not is_finite_number(value):
            raise InputError(f"coords are finite numbers; found {short_repr(value)}")
    return tuple(tuple(Coordinate(float(value), scale) for value in part) for part in nested)


def _optional_text(value: Mapping[str, Any], field: str) -> str | None:
    text = value.get(field)
    if text is not None and not isinstance(text, str):
        raise InputError(f"a mark's {field} is text, not {short_repr(text)}")
    return text


def _optional_number(value: Mapping[str, Any], field: str) -> float | None:
    number = value.get(field)
    if number is None:
        return None
    if not is_finite_number(number):
        raise InputError(f"a mark's {field} is a number, not {short_repr(number)}")
    return float(number)


def is_finite_number(value: Any) -> bool:
    """Return whether a JSON value is a finite number that a float can hold."""
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return is_numeric and abs(value) <= sys.float_info.max


def _round(value: float) -> float:
    """Round to three decimals. A whole number becomes an int, so that JSON shows no `.0`."""
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded
