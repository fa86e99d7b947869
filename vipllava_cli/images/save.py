"""Write images: atomically, in the format of the suffix."""

import hashlib
import io
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageOps, PngImagePlugin

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.load import DEEP_MODES, to_rgb
from vipllava_cli.images.source import parse_source
from vipllava_cli.storage.files import OutputError, atomic_file, unwritable
from vipllava_cli.storage.outputs import (
    OutputKind,
    check_output,
    is_one_place,
    is_standard_output,
)

# Format and options of each suffix. JPEG at full chroma resolution keeps thin coloured lines sharp.
_FORMATS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}

_MAX_SIDES: Mapping[str, int] = {"JPEG": 65_500, "WEBP": 16_383}  # pixels; others hold any image
_MAX_PROFILE = 1 << 20  # bytes; Pillow opens no PNG with a larger one
_PROFILE_COLORS = slice(16, 20)  # of a profile: what its colours are


def check_image_output(name: str, *, force: bool, inputs: Iterable[str] = ()) -> None:
    """Check, before any work, that an image can be written. Raises UsageError and InputError."""
    if is_standard_output(name):
        if sys.stdout.isatty():
            raise UsageError("-o - writes a PNG to stdout, and stdout is a terminal: redirect it")
        return
    if Path(name).suffix.lower() not in _FORMATS:
        raise UsageError(f"{name} has no image suffix: expected one of {', '.join(_FORMATS)}")
    check_output(name, OutputKind.image, force=force, inputs=inputs)


def save_image(image: Image.Image, name: str, *, force: bool) -> None:
    """Write to a path in the format of its suffix, or to `-` as PNG. No partial file remains.

    Raises UsageError for an unknown suffix, and InputError for a path that cannot be written.
    """
    check_image_output(name, force=force)
    if is_standard_output(name):
        image.save(sys.stdout.buffer, "PNG", icc_profile=_profile_to_keep(image))
        return
    format, options = _FORMATS[Path(name).suffix.lower()]
    _check_sides(image, format, name)
    try:
        with atomic_file(name) as file:
            image.save(file, format, **options, icc_profile=_profile_to_keep(image))
    except ValueError as error:  # WebP cannot hold every image below its limit
        raise unwritable(name, error) from None


def _check_sides(image: Image.Image, format: str, name: str) -> None:
    """Raise InputError for an image that is too wide or too high for its format."""
    limit = _MAX_SIDES.get(format)
    if limit is not None and max(image.size) > limit:
        raise InputError(
            f"{name} cannot be written: the image is {image.width}x{image.height} pixels, and a"
            f" {format} has at most {limit} on a side; give a path that ends in .png"
        )


def _profile_to_keep(image: Image.Image) -> bytes | None:
    """Return the colour profile of the source, unless it is huge or not one of RGB values."""
    profile: bytes = image.info.get("icc_profile") or b""
    is_fit = len(profile) <= _MAX_PROFILE and profile[_PROFILE_COLORS] == b"RGB "
    return profile if is_fit else None


def save_marked_image(image: Image.Image, path: Path, *, source: str, force: bool) -> None:
    """Write the marked image of a row, with a mark of this program in its head.

    Replaces such an image, and another file with `force`, but never `source`. Raises OutputError.
    """
    if os.path.lexists(path):
        check_marked_output(path, force=force)
        if is_one_place(parse_source(source).location, path):
            raise OutputError(f"{path} is the image of its row: give --save-marked another folder")
    made = PngImagePlugin.PngInfo()
    made.add_text(*_MADE_BY)
    with atomic_file(str(path)) as file:
        image.save(file, "PNG", pnginfo=made, icc_profile=_profile_to_keep(image))


def check_marked_output(path: Path, *, force: bool) -> None:
    """Check that an existing file is a marked image of this program. Raises OutputError."""
    is_own = False
    if path.is_file():  # a pipe would never answer
        with suppress(OSError), path.open("rb") as file:
            is_own = _MADE_CHUNK in file.read(_HEAD_BYTES)
        is_own = is_own or force
    if not is_own:
        raise OutputError(
            f"{path} exists, and no run made it: move it, or give --save-marked another folder"
        )


_MADE_BY = ("Software", "vipllava")
_MADE_CHUNK = b"tEXt" + "\0".join(_MADE_BY).encode()
_HEAD_BYTES = 256  # hold the chunk, which comes after the size


def encode_in_memory(image: Image.Image, name: str) -> bytes:
    """Encode an upright image in memory. Raises InputError with `name`.

    The result is an RGB PNG, or a TIFF that keeps values of more than 8 bits.
    """
    encoded = io.BytesIO()
    try:
        upright = ImageOps.exif_transpose(image)
        if image.mode in DEEP_MODES:
            upright.save(encoded, "TIFF")
        else:
            to_rgb(upright).save(encoded, "PNG", compress_level=1)
    except MemoryError:
        raise InputError(f"{name} is too large to encode: scale it down") from None
    except Exception as error:  # a lazy Pillow image decodes here: many kinds of errors
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{name} cannot be used ({reason}): expected pixels, and an open file"
        ) from None
    return encoded.getvalue()


def marked_image_path(folder: Path, id: str) -> Path:
    """Return the path of the PNG for the row with this id.

    Replaces characters that are unsafe in a file name. A hash then keeps different ids apart.
    """
    name = re.sub(r"[^\w.#~ -]", "_", id).lstrip(".")[:80]
    if name != id:
        name += f"-{hashlib.sha256(id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return folder / f"{name}.png"
