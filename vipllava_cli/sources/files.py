"""Read text, lines and JSON from the files of a source, and resolve the paths in them."""

import codecs
import json
import mmap
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from vipllava_cli.errors import InputError
from vipllava_cli.images.source import CLIPBOARD, is_address, is_file_url
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.similar_names import advise_on_name

_HEAD_BYTES = 64 * 1024


def source_name(name: str) -> str:
    """Name a source in messages."""
    return "standard input" if name == STANDARD_INPUT else name


# --- bytes and lines -------------------------------------------------------------------------


@contextmanager
def open_binary(name: str) -> Iterator[BinaryIO]:
    """Open a file or standard input. Raises InputError if it cannot be read."""
    if name == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        with open(name, "rb") as file:
            yield file
    except FileNotFoundError:
        raise InputError(
            f"there is no file {name}: {advise_on_name(name, 'check the name')}"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder, expected a file: name a file in it") from None
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from None


def is_rereadable(name: str) -> bool:
    """Return whether a source can be read twice: a regular file can, a pipe cannot.

    Raises InputError for a folder and for a name that does not exist.
    """
    if name == STANDARD_INPUT:
        return False
    if os.path.isdir(name) or not os.path.exists(name):
        with open_binary(name):
            pass  # opening raises the error
    return os.path.isfile(name)


def read_head(name: str) -> bytes:
    """Read the first 64 KiB."""
    with open_binary(name) as file:
        return file.read(_HEAD_BYTES)


def iter_lines(name: str) -> Iterator[tuple[int, bytes]]:
    """Iterate over the non-blank lines, stripped, with their line numbers from 1. Reads lazily."""
    with open_binary(name) as file:
        for number, line in enumerate(file, 1):
            stripped = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip()
            if stripped:
                yield number, stripped


def matches_all(name: str, patterns: Iterable[re.Pattern[bytes]]) -> bool:
    """Return whether every pattern occurs in the file. The file may be larger than memory."""
    with open_binary(name) as file:
        if os.fstat(file.fileno()).st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return all(pattern.search(content) for pattern in patterns)


# --- text and JSON ---------------------------------------------------------------------------


def read_text(name: str) -> str:
    """Read a UTF-8 file, without its byte-order mark. Raises InputError."""
    with open_binary(name) as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise utf8_error(name, data.count(b"\n", 0, error.start) + 1) from None


def utf8_error(name: str, line: int) -> InputError:
    """Make the error for a file that is not UTF-8. `line` is its first invalid line."""
    return InputError(
        f"{source_name(name)} is not UTF-8 text (line {line}): save it as UTF-8, or name another file"
    )


def load_json(name: str, parse: Callable[[str], Any] = json.loads) -> Any:
    """Parse a JSON file. Raises InputError."""
    content = read_text(name)
    try:
        return parse(content)
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise InputError(f"{source_name(name)} is not valid JSON ({where}): correct it") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot parse the JSON in {source_name(name)}: {error}") from None


# --- paths -----------------------------------------------------------------------------------


def resolve_path(folder: str, path: str) -> str:
    """Resolve a path that a file in `folder` contains. URLs and `~/…` stay as they are."""
    if is_address(path) or is_file_url(path):
        return path
    joined = os.path.join(folder, path)
    if path.startswith("~/") and not os.path.lexists(joined):
        return path
    # In a manifest, these are files. `read_bytes` would read standard input or the clipboard.
    return os.path.join(".", joined) if joined in (STANDARD_INPUT, CLIPBOARD) else joined


def first_existing(candidates: Iterable[str]) -> str:
    """Return the first candidate that is a file, else the first one, for the error message."""
    paths = [path if "://" in path else os.path.normpath(path) for path in candidates]
    return next((path for path in paths if os.path.isfile(path)), paths[0])


def relative_path(path: str, folder: str) -> str:
    """Make a path relative to the folder, with forward slashes. URLs stay as they are."""
    if "://" in path:
        return path
    return os.path.relpath(path, folder or os.curdir).replace(os.sep, "/")
