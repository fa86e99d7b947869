"""Files out: whole or not at all, and never over another without being asked to."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

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
    path = Path(name)
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(
            f"{name} has no suffix of a picture: expected one of {', '.join(_FORMATS)}"
        )
    if os.path.isdir(name):
        raise InputError(f"{name} is a folder: name a file in it")
    if os.path.lexists(name) and not force:
        raise InputError(f"{name} exists already: --force writes over it")
    if not os.path.isdir(path.parent):
        raise InputError(f"there is no folder {path.parent}: make it first")


def write_picture(picture: Image.Image, name: str, *, force: bool) -> None:
    """Write to a path by its suffix, or as PNG to `-`. Nothing half-written is left behind.

    Raises UsageError for an unknown suffix, InputError for a place that cannot be written.
    """
    check_output(name, force=force)
    if name == STANDARD_OUTPUT:
        picture.save(sys.stdout.buffer, "PNG")
        return
    path = Path(name)
    kind, options = _FORMATS[path.suffix.lower()]
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            picture.save(file, kind, **options)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except (OSError, ValueError) as error:  # ValueError: more pixels than the format can hold
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{name} cannot be written: {why}; nothing was left behind, give another place with -o"
        ) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
