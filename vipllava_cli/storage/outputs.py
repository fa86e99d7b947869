"""One guard for every output file: what a command may write, and what it must not replace.

An input and a second output of the command are never replaced. Another existing file is replaced only
with `--force`, and then only if that cannot be a mistake: text never replaces an image or an archive,
and nothing but answers replaces records. Devices and pipes are written only by commands that offer
`-` for standard output.
"""

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from pathlib import Path
from urllib.parse import quote

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.files import STANDARD_INPUT, STANDARD_OUTPUT, same_file, unwritable
from vipllava_cli.storage.record_lines import LINE_START
from vipllava_cli.storage.zip_archive import find_member

_HEAD_BYTES = 1 << 14  # of a file; hold the mark of a page
FORCE = "--force overwrites it"
_STANDARD_OUTPUTS = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class OutputKind(Enum):
    """What an output holds: an image, an HTML page, answers, a table, or other text."""

    image = auto()
    page = auto()
    answers = auto()
    parquet = auto()
    text = auto()


def is_standard_output(name: str) -> bool:
    """Return whether an output is `-` or a path of standard output."""
    return name == STANDARD_OUTPUT or name in _STANDARD_OUTPUTS


def check_output(
    name: str, kind: OutputKind, *, force: bool, inputs: Iterable[str] = (), advice: str = FORCE
) -> None:
    """Check, before any work, that a command may write a file. Raises InputError.

    `advice` is what the message about an existing file says to do.
    """
    check_writable(name)
    check_not_input(inputs, name)
    if os.path.lexists(name):
        check_replaceable(name, kind)
        if not force:
            raise InputError(f"{name} already exists: {advice}")


def check_writable(name: str) -> None:
    """Check that a regular file can be created or replaced at a path. Raises InputError."""
    if os.path.isdir(name):
        raise InputError(f"{name} is a folder: name a file in it")
    if os.path.exists(name) and not os.path.isfile(name):  # `atomic_file` would replace it
        raise InputError(f"{name} is a pipe or a device: give the path of a file")
    try:
        os.lstat(name)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # the name is too long, or the folder is not accessible
        raise unwritable(name, error) from None
    folder = os.path.dirname(os.path.realpath(name))  # that of the file behind a link
    if not os.path.isdir(folder):
        shown = folder if os.path.islink(name) else Path(name).parent
        raise InputError(f"there is no folder {shown}: create it first")
    _check_folder(name, folder)


def _check_folder(name: str, folder: str) -> None:
    """Check that a folder takes a new file. Raises InputError."""
    if not hasattr(os, "O_TMPFILE"):
        return
    try:
        # A file without a name: it does not change the folder, and the system removes it.
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600))
    except OSError as error:
        if error.errno in _REFUSALS:  # others: the file system has no such files
            raise unwritable(name, error) from None


_REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def check_not_input(inputs: Iterable[str], name: str) -> None:
    """Refuse an output path that is one of the inputs, also through links. Raises InputError.

    An image in an archive is the archive. `--force` does not lift this check.
    """
    for source in inputs:
        member = find_member(source)
        if same_file(member.archive if member else source, name):
            raise InputError(
                f"{name} is an input, and writing there would lose it: give another path"
            )


def check_distinct(outputs: Iterable[str | Path]) -> None:
    """Refuse outputs of one command that are the same file, also through links. Raises UsageError."""
    seen: list[str | Path] = []
    for output in outputs:
        if any(is_one_place(output, other) for other in seen):
            raise UsageError(f"{output} is also another output: give it another name")
        seen.append(output)


def is_one_place(one: str | Path, other: str | Path) -> bool:
    """Return whether two paths lead to one file, which may not exist yet."""
    return os.path.realpath(one) == os.path.realpath(other) or same_file(one, other)


def file_identity(name: str) -> tuple[int, ...] | None:
    """Return what differs once another program writes a file or puts one there; None without a file."""
    try:
        status = os.stat(name)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


# --- what is there ----------------------------------------------------------------------------


def check_replaceable(name: str, kind: OutputKind) -> None:
    """Check that `--force` means this file: its content may be of the output's kind.

    Raises InputError for a mistake that would lose an image, an archive or answers.
    """
    head = _read_head(name)
    if not head:
        return
    is_records = head.startswith(LINE_START)
    if is_records and kind is not OutputKind.answers:
        raise InputError(
            f"{name} holds answers, which even --force does not replace: give another path, or move"
            " the file"
        )
    if kind is OutputKind.answers and (LINE_START in head or not head.strip(b"\0")):
        return  # records after a power cut
    is_foreign = _IS_FOREIGN.get(kind)
    if is_foreign and is_foreign(head):
        raise InputError(
            f"{name} is a file of another kind, which even --force does not replace: give another"
            " path, or move the file"
        )


def page_mark(page: Path, records: Path | None) -> str:
    """Return the line in the head of a page that names the program, and the records of the page."""
    name = ""
    if records is not None and str(records) != STANDARD_INPUT:
        path = os.path.relpath(os.path.realpath(records), os.path.dirname(os.path.realpath(page)))
        name = quote(os.fsencode(path))
    return f'<meta name="generator" content="vipllava {name}">'


def is_page_of(page: Path, records: Path) -> bool:
    """Return whether a page was made from these records: the same command may make it again."""
    if str(records) == STANDARD_INPUT or not page.is_file():
        return False
    return page_mark(page, records).encode() in _read_head(page)


def _read_head(name: str | Path) -> bytes:
    """Read the start of a file. Raises InputError if it cannot be read; empty without a file."""
    try:
        with open(name, "rb") as file:
            return file.read(_HEAD_BYTES)
    except FileNotFoundError:  # a link that leads nowhere
        return b""
    except OSError as error:
        raise InputError(
            f"{name} cannot be read before it is replaced: {error.strerror}; give another path"
        ) from None


def _is_binary(head: bytes) -> bool:
    """Return whether the start of a file has bytes that no text has, in whatever encoding."""
    return not head.startswith(_UTF_16) and not _NOT_TEXT.isdisjoint(head)


_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte-order marks
_NOT_TEXT = frozenset({*range(32)} - set(b"\t\n\v\f\r\x1a\x1b"))

_IS_FOREIGN: Mapping[OutputKind, Callable[[bytes], bool]] = {
    OutputKind.page: _is_binary,
    OutputKind.answers: _is_binary,
    OutputKind.text: _is_binary,
    OutputKind.parquet: lambda head: _is_binary(head) and not head.startswith(b"PAR1"),
}
