"""A line of a file of records: JSON with a checksum, which shows damage that leaves valid JSON."""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, BinaryIO

from vipllava_cli.storage.records import SCHEMA

CHECKSUM = "crc"  # the last field of a line
LINE_START = f'{{"schema": {SCHEMA}, "id": "'.encode()  # of every line that a run writes
MAX_LINE = 1 << 26  # bytes; a longer line is read in parts
MAX_CONTAINERS = 1 << 20  # lists and objects in a line, of about 90 bytes of memory each
MAX_DEPTH = 100  # of lists and objects: Python cannot write what is nested much deeper

_MIN_LENGTH = len(LINE_START) + len('", "key": "", "error": null}')  # bytes of a row
_DECODER = json.JSONDecoder()
_STARTS = re.compile(re.escape(LINE_START))


class ChecksumError(ValueError):
    """The content of a line does not fit its checksum."""


def encode_line(row: Mapping[str, Any]) -> bytes:
    """Encode a record with its checksum: the CRC-32 of the JSON text without it."""
    text = json.dumps(row).encode()
    return text[:-1] + f', "{CHECKSUM}": "{zlib.crc32(text):08x}"}}\n'.encode()


def decode_line(line: bytes | str, *, verify: bool = True) -> Any:
    """Decode a line, and remove its checksum. A line of version 0.1 or of `ask` has none.

    Raises ValueError if the line is not JSON or has no bounds, and with `verify` ChecksumError if its
    content does not fit its checksum. Spaces and escapes may differ from those of `encode_line`.
    """
    text = line if isinstance(line, str) else line.decode()
    if text.count("{") + text.count("[") > MAX_CONTAINERS:
        raise ValueError(f"the line contains more than {MAX_CONTAINERS:,} lists and objects")
    try:
        return _remove_checksum(json.loads(text), text, verify=verify)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def find_rows(line: bytes) -> Iterator[tuple[int, int, Any]]:
    """Find whole rows inside a damaged line: its line end was lost, or other bytes are beside it.

    Yields the offset, the length and the row without its checksum, which fits.
    """
    starts = [match.start() for match in _STARTS.finditer(line)]
    for start, end in pairwise([*starts, len(line)]):
        if end - start < _MIN_LENGTH:
            continue
        text = line[start:end].decode("ascii", "replace")
        try:
            row, length = _DECODER.raw_decode(text)
            if "\ufffd" not in text[:length]:
                yield start, length, _remove_checksum(row, text[:length], verify=True)
        except (ValueError, RecursionError):
            continue


def _remove_checksum(row: Any, text: str, *, verify: bool) -> Any:
    """Return the row of a text without its checksum. Raises ValueError."""
    if not isinstance(row, dict):
        return row
    checksum = row.pop(CHECKSUM, None)
    if checksum is None and (_has_damaged_checksum(row) or _is_deep(row)):
        raise ValueError("the row has a damaged checksum, or is nested too deeply")
    own_text = json.dumps(row)
    if verify and checksum not in (None, f"{zlib.crc32(own_text.encode()):08x}"):
        raise ChecksumError("the content does not fit the checksum")
    if not text.startswith(own_text[:-1]):  # edited, or two rows that became one
        json.loads(text, object_pairs_hook=_check_names)
    return row


def _check_names(pairs: list[tuple[str, Any]]) -> None:
    """Check that an object has no name twice: JSON takes the last value. Raises ValueError."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("the row has a field twice")


def _has_damaged_checksum(row: dict[str, Any]) -> bool:
    """Return whether the last field looks like a checksum whose name is damaged."""
    name, value = next(reversed(row.items()), ("", None))
    equal = sum(one == other for one, other in zip(name, CHECKSUM, strict=False))
    is_name = len(name) == len(CHECKSUM) and equal >= len(CHECKSUM) - 1
    return is_name and isinstance(value, str) and len(value) == 8


def _is_deep(value: Any) -> bool:
    """Return whether lists and objects are nested deeper than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for each in level
            for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True


def iter_lines(file: BinaryIO) -> Iterator[bytes]:
    """Iterate over the lines of a file, each with its end.

    A line of more than `MAX_LINE` bytes comes in parts. A part ends before the last row that starts
    in it, if there is one.
    """
    rest = b""
    while line := rest + file.readline(MAX_LINE - len(rest)):
        rest = b""
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            end = line.rfind(LINE_START, 1)
            end = end if end > 0 else len(line) - len(LINE_START)
            line, rest = line[:end], line[end:]
        yield line
