"""Encoded images to upright RGB, and the views of it.

Whatever the file holds (palette, 16 bits, CMYK, transparency, an EXIF rotation), what comes out is
RGB, 8 bits, the right way up, transparency over white.
"""

import ctypes
import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError, _imaging

from vipllava_cli.errors import InputError
from vipllava_cli.images.fetch import display_name, read_bytes
from vipllava_cli.images.memory import free_memory

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF")
MAX_PIXELS = 200_000_000  # the largest cameras of telephones; such an image takes about 2 GB
BYTES_PER_PIXEL = 12  # at most, while an image is decoded, turned and drawn on
UNCHECKED_PIXELS = 20_000_000  # pixels that are decoded without a look at the free memory


RGB = tuple[int, int, int]
WHITE: RGB = (255, 255, 255)

_EXPECTED = "expected a JPEG, PNG, WebP, GIF, TIFF or BMP"

# The size is checked from the header before any pixel is decoded, by a limit of our own.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module="PIL")  # its remarks on odd metadata


def load_image(source: str, *, over: RGB = WHITE) -> Image.Image:
    """The first frame of a path, an http(s) address or `-`, as upright RGB; what is transparent lies
    over a colour. Raises InputError.
    """
    return decode(read_bytes(source), display_name(source), over=over)


def decode(data: bytes, name: str, *, over: RGB = WHITE) -> Image.Image:
    """The first frame of an encoded image, as upright RGB; `name` is for messages."""
    with _decoding(data, name) as image:
        _check_memory(image, name)
        image.load()
        return to_rgb(_upright(image), over=over)


def upright_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height that `decode` will give, from the header alone. Raises InputError."""
    with _decoding(data, name) as image:
        return (image.height, image.width) if _lies_on_side(image, data) else image.size


def _lies_on_side(image: Image.Image, data: bytes) -> bool:
    if image.format == "PNG" and not any(chunk in data for chunk in _PNG_CHUNKS_WITH_EXIF):
        return False  # else Pillow decodes a PNG to its end, where EXIF may stand, to look for it
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in _TURNED_ON_SIDE
    except Exception:  # as in `_upright`: a damaged EXIF block says nothing
        return False


_PNG_CHUNKS_WITH_EXIF = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
_TURNED_ON_SIDE = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@contextmanager
def _decoding(data: bytes, name: str) -> Iterator[Image.Image]:
    """The image with its header read; whatever goes wrong with it becomes one line."""
    if not data:
        raise InputError(f"{name} is empty: {_EXPECTED}")
    _silence_libtiff()
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_size(image, name)
        yield image
    except UnidentifiedImageError:
        if data.startswith(_IMAGE_SIGNATURES):
            raise InputError(_damaged(name, "no whole header")) from None
        raise InputError(f"{name} is not an image: {_EXPECTED}, found {_kind(data)}") from None
    except InputError:
        raise
    except MemoryError:
        raise InputError(_too_large(image, name)) from None
    except Exception as error:  # a decoder may raise anything over damaged bytes
        why = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(_damaged(name, why)) from None


@cache
def _silence_libtiff() -> None:
    """Take from libtiff its handlers that write to stderr, past Python; Pillow raises what matters.

    They are found through Pillow's own library, which is linked to it; where it holds libtiff inside
    (Windows) the names are not seen, and damaged TIFFs have lines of their own.
    """
    library = ctypes.CDLL(_imaging.__file__)
    with suppress(AttributeError):
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)


def to_rgb(image: Image.Image, *, over: RGB = WHITE) -> Image.Image:
    """Any Pillow mode -> RGB: transparency over a colour, 16 bits and floats scaled to 8."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _DEEP_MODES:
        return _scaled(image).convert("RGB")
    if image.has_transparency_data:
        above = image if image.mode == "RGBA" else image.convert("RGBA")
        below = Image.new("RGB", above.size, over)
        below.paste(above, mask=above)
        return below
    return image.convert("RGB")


def fingerprint(data: bytes) -> str:
    """A hash of an encoded image: 32 hexadecimal digits. Needs no decoding, so that a run that goes
    on knows thousands of images again in seconds.
    """
    return hashlib.sha256(data).hexdigest()[:32]


# --- decoding --------------------------------------------------------------------------------

_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(
            f"{name} is {image.width}x{image.height} pixels, more than the"
            f" {MAX_PIXELS // 1_000_000} million that are read: make it smaller first"
        )


def _check_memory(image: Image.Image, name: str) -> None:
    """Say that memory is short before the system ends the program for it."""
    pixels = image.width * image.height
    if pixels > UNCHECKED_PIXELS and pixels * BYTES_PER_PIXEL > free_memory():
        raise InputError(_too_large(image, name))


def _too_large(image: Image.Image, name: str) -> str:
    pixels = image.width * image.height
    return (
        f"{name}, {image.width}x{image.height} pixels, does not fit into the free memory:"
        f" expected {pixels * BYTES_PER_PIXEL / 1e9:.1f} GB, found {free_memory() / 1e9:.1f} GB;"
        " make it smaller first"
    )


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says; a damaged EXIF block says nothing."""
    try:
        if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image  # where `exif_transpose` would copy it
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow raises many kinds of error over damaged metadata
        return image


def _scaled(image: Image.Image) -> Image.Image:
    """16 bits by their full range; 32-bit integers and floats, whose range is free, by their own."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray(_SIXTEEN_TO_EIGHT[values])
    bands = [values[top : top + _BAND] for top in range(0, len(values), _BAND)]
    low = min(float(_finite(band).min()) for band in bands)
    high = max(float(_finite(band).max()) for band in bands)
    scaled = np.empty(values.shape, np.uint8)
    for top, band in zip(range(0, len(values), _BAND), bands, strict=True):
        shares = (_finite(band) - low) / ((high - low) or 1.0)
        scaled[top : top + _BAND] = np.round(shares * 255)
    return Image.fromarray(scaled)


_BAND = 64  # rows in 64-bit floats at a time: a large image would take several times its size

_SIXTEEN_TO_EIGHT = np.round(np.arange(65536) / 257).astype(np.uint8)


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


def _damaged(name: str, why: str) -> str:
    return f"{name} is cut short or damaged and cannot be decoded ({why}): get the whole file again"


_IMAGE_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")

_SIGNATURES: Mapping[bytes, str] = {
    b"%PDF": "a PDF: save the page as an image",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"<svg": "an SVG drawing: save it as a PNG",
    b"<?xml": "an XML text",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"\x1f\x8b": "a gzip archive",
}


def _kind(data: bytes) -> str:
    """What the bytes look like, in words."""
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "a HEIC image: save it as a JPEG"
    for signature, kind in _SIGNATURES.items():
        if data.lstrip().startswith(signature):
            return kind
    try:
        data[:1024].decode("utf-8")
    except UnicodeDecodeError as error:
        return "text" if error.start > 1000 else "bytes of no known image format"
    return "text"
