"""Open files that others name: regular files only, and never wait for the other end of a pipe."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from functools import cache
from typing import BinaryIO

from vipllava_cli.errors import InputError
from vipllava_cli.storage.sizes import binary_size

_READ = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # for a file that became a pipe after the look at it
)
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_KERNEL_FOLDERS = ("/proc", "/sys", "/sys/kernel/debug", "/sys/kernel/tracing")

# What the shell opens for this command: `<(…)`, and standard input by its name.
_STREAM = re.compile(r"/dev/stdin|(?:/dev/fd|/proc/self/fd)/[0-9]{1,6}", re.ASCII)

_CHUNK = 1 << 20
_BUFFER = 1 << 16


class IrregularFileError(OSError):
    """A pipe, a device, a socket or a file of the kernel. `strerror` says which, and what to do."""


def open_regular(path: str | os.PathLike[str], *, streams: bool = False) -> BinaryIO:
    """Open a regular file to read its bytes. Never blocks.

    With `streams`, also what the shell opened for this command, as for `-`: `/dev/stdin` and `<(…)`.
    Raises OSError: IrregularFileError for another kind of file, IsADirectoryError for a folder.
    """
    name = os.fspath(path)
    if streams and is_stream(name):
        return open(name, "rb")
    try:
        _check_kind(os.stat(name), name)
        descriptor = os.open(name, _READ)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error), name) from None
    try:
        _check_kind(os.fstat(descriptor), name)
        return open(descriptor, "rb", buffering=_BUFFER)
    except BaseException:
        os.close(descriptor)
        raise


def is_stream(name: str) -> bool:
    """Return whether a name stands for what the shell opened for this command, which is no file."""
    return _STREAM.fullmatch(name) is not None and not os.path.isfile(name)


def irregular_kind(status: os.stat_result) -> str:
    """Return what a file is that is neither regular nor a folder, like `a pipe`; else empty text."""
    if stat.S_ISREG(status.st_mode):
        return "an entry of the kernel" if status.st_dev in _kernel_devices() else ""
    if stat.S_ISDIR(status.st_mode):
        return ""
    return next((kind for test, kind in _KINDS if test(status.st_mode)), "no regular file")


@cache
def _kernel_devices() -> frozenset[int]:
    """Return the devices of the file systems whose files the kernel makes as they are read.

    They have no size, and some block or have no end.
    """
    devices = set()
    for folder in _KERNEL_FOLDERS:
        try:
            if os.path.ismount(folder):
                devices.add(os.stat(folder).st_dev)
        except OSError:
            continue
    return frozenset(devices)


def _check_kind(status: os.stat_result, name: str) -> None:
    """Raise OSError for a folder, and for what is no regular file."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    kind = irregular_kind(status)
    if kind:
        reason = f"it is {kind}, and a regular file is expected; copy its content to a file"
        raise IrregularFileError(errno.EINVAL, reason, name)


# --- reading within limits -------------------------------------------------------------------


def read_regular(path: str | os.PathLike[str], max_bytes: int, *, streams: bool = False) -> bytes:
    """Read a file that `open_regular` opens. Raises OSError, and InputError above `max_bytes`."""
    with open_regular(path, streams=streams) as file:
        return read_whole(file, max_bytes, os.fspath(path))


def read_whole(file: BinaryIO, max_bytes: int, name: str) -> bytes:
    """Read the rest of an open file. Raises InputError above `max_bytes`."""
    return b"".join(iter_chunks(file, max_bytes, name))


def iter_chunks(file: BinaryIO, max_bytes: int, name: str) -> Iterator[bytes]:
    """Iterate over the rest of an open file. Raises InputError above `max_bytes`.

    A regular file that is too large is refused before it is read. One that another program extends
    meanwhile ends where it ended when the reading began.
    """
    size = _regular_size(file)
    if size is not None and size > max_bytes:
        raise _too_large(name, max_bytes)
    limit, count = max_bytes + 1 if size is None else size, 0
    while count < limit and (chunk := file.read(min(_CHUNK, limit - count))):
        count += len(chunk)
        if count > max_bytes:
            raise _too_large(name, max_bytes)
        yield chunk


def iter_limited_lines(file: BinaryIO, max_line: int, name: str) -> Iterator[bytes]:
    """Iterate over the lines of an open file with their ends. `name` is for messages.

    A regular file ends where it ended when the reading began. Raises InputError for a longer line.
    """
    size, count, number = _regular_size(file), 0, 0
    while (size is None or count < size) and (line := file.readline(max_line + 1)):
        number += 1
        if len(line) > max_line:
            raise InputError(
                f"{name}, line {number}: the line has more than {binary_size(max_line)}: expected"
                " text with shorter lines"
            )
        count += len(line)
        yield line


def _regular_size(file: BinaryIO) -> int | None:
    """Return the bytes of an open regular file that are not read yet; None for a stream."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, ValueError):  # a buffer in memory
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return max(status.st_size - file.tell(), 0)


def _too_large(name: str, max_bytes: int) -> InputError:
    return InputError(f"{name} is larger than {binary_size(max_bytes)}: give a smaller file")
