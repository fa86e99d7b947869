"""Numbers that a person types: digits are ASCII, and nothing else belongs to a number.

`int` and `float` also accept `1_000`, `+5`, spaces, and the digits of all scripts.
"""

import math
import re

_WHOLE = re.compile(r"-?[0-9]{1,30}")
_NUMBER = re.compile(
    r"-?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?"
)


def parse_whole(text: str) -> int:
    """Parse a whole number like `-12`. Raises ValueError."""
    if not _WHOLE.fullmatch(text):
        raise ValueError("not a whole number")
    return int(text)


def parse_number(text: str) -> float:
    """Parse a finite number like `-1.5` or `1e-3`. Raises ValueError."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise ValueError("not a number")
    return value
