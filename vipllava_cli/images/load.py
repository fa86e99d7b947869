"""Decode images to upright RGB.

The result is 8-bit RGB for every kind of file: palettes, 16 bits, CMYK, transparency (over white) and
EXIF rotations.
"""

import ctypes
import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError, _imaging

from vipllava_cli.errors import InputError
from vipllava_cli.images.fetch import read_bytes
from vipllava_cli.images.memory import free_memory
from vipllava_cli.images.source import FIRST_FRAME, display_name, parse_source

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF")
MAX_PIXELS = 200_000_000  # the largest phone cameras; such an image takes about 2 GB
BYTES_PER_PIXEL = 12  # at most, while an image is decoded, rotated and drawn on
UNCHECKED_PIXELS = 20_000_000  # images up to this size skip the check of the free memory

RGB = tuple[int, int, int]
WHITE: RGB = (255, 255, 255)

_EXPECTED = "expected a JPEG, PNG, WebP, GIF, TIFF or BMP"

# `_check_size` has its own limit, and checks the header before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module="PIL")  # about unusual metadata


@dataclass(frozen=True)
class Header:
    """What the header of an image says: the upright width and height of a frame, and the frames."""

    size: tuple[int, int]
    frames: int


def load_image(name: str, *, over: RGB = WHITE) -> Image.Image:
    """Load the image with this name, as `parse_source` reads it, as upright RGB.

    Transparent pixels show the colour `over`. Raises InputError.
    """
    source = parse_source(name)
    data = read_bytes(source.location)
    return decode(data, display_name(name), over=over, frame=source.frame or FIRST_FRAME)


def decode(data: bytes, name: str, *, over: RGB = WHITE, frame: int = FIRST_FRAME) -> Image.Image:
    """Decode a frame of an encoded image to upright RGB. Raises InputError with `name`."""
    with _decoding(data, name) as image:
        _seek(image, frame, name)
        _check_memory(image, name)
        image.load()
        return to_rgb(_apply_orientation(image), over=over)


@dataclass(frozen=True)
class StoredImage:
    """An upright image in its own mode, and whether its EXIF orientation turned it."""

    image: Image.Image
    is_turned: bool


def decode_stored(data: bytes, name: str, *, frame: int = FIRST_FRAME) -> StoredImage:
    """Decode a frame to its own values: 16 bits, floats, indices. Raises InputError with `name`."""
    with _decoding(data, name) as image:
        _seek(image, frame, name)
        _check_memory(image, name)
        image.load()
        upright = _apply_orientation(image)
        upright.format = image.format
        return StoredImage(upright, upright is not image)


def read_header(data: bytes, name: str, frame: int = FIRST_FRAME) -> Header:
    """Read the header of an image, and of one of its frames. Raises InputError."""
    with _decoding(data, name) as image:
        frames = _count_frames(image)
        _seek(image, frame, name)
        swaps = _swaps_sides(image, data)
        return Header((image.height, image.width) if swaps else image.size, frames)


def _swaps_sides(image: Image.Image, data: bytes) -> bool:
    """Return whether the EXIF orientation swaps width and height, compared to the stored size."""
    if image.format == "TIFF":
        return False  # Pillow gives the upright size of a TIFF, and rotates its pixels itself
    return _orientation(image, data) in _SWAPPING_ORIENTATIONS


_PNG_CHUNKS_WITH_EXIF = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
_SWAPPING_ORIENTATIONS = (5, 6, 7, 8)
_UPRIGHT = 1


def read_orientation(data: bytes, name: str) -> int:
    """Read the EXIF orientation, 1 to 8. It is 1 for an image that is stored upright."""
    if data.startswith(_JPEG_START) and data.find(_JPEG_EXIF, 0, _JPEG_EXIF_BYTES) < 0:
        return _UPRIGHT  # most JPEGs: no need to parse the header
    with _decoding(data, name) as image:
        return _orientation(image, data)


_JPEG_START, _JPEG_EXIF = b"\xff\xd8\xff", b"Exif\0\0"
_JPEG_EXIF_BYTES = 1 << 18  # EXIF is the first or second segment, of at most 64 KiB each


def _orientation(image: Image.Image, data: bytes) -> int:
    """Return the EXIF orientation, 1 to 8, of an image whose header is read."""
    if image.format == "PNG" and not any(chunk in data for chunk in _PNG_CHUNKS_WITH_EXIF):
        return _UPRIGHT  # the EXIF chunk can be at the end, so `getexif` would decode the whole PNG
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    except Exception:  # as in `_apply_orientation`: a damaged EXIF block has no effect
        return _UPRIGHT
    return orientation if orientation in range(1, 9) else _UPRIGHT


@contextmanager
def _decoding(data: bytes, name: str) -> Iterator[Image.Image]:
    """Open an image and read its header. Turn every error in the block into an InputError."""
    if not data:
        raise InputError(f"{name} is empty: {_EXPECTED}")
    _silence_libtiff()
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_size(image, name)
        yield image
    except UnidentifiedImageError:
        if data.startswith(_IMAGE_SIGNATURES):
            raise InputError(_damaged(name, "incomplete header")) from None
        raise InputError(f"{name} is not an image: {_EXPECTED}, found {_describe(data)}") from None
    except InputError:
        raise
    except MemoryError:
        raise InputError(_too_large(image, name)) from None
    except Exception as error:  # decoders raise many kinds of errors for damaged bytes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(_damaged(name, reason)) from None


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


def to_rgb(image: Image.Image, *, over: RGB = WHITE) -> Image.Image:
    """Convert any Pillow mode to RGB: transparency over a colour, 16 bits and floats scaled to 8 bits."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _DEEP_MODES:
        return _scale_to_8_bits(image).convert("RGB")
    if image.has_transparency_data:
        foreground = image if image.mode == "RGBA" else image.convert("RGBA")
        background = Image.new("RGB", foreground.size, over)
        background.paste(foreground, mask=foreground)
        return background
    return image.convert("RGB")


def fingerprint(data: bytes, frame: int = FIRST_FRAME) -> str:
    """Hash an encoded image to 32 hexadecimal digits. Its other frames have other hashes.

    Does not decode, so that a resumed run recognizes thousands of images in seconds.
    """
    # The hash of the first frame is that of the file: keys must equal those of version 0.1.0.
    suffix = b"" if frame == FIRST_FRAME else f"#frame={frame}".encode()
    return hashlib.sha256(data + suffix).hexdigest()[:32]


# --- frames ----------------------------------------------------------------------------------

# Formats of animations and of several pages. The second image of a JPEG (MPO) is its preview, or the
# view of the other eye.
_FRAME_FORMATS = ("GIF", "WEBP", "PNG", "TIFF", "AVIF")


def _count_frames(image: Image.Image) -> int:
    """Count the frames of an animation, or the pages of a TIFF."""
    if image.format not in _FRAME_FORMATS:
        return 1
    try:
        return max(int(getattr(image, "n_frames", 1)), 1)
    except Exception:  # a damaged later frame does not matter for the first
        return 1


def _seek(image: Image.Image, frame: int, name: str) -> None:
    """Go to a frame, counted from FIRST_FRAME. Raises InputError if there is none."""
    if frame == FIRST_FRAME:
        return
    frames = _count_frames(image)
    if frames == 1:
        raise InputError(f"{name} has only one frame, and no frame {frame}: leave out the frame")
    if frame > frames:
        raise InputError(f"{name} has {frames} frames, and no frame {frame}: choose 1 to {frames}")
    image.seek(frame - FIRST_FRAME)
    _check_size(image, name)


# --- decoding --------------------------------------------------------------------------------

_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(
            f"{name} is {image.width}x{image.height} pixels, above the limit of"
            f" {MAX_PIXELS // 1_000_000} million pixels: scale it down first"
        )


def _check_memory(image: Image.Image, name: str) -> None:
    """Raise InputError if the image does not fit, before the system kills the process."""
    pixels = image.width * image.height
    if pixels > UNCHECKED_PIXELS and pixels * BYTES_PER_PIXEL > free_memory():
        raise InputError(_too_large(image, name))


def _too_large(image: Image.Image, name: str) -> str:
    pixels = image.width * image.height
    return (
        f"{name} ({image.width}x{image.height} pixels) does not fit into the free memory:"
        f" expected {pixels * BYTES_PER_PIXEL / 1e9:.1f} GB, found {free_memory() / 1e9:.1f} GB;"
        " scale it down first"
    )


def _apply_orientation(image: Image.Image) -> Image.Image:
    """Rotate or flip an image by its EXIF orientation. Ignore a damaged EXIF block."""
    try:
        if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image  # `exif_transpose` would copy it
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow raises many kinds of errors for damaged metadata
        return image


def _scale_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit integers by their full range, and 32-bit integers and floats by their own range."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray(_SIXTEEN_TO_EIGHT[values])
    bands = [values[top : top + _BAND] for top in range(0, len(values), _BAND)]
    low = min(float(_finite(band).min()) for band in bands)
    high = max(float(_finite(band).max()) for band in bands)
    scaled = np.empty(values.shape, np.uint8)
    for top, band in zip(range(0, len(values), _BAND), bands, strict=True):
        relative = (_finite(band) - low) / ((high - low) or 1.0)
        scaled[top : top + _BAND] = np.round(relative * 255)
    return Image.fromarray(scaled)


_BAND = (
    64  # rows converted at a time: 64-bit floats of a complete image take several times its size
)

_SIXTEEN_TO_EIGHT = np.round(np.arange(65536) / 257).astype(np.uint8)


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


def _damaged(name: str, reason: str) -> str:
    return f"{name} is cut short or damaged and cannot be decoded ({reason}): get a complete copy"


_IMAGE_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")

_SIGNATURES: Mapping[bytes, str] = {
    b"%PDF": "a PDF: save the page as an image",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"<svg": "an SVG drawing: save it as a PNG",
    b"<?xml": "an XML document",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"<!doctype": "a web page",
    b"\x1f\x8b": "a gzip archive",
}


def _describe(data: bytes) -> str:
    """Describe the kind of file for a message."""
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "a HEIC image: save it as a JPEG"
    for signature, description in _SIGNATURES.items():
        if data.lstrip().startswith(signature):
            return description
    try:
        data[:1024].decode("utf-8")
    except UnicodeDecodeError as error:
        # The cut at 1024 bytes may have split a character at the end of a text.
        return "text" if error.start > 1000 else "bytes of no known image format"
    return "text"
