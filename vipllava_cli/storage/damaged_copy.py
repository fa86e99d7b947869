"""The copy of the damaged lines of a journal, before a run removes them."""

import os
import stat
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from vipllava_cli.errors import InputError
from vipllava_cli.storage.files import unused_name
from vipllava_cli.storage.record_lines import iter_lines

DAMAGED_SUFFIX = ".damaged"
_PIECE = 1 << 20  # bytes


def damaged_copy(journal: Path) -> Path:
    """Return the path of the copy. It is another one if something else than a file is there.

    A link may lead to a file of the user, to which the copy would be appended.
    """
    copy = journal.with_name(journal.name + DAMAGED_SUFFIX)
    try:
        status = os.lstat(copy)
    except OSError:
        return copy
    is_own = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return copy if is_own else unused_name(copy)


def save_damaged(file: FileIO, places: Sequence[tuple[int, int]], copy: Path) -> None:
    """Append these parts of a file, offset and length, to the copy, one a line. Raises InputError.

    A part that the copy contains already is left out: an interrupted run comes here again.
    """
    try:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        with (
            open(os.dup(file.fileno()), "rb") as old,
            open(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_APPEND, mode), "r+b") as new,
        ):
            known = set(map(_content_hash, iter_lines(new)))
            for offset, length in places:
                if length > _PIECE or _content_hash(_read(old, offset, length)) not in known:
                    new.writelines(_pieces(old, offset, length))
                    new.write(b"" if _read(old, offset + length - 1, 1) == b"\n" else b"\n")
            new.flush()
            os.fsync(new.fileno())
    except OSError as error:
        raise InputError(
            f"{copy}, the copy of damaged lines, cannot be written: {error.strerror}; free some"
            " space, or make the folder writable"
        ) from None


def _content_hash(line: bytes) -> int:
    return hash(line.removesuffix(b"\n"))


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _pieces(file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
    for start in range(offset, offset + length, _PIECE):
        yield _read(file, start, min(_PIECE, offset + length - start))
