"""Pictures in: from a path, standard input or the web to an upright RGB picture; and the views of it.

Whatever the file holds (palette, 16 bits, CMYK, transparency, an EXIF rotation), what comes out is
RGB, 8 bits, the right way up, transparency over white.
"""

import hashlib
import io
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from vipllava_cli.errors import InputError
from vipllava_cli.marks import Mark

STANDARD_INPUT = "-"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF")
MOST_PIXELS = 200_000_000
MOST_SIDE = (
    8192  # of a square view: far above what any model sees, and a square of it fits in memory
)
MOST_BYTES = 256 * 1024 * 1024
MOST_WEB_BYTES = 64 * 1024 * 1024
WEB_SECONDS = 30.0

PADDING = (122, 116, 104)  # what ViP-LLaVA's training pads with: CLIP's mean pixel

RGB = tuple[int, int, int]
WHITE: RGB = (255, 255, 255)

_EXPECTED = "expected a JPEG, PNG, WebP, GIF, TIFF or BMP"

# The size is checked from the header before any pixel is decoded, by a limit of our own.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module="PIL")  # its remarks on odd metadata


def open_picture(source: str, *, over: RGB = WHITE) -> Image.Image:
    """The first frame of a path, an http(s) address or `-`, as upright RGB; what is transparent lies
    over a colour. Raises InputError.
    """
    return decode(read_bytes(source), called(source), over=over)


def called(source: str) -> str:
    """What messages call a source."""
    return "standard input" if source == STANDARD_INPUT else source


def decode(data: bytes, name: str, *, over: RGB = WHITE) -> Image.Image:
    """The first frame of an encoded picture, as upright RGB; `name` is for messages."""
    with _decoding(data, name) as picture:
        picture.load()
        return to_rgb(_upright(picture), over=over)


def upright_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height that `decode` will give, from the header alone. Raises InputError."""
    with _decoding(data, name) as picture:
        return (picture.height, picture.width) if _lies_on_side(picture) else picture.size


def _lies_on_side(picture: Image.Image) -> bool:
    try:
        return picture.getexif().get(ExifTags.Base.Orientation) in _TURNED_ON_SIDE
    except Exception:  # as in `_upright`: a damaged EXIF block says nothing
        return False


_TURNED_ON_SIDE = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@contextmanager
def _decoding(data: bytes, name: str) -> Iterator[Image.Image]:
    """The picture with its header read; whatever goes wrong with it becomes one line."""
    if not data:
        raise InputError(f"{name} is empty: {_EXPECTED}")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_size(picture, name)
        yield picture
    except UnidentifiedImageError:
        if data.startswith(_PICTURE_SIGNATURES):
            raise InputError(_damaged(name, "no whole header")) from None
        raise InputError(f"{name} is not a picture: {_EXPECTED}, found {_kind(data)}") from None
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name} does not fit into memory: make it smaller first") from None
    except Exception as error:  # a decoder may raise anything over damaged bytes
        why = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(_damaged(name, why)) from None


def to_rgb(picture: Image.Image, *, over: RGB = WHITE) -> Image.Image:
    """Any Pillow mode -> RGB: transparency over a colour, 16 bits and floats scaled to 8."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode in _DEEP_MODES:
        return _scaled(picture).convert("RGB")
    if picture.has_transparency_data:
        above = picture.convert("RGBA")
        below = Image.new("RGBA", above.size, (*over, 255))
        return Image.alpha_composite(below, above).convert("RGB")
    return picture.convert("RGB")


def fingerprint(data: bytes) -> str:
    """A hash of an encoded picture: 32 hexadecimal digits. Needs no decoding, so that a run that goes
    on knows thousands of pictures again in seconds.
    """
    return hashlib.sha256(data).hexdigest()[:32]


# --- views -----------------------------------------------------------------------------------


def square(picture: Image.Image) -> Image.Image:
    """The RGB picture in the middle of a square of the padding colour.

    ViP-LLaVA trains on such squares; the checkpoint's own processor would crop the centre instead,
    and a mark at the edge with it.
    """
    picture = _no_longer_than(picture, MOST_SIDE)
    width, height = picture.size
    if width == height:
        return picture.convert("RGB")
    side = max(width, height)
    canvas = Image.new("RGB", (side, side), PADDING)
    canvas.paste(picture, ((side - width) // 2, (side - height) // 2))
    return canvas


def _no_longer_than(picture: Image.Image, side: int) -> Image.Image:
    longest = max(picture.size)
    if longest <= side:
        return picture
    width, height = (max(round(length * side / longest), 1) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def model_view(picture: Image.Image, side: int) -> Image.Image:
    """The square at `side` x `side` pixels, resized as the checkpoint's processor resizes it."""
    return square(picture).resize((side, side), Image.Resampling.BICUBIC)


def zoom_box(marks: Sequence[Mark], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A crop around the marks, as much again on every side for context: left, top, right, bottom."""
    width, height = size
    edges = [mark.bounds for mark in marks]
    left, top = min(edge[0] for edge in edges), min(edge[1] for edge in edges)
    right, bottom = max(edge[2] for edge in edges), max(edge[3] for edge in edges)
    room = max(right - left, bottom - top, 0.1 * max(size))
    return (
        max(int(left - room), 0),
        max(int(top - room), 0),
        min(int(right + room) + 1, width),
        min(int(bottom + room) + 1, height),
    )


# --- reading ---------------------------------------------------------------------------------


def read_bytes(source: str) -> bytes:
    """The encoded picture at a path, an http(s) address or `-`. Raises InputError."""
    if source == STANDARD_INPUT:
        data = sys.stdin.buffer.read(MOST_BYTES + 1)
        return _not_too_long(data, "standard input")
    if source.lower().startswith(("http://", "https://")):
        return _download(source)
    path = Path(source)
    try:
        with path.open("rb") as file:
            return _not_too_long(file.read(MOST_BYTES + 1), source)
    except FileNotFoundError:
        raise InputError(f"there is no file {source}: check the name of the picture") from None
    except IsADirectoryError:
        raise InputError(f"{source} is a folder, expected one picture: name a file in it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read: {_reason(error)}") from None


def _not_too_long(data: bytes, name: str) -> bytes:
    if len(data) > MOST_BYTES:
        raise InputError(f"{name} is longer than {MOST_BYTES >> 20} MiB, the most that is read")
    return data


def _download(address: str) -> bytes:
    """The body at an address, within a limit of time and of size."""
    import httpx2  # costs a tenth of a second that few commands need

    deadline = time.monotonic() + WEB_SECONDS
    data = bytearray()
    try:
        with httpx2.stream(
            "GET", address, follow_redirects=True, timeout=WEB_SECONDS / 3
        ) as response:
            if response.status_code != httpx2.codes.OK:
                raise InputError(
                    f"{address} answered {response.status_code} {response.reason_phrase}:"
                    " expected a picture; check the address"
                )
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > MOST_WEB_BYTES:
                    raise InputError(
                        f"{address} holds more than {MOST_WEB_BYTES >> 20} MiB: fetch it yourself"
                        " and give the file"
                    )
                if time.monotonic() > deadline:
                    raise InputError(
                        f"{address} took longer than {WEB_SECONDS:g} s: fetch it yourself and give"
                        " the file"
                    )
    except httpx2.InvalidURL as error:
        raise InputError(f"{address} is not an address that can be fetched: {error}") from None
    except (httpx2.HTTPError, OSError, ImportError, ValueError) as error:  # odd proxies, too
        raise InputError(
            f"{address} cannot be reached ({_reason(error)}): are you online? A file works too"
        ) from None
    return bytes(data)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).partition("\n")[0]


# --- decoding --------------------------------------------------------------------------------

_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def _check_size(picture: Image.Image, name: str) -> None:
    if picture.width * picture.height > MOST_PIXELS:
        raise InputError(
            f"{name} is {picture.width}x{picture.height} pixels, more than the"
            f" {MOST_PIXELS // 1_000_000} million that are read: make it smaller first"
        )


def _upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says; a damaged EXIF block says nothing."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # Pillow raises many kinds of error over damaged metadata
        return picture


def _scaled(picture: Image.Image) -> Image.Image:
    """16 bits by their full range; 32-bit integers and floats, whose range is free, by their own."""
    values = np.asarray(picture, np.float64)
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    if picture.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    else:
        low, high = float(values.min()), float(values.max())
    shares = (values - low) / ((high - low) or 1.0)
    return Image.fromarray(np.round(shares * 255).astype(np.uint8))


def _damaged(name: str, why: str) -> str:
    return f"{name} is cut short or damaged and cannot be decoded ({why}): get the whole file again"


_PICTURE_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")

_SIGNATURES: Mapping[bytes, str] = {
    b"%PDF": "a PDF: save the page as a picture",
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
        return "a HEIC picture: save it as a JPEG"
    for signature, kind in _SIGNATURES.items():
        if data.lstrip().startswith(signature):
            return kind
    try:
        data[:1024].decode("utf-8")
    except UnicodeDecodeError as error:
        return "text" if error.start > 1000 else "bytes of no known picture format"
    return "text"
