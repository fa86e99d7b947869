"""The manifest of drawn marks, beside the records of a batch: `results.marks.jsonl`."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.marks.json_marks import mark_to_json
from vipllava_cli.marks.types import Mark, MarkSpec
from vipllava_cli.sources.files import iter_lines, relative_path
from vipllava_cli.sources.manifest import iter_jsonl_rows
from vipllava_cli.sources.manifest_row import manifest_folder
from vipllava_cli.sources.rows import BadRow, Row
from vipllava_cli.storage.files import atomic_file

_Key = tuple[str, str]  # id and image of a row


@dataclass(frozen=True)
class _Line:
    """A line of the manifest: its fields, and the row that `batch` reads from it."""

    fields: Mapping[str, Any]
    row: Row


def manifest_path(out: Path) -> Path:
    """Return the path of the manifest beside the records, or beside the table."""
    return out.with_suffix(".marks.jsonl")


class MarksManifest:
    """A manifest with one line for each image that has marks.

    `rows` are the rows of the source, with different ids. Lines about other images stay at the end of
    the file. Each change replaces the file at once. Raises InputError if it cannot be read or written.
    """

    def __init__(self, path: Path, rows: Sequence[Row]) -> None:
        self.path = path
        self._rows = {_key(row): row for row in rows}
        self._lines = {_key(line.row): line for line in _read(path)}
        self._check_different()

    def _check_different(self) -> None:
        """Raise InputError if two lines are about one row: the next change would drop one."""
        seen: set[_Key] = set()
        for line in _read(self.path):
            key = _key(line.row)
            if key in seen:
                raise InputError(
                    f"{self.path} has two lines with the id {line.row.id!r}: give one of them another"
                    " id, or give another --out"
                )
            seen.add(key)

    def marks(self, row: Row) -> tuple[MarkSpec, ...]:
        """Return the marks of a row of the source; empty if it has none yet."""
        line = self._lines.get(_key(row))
        return line.row.marks if line else ()

    def marked_rows(self) -> list[Row]:
        """Return the rows of the source that have marks, in its order."""
        lines = ((row, self._lines.get(key)) for key, row in self._rows.items())
        # The path as the source gives it: records name the image like a batch without the window.
        return [replace(line.row, image=row.image) for row, line in lines if line]

    def count_unlisted(self) -> int:
        """Count the lines about images that the source does not contain."""
        return len(self._lines.keys() - self._rows.keys())

    def save(self, row: Row, marks: Sequence[Mark]) -> None:
        """Save the marks of a row of the source. Without marks, remove its line."""
        key = _key(row)
        if not marks and key not in self._lines:
            return
        saved = self._lines.pop(key, None)
        if marks:
            fields = {
                **(saved.fields if saved else {}),  # the user may have added a question
                **_fields(row, manifest_folder(str(self.path))),
                "marks": [mark_to_json(mark) for mark in marks],
            }
            self._lines[key] = _Line(fields, row)
        self._write()
        self._lines = {_key(line.row): line for line in _read(self.path)}

    def _write(self) -> None:
        listed = [key for key in self._rows if key in self._lines]
        others = [key for key in self._lines if key not in self._rows]
        with atomic_file(str(self.path)) as file:
            for key in (*listed, *others):
                file.write(json.dumps(self._lines[key].fields).encode() + b"\n")


def name_uniquely(rows: Iterable[Row]) -> Iterator[Row]:
    """Give each row an id of its own: the second `a.png` becomes `a.png~2`."""
    taken: set[str] = set()
    for row in rows:
        id, number = row.id, 1
        while id in taken:
            number += 1
            id = f"{row.id}~{number}"
        taken.add(id)
        yield row if id == row.id else replace(row, id=id)


def _key(row: Row) -> _Key:
    return row.id, row.image if "://" in row.image else os.path.realpath(row.image)


def _read(path: Path) -> Iterator[_Line]:
    """Read the lines of an existing file. Raises InputError for a line that is not a row."""
    name = str(path)
    if not path.exists():
        return
    rows = iter_jsonl_rows(name, manifest_folder(name))
    for row, (_, line) in zip(rows, iter_lines(name), strict=True):
        if isinstance(row, BadRow):
            raise InputError(f"{row.error}: correct the line, or give another --out")
        yield _Line(json.loads(line), row)


def _fields(row: Row, folder: str) -> dict[str, Any]:
    """Return the fields of a row in a manifest in this folder, without its marks."""
    return {
        **row.extra,
        "id": row.id,
        "image": _path_from(folder, row.image),
        **({"questions": list(row.questions)} if row.questions else {}),
        **({"choices": list(row.choices)} if row.choices else {}),
    }


def _path_from(folder: str, image: str) -> str:
    """Return the path of an image relative to a folder; absolute if `..` after a link misleads."""
    path = relative_path(image, folder)
    found = os.path.realpath(os.path.join(folder, path))
    return path if "://" in path or found == os.path.realpath(image) else os.path.abspath(image)
