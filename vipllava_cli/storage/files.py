"""Atomic output files, and which file a path leads to."""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import IO, BinaryIO

from vipllava_cli.errors import InputError
from vipllava_cli.storage.ending import creation_lock, temporary_path

STANDARD_INPUT = STANDARD_OUTPUT = "-"

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class OutputError(InputError):
    """A place cannot be written. It ends a run, because later rows would fail too."""


def same_file(one: str | Path, other: str | Path) -> bool:
    """Return whether two paths lead to the same existing file."""
    with suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return False


def same_open_file(file: IO[bytes], path: Path) -> bool:
    """Return whether a path still leads to this open file."""
    opened = os.fstat(file.fileno())
    with suppress(OSError):
        current = path.stat()
        return (opened.st_dev, opened.st_ino) == (current.st_dev, current.st_ino)
    return False


def check_folders_open(path: str) -> None:
    """Raise InputError if a folder of a path cannot be opened: what is in it is not known."""
    try:
        os.lstat(path)
    except PermissionError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}; check the permissions of its folder"
        ) from None
    except (OSError, ValueError):
        pass


def unused_name(path: Path) -> Path:
    """Return the path, or the first of `name-2.ext`, `name-3.ext`, … that does not exist."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(each for each in chain([path], names) if not os.path.lexists(each))


def make_folder(folder: Path) -> None:
    """Create a folder and its parents where they do not exist. Raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{folder} is a file: expected a folder, or a new name for one") from None
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be created: {error.strerror}") from None


@contextmanager
def atomic_file(name: str, *, private: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `name` when the block ends, or disappears on an error.

    Only its owner can read a `private` file. A replaced file keeps its permissions. Raises InputError
    if the file cannot be written, and for a device, a pipe or a folder, which it would replace.
    """
    path = Path(os.path.realpath(name))  # a link stays a link; its target is replaced
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is not a regular file")
        with temporary_path(temporary_name(path.parent)) as temporary:
            with _create(temporary, 0o600 if private else 0o666) as file:
                if not private:
                    _copy_permissions(path, file)
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except OSError as error:
        raise unwritable(name, error) from None


def temporary_name(folder: Path) -> Path:
    """Return an unused name in a folder."""
    while os.path.lexists(path := folder / f".vipllava-{secrets.token_hex(8)}"):
        pass
    return path


def unwritable(name: str, error: Exception) -> OutputError:
    """Return the error for a path that cannot be written."""
    why = getattr(error, "strerror", None) or str(error)
    return OutputError(
        f"{name} cannot be written: {why}; no partial file remains, give another path"
    )


def _copy_permissions(path: Path, file: BinaryIO) -> None:
    """Give a new file the permissions of the file that it will replace, if there is one."""
    if sys.platform == "win32":
        return
    with suppress(OSError):  # there is no file, or a file system without permissions
        os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))


def _create(path: Path, mode: int) -> BinaryIO:
    """Create a file.

    The kernel applies the umask to `mode`. Python can only read the umask by setting it, which is
    not safe while other threads create files.
    """
    with creation_lock:
        return os.fdopen(os.open(path, _NEW_FILE, mode), "wb")
