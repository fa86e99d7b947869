"""Parse JSON that others wrote, within limits of memory."""

import json
import os
from typing import Any

from vipllava_cli.storage.regular_files import read_regular

MAX_CONTAINERS = 12_000_000  # lists and objects of a file; each takes 56 bytes or more

_ZEROS = bytes(8)  # UTF-32 has at most three in a row


def read_json(
    path: str | os.PathLike[str], max_bytes: int, *, streams: bool = False, **options: Any
) -> Any:
    """Parse a JSON file. `options` are those of `json.loads`, `streams` of `open_regular`.

    Raises OSError, ValueError, and InputError above `max_bytes`.
    """
    data = read_regular(path, max_bytes, streams=streams)
    return parse_json(data.decode(json.detect_encoding(data)), **options)


def parse_json(text: str, **options: Any) -> Any:
    """Parse JSON. `options` are those of `json.loads`. Raises ValueError."""
    check_structure(text)
    try:
        return json.loads(text, **options)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise ValueError("it has too many levels of lists and objects") from None
    except ValueError as error:
        if "integer string conversion" in str(error):  # Python's own advice is for programmers
            raise ValueError("it contains a number with thousands of digits") from None
        raise


def check_structure(text: str) -> None:
    """Raise ValueError for more lists and objects than any file of annotations has."""
    if len(text) > MAX_CONTAINERS:
        count = text.count("[") + text.count("{")
        if count > MAX_CONTAINERS:
            raise ValueError(
                f"it has {count:,} lists and objects, above the limit of {MAX_CONTAINERS:,}"
            )


def has_zeros(data: bytes) -> bool:
    """Return whether bytes contain a run of NULs, as a file with holes does: they are no text."""
    return _ZEROS in data
