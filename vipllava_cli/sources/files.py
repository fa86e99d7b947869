"""Read text, lines and JSON from the files of a source, and resolve the paths in them."""

import codecs
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from vipllava_cli.errors import InputError
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.images.source import CLIPBOARD, is_address, is_file_url
from vipllava_cli.sources.text_limits import (
    MAX_LINE_BYTES,
    MAX_TEXT_BYTES,
    check_memory,
    check_no_zeros,
)
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.json_files import parse_json
from vipllava_cli.storage.regular_files import (
    IrregularFileError,
    is_stream,
    iter_chunks,
    iter_limited_lines,
    open_regular,
)
from vipllava_cli.storage.similar_names import advise_on_name

_HEAD_BYTES = 64 * 1024
_OVERLAP = 64 * 1024  # bytes of a chunk that are searched again with the next one


def source_name(name: str) -> str:
    """Name a source in messages."""
    return "standard input" if name == STANDARD_INPUT else name


# --- bytes and lines -------------------------------------------------------------------------


@contextmanager
def open_binary(name: str) -> Iterator[BinaryIO]:
    """Open a regular file, standard input, or what the shell opened. Raises InputError."""
    try:
        if name == STANDARD_INPUT:
            yield sys.stdin.buffer
            return
        with open_regular(name, streams=True) as file:
            yield file
    except IrregularFileError as error:
        raise InputError(f"cannot read {name}: {error.strerror}") from None
    except FileNotFoundError:
        raise InputError(
            f"there is no file {name}: {advise_on_name(name, 'check the name')}"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder, expected a file: name a file in it") from None
    except OSError as error:
        raise InputError(f"cannot read {source_name(name)}: {error.strerror or error}") from None


def is_rereadable(name: str) -> bool:
    """Return whether a source can be read twice: a regular file can, standard input cannot.

    Raises InputError for other names.
    """
    if name == STANDARD_INPUT or is_stream(name):
        return False
    if not os.path.isfile(name):
        with open_binary(name):
            pass  # opening raises the error
    return True


def read_head(name: str) -> bytes:
    """Read the first 64 KiB. UTF-16 with a byte-order mark becomes UTF-8."""
    data = _read_first(name)
    if text_encoding(data) != "utf-16":
        return data
    return codecs.getincrementaldecoder("utf-16")("replace").decode(data).encode("utf-8", "replace")


def _read_first(name: str) -> bytes:
    with open_binary(name) as file:
        return file.read(_HEAD_BYTES)


def read_head_text(name: str, encoding: str | None = None) -> str:
    """Read the first 64 KiB as text. Bytes of another encoding become U+FFFD.

    Raises InputError for UTF-32 without a byte-order mark, which Python does not replace.
    """
    data = _read_first(name)
    decoder = codecs.getincrementaldecoder(encoding or text_encoding(data))
    try:
        return decoder("replace").decode(data)
    except UnicodeError:
        raise encoding_error(name, 1, encoding) from None


def iter_lines(name: str, encoding: str | None = None) -> Iterator[tuple[int, bytes]]:
    """Iterate over the non-blank lines, stripped, with their line numbers from 1. Reads lazily.

    The lines are UTF-8 as in `iter_utf8_lines`.
    """
    for number, line in enumerate(iter_utf8_lines(name, encoding), 1):
        stripped = line.strip()
        if stripped:
            yield number, stripped


def iter_utf8_lines(name: str, encoding: str | None = None) -> Iterator[bytes]:
    """Iterate over the lines of a text with their ends, without its byte-order mark. Reads lazily.

    Without an `encoding`, the text is UTF-8, or UTF-16 with a byte-order mark. Other encodings become
    UTF-8. A line that is not valid text stays as it is, or raises InputError in UTF-16.
    """
    with open_binary(name) as file:
        codec = codecs.lookup(encoding or text_encoding(_peek(file))).name
        if codec.startswith(("utf-16", "utf-32")):  # a byte of a character may look like a line end
            yield from _wide_lines(file, name, codec)
            return
        lines = iter_limited_lines(file, MAX_LINE_BYTES, source_name(name))
        for number, line in enumerate(lines):
            utf8 = line if codec.startswith("utf-8") else _to_utf8(line, codec)
            yield utf8.removeprefix(codecs.BOM_UTF8) if number == 0 else utf8


def _wide_lines(file: BinaryIO, name: str, codec: str) -> Iterator[bytes]:
    wrapper = io.TextIOWrapper(file, codec, newline="")
    count = 0
    try:
        while text := wrapper.readline(MAX_LINE_BYTES):
            count += 1
            if len(text) == MAX_LINE_BYTES:
                raise InputError(
                    f"{source_name(name)}, line {count}: the line is too long for text"
                )
            yield text.removeprefix("\ufeff").encode("utf-8")
    except UnicodeError:
        raise encoding_error(name, count + 1, codec) from None
    finally:
        wrapper.detach()  # standard input stays open


def _peek(file: BinaryIO) -> bytes:
    """Return the first bytes, which stay unread."""
    return file.peek(2) if isinstance(file, io.BufferedReader) else b""


def _to_utf8(line: bytes, codec: str) -> bytes:
    try:
        return line.decode(codec).encode("utf-8")
    except UnicodeError:
        return line


def matches_all(name: str, patterns: Iterable[re.Pattern[bytes]]) -> bool:
    """Return whether every pattern occurs in the file. The file may be larger than memory.

    UTF-16 with a byte-order mark is searched as UTF-8.
    """
    missing = list(patterns)
    with open_binary(name) as file:
        # Read, not mapped: a mapped file that another program cuts ends the process.
        window, start = b"", 0
        for chunk in _iter_utf8_chunks(file, name):
            window += chunk
            missing = [pattern for pattern in missing if not pattern.search(window, start)]
            if not missing:
                return True
            # From the second chunk on, the beginning of a window is not that of the file.
            window, start = window[-_OVERLAP:], 1
    return not missing


def _iter_utf8_chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    decoder = None
    for number, chunk in enumerate(iter_chunks(file, MAX_TEXT_BYTES, source_name(name))):
        check_no_zeros(chunk, source_name(name))
        if number == 0 and text_encoding(chunk) == "utf-16":
            decoder = codecs.getincrementaldecoder("utf-16")("replace")
        yield chunk if decoder is None else decoder.decode(chunk).encode("utf-8", "replace")


# --- text and JSON ---------------------------------------------------------------------------


def read_text(name: str, encoding: str | None = None) -> str:
    """Read a text file, without its byte-order mark. Raises InputError.

    Without an `encoding`, the text is UTF-8, or UTF-16 with a byte-order mark.
    """
    return decode_text(read_data(name), name, encoding)


def read_data(name: str, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Read the bytes of a text file. Raises InputError, also for a file that is too large."""
    shown, chunks = source_name(name), []
    with open_binary(name) as file:
        for chunk in iter_chunks(file, max_bytes, shown):
            check_no_zeros(chunk, shown)
            chunks.append(chunk)
    data = b"".join(chunks)
    check_memory(len(data), shown)
    return data


def decode_text(data: bytes, name: str, encoding: str | None = None) -> str:
    """Decode the bytes of a file, without its byte-order mark. Raises InputError."""
    codec = encoding or text_encoding(data)
    try:
        return data.decode(codec).removeprefix("\ufeff")
    except UnicodeError as error:
        line = data.count(b"\n", 0, getattr(error, "start", 0)) + 1
        raise encoding_error(name, line, encoding) from None


def text_encoding(data: bytes) -> str:
    """Return the encoding that the byte-order mark at the beginning of a text names, else UTF-8."""
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if is_utf16 else "utf-8-sig"


def encoding_error(name: str, line: int, encoding: str | None = None) -> InputError:
    """Make the error for a file of another encoding. `line` is its first invalid line."""
    return InputError(
        f"{source_name(name)} is not {encoding or 'UTF-8'} text (line {line}): name its encoding with"
        " --encoding, like --encoding gbk, or save it as UTF-8"
    )


def load_json(
    name: str, parse: Callable[[str], Any] = parse_json, encoding: str | None = None
) -> Any:
    """Parse a JSON file. Raises InputError."""
    content = read_text(name, encoding)
    try:
        return parse(content)
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise InputError(f"{source_name(name)} is not valid JSON ({where}): correct it") from None
    except ValueError as error:
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


def relative_path(path: str, folder: str) -> str:
    """Make a path relative to the folder, with forward slashes. Addresses stay as they are."""
    if "://" in path or is_data_address(path):
        return path
    return os.path.relpath(path, folder or os.curdir).replace(os.sep, "/")
