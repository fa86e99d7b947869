"""A file of records as somebody hands it over: read line by line, what is no record counted."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, BinaryIO, Generic, TypeVar

from vipllava_cli.errors import InputError
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.records import SCHEMA

MAX_OTHER_LINES = 1000  # before the first record: a film is not read to its end

Json = dict[str, Any]
T = TypeVar("T")


@dataclass
class RecordFile(Generic[T]):
    """What `make` makes of each record of a file, or of standard input for `-`; a record of which it
    makes a ValueError is none. `name` is what the file is called, its own name if that is empty,
    `others` are the numbers of the lines that are no records.
    """

    path: Path
    make: Callable[[Json], T]
    name: str = ""
    others: list[int] = field(default_factory=list)

    @property
    def title(self) -> str:
        is_standard = str(self.path) == STANDARD_INPUT
        return self.name or ("standard input" if is_standard else self.path.name)

    def __iter__(self) -> Iterator[T]:
        """Raises InputError if the file cannot be read or holds no record."""
        found, other = False, b""
        with _opened(self.path) as file:
            for number, line in enumerate(file, 1):
                try:
                    made = self.make(_record(line))
                except (ValueError, RecursionError):
                    if line.strip():
                        other = other or line
                        self.others.append(number)
                    if not found and len(self.others) == MAX_OTHER_LINES:
                        break
                else:
                    found = True
                    yield made
        if not found:
            raise InputError(
                f'{self.title} holds no record: expected one JSON object with "schema": {SCHEMA} a'
                f" line, as `vipllava batch` and `vipllava ask --json` write them; found {_kind(other)}"
            )

    @property
    def skipped_note(self) -> str:
        """A line about what was no record, empty where all were."""
        if not self.others:
            return ""
        if len(self.others) == 1:
            return f"{self.title}: line {self.others[0]} is no record and was left out"
        return (
            f"{self.title}: {len(self.others)} lines are no records and were left out, line"
            f" {self.others[0]} first"
        )


@contextmanager
def _opened(results: Path) -> Iterator[BinaryIO]:
    """The file, or standard input for `-`. Raises InputError, also while it is read."""
    try:
        if str(results) == STANDARD_INPUT:
            yield sys.stdin.buffer
        else:
            with results.open("rb") as file:
                yield file
    except FileNotFoundError:
        raise InputError(
            f"there is no file {results}: expected the results of `vipllava batch`; check the name"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{results} is a folder: name a file of results in it") from None
    except OSError as error:
        raise InputError(f"{results} cannot be read: {error.strerror or error}") from None


_KINDS: Mapping[str, tuple[type, ...]] = {
    "image": (str,),
    "question": (str, NoneType),
    "answer": (str, NoneType),
    "error": (dict, NoneType),
    "marks": (list,),
    "extra": (dict, NoneType),
}


def _record(line: bytes) -> Json:
    """The record in a line. Raises ValueError for one that is something else, or cut short."""
    value = json.loads(line.decode("utf-8-sig"))
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise ValueError("of another schema")
    has_end = value.get("answer") is not None or value.get("error") is not None
    if not has_end or not all(isinstance(value.get(name), kinds) for name, kinds in _KINDS.items()):
        raise ValueError("not whole")
    return value


def _kind(line: bytes) -> str:
    """What a line is that is no record, in words."""
    if not line:
        return "nothing"
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return "bytes that are no text"
    if "\0" in text:
        return "bytes that are no text"
    return f"lines like {text[:40]!r}{'…' if len(text) > 40 else ''}"
