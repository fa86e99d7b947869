"""Manifests: JSONL, JSON, CSV and TSV -> rows.

JSONL and tables are read as the rows are wanted, and counted first where they lie in a file. Paths
are relative to the manifest. A table has a column `image` and any of `id`, `question`, `questions`
and `marks` (both in JSON), `choices`, and of the shapes' names; cells of the last two are as typed
after the flags: `red:10,20,110,220`. Other columns, like other fields of JSON, go into the row's
`extra`.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import SHAPES, MarkSpec
from vipllava_cli.sources.files import (
    count_noun,
    is_rereadable,
    lines,
    load_json,
    not_utf8,
    opened,
    source_name,
)
from vipllava_cli.sources.manifest_row import (
    FORM,
    RowLocation,
    folder_of,
    marks_from_json,
    row_from_fields,
    row_from_json,
)
from vipllava_cli.sources.rows import BadRow, Row, Source

_LONGEST_CELL = 16 * 1024 * 1024  # characters: an outline in `marks` outgrows csv's own 128 Ki

_MAY_BE_EMPTY = ("id", "question", "questions", "choices", "marks")

# The lists of an object that are rows, where it holds several lists.
_ROW_LISTS = ("rows", "data", "items", "examples")


# --- JSONL -----------------------------------------------------------------------------------


def read_jsonl(name: str) -> Source:
    """A row for each line. Raises InputError for a file that holds no line of JSON."""
    total = count_objects(name) if is_rereadable(name) else None
    return Source(rows_of_lines(name, folder_of(name)), "jsonl", total)


def count_objects(name: str) -> int:
    """How many lines are not blank. Raises InputError when they are no UTF-8 or none is an object,
    whereas one bad line among others is a bad row.
    """
    total = objects = 0
    for number, line in lines(name):
        if not _is_utf8(line):
            raise not_utf8(name, number)
        total += 1
        objects += line.startswith(b"{") and line.endswith(b"}")
    if not objects:
        found = f"{count_noun(total, 'line')}, none of them an object" if total else "an empty file"
        raise InputError(f"{name} is not JSONL: expected lines like {FORM}, found {found}")
    return total


def rows_of_lines(
    name: str,
    folder: str,
    adapt: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda fields: fields,
) -> Iterator[Row | BadRow]:
    """A row for each line of JSON, whose fields `adapt` renames; paths start from `folder`."""
    for number, line in lines(name):
        place = RowLocation(name, f"line {number}", folder)
        try:
            value = _parse(line)
            row = row_from_json(adapt(value) if isinstance(value, dict) else value, place)
        except InputError as error:
            row = place.bad(error)
        yield row


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parse(line: bytes) -> Any:
    """One value of JSON. Raises InputError."""
    if not _is_utf8(line):
        raise InputError("expected text in UTF-8, found other bytes")
    text = line.decode("utf-8")
    try:
        return _from_json(text)
    except json.JSONDecodeError as error:
        why = f"{error.msg} at column {error.colno}"
        raise InputError(f"expected JSON like {FORM}, found {short_repr(text)} ({why})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected JSON like {FORM}: {error}") from None


def _from_json(text: str) -> Any:
    """The value of a text. NaN stands for what is missing where Python wrote it, 1e999 for infinity;
    JSON, and our records, know only null. Raises ValueError, RecursionError.
    """
    return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


# --- JSON ------------------------------------------------------------------------------------


def read_json(name: str) -> Source:
    """A row for each object of the list. Raises InputError for a file without such a list."""
    rows = _row_list(name, load_json(name, _from_json))
    if not rows:
        raise InputError(f"{source_name(name)} holds an empty list: expected rows like {FORM}")
    folder = folder_of(name)
    return Source(
        (
            row_from_json(value, RowLocation(name, f"row {number}", folder))
            for number, value in enumerate(rows, 1)
        ),
        "json",
        len(rows),
    )


def _row_list(name: str, value: Any) -> list[Any]:
    """The rows: the value itself, the list that it holds, or its one row."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise InputError(
            f"{source_name(name)}: expected a list of rows like {FORM}, found {short_repr(value)}"
        )
    if "image" in value:
        return [value]
    lists = {field: items for field, items in value.items() if isinstance(items, list)}
    known = [lists[field] for field in _ROW_LISTS if field in lists]
    candidates = known or list(lists.values())
    if len(candidates) != 1:
        found = f"the lists {', '.join(lists)}" if lists else "an object without a list"
        raise InputError(
            f"{source_name(name)}: expected a list of rows like {FORM}, found {found}:"
            ' name the right one "rows"'
        )
    return candidates[0]


# --- tables ----------------------------------------------------------------------------------

_SEPARATORS: Mapping[str, str] = {"csv": ",;", "tsv": "\t"}  # `;` where spreadsheets write it


def read_csv(name: str) -> Source:
    """A row for each line of a table with commas or semicolons."""
    return _table(name, "csv")


def read_tsv(name: str) -> Source:
    """A row for each line of a table with tabs."""
    return _table(name, "tsv")


def table_kind(line: str) -> str | None:
    """The kind of table that has this header, if it names images."""
    for kind, separators in _SEPARATORS.items():
        cells = line.split(_separator(line, separators))
        if "image" in (cell.strip().strip('"') for cell in cells):
            return kind
    return None


def _table(name: str, kind: str) -> Source:
    separators = _SEPARATORS[kind]
    total = None
    if is_rereadable(name):
        total = sum(1 for _ in _records(name, separators))
        if not total:
            raise InputError(f"{name} has a header and no rows: expected an image on each line")
    return Source(_table_rows(name, separators), kind, total)


def _table_rows(name: str, separators: str) -> Iterator[Row | BadRow]:
    folder = folder_of(name)
    for number, header, cells in _records(name, separators):
        place = RowLocation(name, f"line {number}", folder)
        if isinstance(cells, InputError):
            yield place.bad(cells)
        elif len(cells) != len(header):
            yield place.bad(
                f"expected {count_noun(len(header), 'cell')} as in the header, found {len(cells)}:"
                " a cell that holds a separator stands in double quotes"
            )
        else:
            yield _table_row(list(zip(header, cells, strict=True)), place)


def _table_row(cells: list[tuple[str, str]], place: RowLocation) -> Row | BadRow:
    """A row of columns and cells; an empty cell of a known column says nothing."""
    fields: dict[str, Any] = {
        column: cell
        for column, cell in cells
        if column and column not in SHAPES and (cell or column not in _MAY_BE_EMPTY)
    }
    if "questions" in fields:
        fields["questions"] = _json_or_text(fields["questions"])
    return row_from_fields(fields, lambda: _table_marks(cells), place)


def _table_marks(cells: list[tuple[str, str]]) -> list[MarkSpec]:
    """The marks of a row, column by column. Raises InputError."""
    marks: list[MarkSpec] = []
    for column, cell in cells:
        if cell and column == "marks":
            marks += marks_from_json(_json_or_text(cell))
        elif cell and column in SHAPES:
            marks.append(parse_mark(column, cell))
    return marks


def _json_or_text(cell: str) -> Any:
    """The value of a cell in JSON; the text itself, which is no list, is refused further on."""
    try:
        return _from_json(cell)
    except (ValueError, RecursionError):
        return cell


def _records(name: str, separators: str) -> Iterator[tuple[int, list[str], list[str] | InputError]]:
    """For each row the line where it begins, the header, and its cells or why there are none.
    Raises InputError for what is no table of images.
    """
    csv.field_size_limit(_LONGEST_CELL)
    texts = _texts(name)
    first = next(texts, "")
    separator = _separator(first, separators)
    reader = csv.reader(
        chain([first], texts), delimiter=separator, skipinitialspace=True, strict=True
    )
    header = _header(name, first, reader)
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


def _texts(name: str) -> Iterator[str]:
    """The lines, with their ends, which belong to a cell in quotes."""
    with opened(name) as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise not_utf8(name, number) from None
            yield text


def _separator(line: str, separators: str) -> str:
    return next((mark for mark in separators if mark in line), separators[0])


def _header(name: str, line: str, reader: Iterator[list[str]]) -> list[str]:
    """The columns' names. Raises InputError without `image`, or with two of one name where only
    marks may be several.
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
    named = [column for column in header if column and column not in SHAPES]
    twice = next((column for column in named if named.count(column) > 1), None)
    if twice:
        raise InputError(
            f"{source_name(name)} has two columns {twice!r}: only those of marks, like box, may be several"
        )
    return header
