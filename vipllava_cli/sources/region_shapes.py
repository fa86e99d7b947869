"""Shapes of annotation tools that no mark has: rotated ellipses, groups of points, bitmaps."""

import base64
import binascii
import math
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import XY, MarkSpec
from vipllava_cli.sources.regions import box_mark, check_sides, region_mark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ELLIPSE_POINTS = 180  # of an outline, which then differs from the ellipse by 0.02 % of its size
_MAX_BITMAP_BYTES = 256 * 1024**2  # of a decompressed PNG


def ellipse_mark(
    centre: XY, radii: XY, degrees: float, label: str | None, units: str = "px"
) -> MarkSpec:
    """Make an ellipse or, if it is rotated clockwise about its centre, its contour.

    Raises InputError.
    """
    check_sides(*radii)
    (x, y), (across, down) = centre, radii
    angle = math.radians(math.fmod(degrees, 180))
    if not angle or across == down:
        return region_mark("ellipse", [x - across, y - down, x + across, y + down], label, units)
    cos, sin = math.cos(angle), math.sin(angle)
    flat: list[float] = []
    for step in range(_ELLIPSE_POINTS):
        turn = 2 * math.pi * step / _ELLIPSE_POINTS
        dx, dy = across * math.cos(turn), down * math.sin(turn)
        flat += (x + dx * cos - dy * sin, y + dx * sin + dy * cos)
    return region_mark("contour", flat, label, units)


def points_mark(points: Sequence[XY], label: str | None, units: str = "px") -> MarkSpec:
    """Make a point, or the box around several points. Raises InputError."""
    if len(set(points)) == 1:
        return region_mark("point", list(points[0]), label, units)
    if not points:
        raise InputError("expected at least one visible point, found none")
    xs, ys = zip(*points, strict=True)
    left, top, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    if not (width and height):  # points on one line have no box
        ends = sorted(points)
        return region_mark("scribble", [*ends[0], *ends[-1]], label, units)
    return box_mark(left, top, width, height, label, units)


def hull_mark(points: Sequence[XY], label: str | None) -> MarkSpec:
    """Make the outline of a solid from its corners: their convex hull. Raises InputError."""
    if len(points) < 3:
        raise InputError(f"expected the corners of a cuboid, found {len(points)} points")
    ordered = sorted(set(points))
    chains = (_half_hull(ordered), _half_hull(ordered[::-1]))
    return region_mark("contour", [v for chain in chains for point in chain for v in point], label)


def _half_hull(ordered: Sequence[XY]) -> list[XY]:
    """Return one side of the convex hull of points in the order of x, without its last point."""
    chain: list[XY] = []
    for x, y in ordered:
        while len(chain) > 1:
            (x1, y1), (x2, y2) = chain[-2:]
            if (x2 - x1) * (y - y1) > (y2 - y1) * (x - x1):  # a turn to the same side
                break
            chain.pop()
        chain.append((x, y))
    return chain[:-1]


def bitmap_mark(inside: "NDArray[np.uint8]", origin: XY, label: str | None) -> MarkSpec:
    """Make a mask of the nonzero pixels of an array [height, width] whose corner is at `origin`.

    Raises InputError.
    """
    from vipllava_cli.marks.masks import trace_outlines

    outlines = trace_outlines(inside)
    if not outlines:
        raise InputError("the mask contains no region: expected one of several pixels")
    shifted = [
        [value + origin[number % 2] for number, value in enumerate(outline)] for outline in outlines
    ]
    return region_mark("mask", shifted, label)


def runs_bitmap(runs: Sequence[int], width: int, height: int) -> "NDArray[np.uint8]":
    """Return the mask [height, width] of run lengths that go row by row and start outside.

    Raises InputError if they do not add up.
    """
    import numpy as np

    from vipllava_cli.images.opening import MAX_PIXELS

    if not 0 < width * height <= MAX_PIXELS or min(width, height) < 1:
        raise InputError(f"expected the size of a mask in pixels, found {width}x{height}")
    if min(runs, default=-1) < 0 or sum(runs) > width * height:
        raise InputError(
            f"expected run lengths of {width}x{height} pixels, found {sum(runs)} pixels"
        )
    values = np.repeat((np.arange(len(runs)) % 2).astype(np.uint8), runs)
    return np.pad(values, (0, width * height - len(values))).reshape(height, width)


def decode_bitmap(encoded: Any) -> "NDArray[np.uint8]":
    """Decode a mask in base64: a PNG, also compressed with zlib, or the `data:` address of one.

    Returns uint8 [height, width], 1 inside. Raises InputError.
    """
    import numpy as np

    from vipllava_cli.images.load import decode

    data = _base64_bytes(encoded)
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(data, _MAX_BITMAP_BYTES)
    except zlib.error:
        pass  # a PNG without zlib around it
    return _inside(
        np.asarray(decode(data, "the mask", over=(0, 0, 0)), np.int16),
        np.asarray(decode(data, "the mask", over=(255, 255, 255)), np.int16),
    )


def _inside(
    over_black: "NDArray[np.int16]", over_white: "NDArray[np.int16]"
) -> "NDArray[np.uint8]":
    """Return the opaque pixels of an image or, if it has no transparent one, those above black."""
    import numpy as np

    opacity = 255 - (over_white - over_black).max(axis=2)
    inside = opacity > 0 if opacity.min() < 255 else over_black.max(axis=2) > 0
    mask: NDArray[np.uint8] = inside.astype(np.uint8)
    return mask


def _base64_bytes(encoded: Any) -> bytes:
    text = encoded.rpartition(",")[2] if isinstance(encoded, str) else ""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        data = b""
    if not data:
        raise InputError(f"expected a mask as a PNG in base64, found {short_repr(encoded)}")
    return data
