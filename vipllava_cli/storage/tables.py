"""Convert records to a CSV or Parquet file, row by row."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.files import atomic_file

_ROW_GROUP = 1000  # rows of a Parquet row group; bounds the memory of a conversion

# Columns in order. Nested values become JSON text, and an error becomes two columns.
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
    "prompt_tokens": "int64",
    "answer_tokens": "int64",
    "model": "string",
    "revision": "string",
    "template": "string",
    "options": "string",
    "dtype": "string",
    "device": "string",
    "seconds": "float64",
    "extra": "string",
    "key": "string",
    "schema": "int64",
}


def write_table(records: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write the records to a `.csv` or `.parquet` file, by the suffix. Raises InputError."""
    with atomic_file(str(path)) as file:
        _WRITERS[path.suffix.lower()](map(_flatten, records), file)


def journal_path(table: Path) -> Path:
    """Return the path of the records from which a table is made."""
    return table.with_name(f"{table.name}.jsonl")


def records_path(path: Path) -> Path:
    """Return the records of a table, and any other path as it is.

    Raises InputError for a table without its records: its cells are no records, and may be edited.
    """
    if path.suffix.lower() not in TABLES or not path.is_file():
        return path
    records = journal_path(path)
    if records.is_file():
        return records
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


def _flatten(record: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a record to one value for each column."""
    error = record["error"] or {"type": None, "message": None}
    flat = {**record, "error_type": error["type"], "error": error["message"]}
    return {name: _cell(flat[name]) for name in _COLUMNS}


def _cell(value: Any) -> Any:
    """Convert a value to text or a number. Escape the non-UTF-8 bytes of a file name."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return json.dumps(value) if isinstance(value, list | dict) else value


def _write_csv(rows: Iterator[dict[str, Any]], file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    text.flush()
    text.detach()  # the caller closes the file


def _write_parquet(rows: Iterator[dict[str, Any]], file: BinaryIO) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in _COLUMNS.items()])
    with pq.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, _ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


_WRITERS: Mapping[str, Callable[[Iterator[dict[str, Any]], BinaryIO], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
TABLES = tuple(_WRITERS)
