"""The layout of a page of a TIFF, from its tags."""

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import COMPRESSION_INFO, PREFIXES, ImageFileDirectory_v2

from vipllava_cli.errors import InputError
from vipllava_cli.images.signatures import RAW_SUFFIXES

MAX_PAGES = 100_000
MAX_NUMBERS = 1_000_000  # in the tags of a page: strips of one row, and small tiles
_MAX_TILED_PIXELS = 1 << 26  # of the tiles of a small image

_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _BANDS, _STRIP_ROWS, _STRIP_BYTES = 273, 274, 277, 278, 279
_PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_ROWS, _TILE_OFFSETS, _TILE_BYTES = (
    284,
    317,
    322,
    323,
    324,
    325,
)
_SUB_IFDS, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _NODATA, _DNG_VERSION = 330, 338, 339, 42113, 50706

MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2
_PLAIN_PHOTOMETRICS = (3, 4, 5, 6, 8)  # palette, mask, CMYK, YCbCr, LAB: Pillow reads them, or none
_CAMERA_PHOTOMETRICS = (32803, 34892)  # a colour filter array, and linear raw
_ALPHA = (1, 2)  # kinds of extra samples: premultiplied or not
_TYPES = {1: "u", 2: "i", 3: "f"}  # a sample format -> a kind of numpy types
_NAMES = {"u": "integer", "i": "signed integer", "f": "float"}
_COMPRESSIONS = {**COMPRESSION_INFO, 34887: "LERC", 34712: "JPEG 2000", 50002: "JPEG XL"}


@dataclass(frozen=True)
class TiffPage:
    """The layout of one page.

    `offsets` and `sizes` are those of its strips, or of its tiles if there are `tile_columns`.
    `block_rows` and `tile_columns` are the size of a strip or tile in pixels. `pages` counts all pages.
    """

    width: int
    height: int
    bits: tuple[int, ...]
    formats: tuple[int, ...]
    photometric: int
    compression: int
    is_planar: bool
    predictor: int
    extra_samples: tuple[int, ...]
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    block_rows: int
    tile_columns: int
    orientation: int
    nodata: float | None
    is_big_endian: bool
    is_big: bool
    is_raw: bool
    pages: int

    @property
    def bands(self) -> int:
        return len(self.bits)

    @property
    def is_plain(self) -> bool:
        """Whether Pillow reads the page, and right."""
        if self.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB):
            return True
        if self.is_big and self.is_big_endian:
            return False
        if max(self.bits) > 8 or set(self.formats) != {1}:
            return False
        if self.bits != (8,) * self.bands or self.bands == 1:
            return True
        # Pillow refuses bands of a page that does not say that they are colours or opacity.
        if self.photometric == RGB:
            is_refused = self.is_planar and self.extra_samples[:1] == (0,)
            return 3 <= self.bands <= 6 and not is_refused
        return self.bands == 2 and len(self.extra_samples) == 1 and not self.is_planar

    @property
    def dtype(self) -> "np.dtype[Any] | None":
        """The type of all values, in the byte order of the file. None if no type fits."""
        kind = _TYPES.get(self.formats[0])
        if len(set(self.bits)) > 1 or len(set(self.formats)) > 1 or kind is None:
            return None
        bits = self.bits[0]
        if kind == "u" and 8 < bits < 16:
            bits = 16  # packed, and unpacked to 16
        if bits not in (8, 16, 32, 64) or (kind == "f" and bits == 8):
            return None
        return np.dtype(f"{'>' if self.is_big_endian else '<'}{kind}{bits // 8}")

    @property
    def type_name(self) -> str:
        """The type of the values for messages: `16-bit`, `32-bit float`. Empty for plain 8 bits."""
        kind = _TYPES.get(self.formats[0], "?")
        bits = "/".join(str(each) for each in sorted(set(self.bits)))
        if kind == "u" and bits == "8":
            return ""
        if kind == "u" and max(self.bits) <= 16:
            return f"{bits}-bit"
        return f"{bits}-bit {_NAMES.get(kind, 'complex')}"

    @property
    def alpha_band(self) -> int | None:
        """The index of the band of opacity, if one is declared."""
        colors = self.bands - len(self.extra_samples)
        alphas = [at for at, kind in enumerate(self.extra_samples) if kind in _ALPHA]
        return colors + alphas[0] if alphas and colors > 0 else None

    @property
    def bands_note(self) -> str:
        """A note about bands whose colours the file does not name. Empty for all other pages."""
        is_named = self.photometric == RGB or self.bands == 1
        if is_named or (self.bands == 2 and self.alpha_band == 1):
            return ""
        if self.bands == 2:
            return "the file does not name its 2 bands, and the first is shown as grey"
        return (
            f"the file does not name its {self.bands} bands, and the first three are shown as red,"
            " green and blue"
        )

    def describe(self) -> str:
        """Describe the bands for a message: `5 bands of 32-bit float values`."""
        bands = "1 band" if self.bands == 1 else f"{self.bands} bands"
        return f"{bands} of {self.type_name or '8-bit'} values"

    def compression_name(self) -> str:
        return _COMPRESSIONS.get(self.compression, f"number {self.compression}")


def read_page(data: bytes, frame: int, name: str) -> TiffPage | None:
    """Read the tags of a page, from 1. Returns None for a file that is no TIFF or is damaged there.

    Raises InputError for tags and tiles beyond all reason.
    """
    if not data.startswith(tuple(PREFIXES)):
        return None
    try:
        places = find_pages(data)
        if not 1 <= frame <= len(places):
            return None
        is_raw = _is_raw(_read_directory(data, places[0], name), name)
        directory = _read_directory(data, places[frame - 1], name)
        page = _to_page(directory, data, is_raw=is_raw, pages=len(places))
    except InputError:
        raise
    except (
        Exception
    ):  # Pillow raises many kinds of errors for damaged tags, and then in its own way
        return None
    _check_tiles(page, name)
    return page


def page_as_first(data: bytes, frame: int) -> bytes:
    """Return a TIFF whose first page is the page `frame`, from 1. Raises IndexError without it.

    Pillow 13.0.0 reads the tags of all pages before it.
    """
    layout, place = _layout(data), find_pages(data)[frame - 1]
    at = 8 if layout.is_big else 4
    start = struct.pack(layout.place, place)
    return b"".join([data[:at], start, data[at + len(start) :]])


def find_pages(data: bytes) -> list[int]:
    """Return where the pages of a TIFF are, up to a damaged one, a loop or MAX_PAGES."""
    layout = _layout(data)
    head_size, entry_size = struct.calcsize(layout.count), struct.calcsize(layout.entry)
    places: dict[int, None] = {}
    try:
        (place,) = struct.unpack_from(layout.place, data, 8 if layout.is_big else 4)
        while place and place not in places and len(places) < MAX_PAGES:
            (count,) = struct.unpack_from(layout.count, data, place)
            entries = place + head_size
            (following,) = struct.unpack_from(layout.place, data, entries + count * entry_size)
            if not _has_width(data, layout, entries, count):
                break
            places[place] = None
            place = following
    except (struct.error, OverflowError):  # a damaged later page does not matter for the first
        pass
    return list(places)


@dataclass(frozen=True)
class _Layout:
    """The forms of a place, of a count of tags and of a tag, for `struct`."""

    is_big: bool
    place: str
    count: str
    entry: str


def _layout(data: bytes) -> _Layout:
    order = "<" if data[:2] == b"II" else ">"
    place, count, entry = ("Q", "Q", "HHQQ") if _is_big(data) else ("L", "H", "HHLL")
    return _Layout(_is_big(data), order + place, order + count, order + entry)


def _has_width(data: bytes, layout: _Layout, entries: int, count: int) -> bool:
    """Return whether a page has a width, which is one of its first tags: their numbers ascend."""
    size = struct.calcsize(layout.entry)
    return any(
        struct.unpack_from(layout.entry, data, entries + number * size)[0] == _WIDTH
        for number in range(min(count, _FIRST_TAGS))
    )


_FIRST_TAGS = 64
_NUMBER_TYPES = frozenset((3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 16, 17, 18))  # not bytes and text


def _read_directory(data: bytes, place: int, name: str) -> ImageFileDirectory_v2:
    """Read the tags of a page. Raises InputError for too many numbers, and Pillow's errors."""
    layout = _layout(data)
    (count,) = struct.unpack_from(layout.count, data, place)
    first, size = place + struct.calcsize(layout.count), struct.calcsize(layout.entry)
    numbers = 0
    for start in range(first, first + count * size, size):
        _, kind, values, _ = struct.unpack_from(layout.entry, data, start)
        if kind in _NUMBER_TYPES and values <= len(data):  # Pillow skips a tag larger than the file
            numbers += values
    if numbers > MAX_NUMBERS:
        raise InputError(
            f"{name} holds {numbers:,} numbers in its tags: expected at most {MAX_NUMBERS:,}; save it"
            " again with larger strips or tiles, as `tiffcp -r 64 IN.tif OUT.tif` does"
        )
    file = io.BytesIO(data)
    head, order = file.read(16), data[:2]
    # Pillow takes a big-endian BigTIFF for a TIFF, unless the byte order comes separately.
    head = b"II+\0" + head[4:] if layout.is_big else head[:8]
    directory = ImageFileDirectory_v2(head, order)
    file.seek(place)
    directory.load(file)
    return directory


def _check_tiles(page: TiffPage, name: str) -> None:
    """Raise InputError for tiles that are much larger than their image."""
    if not page.tile_columns or page.block_rows <= 0:
        return
    columns = -(-page.width // page.tile_columns) * page.tile_columns
    rows = -(-page.height // page.block_rows) * page.block_rows
    if columns * rows > 4 * page.width * page.height + _MAX_TILED_PIXELS:
        raise InputError(
            f"{name} is {page.width}x{page.height} pixels in tiles of"
            f" {page.tile_columns}x{page.block_rows}: expected smaller tiles; save it again without"
            " tiles, as `tiffcp -s IN.tif OUT.tif` does"
        )


def _is_big(data: bytes) -> bool:
    return 43 in data[2:4]


def _is_raw(first: ImageFileDirectory_v2, name: str) -> bool:
    """Return whether a TIFF is a raw camera file, whose first page may be only a preview."""
    is_preview = bool(int(first.get(_SUBFILE_TYPE, 0)) & 1) and _SUB_IFDS in first
    is_camera = first.get(_PHOTOMETRIC) in _CAMERA_PHOTOMETRICS or _DNG_VERSION in first
    return is_preview or is_camera or name.lower().endswith(RAW_SUFFIXES)


def _to_page(tags: ImageFileDirectory_v2, data: bytes, *, is_raw: bool, pages: int) -> TiffPage:
    bands = int(tags.get(_BANDS, 1))
    is_tiled = _TILE_OFFSETS in tags
    height = int(tags[_HEIGHT])
    return TiffPage(
        width=int(tags[_WIDTH]),
        height=height,
        bits=_for_bands(tags.get(_BITS, (1,)), bands),
        formats=_for_bands(tags.get(_SAMPLE_FORMAT, (1,)), bands),
        photometric=int(tags.get(_PHOTOMETRIC, MIN_IS_WHITE)),
        compression=int(tags.get(_COMPRESSION, 1)),
        is_planar=tags.get(_PLANAR, 1) == 2 and bands > 1,
        predictor=int(tags.get(_PREDICTOR, 1)),
        extra_samples=_numbers(tags.get(_EXTRA_SAMPLES, ())),
        offsets=_numbers(tags.get(_TILE_OFFSETS if is_tiled else _STRIP_OFFSETS, ())),
        sizes=_numbers(tags.get(_TILE_BYTES if is_tiled else _STRIP_BYTES, ())),
        block_rows=int(tags[_TILE_ROWS]) if is_tiled else min(int(tags.get(_STRIP_ROWS, height)), height),
        tile_columns=int(tags[_TILE_WIDTH]) if is_tiled else 0,
        orientation=int(tags.get(_ORIENTATION, 1)),
        nodata=_nodata(tags.get(_NODATA)),
        is_big_endian=data[:2] == b"MM",
        is_big=_is_big(data),
        is_raw=is_raw,
        pages=pages,
    )  # fmt: skip


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(map(int, value)) if isinstance(value, tuple) else (int(value),)


def _for_bands(value: Any, bands: int) -> tuple[int, ...]:
    """Return one number per band. A file may give one number for all of them."""
    numbers = _numbers(value)
    return numbers if len(numbers) == bands else (numbers * bands)[:bands]


def _nodata(text: Any) -> float | None:
    """Return the value of GDAL's tag."""
    try:
        return float(str(text).strip(" \0"))
    except ValueError:
        return None
