"""The name of a mask image, with the values of the chosen region: `labels.png:15`."""

import os
import re
from typing import Any, NamedTuple

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.images.source import is_address, local_path

_VALUE = r"(?:[0-9]{1,20}|#[0-9a-fA-F]{6})"
_CHOSEN = re.compile(rf"(?P<file>.+):(?P<values>{_VALUE}(?:,{_VALUE})*)\Z", re.DOTALL)
_NUMBERS_ONLY = re.compile(r"[0-9]{1,20}(?:,[0-9]{1,20})*\Z")
_HOST_ONLY = re.compile(r"https?://[^/]*\Z", re.IGNORECASE)


class MaskName(NamedTuple):
    """A mask image, and the values of its pixels in the region: numbers, or colours `#rrggbb`.

    Without values, the region is bright.
    """

    file: str
    values: tuple[str, ...] = ()


def split_mask_name(name: str) -> MaskName:
    """Split `FILE:VALUE`. A file whose own name ends like a value is that file."""
    match = _CHOSEN.match(name)
    if match is None or _exists(name) or _HOST_ONLY.match(match["file"]):
        return MaskName(name)
    return MaskName(match["file"], tuple(match["values"].lower().split(",")))


def names_region(file: str, values: str) -> bool:
    """Return whether the texts before and after a colon name a mask image."""
    if os.path.lexists(f"{file}:{values}"):
        return True
    is_file = os.path.lexists(file) or re.search(r"[./\\]", file) is not None
    return is_file and _NUMBERS_ONLY.match(values) is not None


def parse_values(value: Any) -> tuple[str, ...]:
    """Parse the field `value` of a mark: a number, a colour, or a list of them. Raises InputError."""
    values = value if isinstance(value, list) else [value]
    texts = tuple(str(each).lower() for each in values if not isinstance(each, bool | float))
    if not texts or len(texts) < len(values) or not all(re.fullmatch(_VALUE, t) for t in texts):
        raise InputError(
            "a mark's value is a whole number of the mask image or a colour #rrggbb, or a list of"
            f" them, not {short_repr(value)}"
        )
    return texts


def _exists(name: str) -> bool:
    return not is_address(name) and os.path.lexists(local_path(name))
