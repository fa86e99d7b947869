"""A finished file of records -> CSV or Parquet, row by row, in one step."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from vipllava_cli.errors import UsageError
from vipllava_cli.storage.files import atomic_file

_ROWS_AT_ONCE = 1000

# Columns in order; what is nested is written as JSON text, an error as two columns.
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
    """Write the records to a `.csv` or `.parquet` file, by its suffix. Raises InputError."""
    with atomic_file(str(path)) as file:
        _WRITERS[path.suffix.lower()](map(_flat, records), file)


def check_table(path: Path) -> None:
    """Refuse, before any work is done, a table that cannot be written here. Raises UsageError."""
    if path.suffix.lower() != ".parquet":
        return
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError(
            f"{path} needs the package pyarrow, which is not installed: `pip install pyarrow`, or"
            " give --out a name that ends in .csv or .jsonl"
        ) from None


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    error = record["error"] or {"type": None, "message": None}
    whole = {**record, "error_type": error["type"], "error": error["message"]}
    return {name: _plain(whole[name]) for name in _COLUMNS}


def _plain(value: Any) -> Any:
    """What a cell can hold; a file's name that is not UTF-8 has its odd bytes written out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return json.dumps(value) if isinstance(value, list | dict) else value


def _write_csv(rows: Iterator[dict[str, Any]], file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    text.flush()
    text.detach()  # the file stays open: who opened it closes it


def _write_parquet(rows: Iterator[dict[str, Any]], file: BinaryIO) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in _COLUMNS.items()])
    with pq.ParquetWriter(file, schema) as writer:
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))


_WRITERS: Mapping[str, Callable[[Iterator[dict[str, Any]], BinaryIO], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
TABLES = tuple(_WRITERS)
