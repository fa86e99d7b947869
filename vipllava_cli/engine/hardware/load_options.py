"""Options for loading a model: device, precision, memory limits."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vipllava_cli.engine.hardware.machine import Location
from vipllava_cli.engine.options import AUTO_DEVICE, Attention, Dtype
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.storage.sizes import parse_size

_MEMORY_EXAMPLE = "0=8GiB,cpu=20GiB"
_MIN_BYTES = 1 << 20  # a smaller number without a unit means GiB to the person who typed it


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model; `auto` and None leave the choice to the program.

    `device` is a value of `parse_device`. `quantize` is `int8`, `nf4` or None. `max_memory` is in
    bytes by location; all free memory of any other location may be used. `length` is the number of
    tokens to plan for, prompt and answer together.
    """

    device: str = AUTO_DEVICE
    dtype: str = Dtype.auto.value
    quantize: str | None = None
    max_memory: Mapping[Location, int] | None = None
    attention: str = Attention.auto.value
    length: int | None = None


def parse_max_memory(text: str) -> dict[Location, int]:
    """Parse `0=8GiB,cpu=20GiB` to bytes by location. Raises UsageError."""
    bare = re.fullmatch(r" *([0-9]+(?:\.[0-9]+)?) *([kmgt])?(i?b)? *", text, re.IGNORECASE)
    if bare:  # a size alone, for no device
        size = f"{bare[1]}{(bare[2] or 'G').upper()}iB"
        raise UsageError(
            f"invalid --max-memory {short_repr(text)}: use cpu={size}, or 0={size} for GPU 0"
        )
    return {
        location: _parse_limit(size)
        for location, size in parse_by_location(
            text, option="--max-memory", names=("cpu",), value="a size", example=_MEMORY_EXAMPLE
        ).items()
    }


def parse_by_location(
    text: str, *, option: str, names: Sequence[str], value: str, example: str
) -> dict[Location, str]:
    """Split `0=A,cpu=B` to the text of each value by GPU number or name. Raises UsageError.

    `value` and `example` describe a value for the message.
    """
    values: dict[Location, str] = {}
    for entry in text.split(","):
        location, separator, written = (piece.strip() for piece in entry.partition("="))
        is_gpu = location.isascii() and location.isdigit() and len(location) < 10
        if not separator or not written or not (is_gpu or location in names):
            raise UsageError(
                f"invalid {option} {short_repr(entry.strip())}: expected a GPU number or"
                f" {' or '.join(names)}, then = and {value}, like {example}"
            )
        key: Location = int(location) if is_gpu else location
        if key in values:
            raise UsageError(f"invalid {option} {short_repr(text)}: it names {location} twice")
        values[key] = written
    return values


def format_max_memory(limits: Mapping[Location, int]) -> str:
    """Format limits as `--max-memory` takes them, in the largest unit that is exact."""
    return ",".join(f"{location}={_exact_size(size)}" for location, size in limits.items())


def _exact_size(size: int) -> str:
    for unit, power in (("GiB", 30), ("MiB", 20)):
        if size % (1 << power) == 0:
            return f"{size >> power}{unit}"
    return f"{size}B"


def _parse_limit(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 30 and int(text) < _MIN_BYTES:
        raise UsageError(f"invalid --max-memory {short_repr(text)}: use {text}GiB")
    try:
        return parse_size(text)
    except UsageError:
        raise UsageError(
            f"invalid --max-memory {short_repr(text)}: expected a number and a unit, like 8GiB"
        ) from None
