"""Find the records in a file, also after a disaster: whole lines, and records inside damaged lines."""

import codecs
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from typing import Any

from vipllava_cli.storage.record_lines import (
    CHECKSUM,
    LINE_START,
    ChecksumError,
    decode_line,
    find_rows,
    iter_lines,
)
from vipllava_cli.storage.records import SCHEMA, check_stored


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record, and its place in the file in bytes: with the line end, if it is a whole line.

    `crc` is the CRC-32 of these bytes.
    """

    offset: int
    length: int
    crc: int
    row: dict[str, Any]
    is_ended: bool = False


@dataclass(frozen=True, slots=True)
class ScannedLine:
    """A line of a file, with its number from 1, and its offset in bytes.

    `is_damaged`: it is not exactly one record. It may contain some anyway. `is_from_run`: a run has
    written it, as far as one can tell. `is_newer`: a newer version has written it.
    """

    number: int
    offset: int
    text: bytes
    records: tuple[FoundRecord, ...] = ()
    is_damaged: bool = False
    is_from_run: bool = False
    is_newer: bool = False
    continues: bool = False  # the line before, which is too long to be read at once


def scan_lines(file: FileIO) -> Iterator[ScannedLine]:
    """Iterate over the lines of an open file that are not blank."""
    with open(os.dup(file.fileno()), "rb") as reader:
        reader.seek(0)
        offset, is_whole = 0, True
        for number, text in enumerate(iter_lines(reader), 1):
            if text.strip():
                yield _scan(number, offset, text, continues=not is_whole)
            offset, is_whole = offset + len(text), text.endswith(b"\n")


def _scan(number: int, offset: int, text: bytes, *, continues: bool) -> ScannedLine:
    mark = len(codecs.BOM_UTF8) if text.startswith(codecs.BOM_UTF8) else 0
    is_json, is_newer, is_ended = False, False, text.endswith(b"\n")
    try:
        data = text[mark:]
        row = decode_line(data)
        is_json, is_newer = isinstance(row, dict), _is_newer(row)  # a list may hold records
        crc = zlib.crc32(data)
        record = FoundRecord(offset + mark, len(data), crc, check_stored(row), is_ended)
        return ScannedLine(number, offset, text, (record,))
    except ChecksumError:
        is_from_run = True
    except ValueError:
        is_from_run = not is_json and LINE_START in text
    found = []
    for start, length, row in () if is_json else find_rows(text):
        with suppress(ValueError):
            crc = zlib.crc32(text[start : start + length])
            found.append(FoundRecord(offset + start, length, crc, check_stored(row)))
    return ScannedLine(
        number,
        offset,
        text,
        tuple(found),
        is_damaged=True,
        is_from_run=is_from_run,
        is_newer=is_newer,
        continues=continues,
    )


def _is_newer(row: Any) -> bool:
    """Return whether a newer version wrote a row."""
    schema = row.get("schema") if isinstance(row, dict) else None
    return type(schema) is int and schema > SCHEMA and isinstance(row.get("id"), str)


def parse_row(data: bytes) -> dict[str, Any]:
    """Parse a record that was found, and so checked, before."""
    row: dict[str, Any] = json.loads(data.decode())
    row.pop(CHECKSUM, None)
    return row
