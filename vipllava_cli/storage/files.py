"""Files out: whole or not at all, and never over another without being asked to."""

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from vipllava_cli.errors import InputError, UsageError

STANDARD_OUTPUT = "-"

# How each suffix is written; photographs marked with thin lines want the better JPEG.
_FORMATS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}


def check_output(name: str, *, force: bool) -> None:
    """Refuse, before any work is done, a place that cannot be written. Raises UsageError, InputError."""
    if name == STANDARD_OUTPUT:
        if sys.stdout.isatty():
            raise UsageError("-o - writes a PNG to stdout, which is a terminal: redirect it")
        return
    if Path(name).suffix.lower() not in _FORMATS:
        raise UsageError(f"{name} has no suffix of an image: expected one of {', '.join(_FORMATS)}")
    check_writable(name, force=force)


def check_writable(name: str, *, force: bool) -> None:
    """Refuse a path where no file can be written, or where one is already. Raises InputError."""
    if os.path.isdir(name):
        raise InputError(f"{name} is a folder: name a file in it")
    try:
        os.lstat(name)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # a name that is too long, a folder that is closed
        raise _unwritable(name, error) from None
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


def save_image(image: Image.Image, name: str, *, force: bool) -> None:
    """Write to a path by its suffix, or as PNG to `-`. Nothing half-written is left behind.

    Raises UsageError for an unknown suffix, InputError for a place that cannot be written.
    """
    check_output(name, force=force)
    if name == STANDARD_OUTPUT:
        image.save(sys.stdout.buffer, "PNG")
        return
    kind, options = _FORMATS[Path(name).suffix.lower()]
    try:
        with atomic_file(name) as file:
            image.save(file, kind, **options)
    except ValueError as error:  # more pixels than the format can hold
        raise _unwritable(name, error) from None


def make_folder(folder: Path) -> None:
    """The folder and those above it, where they are not there yet. Raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be made: {error.strerror}") from None


def marked_image_path(folder: Path, id: str) -> Path:
    """A PNG in the folder for a row of this id; what cannot stand in a file's name is replaced, and
    then a hash keeps two ids apart.
    """
    name = re.sub(r"[^\w.#~ -]", "_", id).lstrip(".")[:80]
    if name != id:
        name += f"-{hashlib.sha256(id.encode('utf-8', 'replace')).hexdigest()[:8]}"
    return folder / f"{name}.png"


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
        raise _unwritable(name, error) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _unwritable(name: str, error: Exception) -> InputError:
    why = getattr(error, "strerror", None) or str(error)
    return InputError(
        f"{name} cannot be written: {why}; nothing was left behind, give another place"
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
