"""Fit marks to an image of another size or orientation than the one their file declares.

A file of annotations often says how large its image is. If that is not the size of the image at hand,
its coordinates mean another place.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from vipllava_cli.errors import InputError
from vipllava_cli.marks.types import XY, Coordinate, DeclaredSize, MarkSpec

UPRIGHT = 1  # the EXIF orientation of an image that is stored upright

# EXIF orientation -> a point of the stored image on the upright one, both in shares of the sides.
_TURNS: Mapping[int, Callable[[float, float], XY]] = {
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}

Size = tuple[int, int]


def fit_to_image(
    spec: MarkSpec, size: Size, read_orientation: Callable[[], int]
) -> tuple[MarkSpec, str | None]:
    """Return a mark for an image of `size` (upright width, height), and a note if it was changed.

    `read_orientation` returns the EXIF orientation of the image, 1 to 8. If the declared size is:
    - the upright size: the mark stays as it is;
    - the size before the EXIF turn: the mark is turned like the image;
    - a size of the same aspect ratio: the mark is scaled.
    Raises InputError for any other size. A mark without a declared size stays as it is.
    """
    declared = spec.declared
    if declared is None or spec.file is not None:
        return spec, None
    width, height = size
    if (declared.width, declared.height) == size:
        note = None if declared.is_upright else _orientation_note(size, read_orientation())
        return spec, note
    orientation = UPRIGHT if declared.is_upright else read_orientation()
    turn = _TURNS.get(orientation)
    if turn and (declared.height, declared.width) == size:
        note = f"turned the marks like the image: {_says(declared)}, its size before the EXIF turn"
        return _map_points(spec, declared, size, turn), note
    scaled = f"scaled the marks to the image: {_says(declared)}, and it has {width}x{height} pixels"
    if has_ratio(declared.width, declared.height, size):
        return _map_points(spec, declared, size, lambda x, y: (x, y)), scaled
    if turn and has_ratio(declared.height, declared.width, size):
        return _map_points(spec, declared, size, turn), f"{scaled} after the EXIF turn"
    raise InputError(
        f"{_says(declared)}, but it has {width}x{height} pixels, another aspect ratio: expected the"
        " image that was annotated; check which one this is"
    )


def _says(declared: DeclaredSize) -> str:
    return f"the annotation is of an image of {declared.width:g}x{declared.height:g} pixels"


def _orientation_note(size: Size, orientation: int) -> str | None:
    """Return a note if the size before and after the EXIF turn is the same.

    Most tools for annotation show the image upright, so the coordinates count as upright.
    """
    swaps = orientation in _TURNS
    if orientation == UPRIGHT or (swaps and size[0] != size[1]):
        return None
    return (
        f"the image has the EXIF orientation {orientation}, and its size does not tell whether the"
        " annotation is of the upright image: took it so"
    )


def swaps_sides(orientation: int) -> bool:
    """Return whether an EXIF orientation swaps width and height."""
    return orientation in _TURNS


def has_ratio(width: float, height: float, size: Size) -> bool:
    """Return whether the smaller image is the larger one scaled, with sides rounded to pixels."""
    (small_width, small_height), (large_width, large_height) = sorted(((width, height), size))
    by_width = abs(large_height * small_width / large_width - small_height)
    by_height = abs(large_width * small_height / large_height - small_width)
    return min(by_width, by_height) < 1


def _map_points(
    spec: MarkSpec, declared: DeclaredSize, size: Size, move: Callable[[float, float], XY]
) -> MarkSpec:
    """Convert a mark to pixels of the image. `move` maps points in shares of the sides."""
    parts = []
    for flat in spec.parts:
        points: list[XY] = []
        for x, y in zip(flat[::2], flat[1::2], strict=True):
            point = (
                x.pixels(declared.width) / declared.width,
                y.pixels(declared.height) / declared.height,
            )
            if x.is_size:
                point = points[-1][0] + point[0], points[-1][1] + point[1]
            points.append(point)
        moved = (move(x, y) for x, y in points)
        parts.append(tuple(Coordinate(c) for x, y in moved for c in (x * size[0], y * size[1])))
    return replace(spec, parts=tuple(parts), declared=None)
