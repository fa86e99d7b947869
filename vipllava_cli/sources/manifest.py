"""Manifests: JSONL, JSON, CSV and TSV -> rows.

JSONL and tables are read lazily. The rows of a regular file are counted first. Paths are
relative to the manifest.

A table has the column `image`. It may have `id`, `question`, `questions` and `marks` (both in JSON),
`choices`, and columns named like the shapes. Cells of `choices` and of shapes have the same form as
values on the command line: `red:10,20,110,220`. Other columns, and other JSON fields, go to the row's
`extra`.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.shape_table import SHAPES
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import (
    is_rereadable,
    iter_lines,
    load_json,
    open_binary,
    source_name,
    utf8_error,
)
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.manifest_row import (
    ROW_EXAMPLE,
    RowLocation,
    manifest_folder,
    marks_from_json,
    row_from_fields,
    row_from_json,
)
from vipllava_cli.sources.rows import BadRow, Row, Source, StoredRows
from vipllava_cli.storage.counts import count_noun

_MAX_CELL = 16 * 1024 * 1024  # characters; an outline in `marks` exceeds csv's default of 128 Ki

# An empty cell of these columns counts as a missing value.
_OPTIONAL_COLUMNS = ("id", "question", "questions", "choices", "marks")

# Fields whose list contains the rows, if a JSON object has several lists.
_ROW_LISTS = ("rows", "data", "items", "examples")


# --- JSONL -----------------------------------------------------------------------------------


def read_jsonl(name: str) -> Source:
    """Read one row per line. Raises InputError for a file without a line of JSON."""
    read = partial(iter_jsonl_rows, name, manifest_folder(name))
    if not is_rereadable(name):
        return Source(read(), SourceFormat.jsonl)
    return Source(StoredRows(read), SourceFormat.jsonl, count_lines(name))


def count_lines(name: str) -> int:
    """Count the non-blank lines of a JSONL file.

    Raises InputError if a line is not UTF-8 or no line looks like an object. One bad line among good
    ones is not an error here: it becomes a bad row.
    """
    lines = objects = 0
    for number, line in iter_lines(name):
        if not _is_utf8(line):
            raise utf8_error(name, number)
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
) -> Iterator[Row | BadRow]:
    """Iterate over the rows of a JSONL file. Paths in it are relative to `folder`.

    `convert_fields` turns the fields of a line into those of a manifest. It may raise InputError.
    """
    for number, line in iter_lines(name):
        location = RowLocation(name, f"line {number}", folder)
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
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected JSON like {ROW_EXAMPLE}: {error}") from None


def _loads_finite(text: str) -> Any:
    """Parse JSON, with null in place of NaN and infinite numbers.

    Python writes NaN for a missing value, but neither JSON nor a record can hold it. Raises ValueError
    and RecursionError.
    """
    return json.loads(text, parse_constant=lambda _: None, parse_float=_finite_or_none)


def _finite_or_none(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


# --- JSON ------------------------------------------------------------------------------------


def read_json(name: str) -> Source:
    """Read one row per object of the list. Raises InputError for a file without such a list."""
    values = _find_row_list(name, load_json(name, _loads_finite))
    if not values:
        raise InputError(
            f"{source_name(name)} contains an empty list: expected rows like {ROW_EXAMPLE}"
        )
    folder = manifest_folder(name)

    def read() -> Iterator[Row | BadRow]:
        for number, value in enumerate(values, 1):
            yield row_from_json(value, RowLocation(name, f"row {number}", folder))

    return Source(StoredRows(read), SourceFormat.json, len(values))


def _find_row_list(name: str, value: Any) -> list[Any]:
    """Find the rows: the value itself, a list in it, or the value as the only row."""
    if isinstance(value, list):
        return value
    expected = f"{source_name(name)}: expected a list of rows like {ROW_EXAMPLE}"
    if not isinstance(value, dict):
        raise InputError(f"{expected}, found {short_repr(value)}")
    if "image" in value:
        return [value]
    lists = {field: items for field, items in value.items() if isinstance(items, list)}
    known = [lists[field] for field in _ROW_LISTS if field in lists]
    candidates = known or list(lists.values())
    if len(candidates) != 1:
        found = f"the lists {', '.join(lists)}" if lists else "an object without a list"
        raise InputError(f'{expected}, found {found}: name the list of rows "rows"')
    return candidates[0]


# --- tables ----------------------------------------------------------------------------------

_SEPARATORS: Mapping[SourceFormat, str] = {
    SourceFormat.csv: ",;",  # some spreadsheets write semicolons
    SourceFormat.tsv: "\t",
}


def read_csv(name: str) -> Source:
    """Read one row per line of a table with commas or semicolons. Raises InputError."""
    return _read_table(name, SourceFormat.csv)


def read_tsv(name: str) -> Source:
    """Read one row per line of a table with tabs. Raises InputError."""
    return _read_table(name, SourceFormat.tsv)


def detect_table(header: str) -> SourceFormat | None:
    """Detect the format of a table with this header. Returns None without a column `image`."""
    for format, separators in _SEPARATORS.items():
        cells = header.split(_find_separator(header, separators))
        if "image" in (cell.strip().strip('"') for cell in cells):
            return format
    return None


def _read_table(name: str, format: SourceFormat) -> Source:
    separators = _SEPARATORS[format]
    read = partial(_iter_table_rows, name, separators)
    if not is_rereadable(name):
        return Source(read(), format)
    total = sum(1 for _ in _iter_table(name, separators))
    if not total:
        raise InputError(f"{name} has a header and no rows: expected an image on each line")
    return Source(StoredRows(read), format, total)


def _iter_table_rows(name: str, separators: str) -> Iterator[Row | BadRow]:
    folder = manifest_folder(name)
    for number, header, cells in _iter_table(name, separators):
        location = RowLocation(name, f"line {number}", folder)
        if isinstance(cells, InputError):
            yield location.bad_row(cells)
        elif len(cells) != len(header):
            yield location.bad_row(
                f"expected {count_noun(len(header), 'cell')} as in the header, found {len(cells)}:"
                " put a cell that contains a separator in double quotes"
            )
        else:
            yield _table_row(list(zip(header, cells, strict=True)), location)


def _table_row(cells: list[tuple[str, str]], location: RowLocation) -> Row | BadRow:
    """Make a row from pairs of column and cell."""
    fields: dict[str, Any] = {
        column: cell
        for column, cell in cells
        if column and column not in SHAPES and (cell or column not in _OPTIONAL_COLUMNS)
    }
    if "questions" in fields:
        fields["questions"] = _json_or_text(fields["questions"])
    return row_from_fields(fields, lambda: _table_marks(cells), location)


def _table_marks(cells: list[tuple[str, str]]) -> list[MarkSpec]:
    """Read the marks of a row, in the order of the columns. Raises InputError."""
    marks: list[MarkSpec] = []
    for column, cell in cells:
        if cell and column == "marks":
            marks += marks_from_json(_json_or_text(cell))
        elif cell and column in SHAPES:
            marks.append(parse_mark(column, cell))
    return marks


def _json_or_text(cell: str) -> Any:
    """Parse a JSON cell. Other text stays as it is: the check for a list reports it."""
    try:
        return _loads_finite(cell)
    except (ValueError, RecursionError):
        return cell


def _iter_table(
    name: str, separators: str
) -> Iterator[tuple[int, list[str], list[str] | InputError]]:
    """Iterate over a table: the number of a row's first line, the header, and the cells or an error.

    Raises InputError if the file is not a table of images.
    """
    csv.field_size_limit(_MAX_CELL)
    lines = _iter_text_lines(name)
    first = next(lines, "")
    separator = _find_separator(first, separators)
    reader = csv.reader(
        chain([first], lines), delimiter=separator, skipinitialspace=True, strict=True
    )
    header = _read_header(name, first, reader)
    while True:
        number = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield number, header, InputError(f"expected cells between {separator!r}: {error}")
        else:
            if any(cells):
                yield number, header, cells


def _iter_text_lines(name: str) -> Iterator[str]:
    """Iterate over the lines with their ends: in a quoted cell, a line end is content."""
    with open_binary(name) as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise utf8_error(name, number) from None
            yield text


def _find_separator(line: str, separators: str) -> str:
    return next((character for character in separators if character in line), separators[0])


def _read_header(name: str, line: str, reader: Iterator[list[str]]) -> list[str]:
    """Read the column names.

    Raises InputError without `image`, and for a repeated column that is not a shape.
    """
    try:
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error:
        header = []
    if "image" not in header:
        raise InputError(
            f"{source_name(name)} has no column 'image': expected a header like image,question,box;"
            f" found {line.strip()[:100]!r}"
        )
    columns = [column for column in header if column and column not in SHAPES]
    repeated = next((column for column in columns if columns.count(column) > 1), None)
    if repeated:
        raise InputError(
            f"{source_name(name)} has two columns {repeated!r}: only columns of marks, like box, may"
            " repeat"
        )
    return header
