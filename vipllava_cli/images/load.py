"""Decode images to upright RGB.

The result is 8-bit RGB for every kind of file: palettes, CMYK, transparency (over white), EXIF rotations,
and values of more than 8 bits, which `stretch` shows as grey levels or colours. A worker process
decodes the files whose cost the header does not bound.
"""

import hashlib
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.images import pixels, workers
from vipllava_cli.images.deep import from_pillow
from vipllava_cli.images.fetch import read_bytes
from vipllava_cli.images.kinds import needs_worker
from vipllava_cli.images.opening import check_file, reported
from vipllava_cli.images.pixels import UPRIGHT, Header, Pixels
from vipllava_cli.images.source import FIRST_FRAME, display_name, parse_source
from vipllava_cli.images.stretch import Samples, Stretch, stretch, turn_samples
from vipllava_cli.images.window import Window

RGB = tuple[int, int, int]
WHITE: RGB = (255, 255, 255)


@dataclass(frozen=True)
class Decoded:
    """An upright RGB image, and how values of more than 8 bits became its colours."""

    image: Image.Image
    stretch: Stretch | None = None


def load_image(name: str, *, over: RGB = WHITE) -> Image.Image:
    """Load the image with this name, as `parse_source` reads it, as upright RGB.

    Transparent pixels show the colour `over`. Raises InputError.
    """
    source = parse_source(name)
    data = read_bytes(source.location)
    return decode(data, display_name(name), over=over, frame=source.frame or FIRST_FRAME)


def decode(data: bytes, name: str, *, over: RGB = WHITE, frame: int = FIRST_FRAME) -> Image.Image:
    """Decode a frame of an encoded image to upright RGB. Raises InputError with `name`."""
    return decode_values(data, name, over=over, frame=frame).image


def decode_values(
    data: bytes,
    name: str,
    *,
    over: RGB = WHITE,
    frame: int = FIRST_FRAME,
    window: Window | None = None,
) -> Decoded:
    """Decode a frame. `window` is the range of values to show, None that of the percentiles.

    Raises InputError with `name`.
    """
    read = _read_pixels(data, name, frame)
    turn = _TURNS.get(read.orientation)
    with reported(name):
        if read.samples is not None:
            return _show(read.samples, name, over, window, turn)
        assert read.image is not None  # noqa: S101 - it holds samples or an image
        return Decoded(to_rgb(_turned(read.image, turn), over=over))


@dataclass(frozen=True)
class StoredImage:
    """An upright image as the file holds it, and whether its EXIF orientation turned it.

    `samples` are the values of an image of more than 8 bits; `image`, in its own mode, is any other.
    """

    image: Image.Image | None
    samples: Samples | None
    is_turned: bool


def decode_stored(data: bytes, name: str, *, frame: int = FIRST_FRAME) -> StoredImage:
    """Decode a frame to its own values: 16 bits, floats, indices. Raises InputError with `name`."""
    read = _read_pixels(data, name, frame, any_bits=True)
    turn = _TURNS.get(read.orientation)
    with reported(name):
        if read.samples is not None:
            upright = read.samples if turn is None else turn_samples(read.samples, turn)
            return StoredImage(None, upright, turn is not None)
        assert read.image is not None  # noqa: S101 - it holds samples or an image
        image = _turned(read.image, turn)
        image.format = read.image.format
        return StoredImage(image, None, turn is not None)


def read_header(data: bytes, name: str, frame: int = FIRST_FRAME) -> Header:
    """Read the header of an image, and of one of its frames. Raises InputError."""
    check_file(data, name)
    read = workers.read_header if needs_worker(data) else pixels.read_header
    return read(data, name, frame)


def read_orientation(data: bytes, name: str) -> int:
    """Read the EXIF orientation, 1 to 8. It is 1 for an image that is stored upright."""
    if data.startswith(_JPEG_START) and not _ORIENTATION_SOURCE.search(data, 0, _JPEG_HEAD_BYTES):
        return UPRIGHT  # most JPEGs: no need to parse the header
    check_file(data, name)
    read = workers.read_orientation if needs_worker(data) else pixels.read_orientation
    return read(data, name)


_JPEG_START = b"\xff\xd8\xff"
_ORIENTATION_SOURCE = re.compile(rb"Exif\0\0|tiff:Orientation")  # in the EXIF or the XMP segment
_JPEG_HEAD_BYTES = 1 << 18  # they are among the first segments, of at most 64 KiB each


def _read_pixels(data: bytes, name: str, frame: int, *, any_bits: bool = False) -> Pixels:
    check_file(data, name)
    read = workers.read_pixels if needs_worker(data) else pixels.read_pixels
    return read(data, name, frame, any_bits=any_bits)


def to_rgb(image: Image.Image, *, over: RGB = WHITE) -> Image.Image:
    """Convert any Pillow mode to RGB: transparency over a colour, more than 8 bits by percentiles.

    Raises ValueError if no pixel has a value.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in DEEP_MODES:
        shown = stretch(from_pillow(image), None)
        if shown is None:
            raise ValueError("no pixel has a value")
        return Image.fromarray(shown[0]).convert("RGB")
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


# --- values of more than 8 bits --------------------------------------------------------------

DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def _show(
    samples: Samples, name: str, over: RGB, window: Window | None, turn: Image.Transpose | None
) -> Decoded:
    """Make an upright RGB image of values. Raises InputError if no pixel has a value."""
    if samples.kind:
        shown = stretch(samples, window)
        if shown is None:
            raise InputError(
                f"{name} has no values: expected at least one pixel with a number, found only NaN,"
                " infinity or the nodata value; check how it was made"
            )
        colors, stretched = shown
    else:
        colors = 255 - samples.values if samples.inverted else samples.values
        stretched = None
    image = Image.fromarray(np.ascontiguousarray(colors)).convert("RGB")
    if samples.alpha is not None:
        background = Image.new("RGB", image.size, over)
        background.paste(image, mask=Image.fromarray(samples.alpha))
        image = background
    return Decoded(image if turn is None else image.transpose(turn), stretched)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return image if turn is None else image.transpose(turn)
