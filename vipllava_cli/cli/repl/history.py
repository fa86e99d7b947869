"""The history of the prompt: a private file of bounded size, which may be damaged.

It has the format of prompt_toolkit's `FileHistory`, which reads the whole file, of any kind and size.
"""

import datetime
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from prompt_toolkit.history import History

from vipllava_cli.cli.repl.key_parser import MAX_PASTE_LENGTH
from vipllava_cli.errors import InputError
from vipllava_cli.storage.files import atomic_file

MAX_BYTES = 1_000_000  # of the file, and characters in memory
MAX_ENTRIES = 2000

_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe must not block


class BoundedHistory(History):
    """The last entries. Without a file, or if it cannot be used, they are only in memory.

    Prints one note if the file cannot be read or written.
    """

    def __init__(self, path: Path | None, note: Callable[[str], None]) -> None:
        super().__init__()
        self._path = path
        self._note = note

    def load_history_strings(self) -> Iterable[str]:
        """Return the last entries of the file, newest first; none if it cannot be read."""
        if self._path is None:
            return []
        try:
            with _open(self._path, os.O_RDONLY) as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(size - MAX_BYTES, 0))
                entries = list(_read(file.read(MAX_BYTES), is_whole=size <= MAX_BYTES))
        except OSError as error:
            self._give_up(f"the history cannot be read: {error.strerror}")
            return []
        return list(_newest(reversed(entries), MAX_ENTRIES, MAX_BYTES))

    def append_string(self, string: str) -> None:
        """Add an entry, and forget the oldest ones."""
        super().append_string(string)
        self._loaded_strings[:] = _newest(self._loaded_strings, MAX_ENTRIES, MAX_BYTES)

    def store_string(self, string: str) -> None:
        """Append an entry to the file. A file that has become too large loses its older half."""
        if self._path is None:
            return
        try:
            with _open(self._path, os.O_WRONLY | os.O_APPEND) as file:
                file.write(_format(string))
                is_full = os.fstat(file.fileno()).st_size > MAX_BYTES
            if is_full:
                kept = list(_newest(self.load_history_strings(), MAX_ENTRIES // 2, MAX_BYTES // 2))
                with atomic_file(str(self._path), private=True) as file:
                    file.writelines(map(_format, reversed(kept)))
        except OSError as error:
            self._give_up(f"the history cannot be written: {error.strerror}")
        except InputError as error:
            self._give_up(f"the history cannot be written: {error}")

    def _give_up(self, why: str) -> None:
        self._path = None
        self._note(why)


def _open(path: Path, flags: int) -> BinaryIO:
    """Open a regular file. Raises OSError for a file of another kind."""
    file = os.fdopen(os.open(path, flags | _FLAGS), "rb" if flags == os.O_RDONLY else "ab")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(0, f"{path} is no regular file")
    return file


def _read(data: bytes, *, is_whole: bool) -> Iterator[str]:
    """Yield the entries of a file, oldest first. Passes over entries that are too long."""
    lines: list[str] = []
    for line in [*data.decode("utf-8", "replace").split("\n"), ""]:
        if line.startswith("+"):
            lines.append(line[1:])
        else:
            text = "\n".join(lines)
            if lines and is_whole and len(text) <= MAX_PASTE_LENGTH:
                yield text
            is_whole = True  # the first entry of a part of a file may be cut
            lines.clear()


def _newest(entries: Iterable[str], count: int, length: int) -> Iterator[str]:
    """Yield at most `count` entries of `length` characters together."""
    for number, entry in enumerate(entries):
        length -= len(entry)
        if number == count or length < 0:
            return
        yield entry


def _format(entry: str) -> bytes:
    lines = "".join(f"+{line}\n" for line in entry.split("\n"))
    return f"\n# {datetime.datetime.now()}\n{lines}".encode("utf-8", "replace")
