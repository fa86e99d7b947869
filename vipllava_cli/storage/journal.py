"""The file that a batch writes: records line by line, never lost, never written twice.

While a run goes on, records stand in the order in which they were answered, each on disk before it
counts. Started again, the file is the memory of what was done; at the end it is put into the order of
the source, by one atomic rename.
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
from vipllava_cli.storage.records import SCHEMA

_BEGINNING = f'{{"schema": {SCHEMA}, "id": "'.encode()  # of every line that a run writes
_START_ANEW = "give another --out, or --fresh --force to write over it"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a record lies in the file, and the key that it answers; None for a failed row."""

    offset: int
    key: str | None


@dataclass
class Journal:
    """An open file of records, locked against other runs. Use as a context manager."""

    path: Path
    file: FileIO
    notes: list[str] = field(default_factory=list)
    _by_id: dict[str, Entry] = field(default_factory=dict)
    _by_key: dict[str, int] = field(default_factory=dict)
    _end: int = 0
    _lines: int = 0

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        if os.fstat(self.file.fileno()).st_size == 0:
            self.path.unlink(missing_ok=True)  # while it is locked: another run may wait for it
        self.file.close()

    def __len__(self) -> int:
        return len(self._by_id)

    def is_answered(self, id: str, key: str) -> bool:
        """Whether the file holds the answer to this very row."""
        entry = self._by_id.get(id)
        return entry is not None and entry.key == key

    def has_answer(self, id: str) -> bool:
        """Whether the file holds any answer under this id."""
        entry = self._by_id.get(id)
        return entry is not None and entry.key is not None

    def find_answer(self, key: str) -> dict[str, Any] | None:
        """The record of another row that asked the same of the same image, if there is one."""
        offset = self._by_key.get(key)
        if offset is None:
            return None
        with self.path.open("rb") as file:
            file.seek(offset)
            record: dict[str, Any] = json.loads(file.readline())
        return record

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows on disk. Raises InputError when they cannot be; then the file is as before."""
        lines = [json.dumps(row).encode() + b"\n" for row in rows]
        data = b"".join(lines)
        try:
            self.file.truncate(self._end)  # a file begun anew loses the old only now
            self.file.seek(self._end)
            _write_all(self.file, data)
            os.fsync(self.file.fileno())
        except OSError as error:
            self.file.truncate(self._end)
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}; all {len(self)} rows before are"
                " in it. Make room, then give the same command again to go on"
            ) from None
        for row, line in zip(rows, lines, strict=True):
            self._note(row, self._end)
            self._end += len(line)

    def settle(self, order: Sequence[str]) -> int:
        """Put the records into this order of ids, drop those that were replaced, and return how many
        answers, which the order does not name, were kept at the end. Raises InputError.
        """
        wanted = dict.fromkeys(order)
        others = [id for id in self._by_id if id not in wanted and self.has_answer(id)]
        offsets = [self._by_id[id].offset for id in (*wanted, *others)]
        if len(offsets) < self._lines or offsets != sorted(offsets):
            try:
                self._write_in_order(offsets)
            except InputError as error:
                raise InputError(
                    f"all rows are in {self.path}, not yet in the source's order ({error}): make room"
                    " and give the same command again"
                ) from None
        return len(others)

    def _write_in_order(self, offsets: Sequence[int]) -> None:
        with self.path.open("rb") as old, atomic_file(str(self.path)) as new:
            for offset in offsets:
                old.seek(offset)
                new.write(old.readline())

    def _note(self, row: Mapping[str, Any], offset: int) -> None:
        key = None if row["error"] else row["key"]
        self._by_id[row["id"]] = Entry(offset, key)
        if key:
            self._by_key[key] = offset
        self._lines += 1

    def _read(self) -> None:
        """Learn what the file holds; a last line that was cut short is mended."""
        for number, line in enumerate(_lines_of(self.path), 1):
            row = _record(line)
            if row is not None and line.endswith(b"\n"):
                self._note(row, self._end)
                self._end += len(line)
            elif line.startswith(_BEGINNING[: len(line)]) and not line.endswith(b"\n"):
                self.file.truncate(self._end)
                self.notes.append(
                    f"the last line of {self.path} was cut short: dropped, its row is asked again"
                )
            else:
                raise InputError(
                    f"{self.path}, line {number} is no record of vipllava: {_START_ANEW}"
                )


def open_journal(path: Path, *, fresh: bool = False, force: bool = False) -> Journal:
    """Open and lock the file, made if there is none. Raises InputError when it cannot be written,
    holds something else, or another run writes it; UsageError for `fresh` without `force`.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        why = f"there is no folder {path.parent}" if not path.parent.is_dir() else error.strerror
        raise InputError(f"{path} cannot be written: {why}; give another place") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path} is not a file that can be gone on with: give another place")
    file = FileIO(descriptor, "r+")  # unbuffered: what is written is on its way to the disk
    try:
        if not lock_descriptor(file.fileno(), blocking=False) or _was_replaced(path, file):
            raise InputError(
                f"another run is writing {path}: wait for it, stop it, or give another --out"
            )
        size = os.fstat(file.fileno()).st_size
        if fresh and size and not force:
            raise UsageError(f"{path} is not empty: --fresh --force throws away what is in it")
        journal = Journal(path, file)
        if not fresh:
            journal._read()
    except BaseException:
        file.close()
        raise
    return journal


def _was_replaced(path: Path, file: FileIO) -> bool:
    """Whether the path names another file by now: a run that ended has put its own there."""
    opened = os.fstat(file.fileno())
    try:
        named = path.stat()
    except OSError:
        return True
    return (opened.st_dev, opened.st_ino) != (named.st_dev, named.st_ino)


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _record(line: bytes) -> dict[str, Any] | None:
    """The record in a line, or None where there is none."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    whole = (
        isinstance(row, dict) and row.get("schema") == SCHEMA and {"id", "key", "error"} <= set(row)
    )
    return row if whole else None


def _lines_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file that a run has finished, one after the other."""
    with path.open("rb") as file:
        yield from map(json.loads, file)
