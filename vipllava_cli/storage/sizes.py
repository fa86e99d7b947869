"""Sizes in bytes as text: downloads in GB, memory in GiB."""

import re
from collections.abc import Mapping

from vipllava_cli.errors import UsageError, short_repr

_UNITS: Mapping[str, int] = {
    "": 1,
    "b": 1,
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", 1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgt", 1)},
}


def decimal_size(size: float) -> str:
    """Format the size of a file: `14.2 GB`, `504 kB`."""
    return _format(size, 1000, ("B", "kB", "MB", "GB", "TB", "PB"))


def binary_size(size: float) -> str:
    """Format a size of memory: `13.2 GiB`, `386 MiB`."""
    return _format(size, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def parse_size(text: str) -> int:
    """Parse `8GiB`, `500MB` or `1.5 gib` to bytes. Raises UsageError."""
    match = re.fullmatch(r" *([0-9]{1,30}(?:\.[0-9]{1,30})?) *([a-zA-Z]*) *", text)
    if not match or match[2].lower() not in _UNITS:
        raise UsageError(
            f"{short_repr(text)} is not a size: expected a number and a unit, like 8GiB"
        )
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _format(size: float, base: int, units: tuple[str, ...]) -> str:
    """Format in the unit that leaves fewer than four digits, also after rounding."""
    for unit in units[:-1]:
        if size < base * 0.9995:
            return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.1f} {unit}"
        size /= base
    return f"{size:.1f} {units[-1]}"
