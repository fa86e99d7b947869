"""Parse the value of `--box` and the other options of marks."""

import re
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.marks.mask_name import names_region
from vipllava_cli.marks.shape_table import MASK_SHAPES, SHAPES, Units, with_article
from vipllava_cli.marks.types import Coordinate, MarkSpec
from vipllava_cli.storage.number_text import parse_number

MAX_POINTS = 500_000  # of a mark; the outline of a mask has as many as its region has border pixels
MAX_MARKS = 10_000  # of an image

_UNIT = re.compile(r"(?<=[0-9]) ?[a-z]+(?=\s*(?:,|$))", re.IGNORECASE)


def parse_mark(shape: str, text: str, units: str = Units.px) -> MarkSpec:
    """Parse `[COLOUR:]X,Y,…`, or `[COLOUR:]FILE[:VALUE]` for masks and contours. Raises InputError.

    A bare number is in `units`. A number with `%` is a percentage of its side. `+W,+H` in place of a
    second corner is a size.
    """
    head, colon, rest = text.partition(":")
    body = (rest if colon else text).strip()
    is_file = shape in MASK_SHAPES and (not _starts_with_number(body) or names_region(head, body))
    try:
        color = parse_color(head) if colon else None
    except InputError:
        if not is_file:
            raise
        return MarkSpec(shape, file=text)  # the colon belongs to a file name or an address
    if is_file:
        return MarkSpec(shape, file=body, color=color)
    scale = parse_units(units).scale
    check_count(shape, body.count(",") + 1)
    flat = tuple(_parse_coordinate(token, shape, scale, body) for token in body.split(","))
    spec = MarkSpec(shape, (flat,), color=color)
    check_coordinates(spec)
    return spec


def parse_units(name: Any) -> Units:
    """Look up a unit by its name. Raises InputError."""
    try:
        return Units(name)
    except ValueError:
        raise InputError(f"units are one of {', '.join(Units)}, not {short_repr(name)}") from None


def check_count(shape: str, numbers: int) -> None:
    """Check the number of coordinates before they are made. Raises InputError."""
    if numbers > 2 * MAX_POINTS:
        raise InputError(
            f"{with_article(shape)} has at most {MAX_POINTS:,} points, found {numbers // 2:,}: simplify"
            " its outline, or give a mask image"
        )


def check_mark_count(count: int) -> None:
    """Raise InputError for more marks than can be drawn on an image in useful time."""
    if count > MAX_MARKS:
        raise InputError(
            f"an image has at most {MAX_MARKS:,} marks, found {count:,}: give fewer of them"
        )


def check_coordinates(spec: MarkSpec) -> None:
    """Check the number of coordinates, and the position of sizes. Raises InputError."""
    shape = SHAPES[spec.shape]
    for flat in spec.parts:
        points, odd = divmod(len(flat), 2)
        too_many = shape.max_points is not None and points > shape.max_points
        if odd or points < shape.min_points or too_many:
            found = "1 number" if len(flat) == 1 else f"{len(flat)} numbers"
            raise InputError(f"{with_article(shape.name)} is {shape.syntax}; found {found}")
        sizes = [coordinate.is_size for coordinate in flat]
        if any(sizes) and (not shape.has_corners or sizes != [False, False, True, True]):
            raise InputError("+W,+H stands for the second corner of a box or an ellipse: X,Y,+W,+H")


def _parse_coordinate(token: str, shape: str, scale: float | None, text: str) -> Coordinate:
    """Parse one of the coordinates in a text. Raises InputError."""
    body = token.strip()
    is_size, is_percent = body.startswith("+"), body.endswith("%")
    digits = body.removesuffix("%").removeprefix("+")
    number = None if is_size and digits.startswith(("+", "-")) else _parse_number(digits)
    if number is None:
        raise InputError(
            f"{with_article(shape)} is {SHAPES[shape].syntax}, each a finite number or a percentage;"
            f" found {short_repr(token)}{_advise_on_units(text)}"
        )
    return Coordinate(number, Units.percent.scale if is_percent else scale, is_size)


def _advise_on_units(text: str) -> str:
    """Return how to write coordinates with a unit, `20px,80px`; empty if there is no unit."""
    plain = _UNIT.sub("", text)
    is_list = all(_parse_number(each.strip(" %+")) is not None for each in plain.split(","))
    return f": write {plain}, without a unit, for pixels" if plain != text and is_list else ""


def _parse_number(text: str) -> float | None:
    """Parse a finite number, or return None."""
    try:
        return parse_number(text)
    except ValueError:
        return None


def _starts_with_number(text: str) -> bool:
    """Return whether a text is a list that starts with a number, and not the name of a file."""
    first, comma, _ = text.partition(",")
    try:
        float(first.strip().rstrip("%"))
    except ValueError:
        return False
    return bool(comma)
