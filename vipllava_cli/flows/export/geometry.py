"""Marks -> the shapes of other formats: boxes, outlines, pixels and run lengths.

Coordinates are pixels of the upright image. A pixel covers the square from its number to the next one.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from vipllava_cli.marks.shape_table import MASK_SHAPES
from vipllava_cli.marks.types import XY, Mark, Points

Size = tuple[int, int]
Edges = tuple[float, float, float, float]

_ELLIPSE_POINTS = 72  # a multiple of 4, so that the outline reaches the edges of the box
_MIN_SIDE = 1.0  # pixels of a box that stands for a point or a line
_DIGITS = 4  # after the point, of a written coordinate

# Shape of a mark -> the shape that a format holds.
ShapeTable = Mapping[str, str]


def rounded(value: float) -> float:
    """Round a coordinate to write it."""
    number = round(value, _DIGITS)
    return int(number) if number == int(number) else number


# --- shapes ----------------------------------------------------------------------------------


class ShapeConverter:
    """Converts marks to the shapes of a format, and counts the changed ones.

    With `is_single_part`, outlines of several parts become one.
    """

    def __init__(self, table: ShapeTable, *, is_single_part: bool = False) -> None:
        self._table = table
        self._is_single_part = is_single_part
        self._changes: Counter[tuple[str, str]] = Counter()

    def convert(self, mark: Mark, size: Size) -> Mark:
        """Return the mark in a shape of the format."""
        shape = self._table.get(mark.shape, mark.shape)
        if shape != mark.shape:
            self._changes[mark.shape, shape] += 1
            mark = _converted(mark, shape, size)
        if self._is_single_part and shape in MASK_SHAPES and len(mark.parts) > 1:
            self._changes[f"{shape} of several parts", f"{shape} of one part"] += 1
            mark = replace(mark, parts=(joined(mark.parts),))
        return mark

    def notes(self) -> Iterator[str]:
        """Yield a note for each change of shapes."""
        for (old, new), count in self._changes.items():
            yield f"{_many(old, count)} became {_many(new, count)}: the format holds no {old}"


def _many(shape: str, count: int) -> str:
    """Count shapes: `3 arrows`, `1 contour of several parts`."""
    noun, _, rest = shape.partition(" ")
    plural = noun if count == 1 else f"{noun}es" if noun.endswith("x") else f"{noun}s"
    return f"{count} {plural} {rest}".rstrip()


def _converted(mark: Mark, shape: str, size: Size) -> Mark:
    if shape == "box":
        pointed = _converted(mark, "point", size) if mark.shape == "arrow" else mark
        left, top, right, bottom = box_around(pointed, size)
        return replace(mark, shape=shape, parts=(((left, top), (right, bottom)),))
    if shape == "point":
        return replace(mark, shape=shape, parts=((mark.parts[0][-1],),))  # the tip of an arrow
    return replace(mark, shape=shape, parts=outlines(mark))


def box_around(mark: Mark, size: Size) -> Edges:
    """Return left, top, right, bottom of a mark in the image. Each side has a pixel or more."""
    left, top, right, bottom = mark.bounds
    left, right = _fit(left, right, size[0])
    top, bottom = _fit(top, bottom, size[1])
    return left, top, right, bottom


def _fit(low: float, high: float, side: int) -> tuple[float, float]:
    low, high = max(low, 0.0), min(high, float(side))
    if high - low >= _MIN_SIDE:
        return low, high
    start = min(max((low + high - _MIN_SIDE) / 2, 0.0), max(side - _MIN_SIDE, 0.0))
    return start, start + _MIN_SIDE


def outlines(mark: Mark) -> tuple[Points, ...]:
    """Return the closed outlines of a mark. Those of a box and of an ellipse are made."""
    if mark.shape == "box":
        left, top, right, bottom = mark.bounds
        return (((left, top), (right, top), (right, bottom), (left, bottom)),)
    if mark.shape == "ellipse":
        left, top, right, bottom = mark.bounds
        x, y, across, down = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        angles = (2 * math.pi * step / _ELLIPSE_POINTS for step in range(_ELLIPSE_POINTS))
        return (tuple((x + across / 2 * math.cos(a), y + down / 2 * math.sin(a)) for a in angles),)
    return mark.parts


def joined(parts: Sequence[Points]) -> Points:
    """Join outlines to one that encloses the same pixels: through bridges without a width."""
    start = parts[0][0]
    points: list[XY] = [*parts[0]]
    for part in parts[1:]:
        points += [start, *part, part[0]]
    return tuple([*points, start] if len(parts) > 1 else points)


def clipped(points: Points, size: Size) -> Points:
    """Return the part of an outline that is inside the image; none if nothing is.

    Sutherland and Hodgman: one edge of the image after the other.
    """
    for axis, side in enumerate(size):
        for edge, direction in ((0, 1), (side, -1)):
            points = tuple(_clip_edge(points, axis, edge, direction))
    return points


def _clip_edge(points: Points, axis: int, edge: float, direction: int) -> Iterator[XY]:
    """Iterate over the outline on one side of an edge: above it if `direction` is 1, below it if -1."""
    for start, end in zip((*points[-1:], *points[:-1]), points, strict=True):
        before, after = ((point[axis] - edge) * direction for point in (start, end))
        if before * after < 0:
            share = before / (before - after)
            x, y = (a + (b - a) * share for a, b in zip(start, end, strict=True))
            yield (edge, y) if axis == 0 else (x, edge)
        if after >= 0:
            yield end


def polygon_area(points: Points) -> float:
    """Return the area of a polygon, in square pixels."""
    array = np.asarray(points)
    x, y = array[:, 0], array[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


# --- pixels ----------------------------------------------------------------------------------


def fill(parts: Sequence[Points], size: Size) -> NDArray[np.uint8]:
    """Fill outlines on an image of `size`. Returns 0 and 1, uint8 [height, width].

    A pixel is inside if its centre is. A part inside another one is a hole. Outlines that run through
    the centres of pixels, as those of traced masks do, include these pixels.
    """
    width, height = size
    pixels = np.zeros((height, width), np.uint8)
    arrays = [np.asarray(part, np.float64) - 0.5 for part in parts]
    if all(np.array_equal(array, np.round(array)) for array in arrays):
        cv2.fillPoly(pixels, [array.astype(np.int32) for array in arrays], (1,))
        return pixels
    starts = np.concatenate(arrays)
    ends = np.concatenate([np.roll(array, -1, axis=0) for array in arrays])
    first = max(math.ceil(starts[:, 1].min()), 0)
    last = min(math.floor(starts[:, 1].max()), height - 1)
    for row in range(first, last + 1):
        crosses = (starts[:, 1] <= row) != (ends[:, 1] <= row)
        x, y = starts[crosses, 0], starts[crosses, 1]
        u, v = ends[crosses, 0], ends[crosses, 1]
        edges = np.sort(x + (row - y) * (u - x) / (v - y))
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            pixels[row, max(math.ceil(left), 0) : max(math.floor(right) + 1, 0)] = 1
    return pixels


def overlaps_itself(parts: Sequence[Points], size: Size) -> bool:
    """Return whether parts overlap: as separate polygons they would fill the holes."""
    if len(parts) < 2:
        return False
    total = sum(int(fill([part], size).sum()) for part in parts)
    return total > int(fill(parts, size).sum()) + sum(len(part) for part in parts)


def crop(pixels: NDArray[np.uint8]) -> tuple[int, int, NDArray[np.uint8]]:
    """Crop to the nonzero pixels. Returns left, top and the crop; a pixel if there are none."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return 0, 0, pixels[:1, :1]
    top, left = int(rows[0]), int(columns[0])
    return left, top, pixels[top : rows[-1] + 1, left : columns[-1] + 1]


def run_lengths(values: NDArray[np.uint8]) -> list[int]:
    """Return the lengths of alternating runs of 0 and 1 in a flat array. The first run is of 0."""
    changes = np.flatnonzero(np.diff(values)) + 1
    edges = np.concatenate(([0], changes, [len(values)]))
    runs = np.diff(edges).astype(int).tolist()
    return [0, *runs] if len(values) and values[0] else runs


def brush_bytes(pixels: NDArray[np.uint8]) -> list[int]:
    """Encode a mask as the brush of Label Studio: the run lengths of RGBA bytes.

    The bits are: 32 for the number of values, 5 for their size minus 1, four times 4 for the sizes of
    run lengths minus 1; then for each run a 1, 2 bits that select the size, the length minus 1, and
    the value. https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack
    """
    sizes = (4, 8, 16, 16)
    flat = pixels.reshape(-1)
    bits = [f"{flat.size * 4:032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in sizes)]
    longest = 1 << sizes[-1]
    for value, runs in groupby(enumerate(run_lengths(flat)), key=lambda run: run[0] % 2):
        left = sum(length for _, length in runs) * 4
        while left:
            length = min(left, longest)
            left -= length
            index = next(i for i, size in enumerate(sizes) if length <= 1 << size)
            bits.append(f"1{index:02b}{length - 1:0{sizes[index]}b}{value * 255:08b}")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))
