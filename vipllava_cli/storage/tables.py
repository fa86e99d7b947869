"""Convert records to a CSV or Parquet file, row by row.

Each field of an answer, like `material`, and each field of the source, like `label`, has columns of
its own. Values are written as they are: a
program that reads the table gets what the record holds.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.csv_cells import text_cell, text_rows
from vipllava_cli.storage.field_columns import find_field_columns
from vipllava_cli.storage.files import atomic_file

CSV = ".csv"
_BLOCK = 1 << 20  # bytes that a comparison of files reads at a time
_ROW_GROUP = 1000  # rows of a Parquet row group; bounds the memory of a conversion

MAX_EXTRA_COLUMNS = 200  # fields of the source with a column; `extra` holds the others as JSON

LABEL = "label"  # a field of the source, else the labels of the marks

ANSWER_MARKS = "answer_marks"  # a column after `marks`, if an answer points at something

# Columns in order. Nested values become JSON text, and an error becomes two columns. The fields of
# the source come after `error`.
_COLUMNS: Mapping[str, str] = {
    "id": "string",
    "image": "string",
    "question": "string",
    "answer": "string",
    "finish_reason": "string",
    "error_type": "string",
    "error": "string",
    "width": "int64",
    "height": "int64",
    "marks": "string",
    "numbers": "bool_",
    "crop": "string",
    "window": "string",
    "mark_style": "string",
    "prompt_tokens": "int64",
    "answer_tokens": "int64",
    "model": "string",
    "revision": "string",
    "template": "string",
    "options": "string",
    "dtype": "string",
    "device": "string",
    "seconds": "float64",
    "key": "string",
    "schema": "int64",
}


Rows = Iterator[dict[str, Any]]
Records = Callable[[], Iterable[Mapping[str, Any]]]


def write_table(read: Records, path: Path, *, csv_safe: bool = False) -> None:
    """Write records to a `.csv` or `.parquet` file, by the suffix. Raises InputError.

    Calls `read` several times: the first passes only collect the fields. `csv_safe`: no cell of a CSV
    file is a formula for a spreadsheet.
    """
    with atomic_file(str(path)) as file:
        _write(read, path, file, csv_safe=csv_safe)


def _write(read: Records, path: Path, file: BinaryIO, *, csv_safe: bool) -> None:
    pointed = {ANSWER_MARKS: "string"} if any(ANSWER_MARKS in each for each in read()) else {}
    answered = find_field_columns(read(), {*_COLUMNS, *pointed, "extra", ""})
    taken = [*pointed, *(column for each in answered for column in each.columns)]
    fields = _source_columns(read(), taken)
    has_rest = len(fields) > MAX_EXTRA_COLUMNS
    columns = dict(islice(fields.items(), MAX_EXTRA_COLUMNS))
    types = _insert_after("error", _COLUMNS, dict.fromkeys(columns.values(), "string"))
    types = _insert_after("marks", types, pointed)
    types = _insert_after("answer", types, {k: v for each in answered for k, v in each.types()})
    if has_rest:
        types["extra"] = "string"
    rows: Rows = (
        _flatten(record, columns, has_rest=has_rest)
        | {column: _cell(record.get(column)) for column in pointed}
        | {column: _cell(value) for each in answered for column, value in each.cells(record)}
        for record in read()
    )
    suffix = path.suffix.lower()
    if csv_safe and suffix == CSV:
        rows, types = text_rows(rows), {text_cell(name): types[name] for name in types}
    _WRITERS[suffix](rows, types, file)


def is_edited(table: Path, records: Path, read: Records) -> bool:
    """Return whether a CSV file was changed after it was made from these records, in either way.

    A table that is older than its records was left behind by a run that did not finish.
    """
    if table.suffix.lower() != CSV or table.stat().st_mtime_ns < records.stat().st_mtime_ns:
        return False
    return not any(_is_made(table, read, csv_safe=csv_safe) for csv_safe in (False, True))


def _is_made(table: Path, read: Records, *, csv_safe: bool) -> bool:
    """Return whether a CSV file is what these records make."""
    with TemporaryFile() as made, table.open("rb") as existing:
        _write(read, table, made, csv_safe=csv_safe)
        made.seek(0)
        blocks = zip_longest(*(iter(partial(each.read, _BLOCK), b"") for each in (made, existing)))
        return all(one == other for one, other in blocks)


def journal_path(table: Path) -> Path:
    """Return the path of the records from which a table is made."""
    return table.with_name(f"{table.name}.jsonl")


def records_path(path: Path) -> Path:
    """Return the records of a table, and any other path as it is.

    A run that was stopped has written records, and no table yet. Raises InputError for a table without
    its records: its cells are no records, and may be edited.
    """
    if path.suffix.lower() not in TABLES:
        return path
    records = journal_path(path)
    if records.is_file() and (path.is_file() or not path.exists()):
        return records
    if not path.is_file():
        return path
    with path.open("rb") as file:
        if file.read(1) == b"{":  # lines of records under another name
            return path
    raise InputError(
        f"{path} is a table, and its records {records.name} are not beside it: give the .jsonl file"
        " that `vipllava batch` wrote"
    )


def check_table(path: Path) -> None:
    """Check, before a run, that the table can be written. Raises UsageError if pyarrow is missing."""
    if path.suffix.lower() != ".parquet":
        return
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError(
            f"{path} needs the package pyarrow, which is not installed: `pip install pyarrow`, or"
            " give --out a name that ends in .csv or .jsonl"
        ) from None


# --- columns ---------------------------------------------------------------------------------


def _source_columns(
    records: Iterable[Mapping[str, Any]], reserved: Iterable[str] = ()
) -> dict[str, str]:
    """Map the fields of the source to columns: the label first, the others as they occur.

    A field with the name of another column gets the prefix `extra_`. Stops at one field more than
    have a column.
    """
    names: dict[str, None] = {}
    has_label = False
    for record in records:
        if len(names) <= MAX_EXTRA_COLUMNS:
            names.update(dict.fromkeys(record["extra"]))
        has_label = has_label or bool(label_of(record))
    ordered = [LABEL] * has_label + [name for name in names if name != LABEL or not has_label]
    taken = {*_COLUMNS, "extra", "", *reserved}
    columns = {}
    for name in ordered:
        column = str(_cell(name))
        while column in taken or (column != name and column in names):
            column = f"extra_{column}"
        taken.add(column)
        columns[name] = column
    return columns


def _insert_after(name: str, columns: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Insert columns after the one with this name."""
    place = list(columns).index(name) + 1
    items = list(columns.items())
    return dict([*items[:place], *more.items(), *items[place:]])


def _flatten(
    record: Mapping[str, Any], columns: Mapping[str, str], *, has_rest: bool
) -> dict[str, Any]:
    """Convert a record to one value for each column."""
    error = record["error"] or {"type": None, "message": None}
    flat = {
        "window": None,
        "mark_style": None,
        **record,
        "error_type": error["type"],
        "error": error["message"],
    }
    cells = {name: _cell(flat[name]) for name in _COLUMNS}
    extra = {**record["extra"], LABEL: label_of(record)}
    cells |= {column: _text_cell(extra.get(name)) for name, column in columns.items()}
    if has_rest:
        rest = {name: value for name, value in record["extra"].items() if name not in columns}
        cells["extra"] = _cell(rest)
    return cells


def label_of(record: Mapping[str, Any]) -> Any:
    """Return the label in the source, else the labels of the marks; None without any."""
    label = (record.get("extra") or {}).get(LABEL)
    if label is not None:
        return label
    labels = (mark.get("label") for mark in record["marks"] if isinstance(mark, dict))
    return (
        ", ".join(dict.fromkeys(each for each in labels if each and isinstance(each, str))) or None
    )


def _text_cell(value: Any) -> str | None:
    """Convert a value of the source to text: a column may hold any JSON."""
    if value is None or isinstance(value, str):
        return value and str(_cell(value))
    return json.dumps(value)


def _cell(value: Any) -> Any:
    """Convert a value to text or a number. Escape the non-UTF-8 bytes of a file name."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return json.dumps(value) if isinstance(value, list | dict) else value


def _write_csv(rows: Rows, types: Mapping[str, str], file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.DictWriter(text, list(types))
    writer.writeheader()
    writer.writerows(rows)
    text.flush()
    text.detach()  # the caller closes the file


def _write_parquet(rows: Rows, types: Mapping[str, str], file: BinaryIO) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in types.items()])
    with pq.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, _ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


_WRITERS: Mapping[str, Callable[[Rows, Mapping[str, str], BinaryIO], None]] = {
    CSV: _write_csv,
    ".parquet": _write_parquet,
}
TABLES = tuple(_WRITERS)
