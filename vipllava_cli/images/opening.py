"""Open an encoded image with Pillow, and turn each error into one line."""

import ctypes
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from PIL import Image, UnidentifiedImageError, _imaging

from vipllava_cli.errors import InputError
from vipllava_cli.images.memory import free_memory
from vipllava_cli.images.png_chunks import PNG_START, without_large_text
from vipllava_cli.images.signatures import HEIC_NEEDS_EXTRA, describe, find_container, is_heic
from vipllava_cli.images.source import FIRST_FRAME
from vipllava_cli.images.tiff_page import read_page

FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF"),
    *("JPEG2000", "ICO", "ICNS", "QOI", "DDS", "PCX", "SGI", "TGA"),
)
HEIC_SUFFIXES = (".heic", ".heif", ".hif")
MAX_PIXELS = 200_000_000  # the largest phone cameras; such an image takes about 2 GB

EXPECTED = "a JPEG, PNG, WebP, GIF, TIFF or BMP"

# `check_size` has its own limit, and checks the header before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module="PIL")  # about unusual metadata
logging.getLogger("PIL").addHandler(logging.NullHandler())  # errors about it would go to stderr


def check_size(size: tuple[int, int], name: str) -> None:
    """Raise InputError for too many pixels."""
    width, height = size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} is {width}x{height} pixels, above the limit of"
            f" {MAX_PIXELS // 1_000_000} million pixels: scale it down first"
        )


@contextmanager
def opened_image(data: bytes, name: str) -> Iterator[Image.Image]:
    """Open an image and read its header. Turn every error in the block into an InputError."""
    if not data:
        raise InputError(f"{name} is empty: expected {EXPECTED}")
    _silence_libtiff()
    formats = _formats(data, name)
    if data.startswith(PNG_START):
        data = without_large_text(data)
    with reported(name):
        try:
            image = Image.open(io.BytesIO(data), formats=formats)
        except UnidentifiedImageError:
            raise InputError(_unknown(data, name)) from None
        check_size(image.size, name)
        yield image


@contextmanager
def reported(name: str) -> Iterator[None]:
    """Turn every error in the block into an InputError about the image with this name."""
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(
            f"{name} does not fit into the free memory of {free_memory() / 1e9:.1f} GB: scale it"
            " down first"
        ) from None
    except Exception as error:  # decoders raise many kinds of errors for damaged bytes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(_damaged(name, reason)) from None


def _formats(data: bytes, name: str) -> tuple[str, ...]:
    """Return the formats to try. Raises InputError for HEIC without its package."""
    if is_heic(data):
        if not _register_heic():
            raise InputError(f"{name} cannot be read: expected {EXPECTED}, {HEIC_NEEDS_EXTRA}")
        return ("HEIF",)
    return FORMATS if _looks_like_tga(data) else FORMATS[:-1]


@cache
def _register_heic() -> bool:
    """Let Pillow open HEIC images, if the package is installed. It turns them upright itself."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener(thumbnails=False)
    return True


_TGA_KINDS = {1: (8,), 2: (15, 16, 24, 32), 3: (8, 16), 9: (8,), 10: (15, 16, 24, 32), 11: (8, 16)}
_TGA_HEADER = 18


def _looks_like_tga(data: bytes) -> bool:
    """Return whether a file is a TGA image, which has no signature at its start."""
    if len(data) < _TGA_HEADER or data[2] not in _TGA_KINDS:
        return False
    has_palette, bits = data[1], data[16]
    width, height = (int.from_bytes(data[at : at + 2], "little") for at in (12, 14))
    if has_palette > 1 or bits not in _TGA_KINDS[data[2]] or not (width and height):
        return False
    if data[2] in (1, 9) and not has_palette:
        return False
    is_packed = data[2] > 8
    return is_packed or len(data) >= _TGA_HEADER + width * height * ((bits + 7) // 8)


@cache
def _silence_libtiff() -> None:
    """Remove libtiff's handlers, which print to stderr. Pillow raises the errors that matter.

    Pillow's library is linked with libtiff and gives access to the handlers. On Windows libtiff is
    part of that library and its names are not visible, so it still prints lines for damaged TIFFs.
    """
    library = ctypes.CDLL(_imaging.__file__)
    with suppress(AttributeError):
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)


# --- messages --------------------------------------------------------------------------------

_IMAGE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _unknown(data: bytes, name: str) -> str:
    """Return the message about a file that Pillow does not know."""
    if is_heic(data):
        return _damaged(name, "incomplete HEIC image")
    page = read_page(data, FIRST_FRAME, name)
    if page is not None:
        return (
            f"{name} holds {page.describe()} with the compression {page.compression_name()}, which is"
            " not read: save it as a PNG"
        )
    if data.startswith(_IMAGE_STARTS) and not find_container(data):
        return _damaged(name, "incomplete header")
    return f"{name} is not an image: expected {EXPECTED}, found {describe(data)}"


def _damaged(name: str, reason: str) -> str:
    return f"{name} is cut short or damaged and cannot be decoded ({reason}): get a complete copy"
