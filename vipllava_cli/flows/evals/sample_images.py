"""Write the images that a benchmark makes itself, and never over those of another run."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.images.png_chunks import PNG_START
from vipllava_cli.storage.files import atomic_file


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


def _check_png(path: Path) -> None:
    """Check that what cannot be read is a PNG of a stopped run. Raises InputError."""
    if path.is_file():
        with path.open("rb") as file:
            if PNG_START.startswith(file.read(len(PNG_START))):
                return
    raise InputError(f"{path} exists, and no run of eval made it: move it, or give another --out")


def _read_pixels(path: Path) -> np.ndarray | None:
    """Read the pixels of an image. Returns None if it is missing, or cut short by a stop."""
    if not path.is_file():  # a pipe would never answer
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except (OSError, SyntaxError):  # Pillow raises both for a broken PNG
        return None
