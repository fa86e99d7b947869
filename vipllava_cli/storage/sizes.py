"""Sizes in bytes as people write them: downloads in GB, memory in GiB."""

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
    """A file's size: `14.2 GB`, `504 kB`."""
    return _written(size, 1000, ("B", "kB", "MB", "GB", "TB", "PB"))


def binary_size(size: float) -> str:
    """Memory: `13.2 GiB`, `386 MiB`."""
    return _written(size, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def parse_size(text: str) -> int:
    """`8GiB`, `500MB`, `1.5 gib` -> bytes. Raises UsageError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    if not found or found[2].lower() not in _UNITS:
        raise UsageError(f"{short_repr(text)} is no size: expected a number and a unit, like 8GiB")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def _written(size: float, step: int, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if size < step * 0.9995:
            return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.1f} {unit}"
        size /= step
    return f"{size:.1f} {units[-1]}"
