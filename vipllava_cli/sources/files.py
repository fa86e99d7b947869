"""The files of a source: bytes, lines and JSON in, faults as one line, and where named files lie."""

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

STANDARD_INPUT = "-"  # of rows; as an image, `-` means something else

_HEAD = 64 * 1024


# --- bytes and lines -------------------------------------------------------------------------


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """The bytes of a file or of standard input. Raises InputError where they cannot be read."""
    if name == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        with open(name, "rb") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"there is no file {name}: check the name") from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder, expected a file: name a file in it") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from None


def source_name(name: str) -> str:
    """The name as messages say it."""
    return "standard input" if name == STANDARD_INPUT else name


def is_rereadable(name: str) -> bool:
    """Whether the rows can be counted before they are read: not those of a pipe. Raises InputError
    for what is not there and for a folder.
    """
    if name == STANDARD_INPUT:
        return False
    if os.path.isdir(name) or not os.path.exists(name):
        with opened(name):
            pass  # says so
    return os.path.isfile(name)


def head(name: str) -> bytes:
    """The first 64 KiB."""
    with opened(name) as file:
        return file.read(_HEAD)


def lines(name: str) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, stripped, with their numbers from 1; read as they are wanted."""
    with opened(name) as file:
        for number, line in enumerate(file, 1):
            stripped = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip()
            if stripped:
                yield number, stripped


def holds(name: str, patterns: Iterable[re.Pattern[bytes]]) -> bool:
    """Whether each pattern is found in the file, however long that is."""
    with opened(name) as file:
        if os.fstat(file.fileno()).st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            return all(pattern.search(whole) for pattern in patterns)


# --- text and JSON ---------------------------------------------------------------------------


def text(name: str) -> str:
    """A whole file of UTF-8, its byte-order mark cut. Raises InputError."""
    with opened(name) as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(name, data.count(b"\n", 0, error.start) + 1) from None


def not_utf8(name: str, line: int) -> InputError:
    """The fault of a file in another encoding, or of no text."""
    return InputError(
        f"{source_name(name)} is not text in UTF-8 (line {line}): save it in that encoding, or name the"
        " right file"
    )


def load_json(name: str, parse: Callable[[str], Any] = json.loads) -> Any:
    """The value of a whole JSON file. Raises InputError."""
    content = text(name)
    try:
        return parse(content)
    except json.JSONDecodeError as error:
        at = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise InputError(
            f"{source_name(name)} is not JSON ({at}): mend it or make it anew"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source_name(name)} is not JSON that can be read: {error}") from None


# --- names -----------------------------------------------------------------------------------


def resolve_path(folder: str, path: str) -> str:
    """A path as a file in `folder` names it, ready to be opened; addresses are left alone."""
    if path.lower().startswith(("http://", "https://")):
        return path
    joined = os.path.join(folder, path)
    return os.path.join(".", joined) if joined == STANDARD_INPUT else joined


def first_existing(candidates: Iterable[str]) -> str:
    """The first that is a file; if none is, the first, so that a later message names it."""
    tidied = [path if "://" in path else os.path.normpath(path) for path in candidates]
    return next((path for path in tidied if os.path.isfile(path)), tidied[0])


def relative(path: str, folder: str) -> str:
    """The path from the folder, with forward slashes: how a source names an image."""
    if "://" in path:
        return path
    return os.path.relpath(path, folder or os.curdir).replace(os.sep, "/")


# --- words -----------------------------------------------------------------------------------


def count_noun(number: int, noun: str) -> str:
    """As in "1 file" and "3 files"."""
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
