"""Options for loading a model: device, precision, memory limits."""

from collections.abc import Mapping
from dataclasses import dataclass

from vipllava_cli.engine.hardware.machine import Location
from vipllava_cli.engine.options import Attention, Device, Dtype
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.storage.sizes import parse_size


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model; `auto` and None leave the choice to the program.

    `quantize` is `int8`, `nf4` or None. `max_memory` is in bytes by location; all free memory
    of any other location may be used. `length` is the number of tokens to plan for, prompt and
    answer together.
    """

    device: str = Device.auto.value
    dtype: str = Dtype.auto.value
    quantize: str | None = None
    max_memory: Mapping[Location, int] | None = None
    attention: str = Attention.auto.value
    length: int | None = None


def parse_max_memory(text: str) -> dict[Location, int]:
    """Parse `0=8GiB,cpu=20GiB` to bytes by location. Raises UsageError."""
    limits: dict[Location, int] = {}
    for entry in text.split(","):
        location, _, size = (piece.strip() for piece in entry.partition("="))
        if not (location == "cpu" or (location.isascii() and location.isdigit())) or not size:
            raise UsageError(
                f"invalid --max-memory {short_repr(entry.strip())}: expected a GPU number or cpu,"
                " then = and a size, like 0=8GiB,cpu=20GiB"
            )
        limits[int(location) if location.isdigit() else location] = parse_size(size)
    return limits
