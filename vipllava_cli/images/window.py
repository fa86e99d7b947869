"""The range of values of `--window`: LOW becomes black and HIGH white."""

from collections.abc import Sequence
from typing import Any

from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.storage.number_text import parse_number

Window = tuple[float, float]

_EXPECTED = "expected two numbers LOW,HIGH with LOW below HIGH, like 0,4095"


def parse_window(text: str | None) -> Window | None:
    """Parse the value of `--window`, if there is one. Raises UsageError."""
    if text is None:
        return None
    try:
        values = [parse_number(part.strip(" ")) for part in text.split(",")]
    except ValueError:
        values = []
    return check_window(values, f"--window {short_repr(text)}")


def check_window(value: Any, what: str = "window") -> Window:
    """Check two numbers, such as those of a Python program or a session file. Raises UsageError."""
    numbers = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    is_pair = len(numbers) == 2 and all(type(each) in (int, float) for each in numbers)
    if not is_pair or not all(map(_is_usable, numbers)) or not numbers[0] < numbers[1]:
        found = "" if what.startswith("--") else f", found {short_repr(value)}"
        raise UsageError(f"{what}: {_EXPECTED}{found}")
    return float(numbers[0]), float(numbers[1])


def format_window(window: Sequence[float]) -> str:
    """Return a range as `--window` takes it: `0,4095`."""
    return ",".join(f"{value:.10g}" for value in window)


def _is_usable(number: float) -> bool:
    return abs(number) < 1e300  # a difference must stay finite
