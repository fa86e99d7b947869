"""A line of a file of records: JSON with a checksum, which shows damage that leaves valid JSON."""

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from vipllava_cli.storage.records import SCHEMA

CHECKSUM = "crc"  # the last field of a line
LINE_START = f'{{"schema": {SCHEMA}, "id": "'.encode()  # of every line that a run writes
MAX_LINE = 1 << 26  # bytes; a longer line is read in parts, none of which is a record


def encode_line(row: Mapping[str, Any]) -> bytes:
    """Encode a record with its checksum: the CRC-32 of the JSON text without it."""
    text = json.dumps(row).encode()
    return text[:-1] + f', "{CHECKSUM}": "{zlib.crc32(text):08x}"}}\n'.encode()


def decode_line(line: bytes | str, *, verify: bool = True) -> Any:
    """Decode a line, and remove its checksum. A line of version 0.1 or of `ask` has none.

    Raises ValueError if the line is not JSON, and with `verify` if its content does not fit its
    checksum. Spaces and escapes may differ from those of `encode_line`.
    """
    try:
        row = json.loads(line)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(row, dict) or CHECKSUM not in row:
        return row
    checksum = row.pop(CHECKSUM)
    if verify and checksum != f"{zlib.crc32(json.dumps(row).encode()):08x}":
        raise ValueError("the content does not fit the checksum")
    return row


def iter_lines(file: BinaryIO) -> Iterator[bytes]:
    """Iterate over the lines of a file, each with its end."""
    while line := file.readline(MAX_LINE):
        yield line
