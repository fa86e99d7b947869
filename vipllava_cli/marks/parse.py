"""The text forms of marks: what follows `--box` and its like, JSON, and a file of JSON."""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.images.fetch import MAX_BYTES, read_limited
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.marks.types import (
    MASK_SHAPES,
    SHAPES,
    UNITS,
    Coordinate,
    Mark,
    MarkSpec,
    MarkStyle,
)


def parse_mark(shape: str, text: str, units: str = "px") -> MarkSpec:
    """Read `[COLOUR:]X,Y,…` as typed after `--box` and its like.

    A number is in `units`; one that ends in `%` is a percentage; `+W,+H` in place of a second
    corner is a size. Raises InputError.
    """
    head, colon, rest = text.partition(":")
    body = (rest if colon else text).strip()
    is_file = shape in MASK_SHAPES and not _looks_like_numbers(body)
    try:
        color = parse_color(head) if colon else None
    except InputError:
        if not is_file:
            raise
        return MarkSpec(shape, file=text)  # a colon of the file's name, or of an address
    if is_file:
        return MarkSpec(shape, file=body, color=color)
    flat = tuple(_coordinate(token, shape, units) for token in body.split(","))
    return _checked(MarkSpec(shape, (flat,), color=color))


def mark_from_json(value: Any, units: str = "px") -> MarkSpec:
    """Read one mark of a record, a manifest or a `--marks` file. Raises InputError.

    Form: {"shape": "box", "coords": [x1, y1, x2, y2], "color": "red", "width": 3, "alpha": 1.0,
    "label": "dog", "units": "px"}; masks may hold a list of such lists, or "file" for "coords".
    """
    if not isinstance(value, Mapping):
        raise InputError(f'a mark is an object like {{"shape": "box", …}}, not {short_repr(value)}')
    unknown = sorted(set(value) - _JSON_FIELDS)
    if unknown:
        known = ", ".join(sorted(_JSON_FIELDS))
        raise InputError(f"a mark has no field {unknown[0]!r}: its fields are {known}")
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
            raise InputError(f"only a mask or a contour is read from an image, not a {shape}")
        return spec
    own_units = value.get("units", units)
    return _checked(replace(spec, parts=_json_parts(value.get("coords"), shape, own_units)))


def mark_to_json(mark: Mark) -> dict[str, Any]:
    """The JSON form of a drawn mark, in pixels; `mark_from_json` reads it back."""
    flat = [[_tidy(v) for point in part for v in point] for part in mark.parts]
    return {
        "shape": mark.shape,
        "coords": flat[0] if len(flat) == 1 else flat,
        "color": str(mark.color),
        "width": _tidy(mark.width),
        "alpha": mark.alpha,
        "label": mark.label,
        "units": "px",
    }


_EXPECTED_FILE = 'expected a list of marks like {"shape": "box", "coords": [10, 20, 110, 220]}'


def read_marks_file(name: str, units: str = "px") -> list[MarkSpec]:
    """A list of marks, or an object with a list `marks`. Raises InputError."""
    try:
        with Path(name).open("rb") as file:
            data = read_limited(file, MAX_BYTES, f"the marks file {name}")
        value = json.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"the marks file {name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"the marks file {name} is not JSON ({error}): {_EXPECTED_FILE}") from None
    if isinstance(value, dict) and "shape" not in value:
        value = value.get("marks")
    if not isinstance(value, list):
        raise InputError(f"the marks file {name} holds no list of marks: {_EXPECTED_FILE}")
    specs = []
    for number, item in enumerate(value, 1):
        try:
            specs.append(mark_from_json(item, units))
        except InputError as error:
            raise InputError(f"{name}, mark {number}: {error}") from None
    return specs


# --- small parts -----------------------------------------------------------------------------

_JSON_FIELDS = {"shape", "coords", "color", "width", "alpha", "label", "units", "file"}


def _checked(spec: MarkSpec) -> MarkSpec:
    """Refuse a wrong count of numbers, and sizes where there is no corner before them."""
    shape = SHAPES[spec.shape]
    for flat in spec.parts:
        pairs, odd = divmod(len(flat), 2)
        if (
            odd
            or pairs < shape.min_points
            or (shape.max_points is not None and pairs > shape.max_points)
        ):
            raise InputError(f"a {shape.name} is {shape.syntax}; found {_count(len(flat))}")
        sizes = [coordinate.is_size for coordinate in flat]
        if any(sizes) and (
            shape.name not in ("box", "ellipse") or sizes != [False, False, True, True]
        ):
            raise InputError("+W,+H stands for the second corner of a box or an ellipse: X,Y,+W,+H")
    return spec


def _count(numbers: int) -> str:
    return "1 number" if numbers == 1 else f"{numbers} numbers"


def _coordinate(token: str, shape: str, units: str) -> Coordinate:
    body = token.strip()
    is_size = body.startswith("+")
    percent = body.endswith("%")
    text = body.removesuffix("%").removeprefix("+")
    number = None if is_size and text.startswith(("+", "-")) else _number(text)
    if number is None:
        raise InputError(
            f"a {shape} is {SHAPES[shape].syntax}, each a finite number or a percentage;"
            f" found {short_repr(token)}"
        )
    return Coordinate(number, 100.0 if percent else _scale(units), is_size)


def _scale(units: Any) -> float | None:
    if not isinstance(units, str) or units not in UNITS:
        raise InputError(f"units are one of {', '.join(UNITS)}, not {short_repr(units)}")
    return UNITS[units]


def _json_parts(coords: Any, shape: str, units: Any) -> tuple[tuple[Coordinate, ...], ...]:
    scale = _scale(units)
    if not isinstance(coords, list) or not coords:
        raise InputError(f'a {shape} needs "coords", a list like {SHAPES[shape].syntax}')
    nested = coords if isinstance(coords[0], list) else [coords]
    if len(nested) > 1 and shape not in MASK_SHAPES:
        raise InputError(f"only masks and contours have several lists of coords, not a {shape}")
    if not all(isinstance(part, list) for part in nested):
        raise InputError("coords are one flat list of numbers, or several such lists")
    for value in (value for part in nested for value in part):
        if not _is_number(value):
            raise InputError(f"coords are finite numbers; found {short_repr(value)}")
    return tuple(tuple(Coordinate(float(value), scale) for value in part) for part in nested)


def _number(text: str) -> float | None:
    try:
        value = float(text if "_" not in text else "")  # Python's 1_000 is nobody's coordinate
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_number(value: Any) -> bool:
    """A finite JSON number, of a size that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


_LARGEST = sys.float_info.max


def _looks_like_numbers(text: str) -> bool:
    """A list that begins with a number, rather than the name of a file."""
    first, comma, _ = text.partition(",")
    try:
        float(first.strip().rstrip("%"))
    except ValueError:
        return False
    return bool(comma)


def _optional_text(value: Mapping[str, Any], field: str) -> str | None:
    text = value.get(field)
    if text is not None and not isinstance(text, str):
        raise InputError(f"a mark's {field} is text, not {short_repr(text)}")
    return text


def _optional_number(value: Mapping[str, Any], field: str) -> float | None:
    number = value.get(field)
    if number is None:
        return None
    if not _is_number(number):
        raise InputError(f"a mark's {field} is a number, not {short_repr(number)}")
    return float(number)


def _tidy(value: float) -> float:
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded
