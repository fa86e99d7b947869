"""Read a file of records from any source line by line. Skip and count other lines."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from vipllava_cli.errors import InputError
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.record_lines import ChecksumError, decode_line, iter_lines
from vipllava_cli.storage.records import SCHEMA, check_record
from vipllava_cli.storage.regular_files import open_regular
from vipllava_cli.storage.similar_names import advise_on_name

MAX_SKIPPED_LINES = 1000  # before the first record: a large binary file is not read to its end

Json = dict[str, Any]
T = TypeVar("T")

RECORDS_NAME = "records.jsonl"  # in the folder of an `eval` run


def folder_records(results: Path) -> Path:
    """Return the records in an `eval` folder, and any other path as it is."""
    records = results / RECORDS_NAME
    return records if os.path.isfile(records) else results


@dataclass
class RecordFile(Generic[T]):
    """Iterates over the records of a file, or of standard input for `-`, as `convert` returns them.

    A record for which `convert` raises ValueError counts as a line that is not a record. `name` is
    for messages; if it is empty, the name of the file is used. When the iteration ends, `skipped_lines`
    lists the numbers of the lines that are not records, and `changed_lines` those of records that do not
    fit their checksum.
    """

    path: Path
    convert: Callable[[Json], T]
    name: str = ""
    skipped_lines: list[int] = field(default_factory=list)
    changed_lines: list[int] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.name or ("standard input" if _is_standard(self.path) else self.path.name)

    def __iter__(self) -> Iterator[T]:
        """Raises InputError if the file is not readable or contains no record."""
        has_records, first_skipped = False, b""
        with _open(self.path) as file:
            for number, line in enumerate(iter_lines(file), 1):
                try:
                    record, is_changed = _parse_record(line)
                    converted = self.convert(record)
                except ValueError:
                    if line.strip():
                        first_skipped = first_skipped or line
                        self.skipped_lines.append(number)
                    if not has_records and len(self.skipped_lines) == MAX_SKIPPED_LINES:
                        break
                else:
                    has_records = True
                    self.changed_lines += [number] if is_changed else []
                    yield converted
        if not has_records:
            raise InputError(
                f'{self.title} contains no record: expected one JSON object with "schema": {SCHEMA} per'
                " line, as `vipllava batch` and `vipllava ask --json` write them;"
                f" found {_describe(first_skipped)}"
            )

    @property
    def skipped_note(self) -> str:
        """A note about skipped lines and changed records, or empty text."""
        skipped, changed = self.skipped_lines, self.changed_lines
        notes = []
        if len(skipped) == 1:
            notes.append(f"line {skipped[0]} is not a record and was skipped")
        elif skipped:
            notes.append(
                f"{len(skipped)} lines are not records and were skipped; the first is line {skipped[0]}"
            )
        if len(changed) == 1:
            notes.append(f"line {changed[0]} was edited or damaged after the run")
        elif changed:
            notes.append(
                f"{len(changed)} records were edited or damaged after the run; the first is in line"
                f" {changed[0]}"
            )
        return f"{self.title}: {'; '.join(notes)}" if notes else ""


@contextmanager
def _open(results: Path) -> Iterator[BinaryIO]:
    """Open a file, or standard input for `-`. Raises InputError, also for errors while reading."""
    try:
        if _is_standard(results):
            yield sys.stdin.buffer
        else:
            with open_regular(results, streams=True) as file:
                yield file
    except FileNotFoundError:
        advice = "expected the results of `vipllava batch`; check the name"
        raise InputError(
            f"there is no file {results}: {advise_on_name(str(results), advice)}"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{results} is a folder: name a file of results in it") from None
    except OSError as error:
        name = "standard input" if _is_standard(results) else results
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from None


def _is_standard(results: Path) -> bool:
    return str(results) == STANDARD_INPUT


_OPTIONAL = (
    "question",
    "answer",
    "answer_marks",
    "error",
    "extra",
    "fields",
    "field_probabilities",
)


def _parse_record(line: bytes) -> tuple[Json, bool]:
    """Parse a line. Returns the record, and whether it does not fit its checksum: an edited one counts.

    Raises ValueError if it is not a complete record.
    """
    text, is_changed = line.decode("utf-8-sig"), False
    try:
        row = decode_line(text)
    except ChecksumError:
        row, is_changed = decode_line(text, verify=False), True
    record = check_record(
        row,
        required=("image", "marks"),
        optional=_OPTIONAL,
    )
    if record.get("answer") is None and record.get("error") is None:
        raise ValueError("a record has an answer or an error")
    return record, is_changed


def _describe(line: bytes) -> str:
    """Describe a line that is not a record, for a message."""
    if not line:
        return "nothing"
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return "bytes that are not text"
    if "\0" in text:
        return "bytes that are not text"
    return f"lines like {text[:40]!r}{'…' if len(text) > 40 else ''}"
