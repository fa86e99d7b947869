"""Manifests in CSV and TSV -> rows.

Tables are read lazily. The rows of a regular file are counted first. Paths are relative to the table.

A table has a column for the image. It may have `id`, `question`, `questions` and `marks` (both in JSON),
`choices`, columns named like the shapes, and columns for boxes (`manifest_columns`). Cells of `choices`
and of shapes have the same form as values on the command line: `red:10,20,110,220`. Other columns go to
the row's `extra`.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.shape_table import SHAPES
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.conversations import with_questions
from vipllava_cli.sources.files import (
    encoding_error,
    is_rereadable,
    iter_utf8_lines,
    source_name,
)
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.image_finder import ImageFinder
from vipllava_cli.sources.manifest import json_or_text
from vipllava_cli.sources.manifest_columns import canonical_names, unused_notes
from vipllava_cli.sources.manifest_row import (
    RowLocation,
    manifest_folder,
    marks_from_json,
    row_from_fields,
)
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.rows import BadRow, Row, Source, StoredRows
from vipllava_cli.storage.counts import count_noun

_MAX_CELL = 16 * 1024 * 1024  # characters; an outline in `marks` exceeds csv's default of 128 Ki

# An empty cell of these columns counts as a missing value.
_OPTIONAL_COLUMNS = ("id", "question", "questions", "choices", "marks")

_SEPARATOR_LINE = re.compile(r"\s*sep=(?P<separator>[,;\t|])\s*", re.IGNORECASE)

_SEPARATORS: Mapping[SourceFormat, str] = {
    SourceFormat.csv: ",;",  # some spreadsheets write semicolons
    SourceFormat.tsv: "\t",
}


def read_csv(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Source:
    """Read one row per line of a table with commas or semicolons. Raises InputError."""
    return _read_table(name, SourceFormat.csv, options)


def read_tsv(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Source:
    """Read one row per line of a table with tabs. Raises InputError."""
    return _read_table(name, SourceFormat.tsv, options)


def detect_table(text: str) -> SourceFormat | None:
    """Detect the format of a table by its header. Returns None without a column for the image."""
    first, _, rest = text.partition("\n")
    header = rest.partition("\n")[0] if _SEPARATOR_LINE.fullmatch(first) else first
    for format, separators in _SEPARATORS.items():
        cells = header.split(_find_separator(header, separators))
        if "image" in canonical_names(cell.strip().strip('"') for cell in cells).values():
            return format
    return None


def _read_table(name: str, format: SourceFormat, options: ReadOptions) -> Source:
    separators, encoding = _SEPARATORS[format], options.encoding
    read = partial(_iter_table_rows, name, separators, options)
    if not is_rereadable(name):
        return Source(read(), format)
    headers = (header for _, header, _ in iter_table(name, separators, encoding))
    header = next(headers, None)
    if header is None:
        raise InputError(f"{name} has a header and no rows: expected an image on each line")
    total = 1 + sum(1 for _ in headers)
    names = canonical_names(header).values()
    used = () if "question" in names else ("text",) if "question_id" in names else ()
    notes = unused_notes(name, names, used, markers=("marks", *SHAPES))
    return Source(StoredRows(read), format, total, tuple(notes))


def _iter_table_rows(name: str, separators: str, options: ReadOptions) -> Iterator[Row | BadRow]:
    folder, finder = manifest_folder(name), ImageFinder(options.image_folders)
    for number, header, cells in iter_table(name, separators, options.encoding):
        location = RowLocation(name, f"line {number}", folder, options.units, finder)
        names = canonical_names(header)
        if isinstance(cells, InputError):
            yield location.bad_row(cells)
        elif len(cells) != len(header):
            yield location.bad_row(
                f"expected {count_noun(len(header), 'cell')} as in the header, found {len(cells)}:"
                " put a cell that contains a separator in double quotes"
            )
        else:
            columns = [names[column] for column in header]
            yield _table_row(list(zip(columns, cells, strict=True)), location)


def _table_row(cells: list[tuple[str, str]], location: RowLocation) -> Row | BadRow:
    """Make a row from pairs of column and cell."""
    fields: dict[str, Any] = {
        column: cell
        for column, cell in cells
        if column and column not in SHAPES and (cell or column not in _OPTIONAL_COLUMNS)
    }
    if "questions" in fields:
        fields["questions"] = json_or_text(fields["questions"])
    fields = dict(with_questions(fields))
    return row_from_fields(fields, lambda: _table_marks(cells, location.units), location)


def _table_marks(cells: list[tuple[str, str]], units: str) -> list[MarkSpec]:
    """Read the marks of a row, in the order of the columns. Raises InputError."""
    marks: list[MarkSpec] = []
    for column, cell in cells:
        if cell and column == "marks":
            marks += marks_from_json(json_or_text(cell), units)
        elif cell and column in SHAPES:
            marks.append(parse_mark(column, cell, units))
    return marks


def iter_table(
    name: str, separators: str, encoding: str | None
) -> Iterator[tuple[int, list[str], list[str] | InputError]]:
    """Iterate over a table: the number of a row's first line, the header, and the cells or an error.

    Raises InputError if the file is not a table of images.
    """
    csv.field_size_limit(_MAX_CELL)
    lines = _iter_text_lines(name, encoding)
    first, skipped = next(lines, ""), 0
    chosen = _SEPARATOR_LINE.fullmatch(first)
    if chosen:  # a spreadsheet names the separator
        first, skipped = next(lines, ""), 1
    separator = chosen["separator"] if chosen else _find_separator(first, separators)
    reader = csv.reader(
        chain([first], lines), delimiter=separator, skipinitialspace=True, strict=True
    )
    header = _read_header(name, first, reader)
    while True:
        number = reader.line_num + 1 + skipped
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield number, header, _line_error(error, separator)
        else:
            if any(cells):
                yield number, header, cells


def _line_error(error: csv.Error, separator: str) -> InputError:
    if str(error) == "unexpected end of data":
        return InputError(
            "a quote is not closed, so this cell holds the rest of the file: close it"
        )
    return InputError(f"expected cells between {separator!r}: {error}")


def _iter_text_lines(name: str, encoding: str | None) -> Iterator[str]:
    """Iterate over the lines with their ends: in a quoted cell, a line end is content."""
    for number, line in enumerate(iter_utf8_lines(name, encoding), 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise encoding_error(name, number, encoding) from None
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
    names = canonical_names(header)
    if "image" not in names.values() and "\r" in line.rstrip():
        raise InputError(
            f"{source_name(name)} has lines that end in CR only, as on old Macs: expected LF or CR LF;"
            " save it again as CSV with UTF-8"
        )
    if "image" not in names.values():
        raise InputError(
            f"{source_name(name)} has no column 'image': expected a header like image,question,box;"
            f" found {line.strip()[:100]!r}"
        )
    columns = [names[column] for column in header if column and names[column] not in SHAPES]
    repeated = next((column for column, count in Counter(columns).items() if count > 1), None)
    if repeated:
        raise InputError(
            f"{source_name(name)} has two columns {short_repr(repeated)}: only columns of marks, like"
            " box, may repeat"
        )
    return header
