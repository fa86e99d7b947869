"""The output file of a batch: an append-only journal of records.

During a run, records are in the order of their answers, and each is on disk before it counts. A run
that starts again skips the rows that the journal contains. At the end, one atomic rename puts the
records into the order of the source.

A disaster may leave lines that are no records, or records whose checksum does not fit. A run answers
their rows again. Before it writes, it copies these lines to a file beside the journal.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.files import atomic_file, same_open_file, unused_name
from vipllava_cli.storage.record_lines import LINE_START, decode_line, encode_line, iter_lines
from vipllava_cli.storage.records import check_record

DAMAGED_SUFFIX = ".damaged"  # of the copy of lines that are no records
MAX_SKIPPED_LINES = 1000  # before the first record: a large file of another kind is not read


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
    _damaged: list[tuple[int, int]] = field(default_factory=list)  # offset and length
    _end: int = 0  # of the last record
    _size: int = 0  # of the file
    _lines: int = 0
    _has_damage: bool = False

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        if os.fstat(self.file.fileno()).st_size == 0 and same_open_file(self.file, self.path):
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
        """Read a record of the index. Raises InputError if another program has changed the file."""
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                record = _parse_record(file.readline())
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from None
        if record is None:
            raise InputError(
                f"another program has changed {self.path} during this run: repeat the command"
            )
        return record

    def iter_repeated(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Iterate over the answers that later ones in the file replace, each with the later one."""
        for earlier, later in self._repeated:
            yield self._read(earlier), self._read(later)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows to the disk. Raises InputError on failure, and leaves the file unchanged.

        If another program has removed, replaced or changed the file during the run, the rows and the
        records that remain go to a new file beside it, and InputError names that.
        """
        lines = [encode_line(row) for row in rows]
        data = b"".join(lines)
        self._check_unchanged(lines)
        self._save_damaged()
        try:
            # `--fresh` opens the file with an end of 0: the old records disappear only here.
            self.file.truncate(self._end)
            self.file.seek(self._end)
            _write_all(self.file, data)
            os.fsync(self.file.fileno())
        except OSError as error:
            self.file.truncate(self._end)
            self._size = self._end
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}; the {len(self)} earlier rows are"
                " in it. Free some space, then repeat the command to continue"
            ) from None
        for row, line in zip(rows, lines, strict=True):
            self._add(row, self._end)
            self._end += len(line)
        self._size = self._end

    def _check_unchanged(self, lines: Sequence[bytes]) -> None:
        """Check that the file is as this run left it, else save the records and `lines` elsewhere."""
        is_same = same_open_file(self.file, self.path)
        if is_same and os.fstat(self.file.fileno()).st_size == self._size:
            return
        rescued = unused_name(self.path.with_name(f"{self.path.stem}.rescued{self.path.suffix}"))
        count = 0
        with atomic_file(str(rescued)) as new:
            with open(os.dup(self.file.fileno()), "rb") as old:
                old.seek(0)
                for line in iter_lines(old):
                    if _parse_record(line) is not None:
                        new.write(line.removesuffix(b"\n") + b"\n")
                        count += 1
            new.writelines(lines)
        what = "changed" if is_same else "removed or replaced"
        raise InputError(
            f"another program has {what} {self.path} during this run: {rescued} holds the"
            f" {count + len(lines)} records that remain; to continue, repeat the command with"
            f" --out {rescued}"
        )

    def _save_damaged(self) -> None:
        """Copy the damaged lines to a file of their own, once. Raises InputError."""
        if not self._damaged:
            return
        copy = self.path.with_name(self.path.name + DAMAGED_SUFFIX)
        try:
            with self.path.open("rb") as old, copy.open("ab") as new:
                for offset, length in self._damaged:
                    old.seek(offset)
                    new.write(old.read(length).removesuffix(b"\n") + b"\n")
                new.flush()
                os.fsync(new.fileno())
        except OSError as error:
            raise InputError(
                f"{copy}, the copy of damaged lines, cannot be written: {error.strerror}; free some"
                " space, or make the folder writable"
            ) from None
        self._damaged.clear()

    def finish_in_order(self, order: Sequence[str]) -> int:
        """Sort the records by this order of ids, and drop records that later ones replace.

        Answers whose ids are not in `order` move to the end. Returns their number. Raises InputError
        if the sorted file cannot be written.
        """
        listed = dict.fromkeys(order)
        unlisted = [id for id in self._by_id if id not in listed and self.has_answer(id)]
        offsets = [self._by_id[id].offset for id in (*listed, *unlisted)]
        self._check_unchanged(())
        self._save_damaged()
        if self._has_damage or len(offsets) < self._lines or offsets != sorted(offsets):
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
        """Build the index from the file. Raises InputError if the file is no journal."""
        is_ended, is_journal, numbers, start = True, False, list[int](), 0
        for number, line in enumerate(_iter_file(self.path), 1):
            row = _parse_record(line)
            if row is not None:
                self._add_loaded(row, start)
                is_ended = line.endswith(b"\n")
                self._end = start + len(line)
            elif line.strip() or not self._by_id:
                is_journal = is_journal or _parse_record(line, verify=False) is not None
                if not (self._by_id or is_journal) and number == MAX_SKIPPED_LINES:
                    raise _not_a_journal(self.path)
                numbers.append(number)
                self._damaged.append((start, len(line)))
            start += len(line)
        self._size = start
        if numbers:
            is_cut = start > self._end and not line.endswith(b"\n")
            is_cut_record = is_cut and LINE_START.startswith(line[: len(LINE_START)])
            if not (self._by_id or is_journal or is_cut_record):
                raise _not_a_journal(self.path)
            self._note_damage(numbers, is_cut=is_cut)
        if not is_ended and self._end == self._size:  # an editor left out the last line end
            self.file.seek(self._end)
            _write_all(self.file, b"\n")
            self._end += 1
            self._size += 1

    def _add_loaded(self, row: Mapping[str, Any], offset: int) -> None:
        earlier = self._by_id.get(row["id"])
        if earlier and earlier.key and not row["error"]:
            self._repeated.append((earlier.offset, offset))
        self._add(row, offset)

    def _note_damage(self, numbers: Sequence[int], *, is_cut: bool) -> None:
        """Add a note about the lines with these numbers. `is_cut`: the last one has no end."""
        self._has_damage = True
        if is_cut and len(numbers) == 1:
            what = f"the last line of {self.path} was cut short: its row is"
        elif len(numbers) == 1:
            what = f"line {numbers[0]} of {self.path} is damaged: its row is"
        else:
            first = f"from line {numbers[0]} on"
            what = f"{len(numbers)} lines of {self.path} are damaged, {first}: their rows are"
        copy = f"{self.path.name}{DAMAGED_SUFFIX}"
        self.notes.append(f"{what} asked again, and {copy} keeps what the file held")


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
        if not lock_descriptor(file.fileno(), blocking=False) or not same_open_file(file, path):
            raise InputError(
                f"another run is writing {path}: wait for it, stop it, or give another --out"
            )
        size = os.fstat(file.fileno()).st_size
        if fresh and size and not force:
            raise UsageError(f"{path} is not empty: --fresh --force deletes its records")
        journal = Journal(path, file, _size=size)
        if not fresh:
            journal._load()
    except BaseException:
        file.close()
        raise
    return journal


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _parse_record(line: bytes, *, verify: bool = True) -> dict[str, Any] | None:
    """Parse a line of a journal. Returns None if it is not a record, or if it is damaged.

    A record of a batch and a grade of a judge differ in their other fields, and in the type of
    `error`.
    """
    try:
        row = check_record(decode_line(line, verify=verify), required=("id", "key"))
    except ValueError:
        return None
    return row if "error" in row else None


def _not_a_journal(path: Path) -> InputError:
    return InputError(
        f"{path} contains no vipllava record: give another --out, or --fresh --force to overwrite the"
        " complete file"
    )


def _iter_file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter_lines(file)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a finished journal, in the order of the file."""
    yield from filter(None, map(_parse_record, _iter_file(path)))
