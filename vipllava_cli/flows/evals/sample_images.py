"""Write the images that a benchmark makes or contains, and never over those of another run."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.images.png_chunks import PNG_START
from vipllava_cli.storage.files import atomic_file, make_folder

IMAGES_FOLDER = "images"  # in the folder of a run: images as the benchmark's file contains them

# The first bytes of an image -> the suffix of its file.
_SUFFIXES: Mapping[bytes, str] = {
    PNG_START: ".png",
    b"\xff\xd8\xff": ".jpg",
    b"RIFF": ".webp",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}
_MAX_NAME = 80  # characters of a file name, without the suffix


class AnotherRunError(InputError):
    """The folder holds another run. The message has no advice."""


def save_sample_image(image: Image.Image, path: Path, *, overwrite: bool) -> None:
    """Save a benchmark's image as PNG. An equal one stays as it is.

    Raises AnotherRunError if the file is another image, unless `overwrite`; InputError if the file
    cannot be written.
    """
    found = _read_pixels(path)
    if found is not None and np.array_equal(found, np.asarray(image)):
        return
    if found is not None and not overwrite:
        raise AnotherRunError(
            f"{path} is not the image of this run, as after a run with another --seed or --transform"
        )
    if found is None and os.path.lexists(path):
        _check_png(path)
    with atomic_file(str(path)) as file:
        image.save(file, "PNG", compress_level=1)


def image_suffix(data: bytes) -> str | None:
    """Return the suffix for the bytes of an image file, None if they are of no known format."""
    return next((suffix for start, suffix in _SUFFIXES.items() if data.startswith(start)), None)


def save_encoded_image(data: bytes, folder: Path, id: str, *, overwrite: bool) -> Path:
    """Save the bytes of an image as they are, in `images/` of the folder. Returns the path.

    Raises AnotherRunError if the file has another content, unless `overwrite`; InputError if it cannot
    be written.
    """
    make_folder(folder / IMAGES_FOLDER)
    path = folder / IMAGES_FOLDER / f"{_file_name(id)}{image_suffix(data) or ''}"
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            found = file.read(len(data) + 1)
        if found == data:
            return path
        if not overwrite:
            raise AnotherRunError(
                f"{path} is not the image of this run, as after a run with other --data"
            )
        if found and image_suffix(found) is None:
            raise _foreign(path)
    elif os.path.lexists(path):
        raise _foreign(path)
    with atomic_file(str(path)) as file:
        file.write(data)
    return path


def _file_name(id: str) -> str:
    """Return the id as the name of a file. Ids that differ have names that differ."""
    name = re.sub(r"[^A-Za-z0-9_~-]+", "_", id)[:_MAX_NAME]
    if name == id:
        return name
    digest = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name}-{digest[:8]}"


def _check_png(path: Path) -> None:
    """Check that what cannot be read is a PNG of a stopped run. Raises InputError."""
    if path.is_file():
        with path.open("rb") as file:
            if PNG_START.startswith(file.read(len(PNG_START))):
                return
    raise _foreign(path)


def _foreign(path: Path) -> InputError:
    return InputError(f"{path} exists, and no run of eval made it: move it, or give another --out")


def _read_pixels(path: Path) -> np.ndarray | None:
    """Read the pixels of an image. Returns None if it is missing, or cut short by a stop."""
    if not path.is_file():  # a pipe would never answer
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except (OSError, SyntaxError):  # Pillow raises both for a broken PNG
        return None
