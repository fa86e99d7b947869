"""Open an encoded image with Pillow, and turn each error into one line."""

import ctypes
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec

from PIL import Image, UnidentifiedImageError, _imaging

from vipllava_cli.errors import InputError
from vipllava_cli.images.kinds import image_formats
from vipllava_cli.images.memory import free_memory
from vipllava_cli.images.png_chunks import without_large_text
from vipllava_cli.images.signatures import HEIC_NEEDS_EXTRA, describe, find_container, is_heic
from vipllava_cli.images.source import FIRST_FRAME
from vipllava_cli.images.tiff_page import page_as_first, read_page

# What `image_formats` finds. Other formats of Pillow are never opened: some run programs.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF"),
    *("JPEG2000", "ICO", "ICNS", "QOI", "DDS", "PCX", "SGI", "TGA"),
)
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
def opened_image(data: bytes, name: str, frame: int = FIRST_FRAME) -> Iterator[Image.Image]:
    """Open an image at a frame, and read its header. Turn every error in the block into an InputError.

    `data` has passed `check_structure`.
    """
    _silence_libtiff()
    formats = image_formats(data)
    if "HEIF" in formats:
        _register_heic()
    if formats == ("PNG",):
        data = without_large_text(data, name)
    if formats == ("TIFF",) and frame > FIRST_FRAME:
        data, frame = page_as_first(data, frame), FIRST_FRAME
    with reported(name):
        try:
            image = Image.open(io.BytesIO(data), formats=formats)
        except UnidentifiedImageError:
            raise InputError(unknown_file(data, name)) from None
        check_size(image.size, name)
        if frame > FIRST_FRAME:
            image.seek(frame - FIRST_FRAME)
            check_size(image.size, name)
        yield image


def check_file(data: bytes, name: str) -> None:
    """Raise InputError for a file that is no image, or that needs a package. Opens nothing."""
    if not data:
        raise InputError(f"{name} is empty: expected {EXPECTED}")
    formats = image_formats(data)
    if not formats:
        raise InputError(unknown_file(data, name))
    if "HEIF" in formats and not _has_heic():
        raise InputError(f"{name} cannot be read: expected {EXPECTED}, {HEIC_NEEDS_EXTRA}")


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


@cache
def _has_heic() -> bool:
    """Return whether the package that reads HEIC is installed."""
    return find_spec("pillow_heif") is not None


@cache
def _register_heic() -> None:
    """Let Pillow open HEIC images. It turns them upright itself."""
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)


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

_IMAGE_STARTS = (
    *(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"icns", b"qoif", b"DDS ", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "),
)


def unknown_file(data: bytes, name: str) -> str:
    """Return the message about a file that Pillow does not know."""
    if is_heic(data):
        return _damaged(name, "incomplete HEIC image")
    page = read_page(data, FIRST_FRAME, name)
    if page is not None:
        return (
            f"{name} holds {page.describe()} with the compression {page.compression_name()}, which is"
            " not read: save it as a PNG"
        )
    is_image = data.startswith(_IMAGE_STARTS) or image_formats(data)[:1] in (("AVIF",), ("WEBP",))
    if is_image and not find_container(data):
        return _damaged(name, "incomplete header")
    return f"{name} is not an image: expected {EXPECTED}, found {describe(data)}"


def _damaged(name: str, reason: str) -> str:
    return f"{name} is cut short or damaged and cannot be decoded ({reason}): get a complete copy"
