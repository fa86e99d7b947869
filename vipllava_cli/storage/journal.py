"""The output file of a batch: an append-only journal of records.

During a run, records are in the order of their answers, and each is on disk before it counts. A run
that starts again skips the rows that the journal contains. At the end, one atomic rename puts the
records into the order of the source.

A disaster may leave lines that are no records, or records whose checksum does not fit. A run answers
their rows again. Before it writes, it copies these lines to a file beside the journal.
"""

import os
import shlex
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.damaged_copy import damaged_copy, save_damaged
from vipllava_cli.storage.ending import removed_at_end
from vipllava_cli.storage.files import atomic_file, same_open_file, unused_name
from vipllava_cli.storage.journal_file import open_locked, sync_folder, write_all
from vipllava_cli.storage.journal_scan import FoundRecord, ScannedLine, parse_row, scan_lines
from vipllava_cli.storage.outputs import OutputKind, check_replaceable
from vipllava_cli.storage.record_lines import CHECKSUM, LINE_START, encode_line

MAX_SKIPPED_LINES = 1000  # before the first record: a large file of another kind is not read


@dataclass(frozen=True, slots=True)
class RecordLocation:
    """The place of a record in the file, in bytes, and its key. A failed row has no key.

    `crc` is the CRC-32 of the bytes: with these, the record is the one that was checked.
    """

    offset: int
    length: int
    crc: int
    key: str | None


@dataclass
class Journal:
    """An open file of records, locked against other runs. Use it as a context manager.

    `is_new`: this run has created the file. `notes` holds lines for the user about its state.
    """

    path: Path
    file: FileIO
    is_new: bool = False
    notes: list[str] = field(default_factory=list)
    _by_id: dict[str, RecordLocation] = field(default_factory=dict)
    _by_key: dict[str, RecordLocation] = field(default_factory=dict)
    _repeated: list[tuple[RecordLocation, RecordLocation]] = field(default_factory=list)
    _damaged: list[tuple[int, int]] = field(default_factory=list)  # offset and length
    _end: int = 0  # of the last record
    _lacks_end: bool = False  # of its line
    _size: int = 0  # of the file
    _lines: int = 0
    _has_damage: bool = False
    _at_end: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Journal":
        self._at_end.enter_context(removed_at_end(self._remove_empty))
        return self

    def __exit__(self, *exception: object) -> None:
        # Unlink before the lock is released: another run may open the file as soon as that is free.
        self._remove_empty()
        self._at_end.close()
        self.file.close()

    def _remove_empty(self) -> None:
        """Remove the file if this run created it and wrote nothing. Never another program's file."""
        is_empty = os.fstat(self.file.fileno()).st_size == 0
        if self.is_new and is_empty and same_open_file(self.file, self.path):
            self.path.unlink(missing_ok=True)

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
        location = self._by_key.get(key)
        return None if location is None else self._read(location)

    def find_record(self, id: str) -> dict[str, Any] | None:
        """Return the record with the answer to the row with this id, or None."""
        return self._read(self._by_id[id]) if self.has_answer(id) else None

    def _read(self, location: RecordLocation) -> dict[str, Any]:
        """Read a record of the index. Raises InputError if another program has changed the file."""
        data = self._bytes(location)
        if zlib.crc32(data) != location.crc:
            raise InputError(
                f"another program has changed {self.path} during this run: repeat the command"
            )
        return parse_row(data)

    def _bytes(self, location: RecordLocation) -> bytes:
        """Read a record as it is in the open file, whatever is at the path now. Thread-safe."""
        try:
            if sys.platform == "win32":
                with self.path.open("rb") as file:
                    file.seek(location.offset)
                    return file.read(location.length)
            return os.pread(self.file.fileno(), location.length, location.offset)
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from None

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
        self._check_unchanged(lines)
        self._save_damaged()
        start = self._end + self._lacks_end
        try:
            # `--fresh` opens the file with an end of 0: the old records disappear only here.
            self.file.truncate(self._end)
            self.file.seek(self._end)
            write_all(self.file, b"\n" * self._lacks_end + b"".join(lines))
            os.fsync(self.file.fileno())
        except OSError as error:
            with suppress(OSError):
                self.file.truncate(self._end)
            self._size = self._end
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}; the {len(self)} earlier rows are"
                " in it. Free some space, then repeat the command to continue"
            ) from None
        if self.is_new and not self._lines:
            sync_folder(self.path)
        for row, line in zip(rows, lines, strict=True):
            self._add(row, RecordLocation(start, len(line), zlib.crc32(line), _answer_key(row)))
            start += len(line)
        self._end = self._size = start
        self._lacks_end = False

    def _check_unchanged(self, lines: Sequence[bytes]) -> None:
        """Check that the file is as this run left it, else save the records and `lines` elsewhere."""
        is_same = same_open_file(self.file, self.path)
        if is_same and os.fstat(self.file.fileno()).st_size == self._size:
            return
        rescued, count = self._rescue(lines)
        what = "changed" if is_same else "removed or replaced"
        raise InputError(
            f"another program has {what} {self.path} during this run: {rescued} holds the"
            f" {count} records that remain; to continue, repeat the command with --out"
            f" {shlex.quote(str(rescued))}"
        )

    def _rescue(self, lines: Sequence[bytes]) -> tuple[Path, int]:
        """Write the records of the open file, and `lines`, to a new file. Returns it, and their number.

        It is beside the journal, or in the temporary folder if that folder has disappeared too.
        """
        name = f"{self.path.stem}.rescued{self.path.suffix}"
        folder = self.path.parent if self.path.parent.is_dir() else Path(tempfile.gettempdir())
        rescued, count = unused_name(folder / name), len(lines)
        is_private = not os.fstat(self.file.fileno()).st_mode & 0o077
        with atomic_file(str(rescued), private=is_private) as new:
            for line in scan_lines(self.file):
                for record in line.records:
                    new.write(_whole_line(self._bytes(_location(record))))
                    count += 1
            new.writelines(lines)
        return rescued, count

    def _save_damaged(self) -> None:
        """Copy the damaged lines to a file of their own, once. Raises InputError."""
        if self._damaged:
            save_damaged(self.file, self._damaged, damaged_copy(self.path))
            self._damaged.clear()

    def finish_in_order(self, order: Sequence[str]) -> int:
        """Sort the records by this order of ids, and drop records that later ones replace.

        Answers whose ids are not in `order` move to the end. Returns their number. Raises InputError
        if the sorted file cannot be written.
        """
        listed = dict.fromkeys(order)
        unlisted = [id for id in self._by_id if id not in listed and self.has_answer(id)]
        places = [self._by_id[id] for id in (*listed, *unlisted)]
        offsets = [place.offset for place in places]
        self._check_unchanged(())
        self._save_damaged()
        if self._has_damage or len(offsets) < self._lines or offsets != sorted(offsets):
            try:
                self._write_in_order(places)
            except InputError as error:
                raise InputError(
                    f"{self.path} contains all rows, but not in the source's order ({error}): make"
                    " sure that its folder has space and can be written, then repeat the command"
                ) from None
        return len(unlisted)

    def _write_in_order(self, places: Sequence[RecordLocation]) -> None:
        with atomic_file(str(self.path)) as new:
            for place in places:
                new.write(_whole_line(self._bytes(place)))

    def _add(self, row: Mapping[str, Any], location: RecordLocation) -> None:
        """Add a row of the file to the index."""
        self._by_id[row["id"]] = location
        if location.key:
            self._by_key[location.key] = location
        self._lines += 1

    def _load(self) -> None:
        """Build the index from the file. Raises InputError if the file is no journal."""
        damaged: list[int] = []
        is_journal = is_newer = False
        line = None
        for line in scan_lines(self.file):
            for record in line.records:
                self._add_loaded(record)
                if record.offset > line.offset:  # after a byte order mark
                    self._has_damage = True
            if line.is_damaged:
                damaged.append(line.number)
                self._add_damaged(line)
                is_journal = is_journal or line.is_from_run
                is_newer = is_newer or line.is_newer
                if line.is_newer and CHECKSUM.encode() in line.text:  # it is not a damaged digit
                    raise _newer_version(self.path)
            if not (self._by_id or is_journal) and len(damaged) == MAX_SKIPPED_LINES:
                raise _not_a_journal(self.path)
        self._size = os.fstat(self.file.fileno()).st_size
        is_cut = line is not None and line.is_damaged and not line.text.endswith(b"\n")
        if self._size and not (self._by_id or is_journal or _is_cut_record(line, is_cut=is_cut)):
            raise _newer_version(self.path) if is_newer else _not_a_journal(self.path)
        if damaged:
            self._note_damage(damaged, is_cut=is_cut)

    def _add_loaded(self, record: FoundRecord) -> None:
        row, location = record.row, _location(record)
        earlier = self._by_id.get(row["id"])
        if earlier and earlier.key and row["error"] and row["key"] in ("", earlier.key):
            # A run never fails a row after its answer: the lines are not in their order.
            self._lines += 1
        else:
            if earlier and earlier.key and not row["error"]:
                self._repeated.append((earlier, location))
            self._add(row, location)
        self._end = record.offset + record.length
        self._lacks_end = not record.is_ended

    def _add_damaged(self, line: ScannedLine) -> None:
        """Note the place of a damaged line. A very long line comes in parts, which become one."""
        start, length = self._damaged[-1] if self._damaged else (0, 0)
        if line.continues and start + length == line.offset:
            self._damaged[-1] = (start, length + len(line.text))
        else:
            self._damaged.append((line.offset, len(line.text)))

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
        copy = damaged_copy(self.path).name
        self.notes.append(f"{what} asked again, and {copy} keeps what the file held")


def open_journal(path: Path, *, fresh: bool = False, force: bool = False) -> Journal:
    """Open and lock a journal. Create the file if it does not exist.

    `fresh` ignores the records in the file; the first append deletes them.

    Raises InputError if the file cannot be written, is not a journal, or belongs to another run; with
    `fresh`, if it is an image or an archive.
    Raises UsageError for `fresh` without `force` if the file is not empty.
    """
    file, is_new, notes = open_locked(path)
    try:
        size = os.fstat(file.fileno()).st_size
        if fresh and size and not force:
            raise UsageError(f"{path} is not empty: --fresh --force deletes its records")
        if fresh:
            check_replaceable(str(path), OutputKind.answers)
        journal = Journal(path, file, is_new, notes, _size=size)
        if not fresh:
            journal._load()
    except BaseException:
        file.close()
        raise
    return journal


def _location(record: FoundRecord) -> RecordLocation:
    return RecordLocation(record.offset, record.length, record.crc, _answer_key(record.row))


def _answer_key(row: Mapping[str, Any]) -> str | None:
    return None if row["error"] else row["key"]


def _whole_line(record: bytes) -> bytes:
    return record.removesuffix(b"\n") + b"\n"


def _is_cut_record(line: ScannedLine | None, *, is_cut: bool) -> bool:
    """Return whether the only line is the start of a record, or the zeros that a power cut leaves."""
    if line is None or not is_cut or line.number > 1:
        return False
    return LINE_START.startswith(line.text[: len(LINE_START)]) or not line.text.strip(b"\0")


def _newer_version(path: Path) -> InputError:
    return InputError(
        f"{path} has records of a newer version of vipllava: update vipllava, or give another --out"
    )


def _not_a_journal(path: Path) -> InputError:
    return InputError(
        f"{path} contains no vipllava record: give another --out, or --fresh --force to overwrite the"
        " complete file"
    )


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a finished journal, in the order of the file."""
    with FileIO(path) as file:
        for line in scan_lines(file):
            yield from (record.row for record in line.records)
