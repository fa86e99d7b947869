"""Read the header and the stored pixels of an encoded image, within limits of time and memory.

`load` calls these functions in this process, or in a worker for the files that `needs_worker` names.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import ExifTags, Image

from vipllava_cli.errors import InputError
from vipllava_cli.images import tiff_values
from vipllava_cli.images.deep import deep_kind, read_values
from vipllava_cli.images.gif_blocks import check_gif
from vipllava_cli.images.jpeg_segments import check_jpeg
from vipllava_cli.images.kinds import image_formats, needs_worker
from vipllava_cli.images.memory import free_memory
from vipllava_cli.images.netpbm import (
    MAX_HEADER,
    has_long_header,
    read_netpbm,
    read_netpbm_header,
    read_netpbm_image,
)
from vipllava_cli.images.opening import (
    EXPECTED,
    check_size,
    opened_image,
    reported,
    unknown_file,
)
from vipllava_cli.images.png_chunks import may_have_orientation
from vipllava_cli.images.signatures import RAW_CAMERA_FILE
from vipllava_cli.images.source import FIRST_FRAME
from vipllava_cli.images.stretch import Samples
from vipllava_cli.images.tiff_page import find_pages, page_as_first, read_page

BYTES_PER_PIXEL = 12  # at most, while an image is decoded, rotated and drawn on
DEEP_BYTES_PER_PIXEL = 24  # of a PNG of 16 bits
UNCHECKED_PIXELS = 20_000_000  # images up to this size skip the check of the free memory

UPRIGHT = 1
_SWAPPING_ORIENTATIONS = (5, 6, 7, 8)


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
class Pixels:
    """The pixels of a frame as the file holds them, and the EXIF orientation, 1 to 8, to show them in.

    `samples` are the values of an image of more than 8 bits; `image`, in its own mode, is any other.
    """

    image: Image.Image | None
    samples: Samples | None
    orientation: int


def read_header(data: bytes, name: str, frame: int) -> Header:
    """Read the header of an image, and of one of its frames. Raises InputError."""
    direct = _read_directly(data, name, frame)
    if direct is not None:
        size = direct.size[::-1] if direct.orientation in _SWAPPING_ORIENTATIONS else direct.size
        return Header((size[0], size[1]), direct.frames, direct.kind, direct.bands_note)
    with _opened(data, name, frame) as image:
        swaps = _swaps_sides(image, data)
        size = (image.height, image.width) if swaps else image.size
        kind = deep_kind(image, data)
        # Counted last: a damaged later page changes the tags of the opened image.
        return Header(size, _count_frames(image, data, name), kind)


def read_orientation(data: bytes, name: str) -> int:
    """Read the EXIF orientation, 1 to 8. It is 1 for an image that is stored upright."""
    direct = _read_directly(data, name, FIRST_FRAME)
    if direct is not None:
        return direct.orientation
    with _opened(data, name, FIRST_FRAME) as image:
        return _orientation(image, data)


def read_pixels(data: bytes, name: str, frame: int, *, any_bits: bool = False) -> Pixels:
    """Decode a frame as it is stored. `any_bits` gives grey values of a netpbm file unscaled, too.

    Raises InputError with `name`.
    """
    direct = _read_directly(data, name, frame, any_bits=any_bits)
    if direct is not None:
        with reported(name):
            _check_memory(
                direct.size, name, data, direct.bytes_per_pixel, is_deep=bool(direct.kind)
            )
            found = direct.read()
        if isinstance(found, Samples):
            return Pixels(None, found, direct.orientation)
        return Pixels(found, None, direct.orientation)
    with _opened(data, name, frame) as image:
        is_deep = bool(deep_kind(image, data))
        bytes_per_pixel = DEEP_BYTES_PER_PIXEL if is_deep else BYTES_PER_PIXEL
        _check_memory(image.size, name, data, bytes_per_pixel, is_deep=is_deep)
        if is_deep:
            orientation = UPRIGHT if image.format == "TIFF" else _orientation(image, data)
            return Pixels(None, read_values(image, data), orientation)
        image.load()
        return Pixels(_without_unused_alpha(image), None, _loaded_orientation(image))


def _without_unused_alpha(image: Image.Image) -> Image.Image:
    """Return a BMP or TGA as opaque if all of its pixels are transparent.

    Windows and Photoshop leave the fourth byte of each pixel at 0. Other programs show such a file.
    """
    if image.format not in ("BMP", "TGA") or image.mode != "RGBA":
        return image
    return image if image.getchannel("A").getbbox() else image.convert("RGB")


def _swaps_sides(image: Image.Image, data: bytes) -> bool:
    """Return whether the EXIF orientation swaps width and height, compared to the stored size."""
    if image.format == "TIFF":
        return False  # Pillow gives the upright size of a TIFF, and rotates its pixels itself
    return _orientation(image, data) in _SWAPPING_ORIENTATIONS


def _orientation(image: Image.Image, data: bytes) -> int:
    """Return the EXIF orientation, 1 to 8, of an image whose header is read."""
    if image.format == "PNG" and not may_have_orientation(data):
        return UPRIGHT  # the EXIF chunk can be at the end, so `getexif` would decode the whole PNG
    return _loaded_orientation(image)


def _loaded_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, of a decoded image."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    except (
        Exception
    ):  # Pillow raises many kinds of errors for damaged metadata, which has no effect
        return UPRIGHT
    return orientation if orientation in range(1, 9) else UPRIGHT


# --- frames ----------------------------------------------------------------------------------

# Formats of animations and of several pages. The second image of a JPEG (MPO) is its preview, or the
# view of the other eye.
_FRAME_FORMATS = ("GIF", "WEBP", "PNG", "TIFF", "AVIF")
# Pixels that are decoded to reach a later frame of an animation, and what each frame costs besides.
MAX_PIXELS_BEFORE_FRAME = 1_000_000_000
_FRAME_COST = 10_000


@contextmanager
def _opened(data: bytes, name: str, frame: int) -> Iterator[Image.Image]:
    """Open an image at a frame, counted from FIRST_FRAME. Raises InputError."""
    formats = image_formats(data)
    if formats == ("JPEG",):
        check_jpeg(data, name)
    elif formats == ("GIF",):
        check_size(check_gif(data, name, frame)[0], name)
    elif formats == ("TIFF",) and frame != FIRST_FRAME:
        _check_frame(frame, len(find_pages(data)), name)
        data, frame = page_as_first(data, frame), FIRST_FRAME
    with opened_image(data, name) as image:
        if frame != FIRST_FRAME:
            _seek(image, data, frame, name)
        yield image


def _seek(image: Image.Image, data: bytes, frame: int, name: str) -> None:
    _check_frame(frame, _count_frames(image, data, name), name)
    if frame * (image.width * image.height + _FRAME_COST) > MAX_PIXELS_BEFORE_FRAME:
        raise InputError(
            f"{name} has too many large frames before frame {frame}: expected an earlier one; save"
            " the frame as a PNG, as `ffmpeg -i FILE -vf select=eq(n\\,N) -frames:v 1 frame.png` does"
        )
    image.seek(frame - FIRST_FRAME)
    check_size(image.size, name)


def _check_frame(frame: int, frames: int, name: str) -> None:
    """Raise InputError if there is no such frame."""
    if frames <= 1:
        raise InputError(f"{name} has only one frame, and no frame {frame}: leave out the frame")
    if frame > frames:
        raise InputError(f"{name} has {frames} frames, and no frame {frame}: choose 1 to {frames}")


def _count_frames(image: Image.Image, data: bytes, name: str) -> int:
    """Count the frames of an animation, or the pages of a TIFF."""
    if image.format not in _FRAME_FORMATS:
        return 1
    # Pillow 13.0.0 reads all blocks of a GIF, and all tags of all pages of a TIFF, to count them.
    if image.format == "GIF":
        return check_gif(data, name, FIRST_FRAME)[1]
    if image.format == "TIFF":
        return max(len(find_pages(data)), 1)
    try:
        return max(int(getattr(image, "n_frames", 1)), 1)
    except Exception:  # a damaged later frame does not matter for the first
        return 1


# --- files that are read without Pillow ------------------------------------------------------


@dataclass(frozen=True)
class _DirectFile:
    """A file that is read without Pillow: its stored size, and a function that reads the values."""

    size: tuple[int, int]
    kind: str
    read: Callable[[], Samples | Image.Image]
    bytes_per_pixel: int
    orientation: int = UPRIGHT
    frames: int = 1
    bands_note: str = ""


def _read_directly(
    data: bytes, name: str, frame: int, *, any_bits: bool = False
) -> _DirectFile | None:
    """Read the header of a file that Pillow refuses, rounds or reads in Python. None for all others.

    Pillow also scales the values of a PGM file of less than 8 bits; `any_bits` does not. Raises
    InputError for a TIFF that is no image.
    """
    formats = image_formats(data)
    if formats[:1] == ("PPM",):
        return _read_netpbm_directly(data, name, frame, any_bits=any_bits)
    if formats[:1] != ("TIFF",):
        return None
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
        BYTES_PER_PIXEL + 3 * page.bands * max(page.bits) // 8,
        page.orientation if page.orientation in range(1, 9) else UPRIGHT,
        page.pages,
        page.bands_note,
    )


def _read_netpbm_directly(
    data: bytes, name: str, frame: int, *, any_bits: bool
) -> _DirectFile | None:
    header = read_netpbm_header(data)
    if header is None:
        if has_long_header(data):
            raise InputError(
                f"{name} has a header of more than {MAX_HEADER:,} bytes: remove its comments"
            )
        raise InputError(unknown_file(data, name))
    size = (header.width, header.height)
    check_size(size, name)
    if frame != FIRST_FRAME:
        _check_frame(frame, 1, name)
    if header.has_samples(any_bits=any_bits):
        return _DirectFile(size, header.type_name, lambda: read_netpbm(data, header), 36)
    if header.is_plain:
        return None
    return _DirectFile(size, "", lambda: read_netpbm_image(data, header), BYTES_PER_PIXEL)


# --- memory ----------------------------------------------------------------------------------

MAX_DEEP_BYTES = 2_500_000_000  # of memory, for values of more than 8 bits
_PIXELS_PER_BYTE = 1000  # of the formats that need a worker: more than in an image of one colour


def _check_memory(
    size: tuple[int, int], name: str, data: bytes, bytes_per_pixel: int, *, is_deep: bool
) -> None:
    """Raise InputError if the image does not fit, before the system kills the process.

    A few bytes can announce the largest image. Decoders of some formats then take its memory first.
    """
    pixels = size[0] * size[1]
    if pixels <= UNCHECKED_PIXELS:
        return
    needed, free = pixels * bytes_per_pixel, free_memory()
    if needed > free:
        raise InputError(
            f"{name} ({size[0]}x{size[1]} pixels) does not fit into the free memory: expected"
            f" {needed / 1e9:.1f} GB, found {free / 1e9:.1f} GB; scale it down first"
        )
    if is_deep and needed > MAX_DEEP_BYTES:
        raise InputError(
            f"{name} ({size[0]}x{size[1]} pixels of more than 8 bits) needs {needed / 1e9:.1f} GB of"
            f" memory, above the limit of {MAX_DEEP_BYTES / 1e9:.1f} GB: scale it down first"
        )
    if needs_worker(data) and len(data) * _PIXELS_PER_BYTE < pixels:
        raise InputError(
            f"{name} announces {size[0]}x{size[1]} pixels in a file of {len(data):,} bytes: expected"
            f" at least {pixels // _PIXELS_PER_BYTE:,} bytes; scale it down first"
        )
