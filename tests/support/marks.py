"""Marks for tests, from the text of their options."""

from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.shape_table import Units
from vipllava_cli.marks.types import Mark


def resolve_text(
    shape: str, text: str, units: str = Units.px, size: tuple[int, int] = (200, 100)
) -> Mark:
    """Parse the value of an option and resolve it on an image of `size` (width, height)."""
    return resolve_coordinates([parse_mark(shape, text, units)], *size).marks[0]
