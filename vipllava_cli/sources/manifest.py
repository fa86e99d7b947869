"""Manifests in JSONL and JSON -> rows.

JSONL is read lazily. The rows of a regular file are counted first. Paths are relative to the manifest.
Fields that are no part of a row go to its `extra`.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

from vipllava_cli.errors import InputError, short_name, short_repr
from vipllava_cli.sources.conversations import dropped_word_note, with_questions
from vipllava_cli.sources.files import (
    encoding_error,
    is_rereadable,
    iter_lines,
    load_json,
    source_name,
)
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.image_finder import ImageFinder
from vipllava_cli.sources.manifest_columns import canonical_names, unused_notes
from vipllava_cli.sources.manifest_row import (
    ROW_EXAMPLE,
    RowLocation,
    manifest_folder,
    row_from_json,
)
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.rows import BadRow, Row, Source, StoredRows
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.json_files import parse_json

_MAX_LISTED = 10  # fields in a message
_MAX_SAMPLES = 100  # rows that notes about unused columns come from

# Fields whose list contains the rows, if a JSON object has several lists.
_ROW_LISTS = ("rows", "data", "items", "examples")


# --- JSONL -----------------------------------------------------------------------------------


def read_jsonl(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Source:
    """Read one row per line. Raises InputError for a file without a line of JSON."""
    read = partial(iter_jsonl_rows, name, manifest_folder(name), options=options)
    if not is_rereadable(name):
        return Source(read(), SourceFormat.jsonl)
    total = count_lines(name, options.encoding)
    heads = islice(iter_lines(name, options.encoding), _MAX_SAMPLES)
    notes = _json_notes(name, (json_or_text(line.decode("utf-8")) for _, line in heads))
    return Source(StoredRows(read), SourceFormat.jsonl, total, notes)


def _json_notes(name: str, values: Iterable[Any]) -> tuple[str, ...]:
    """Return notes about fields of the first rows that no row uses."""
    names: dict[str, None] = {}
    dropped: dict[str, None] = {}
    for value in values:
        if isinstance(value, dict):
            note = dropped_word_note(value)
            dropped |= {f"{name}: {note}": None} if note else {}
            with suppress(InputError):  # the row reports it
                names.update(dict.fromkeys(canonical_names(with_questions(value)).values()))
    return (*dropped, *unused_notes(name, names))


def count_lines(name: str, encoding: str | None = None) -> int:
    """Count the non-blank lines of a JSONL file.

    Raises InputError if a line is not text or no line looks like an object. One bad line among good
    ones is not an error here: it becomes a bad row.
    """
    lines = objects = 0
    for number, line in iter_lines(name, encoding):
        if not _is_utf8(line):
            raise encoding_error(name, number, encoding)
        lines += 1
        objects += line.startswith(b"{") and line.endswith(b"}")
    if not objects:
        found = f"{count_noun(lines, 'line')} without an object" if lines else "an empty file"
        raise InputError(f"{name} is not JSONL: expected lines like {ROW_EXAMPLE}, found {found}")
    return lines


def iter_jsonl_rows(
    name: str,
    folder: str,
    convert_fields: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda fields: fields,
    options: ReadOptions = DEFAULT_OPTIONS,
) -> Iterator[Row | BadRow]:
    """Iterate over the rows of a JSONL file. Paths in it are relative to `folder`.

    `convert_fields` turns the fields of a line into those of a manifest. It may raise InputError.
    """
    finder = ImageFinder(options.image_folders)
    for number, line in iter_lines(name, options.encoding):
        location = RowLocation(name, f"line {number}", folder, options.units, finder)
        try:
            value = _parse_line(line)
            fields = convert_fields(value) if isinstance(value, dict) else value
            row = row_from_json(fields, location)
        except InputError as error:
            row = location.bad_row(error)
        yield row


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parse_line(line: bytes) -> Any:
    """Parse one JSON value. Raises InputError."""
    if not _is_utf8(line):
        raise InputError("expected UTF-8 text, found other bytes")
    text = line.decode("utf-8")
    try:
        return _loads_finite(text)
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at column {error.colno}"
        found = f"{short_repr(text)} ({reason})"
        raise InputError(f"expected JSON like {ROW_EXAMPLE}, found {found}") from None
    except ValueError as error:
        raise InputError(f"expected JSON like {ROW_EXAMPLE}: {error}") from None


def _loads_finite(text: str) -> Any:
    """Parse JSON, with null in place of NaN and infinite numbers.

    Python writes NaN for a missing value, but neither JSON nor a record can hold it. Raises ValueError.
    """
    return parse_json(text, parse_constant=lambda _: None, parse_float=_finite_or_none)


def _finite_or_none(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


# --- JSON ------------------------------------------------------------------------------------


def read_json(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Source:
    """Read one row per object of the list. Raises InputError for a file without such a list."""
    values = _find_row_list(name, load_json(name, _loads_finite, options.encoding))
    if not values:
        raise InputError(
            f"{source_name(name)} contains an empty list: expected rows like {ROW_EXAMPLE}"
        )
    folder, finder = manifest_folder(name), ImageFinder(options.image_folders)

    def read() -> Iterator[Row | BadRow]:
        for number, value in enumerate(values, 1):
            location = RowLocation(name, f"row {number}", folder, options.units, finder)
            yield row_from_json(value, location)

    notes = _json_notes(name, values[:_MAX_SAMPLES])
    return Source(StoredRows(read), SourceFormat.json, len(values), notes)


def _find_row_list(name: str, value: Any) -> list[Any]:
    """Find the rows: the value itself, a list in it, or the value as the only row."""
    if isinstance(value, list):
        return value
    expected = f"{source_name(name)}: expected a list of rows like {ROW_EXAMPLE}"
    if not isinstance(value, dict):
        raise InputError(f"{expected}, found {short_repr(value)}")
    if "image" in canonical_names(value).values():
        return [value]
    lists = {field: items for field, items in value.items() if isinstance(items, list)}
    known = [lists[field] for field in _ROW_LISTS if field in lists]
    candidates = known or list(lists.values())
    if len(candidates) != 1:
        found = (
            f"the lists {', '.join(map(short_name, islice(lists, _MAX_LISTED)))}"
            if lists
            else "an object without a list"
        )
        raise InputError(f'{expected}, found {found}: name the list of rows "rows"')
    return candidates[0]


def json_or_text(text: str) -> Any:
    """Parse a JSON value. Other text stays as it is: the check for a list or an object reports it."""
    try:
        return _loads_finite(text)
    except ValueError:
        return text
