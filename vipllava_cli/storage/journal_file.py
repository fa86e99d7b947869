"""Open and lock the file of a journal, and write to it."""

import errno
import os
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path

from filelock import lock_descriptor

from vipllava_cli.errors import InputError
from vipllava_cli.storage.files import same_open_file

# Errors of a lock on a file system without locks, such as some network file systems.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


def open_locked(path: Path) -> tuple[FileIO, bool, list[str]]:
    """Open a regular file, or create it, and lock it until it is closed.

    Returns the file, whether it is new, and notes for the user. Raises InputError.
    """
    descriptor, is_new = _open(path)
    file = FileIO(descriptor, "r+")  # unbuffered: a write reaches the system at once
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(
                f"{path} is not a regular file, so no run can continue it: give another path"
            )
        return file, is_new, _lock(file, path)
    except BaseException:
        file.close()
        raise


def _open(path: Path) -> tuple[int, bool]:
    """Open a file, or create it. Returns its descriptor, and whether it is new. Raises InputError."""
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0)
    try:
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:  # also a link that leads nowhere
            return os.open(path, flags | os.O_CREAT, 0o666), False
    except OSError as error:
        why = f"there is no folder {path.parent}" if not path.parent.is_dir() else error.strerror
        raise InputError(f"{path} cannot be written: {why}; give another path") from None


def _lock(file: FileIO, path: Path) -> list[str]:
    """Lock a file until it is closed. Returns notes. Raises InputError if another run holds it."""
    notes = []
    try:
        is_locked = lock_descriptor(file.fileno(), blocking=False)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise InputError(f"{path} cannot be locked: {error.strerror}") from None
        is_locked = True
        notes.append(f"the file system of {path} has no locks: write to it with one run at a time")
    if not is_locked or not same_open_file(file, path):
        raise InputError(
            f"another run is writing {path}: wait for it, stop it, or give another --out"
        )
    return notes


def write_all(file: FileIO, data: bytes) -> None:
    """Write all bytes. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def sync_folder(path: Path) -> None:
    """Write the entry of a new file in its folder to the disk, where the system can do that."""
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
