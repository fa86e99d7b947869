"""The files of VP-Bench -> their rows, a few at a time: Parquet, or a table with tabs or commas."""

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from natsort import natsorted

from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.flows.evals.output_files import RUN_NAMES
from vipllava_cli.sources.files import read_head
from vipllava_cli.sources.plain_tables import iter_records, table_columns
from vipllava_cli.storage.similar_names import advise_on_name

PARQUET, TABLES = ".parquet", (".tsv", ".csv")
_PARQUET_START = b"PAR1"
# Images of a batch are in memory together. Files often have all their rows in one row group.
_BATCH_ROWS = 8
_RELEASED_AFTER = 16  # batches; the allocator keeps the memory of earlier pages until told
_BUFFER_BYTES = 1 << 20  # read at a time from each column
_EXPECTED = "expected the Parquet file of VP-Bench, several such files in a folder, or its .tsv"

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class DataFile:
    """One file of rows."""

    path: Path
    is_parquet: bool

    @cached_property
    def columns(self) -> Sequence[str]:
        """The names of the columns. Raises InputError for a file of another kind."""
        if not self.is_parquet:
            return table_columns(str(self.path))
        with _parquet_errors(self.path), _open_parquet(self.path) as file:
            return list(file.schema_arrow.names)

    def rows(self, columns: Sequence[str]) -> Iterator[Fields | InputError]:
        """Iterate over the rows with these of the columns. A row that is no text is its error.

        Raises InputError where the file itself is damaged.
        """
        names = [name for name in columns if name in self.columns]
        if not self.is_parquet:
            for record in iter_records(str(self.path), None):
                yield {name: record[name] for name in names}
            return
        with _parquet_errors(self.path), _open_parquet(self.path) as file:
            batches = file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False)
            for count, batch in enumerate(batches):
                for number in range(batch.num_rows):
                    yield _row_fields(batch.slice(number, 1))
                if count % _RELEASED_AFTER == 0:
                    _release_memory()


def find_files(data: Path) -> list[DataFile]:
    """Find the files that `data` names: a file, a folder of Parquet files, or a pattern with `*`.

    Raises InputError if there are none, or if one is neither Parquet nor a table.
    """
    if data.is_dir():
        paths = list(data.glob(f"*{PARQUET}")) or list(data.rglob(f"*{PARQUET}"))
        tables = (path for suffix in TABLES for path in data.glob(f"*{suffix}"))
        paths = paths or [path for path in tables if path.name not in RUN_NAMES]
        if not paths:
            raise InputError(f"{data} has no Parquet file: {_EXPECTED}")
    elif data.is_file():
        paths = [data]
    else:
        paths = [Path(name) for name in glob.glob(str(data))]
        if not paths:
            advice = advise_on_name(str(data), _EXPECTED)
            raise InputError(f"there is no file {data}: {advice}")
    return [_identify(path) for path in natsorted(paths, key=str)]


def _identify(path: Path) -> DataFile:
    is_parquet = read_head(str(path)).startswith(_PARQUET_START)
    if not is_parquet and path.suffix.lower() == PARQUET:
        raise InputError(f"{path} is not a Parquet file: get a complete copy")
    if not is_parquet and path.suffix.lower() not in TABLES:
        raise InputError(f"{path} is neither a Parquet file nor a table: {_EXPECTED}")
    return DataFile(path, is_parquet)


def _open_parquet(path: Path) -> Any:
    """Open a Parquet file. Raises UsageError if pyarrow is missing."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(
            f"{path} needs the package pyarrow, which is not installed: `pip install"
            " 'vipllava[parquet]'`"
        ) from None
    return pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)


def _release_memory() -> None:
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    """Turn the errors of pyarrow into InputError."""
    try:
        yield
    except (ValueError, OSError, MemoryError, NotImplementedError) as error:
        # ArrowException is a ValueError, an OSError or one of the others.
        raise InputError(
            f"{path} is not a Parquet file that can be read ({short_repr(str(error))}): get a"
            " complete copy"
        ) from None


def _row_fields(row: Any) -> Fields | InputError:
    """Return the fields of a record batch with one row."""
    try:
        (fields,) = row.to_pylist()
    except (ValueError, OverflowError) as error:  # bytes that are no UTF-8, a date before year 1
        return InputError(f"the row is not valid text ({short_repr(str(error))})")
    return dict(fields)
