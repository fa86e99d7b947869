"""Tables that other programs write, with commas or semicolons -> one mapping per line."""

import csv
from collections.abc import Iterator, Mapping
from itertools import chain

from vipllava_cli.errors import InputError
from vipllava_cli.sources.files import encoding_error, iter_utf8_lines, read_head_text

_MAX_CELL = 16 * 1024 * 1024  # characters
_SEPARATORS = (",", ";", "\t")


def table_columns(name: str) -> list[str]:
    """Return the column names in the first line of a file, or none if that is no line of a table."""
    header = read_head_text(name).partition("\n")[0]
    try:
        cells = next(csv.reader([header], delimiter=_separator(header), skipinitialspace=True), [])
    except csv.Error:
        return []
    return [cell.strip() for cell in cells]


def iter_records(name: str, encoding: str | None) -> Iterator[Mapping[str, str]]:
    """Iterate over the lines of a table, as column -> cell. A missing cell is empty.

    Raises InputError for text of another encoding and for a line that is no table.
    """
    csv.field_size_limit(_MAX_CELL)
    lines = _iter_text(name, encoding)
    first = next(lines, "")
    reader = csv.DictReader(
        chain([first], lines), delimiter=_separator(first), skipinitialspace=True, restval=""
    )
    try:
        if any("\n" in column for column in reader.fieldnames or ()):
            raise InputError(f"{name}: a quote in the first line is not closed: correct the table")
        reader.fieldnames = [column.strip() for column in reader.fieldnames or ()]
        for record in reader:
            yield {column: cell for column, cell in record.items() if isinstance(column, str)}
    except csv.Error as error:
        raise InputError(
            f"{name}, line {reader.line_num}: expected a table, found {error}"
        ) from None


def _separator(line: str) -> str:
    return max(_SEPARATORS, key=line.count)


def _iter_text(name: str, encoding: str | None) -> Iterator[str]:
    for number, line in enumerate(iter_utf8_lines(name, encoding), 1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            raise encoding_error(name, number, encoding) from None
