"""The output file of a batch: an append-only journal of records.

During a run, records are in the order of their answers, and each is on disk before it counts. A run
that starts again skips the rows that the journal contains. At the end, one atomic rename puts the
records into the order of the source.
"""

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.records import SCHEMA, check_record

_LINE_START = f'{{"schema": {SCHEMA}, "id": "'.encode()  # of every line that a run writes


@dataclass(frozen=True, slots=True)
class RecordLocation:
    """The offset of a record in the file, in bytes, and its key. A failed row has no key."""

    offset: int
    key: str | None


@dataclass
class Journal:
    """An open file of records, locked against other runs. Use it as a context manager.

    `notes` holds lines for the user about the state of the file.
    """

    path: Path
    file: FileIO
    notes: list[str] = field(default_factory=list)
    _by_id: dict[str, RecordLocation] = field(default_factory=dict)
    _by_key: dict[str, int] = field(default_factory=dict)
    _repeated: list[tuple[int, int]] = field(default_factory=list)
    _end: int = 0
    _lines: int = 0

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        if os.fstat(self.file.fileno()).st_size == 0:
            # Unlink before the lock is released: another run may be waiting for the lock.
            self.path.unlink(missing_ok=True)
        self.file.close()

    def __len__(self) -> int:
        return len(self._by_id)

    def is_answered(self, id: str, key: str) -> bool:
        """Return whether the file contains the answer to this row with this key."""
        location = self._by_id.get(id)
        return location is not None and location.key == key

    def has_answer(self, id: str) -> bool:
        """Return whether the file contains any answer with this id."""
        location = self._by_id.get(id)
        return location is not None and location.key is not None

    @property
    def has_answers(self) -> bool:
        """Whether the file contains any answer."""
        return bool(self._by_key)

    def ids(self) -> Iterator[str]:
        """Iterate over the ids of all records."""
        return iter(tuple(self._by_id))

    def find_answer(self, key: str) -> dict[str, Any] | None:
        """Return the record of any row with this key, or None."""
        offset = self._by_key.get(key)
        return None if offset is None else self._read(offset)

    def find_record(self, id: str) -> dict[str, Any] | None:
        """Return the record with the answer to the row with this id, or None."""
        return self._read(self._by_id[id].offset) if self.has_answer(id) else None

    def _read(self, offset: int) -> dict[str, Any]:
        with self.path.open("rb") as file:
            file.seek(offset)
            record: dict[str, Any] = json.loads(file.readline())
        return record

    def iter_repeated(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Iterate over the answers that later ones in the file replace, each with the later one."""
        for earlier, later in self._repeated:
            yield self._read(earlier), self._read(later)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows to the disk. Raises InputError on failure, and leaves the file unchanged."""
        lines = [json.dumps(row).encode() + b"\n" for row in rows]
        data = b"".join(lines)
        try:
            # `--fresh` opens the file with an end of 0: the old records disappear only here.
            self.file.truncate(self._end)
            self.file.seek(self._end)
            _write_all(self.file, data)
            os.fsync(self.file.fileno())
        except OSError as error:
            self.file.truncate(self._end)
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}; the {len(self)} earlier rows are"
                " in it. Free some space, then repeat the command to continue"
            ) from None
        for row, line in zip(rows, lines, strict=True):
            self._add(row, self._end)
            self._end += len(line)

    def finish_in_order(self, order: Sequence[str]) -> int:
        """Sort the records by this order of ids, and drop records that later ones replace.

        Answers whose ids are not in `order` move to the end. Returns their number. Raises InputError
        if the sorted file cannot be written.
        """
        listed = dict.fromkeys(order)
        unlisted = [id for id in self._by_id if id not in listed and self.has_answer(id)]
        offsets = [self._by_id[id].offset for id in (*listed, *unlisted)]
        if len(offsets) < self._lines or offsets != sorted(offsets):
            try:
                self._write_in_order(offsets)
            except InputError as error:
                raise InputError(
                    f"{self.path} contains all rows, but not in the source's order ({error}): free some"
                    " space, then repeat the command"
                ) from None
        return len(unlisted)

    def _write_in_order(self, offsets: Sequence[int]) -> None:
        with self.path.open("rb") as old, atomic_file(str(self.path)) as new:
            for offset in offsets:
                old.seek(offset)
                new.write(old.readline())

    def _add(self, row: Mapping[str, Any], offset: int) -> None:
        """Add a row of the file to the index."""
        key = None if row["error"] else row["key"]
        self._by_id[row["id"]] = RecordLocation(offset, key)
        if key:
            self._by_key[key] = offset
        self._lines += 1

    def _load(self) -> None:
        """Build the index from the file. Remove an incomplete last line. Raises InputError."""
        is_ended = True
        for number, line in enumerate(_iter_lines(self.path), 1):
            row = _parse_record(line)
            if row is not None:
                earlier = self._by_id.get(row["id"])
                if earlier and earlier.key and not row["error"]:
                    self._repeated.append((earlier.offset, self._end))
                self._add(row, self._end)
                self._end += len(line)
                is_ended = line.endswith(b"\n")
            elif self._by_id and not line.strip():
                self._end += len(line)
            elif line.startswith(_LINE_START[: len(line)]) and not line.endswith(b"\n"):
                self.file.truncate(self._end)
                self.notes.append(
                    f"the last line of {self.path} was cut short: the line is removed, and the run"
                    " answers its row again"
                )
            else:
                correct = "correct the line, or " if self._by_id else ""
                raise InputError(
                    f"{self.path}, line {number} is not a vipllava record: {correct}give another --out,"
                    " or --fresh --force to overwrite the complete file"
                )
        if not is_ended:  # an editor left out the last line end
            self.file.seek(self._end)
            _write_all(self.file, b"\n")
            self._end += 1


def open_journal(path: Path, *, fresh: bool = False, force: bool = False) -> Journal:
    """Open and lock a journal. Create the file if it does not exist.

    `fresh` ignores the records in the file; the first append deletes them.

    Raises InputError if the file cannot be written, is not a journal, or belongs to another run.
    Raises UsageError for `fresh` without `force` if the file is not empty.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        why = f"there is no folder {path.parent}" if not path.parent.is_dir() else error.strerror
        raise InputError(f"{path} cannot be written: {why}; give another path") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(
            f"{path} is not a regular file, so no run can continue it: give another path"
        )
    file = FileIO(descriptor, "r+")  # unbuffered: a write reaches the system at once
    try:
        if not lock_descriptor(file.fileno(), blocking=False) or _was_replaced(path, file):
            raise InputError(
                f"another run is writing {path}: wait for it, stop it, or give another --out"
            )
        size = os.fstat(file.fileno()).st_size
        if fresh and size and not force:
            raise UsageError(f"{path} is not empty: --fresh --force deletes its records")
        journal = Journal(path, file)
        if not fresh:
            journal._load()
    except BaseException:
        file.close()
        raise
    return journal


def _was_replaced(path: Path, file: FileIO) -> bool:
    """Return whether another run has replaced the file at this path since it was opened."""
    opened = os.fstat(file.fileno())
    try:
        current = path.stat()
    except OSError:
        return True
    return (opened.st_dev, opened.st_ino) != (current.st_dev, current.st_ino)


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _parse_record(line: bytes) -> dict[str, Any] | None:
    """Parse a line of a journal. Returns None if it is not a record.

    A record of a batch and a grade of a judge differ in their other fields, and in the type of
    `error`.
    """
    try:
        row = check_record(json.loads(line), required=("id", "key"))
    except (ValueError, RecursionError):
        return None
    return row if "error" in row else None


def _iter_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a finished journal, in the order of the file."""
    with path.open("rb") as file:
        yield from map(json.loads, filter(bytes.strip, file))
