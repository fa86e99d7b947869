"""Decode images to upright RGB.

The result is 8-bit RGB for every kind of file: palettes, CMYK, transparency (over white), EXIF rotations,
and values of more than 8 bits, which `stretch` shows as grey levels or colours.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageOps

from vipllava_cli.errors import InputError
from vipllava_cli.images import tiff_values
from vipllava_cli.images.deep import deep_kind, from_pillow, read_values
from vipllava_cli.images.fetch import read_bytes
from vipllava_cli.images.memory import free_memory
from vipllava_cli.images.netpbm import read_netpbm, read_netpbm_header
from vipllava_cli.images.opening import (
    EXPECTED,
    check_size,
    opened_image,
    reported,
)
from vipllava_cli.images.png_chunks import may_have_orientation
from vipllava_cli.images.signatures import RAW_CAMERA_FILE
from vipllava_cli.images.source import FIRST_FRAME, display_name, parse_source
from vipllava_cli.images.stretch import Samples, Stretch, stretch, turn_samples
from vipllava_cli.images.tiff_page import read_page
from vipllava_cli.images.window import Window

BYTES_PER_PIXEL = 12  # at most, while an image is decoded, rotated and drawn on
UNCHECKED_PIXELS = 20_000_000  # images up to this size skip the check of the free memory

RGB = tuple[int, int, int]
WHITE: RGB = (255, 255, 255)


@dataclass(frozen=True)
class Header:
    """What the header of an image says: the upright width and height of a frame, and the frames.

    `kind` names the type of values of more than 8 bits, such as "16-bit". It is empty for 8 bits.
    `bands_note` is a note about bands whose colours the file does not name.
    """

    size: tuple[int, int]
    frames: int
    kind: str = ""
    bands_note: str = ""


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
    direct = _read_directly(data, name, frame)
    if direct is not None:
        with reported(name):
            _check_memory(direct.size, name, BYTES_PER_PIXEL + direct.bytes_per_pixel)
            samples = direct.read()
            return _show(samples, name, over, window, _TURNS.get(direct.orientation))
    with opened_image(data, name) as image:
        _seek(image, frame, name)
        _check_memory(image.size, name)
        if deep_kind(image, data):
            turn = None if image.format == "TIFF" else _TURNS.get(_orientation(image, data))
            return _show(read_values(image, data), name, over, window, turn)
        image.load()
        return Decoded(to_rgb(_apply_orientation(image), over=over))


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
    direct = _read_directly(data, name, frame, any_bits=True)
    if direct is not None:
        with reported(name):
            _check_memory(direct.size, name, BYTES_PER_PIXEL + direct.bytes_per_pixel)
            return _stored_samples(direct.read(), direct.orientation)
    with opened_image(data, name) as image:
        _seek(image, frame, name)
        _check_memory(image.size, name)
        if deep_kind(image, data):
            return _stored_samples(read_values(image, data), _orientation(image, data))
        image.load()
        upright = _apply_orientation(image)
        upright.format = image.format
        return StoredImage(upright, None, upright is not image)


def _stored_samples(samples: Samples, orientation: int) -> StoredImage:
    turn = _TURNS.get(orientation)
    upright = samples if turn is None else turn_samples(samples, turn)
    return StoredImage(None, upright, turn is not None)


def read_header(data: bytes, name: str, frame: int = FIRST_FRAME) -> Header:
    """Read the header of an image, and of one of its frames. Raises InputError."""
    direct = _read_directly(data, name, frame)
    if direct is not None:
        size = direct.size[::-1] if direct.orientation in _SWAPPING_ORIENTATIONS else direct.size
        return Header((size[0], size[1]), direct.frames, direct.kind, direct.bands_note)
    with opened_image(data, name) as image:
        _seek(image, frame, name)
        swaps = _swaps_sides(image, data)
        size = (image.height, image.width) if swaps else image.size
        kind = deep_kind(image, data)
        # Counted last: a damaged later page changes the tags of the opened image.
        return Header(size, _count_frames(image), kind)


def _swaps_sides(image: Image.Image, data: bytes) -> bool:
    """Return whether the EXIF orientation swaps width and height, compared to the stored size."""
    if image.format == "TIFF":
        return False  # Pillow gives the upright size of a TIFF, and rotates its pixels itself
    return _orientation(image, data) in _SWAPPING_ORIENTATIONS


_SWAPPING_ORIENTATIONS = (5, 6, 7, 8)
_UPRIGHT = 1


def read_orientation(data: bytes, name: str) -> int:
    """Read the EXIF orientation, 1 to 8. It is 1 for an image that is stored upright."""
    if data.startswith(_JPEG_START) and data.find(_JPEG_EXIF, 0, _JPEG_EXIF_BYTES) < 0:
        return _UPRIGHT  # most JPEGs: no need to parse the header
    direct = _read_directly(data, name, FIRST_FRAME)
    if direct is not None:
        return direct.orientation
    with opened_image(data, name) as image:
        return _orientation(image, data)


_JPEG_START, _JPEG_EXIF = b"\xff\xd8\xff", b"Exif\0\0"
_JPEG_EXIF_BYTES = 1 << 18  # EXIF is the first or second segment, of at most 64 KiB each


def _orientation(image: Image.Image, data: bytes) -> int:
    """Return the EXIF orientation, 1 to 8, of an image whose header is read."""
    if image.format == "PNG" and not may_have_orientation(data):
        return _UPRIGHT  # the EXIF chunk can be at the end, so `getexif` would decode the whole PNG
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    except Exception:  # as in `_apply_orientation`: a damaged EXIF block has no effect
        return _UPRIGHT
    return orientation if orientation in range(1, 9) else _UPRIGHT


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
    check_size(image.size, name)


# --- values of more than 8 bits --------------------------------------------------------------

DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class _DirectFile:
    """A file that is read without Pillow: its stored size, and a function that reads the values."""

    size: tuple[int, int]
    kind: str
    read: Callable[[], Samples]
    bytes_per_pixel: int
    orientation: int = _UPRIGHT
    frames: int = 1
    bands_note: str = ""


def _read_directly(
    data: bytes, name: str, frame: int, *, any_bits: bool = False
) -> _DirectFile | None:
    """Read the header of a file that Pillow refuses or rounds. Returns None for all others.

    Pillow also scales the values of a PGM file of less than 8 bits; `any_bits` includes those. Raises
    InputError for a TIFF that is no image.
    """
    header = read_netpbm_header(data, any_bits=any_bits)
    if header is not None and frame == FIRST_FRAME:
        size = (header.width, header.height)
        check_size(size, name)
        return _DirectFile(size, header.type_name, lambda: read_netpbm(data, header), 24)
    page = read_page(data, frame, name)
    if page is None:
        return None
    if page.is_raw:
        raise InputError(f"{name} is not an image: expected {EXPECTED}, found {RAW_CAMERA_FILE}")
    if page.is_plain:
        return None
    tiff_values.check_page(page, name)
    check_size((page.width, page.height), name)
    return _DirectFile(
        (page.width, page.height),
        page.type_name,
        lambda: tiff_values.read_samples(page, data, name),
        3 * page.bands * max(page.bits) // 8,
        page.orientation if page.orientation in range(1, 9) else _UPRIGHT,
        page.pages,
        page.bands_note,
    )


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


# --- decoding --------------------------------------------------------------------------------


def _check_memory(size: tuple[int, int], name: str, bytes_per_pixel: int = BYTES_PER_PIXEL) -> None:
    """Raise InputError if the image does not fit, before the system kills the process."""
    pixels = size[0] * size[1]
    if pixels > UNCHECKED_PIXELS and pixels * bytes_per_pixel > free_memory():
        raise InputError(
            f"{name} ({size[0]}x{size[1]} pixels) does not fit into the free memory: expected"
            f" {pixels * bytes_per_pixel / 1e9:.1f} GB, found {free_memory() / 1e9:.1f} GB;"
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
