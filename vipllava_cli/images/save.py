"""Images out: whole or not at all, in the format of the suffix."""

import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from vipllava_cli.errors import UsageError
from vipllava_cli.storage.files import STANDARD_OUTPUT, atomic_file, check_writable, unwritable

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
        raise unwritable(name, error) from None


def marked_image_path(folder: Path, id: str) -> Path:
    """A PNG in the folder for a row of this id; what cannot stand in a file's name is replaced, and
    then a hash keeps two ids apart.
    """
    name = re.sub(r"[^\w.#~ -]", "_", id).lstrip(".")[:80]
    if name != id:
        name += f"-{hashlib.sha256(id.encode('utf-8', 'replace')).hexdigest()[:8]}"
    return folder / f"{name}.png"
