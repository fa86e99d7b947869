"""Files out: whole or not at all, and never over another without being asked to."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vipllava_cli.errors import InputError

STANDARD_INPUT = STANDARD_OUTPUT = "-"


def check_writable(name: str, *, force: bool) -> None:
    """Refuse a path where no file can be written, or where one is already. Raises InputError."""
    if os.path.isdir(name):
        raise InputError(f"{name} is a folder: name a file in it")
    try:
        os.lstat(name)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # a name that is too long, a folder that is closed
        raise unwritable(name, error) from None
    else:
        if not force:
            raise InputError(f"{name} exists already: --force writes over it")
    folder = Path(name).parent
    if not os.path.isdir(folder):
        raise InputError(f"there is no folder {folder}: make it first")


def check_not_input(inputs: Iterable[str], name: str) -> None:
    """Refuse to write over a file that is read, by whatever name or link; `force` does not change
    that, because an image without its marks would be gone for good. Raises InputError.
    """
    for source in inputs:
        if same_file(source, name):
            raise InputError(
                f"{name} is read from, and writing the marked image there would lose it:"
                " give another place with -o"
            )


def same_file(one: str | Path, other: str | Path) -> bool:
    """Whether two names, or links, lead to one file that there is."""
    with suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return False


def make_folder(folder: Path) -> None:
    """The folder and those above it, where they are not there yet. Raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be made: {error.strerror}") from None


@contextmanager
def atomic_file(name: str, *, private: bool = False) -> Iterator[BinaryIO]:
    """A file to write to that takes its name when all is written; on an error nothing is left. A
    private one is its owner's alone to read.

    Raises InputError for a place that cannot be written.
    """
    path = Path(os.path.realpath(name))  # a link stays a link
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".vipllava-", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o600 if private else 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise unwritable(name, error) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def unwritable(name: str, error: Exception) -> InputError:
    why = getattr(error, "strerror", None) or str(error)
    return InputError(
        f"{name} cannot be written: {why}; nothing was left behind, give another place"
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
