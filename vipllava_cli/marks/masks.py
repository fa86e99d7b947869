"""Convert mask images to the outlines of masks and contours."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vipllava_cli.errors import InputError
from vipllava_cli.images.fetch import read_bytes
from vipllava_cli.images.load import StoredImage, decode_stored
from vipllava_cli.images.source import FIRST_FRAME, display_name, parse_source
from vipllava_cli.marks.declared_size import UPRIGHT, has_ratio, swaps_sides
from vipllava_cli.marks.mask_name import MaskName, split_mask_name
from vipllava_cli.marks.mask_region import (
    MaskPixels,
    choose_region,
    find_region,
    read_pixels,
    read_samples,
)
from vipllava_cli.marks.types import Coordinate, MarkSpec
from vipllava_cli.storage.regular_files import is_stream

Size = tuple[int, int]  # width, height

MAX_EDGES = 1_000_000  # between pixels inside and outside; a point of an outline takes 350 bytes
_BAND_PIXELS = 1 << 22  # pixels looked at in one step
_MAX_KEPT_PIXELS = 1 << 24  # of a decoded mask that stays in memory


def load_mask_outlines(
    specs: Sequence[MarkSpec], size: Size, read_orientation: Callable[[], int] = lambda: UPRIGHT
) -> tuple[list[MarkSpec], list[str]]:
    """Replace the mask images of specs by their outlines. Returns notes, too.

    `size` is that of the upright image, and `read_orientation` returns its EXIF orientation. A mask
    image has the size of the image, its size before the EXIF turn, or the same aspect ratio. Raises
    InputError.
    """
    outlined, notes = [], []
    for spec in specs:
        if spec.file is None:
            outlined.append(spec)
            continue
        name = MaskName(spec.file, spec.values) if spec.values else split_mask_name(spec.file)
        region, note = _fit(*_load_region(name), size, read_orientation, display_name(name.file))
        parts = _outline(region, display_name(name.file))
        outlined.append(replace(spec, file=None, values=(), parts=parts))
        notes += [note] if note else []
    return outlined, notes


def _load_region(name: MaskName) -> tuple[NDArray[np.uint8], bool]:
    """Return the region of a mask image as 0 and 1, and whether its own EXIF orientation turned it."""
    source = parse_source(name.file)
    shown = display_name(name.file)
    if is_stream(source.location):
        raise InputError(f"the mask {shown} is what the shell opened: expected a file")
    stored, pixels = _decode(read_bytes(source.location), shown, source.frame or FIRST_FRAME)
    chosen = choose_region(pixels, stored.image, name.values) if name.values else None
    region = find_region(pixels) if chosen is None else chosen
    return region.astype(np.uint8), stored.is_turned


_Decoded = tuple[StoredImage, MaskPixels]
# The last small mask: rows beside each other often name the regions of one label map.
_last: tuple[tuple[bytes, str, int], _Decoded] | None = None


def _decode(data: bytes, shown: str, frame: int) -> _Decoded:
    """Decode a mask image to its values [height, width]. Raises InputError."""
    global _last  # noqa: PLW0603
    last = _last  # another thread may replace it
    if last is not None and last[0] == (data, shown, frame):
        return last[1]
    stored = decode_stored(data, shown, frame=frame)
    if stored.samples is None:
        assert stored.image is not None  # noqa: S101 - one of the two is set
        pixels = read_pixels(stored.image, shown)
    else:
        pixels = read_samples(stored.samples, shown)
    is_small = pixels.values.size <= _MAX_KEPT_PIXELS and len(data) <= _MAX_KEPT_PIXELS
    _last = ((data, shown, frame), (stored, pixels)) if is_small else None
    return stored, pixels


def _fit(
    region: NDArray[np.uint8],
    is_turned: bool,
    size: Size,
    read_orientation: Callable[[], int],
    name: str,
) -> tuple[NDArray[np.uint8], str | None]:
    """Turn and scale a region to the size of the image. Returns a note if it changed it."""
    found: Size = region.shape[1], region.shape[0]
    if found == size:
        return region, None
    says = f"the mask {name} is {found[0]}x{found[1]} pixels and the image {size[0]}x{size[1]}"
    orientation = UPRIGHT if is_turned else read_orientation()
    turned = turn(region, orientation) if swaps_sides(orientation) else region
    if turned.shape == size[::-1]:
        return turned, f"turned the mask like the image: {says} after the EXIF turn"
    after = ""
    if not has_ratio(*found, size):
        region, after = turned, " after the EXIF turn"
    if not has_ratio(region.shape[1], region.shape[0], size):
        raise InputError(f"{says}: expected a mask of the image's size or aspect ratio")
    return _scale(region, size), f"scaled the mask to the image: {says}{after}"


def _scale(region: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Scale a region of 0 and 1. A pixel of the result is inside if at least half of it was."""
    if region.shape[1] < size[0]:
        scaled = cv2.resize(region, size, interpolation=cv2.INTER_NEAREST)
    else:
        scaled = cv2.resize(region * 255, size, interpolation=cv2.INTER_AREA) // 128
    return np.asarray(scaled, np.uint8)


def turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn stored pixels [height, width] upright by an EXIF orientation, 1 to 8."""
    if swaps_sides(orientation):
        pixels = pixels.T
    # The transpose of 6 is mirrored left to right, that of 8 top to bottom, that of 7 in both ways.
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _outline(region: NDArray[np.uint8], name: str) -> tuple[tuple[Coordinate, ...], ...]:
    parts = trace_outlines(region, name=f"the mask {name}")
    if not any(map(_has_area, parts)):
        parts = trace_thin_outlines(region)
    if not parts:
        raise InputError(f"the region of the mask {name} is smaller than a pixel of the image")
    return tuple(tuple(map(Coordinate, part)) for part in parts)


def trace_outlines(
    inside: NDArray[np.uint8], *, left: int = 0, name: str = "the mask"
) -> list[list[float]]:
    """Trace the outlines, with holes, of the nonzero pixels of a uint8 array [height, width].

    Each outline is a flat list x, y, x, y, … through the centres of pixels. Outlines of fewer than
    three pixels are dropped. `left` is the column of the image at which the array starts. Raises
    InputError for more than `MAX_EDGES`, before it takes memory for the points.
    """
    part, (x, y) = _crop(inside)
    _check_edges(part, name)
    # A copy of the region with a margin, not of the complete array.
    contours, _ = cv2.findContours(
        part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x + left, y)
    )
    return [(contour.reshape(-1) + 0.5).tolist() for contour in contours if len(contour) >= 3]


def trace_thin_outlines(inside: NDArray[np.uint8]) -> list[list[float]]:
    """Trace a region of single pixels and thin lines: a rectangle around each run of a row."""
    part, (x, y) = _crop(inside)
    return [
        [float(value) for value in (left, top, right, top, right, top + 1, left, top + 1)]
        for rows, first in _bands(part, y)
        for top, left, right in _row_runs(rows, x, first)
    ]


def _row_runs(rows: NDArray[np.uint8], x: int, y: int) -> Iterator[tuple[int, int, int]]:
    """Yield the runs of nonzero pixels in rows at `x`, `y`: row, first column, column after it."""
    edges = np.diff(np.pad(rows.astype(bool), ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    for (row, left), (_, right) in zip(starts.tolist(), ends.tolist(), strict=True):
        yield row + y, left + x, right + x


def _crop(inside: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return the part of an array that holds its nonzero pixels, and its column and row."""
    x, y, width, height = cv2.boundingRect(inside)
    return inside[y : y + height, x : x + width], (x, y)


def _bands(inside: NDArray[np.uint8], first: int) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Yield bands of rows with the number of their first row: temporary arrays stay small."""
    height, width = inside.shape
    rows = max(_BAND_PIXELS // max(width, 1), 1)
    for row in range(0, height, rows):
        yield inside[row : row + rows], first + row


def _check_edges(inside: NDArray[np.uint8], name: str) -> None:
    """Check that a region has no more than `MAX_EDGES` between its pixels and others."""
    count, above = 0, np.zeros((1, inside.shape[1]), bool)
    for rows, _ in _bands(inside, 0):
        filled = rows != 0
        changes = (
            filled[:, 1:] != filled[:, :-1],
            filled[:, :1],
            filled[:, -1:],
            filled[1:] != filled[:-1],
            filled[:1] != above,
        )
        count += sum(int(np.count_nonzero(change)) for change in changes)
        above = filled[-1:]
        if count > MAX_EDGES:
            raise noise_error(name)


def noise_error(name: str) -> InputError:
    """Return the error for a region of too many edges."""
    return InputError(
        f"the outline of {name} has more than {MAX_EDGES} edges, as noise has: expected a region;"
        " smooth the mask, or give a box"
    )


def _has_area(part: Sequence[float]) -> bool:
    return len(set(part[::2])) > 1 and len(set(part[1::2])) > 1
