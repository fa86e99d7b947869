"""Choose the places of numbers beside marks: inside the image, and never one over another.

A number goes to the corners of its mark, where it covers no small mark if there is room. With
anchors, it first goes onto its region if that is several times as large. Without a free
corner it goes to the nearest free cell of a grid. Without room for all of them beside their
marks, the numbers become smaller; without room at all, down to the smallest readable size.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]  # width, height
Bounds = tuple[float, float, float, float]  # left, top, right, bottom

MIN_SIZE = 7.0  # pixels: digits of five pixels and a margin
_MIN_SHRUNK = 0.6  # of the preferred size, for numbers beside their marks that cover no small mark
_STEP = 0.8  # from one size to the next smaller one
_MAX_MAP_SIDE = 1024  # cells: the map of small marks is coarse on a large image
_SMALL = 6  # a mark with less area than so many plates is small
_ROOMY = 3  # plates: a region as wide and as high has room for its number
_MAX_DETOUR = 6  # plate heights: how far a number moves to cover no small mark


class Plate(NamedTuple):
    """The rectangle of a number, in pixels. `is_far` is set if it does not touch its mark."""

    left: int
    top: int
    width: int
    height: int
    is_far: bool = False

    def overlaps(self, other: "Plate") -> bool:
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )


class Layout(NamedTuple):
    """The plates of the numbers 1, 2, 3, … and their size. The last numbers may have no plate."""

    size: float
    plates: tuple[Plate, ...]


Measure = Callable[[int, float], Size]  # a number and a size -> width and height of its plate


class Anchor(NamedTuple):
    """The centre of a number on its mark. With `needs_room`, only if the mark is much larger."""

    x: float
    y: float
    needs_room: bool


def lay_out(
    marks: Sequence[Bounds],
    image: Size,
    size: float,
    measure: Measure,
    anchors: Sequence[Anchor | None] | None = None,
) -> Layout:
    """Place the numbers of marks on an image. `size` is the preferred one.

    With `anchors`, one for each mark, numbers go onto the marks that have room; those without an
    anchor into a corner of their bounds.
    """
    if not marks:
        return Layout(size, ())
    bounds = [_clamp(each, image) for each in marks]
    roomy = [
        each
        for each in _sizes(size)
        if _count_cells(len(marks), image, each, measure) >= len(marks)
    ]
    best: Layout | None = None
    fewest = len(marks) + 1
    for each in roomy:
        if best and each < _MIN_SHRUNK * size:
            break
        placer = _Placer(bounds, image, each, measure, anchors)
        placed = placer.place()
        badly_placed = sum(map(placer.is_bad, placed))
        if len(placed) == len(marks) and badly_placed < fewest:
            best, fewest = Layout(each, placed), badly_placed
        if not fewest:
            break
    if best:
        return best
    chosen = roomy[0] if roomy else MIN_SIZE
    return Layout(chosen, _Placer(bounds, image, chosen, measure).place_on_grid())


def count_places(count: int, image: Size, measure: Measure) -> int:
    """Return how many of `count` numbers have room on an image."""
    return min(count, _count_cells(count, image, MIN_SIZE, measure))


def _sizes(size: float) -> Iterator[float]:
    while size > MIN_SIZE:
        yield size
        size *= _STEP
    yield MIN_SIZE


def _count_cells(count: int, image: Size, size: float, measure: Measure) -> int:
    width, height = measure(count, size)
    return (image[0] // width) * (image[1] // height)


def _clamp(bounds: Bounds, image: Size) -> Bounds:
    left, top, right, bottom = bounds
    width, height = image
    return (
        min(max(left, 0), width),
        min(max(top, 0), height),
        min(max(right, 0), width),
        min(max(bottom, 0), height),
    )


class _Placer:
    """Places numbers of one size."""

    def __init__(
        self,
        bounds: Sequence[Bounds],
        image: Size,
        size: float,
        measure: Measure,
        anchors: Sequence[Anchor | None] | None = None,
    ) -> None:
        self._bounds, self._image = bounds, image
        self._anchors = anchors
        self._sizes = [measure(number, size) for number in range(1, len(bounds) + 1)]
        self._cell = self._sizes[-1]  # the widest
        columns, rows = image[0] // self._cell[0], image[1] // self._cell[1]
        self._columns, self._rows = columns, rows
        xs, ys = np.meshgrid(np.arange(columns), np.arange(rows))
        self._lefts, self._tops = xs.ravel() * self._cell[0], ys.ravel() * self._cell[1]
        self._is_used = np.zeros(columns * rows, bool)
        self._plates: dict[tuple[int, int], list[Plate]] = defaultdict(list)
        self._small = _SmallMarks(bounds, image, self._cell)
        self._covers = self._small.covered_by_all(self._lefts, self._tops, self._cell) > 0

    def place(self) -> tuple[Plate, ...]:
        """Place the numbers in their order, until one has no room."""
        placed = []
        for index, (bounds, size) in enumerate(zip(self._bounds, self._sizes, strict=True)):
            plate = self._near(index, bounds, size) or self._on_grid(bounds, size)
            if plate is None:
                break
            self._add(plate)
            placed.append(plate)
        return tuple(placed)

    def place_on_grid(self) -> tuple[Plate, ...]:
        """Place the numbers on the cells of the grid, which wastes no room."""
        placed = []
        for bounds, size in zip(self._bounds, self._sizes, strict=True):
            plate = self._on_grid(bounds, size)
            if plate is None:
                break
            self._add(plate)
            placed.append(plate)
        return tuple(placed)

    def is_bad(self, plate: Plate) -> bool:
        """Return whether a plate is far from its mark or covers a small one."""
        return plate.is_far or self._small.covered_by(plate) > 0

    def _near(self, index: int, bounds: Bounds, size: Size) -> Plate | None:
        """Find the place at a mark that covers the least of small marks. None: not a free one."""
        best: Plate | None = None
        least = 0
        for plate in chain(self._inside(index, bounds, size), self._corners(bounds, size)):
            if any(
                plate.overlaps(other) for cell in self._cells(plate) for other in self._plates[cell]
            ):
                continue
            covered = self._small.covered_by(plate)
            if best is None or covered < least:
                best, least = plate, covered
            if not covered:
                return best
        detour = self._on_grid(bounds, size, max_distance=_MAX_DETOUR * size[1])
        return detour or best

    def _inside(self, index: int, bounds: Bounds, size: Size) -> Iterator[Plate]:
        """Iterate over places on a mark that has room for them."""
        if self._anchors is None:
            return
        left, top, right, bottom = (round(value) for value in bounds)
        width, height = size
        anchor = self._anchors[index]
        is_roomy = right - left >= _ROOMY * width and bottom - top >= _ROOMY * height
        if anchor is not None and (is_roomy or not anchor.needs_room):
            yield self._plate(round(anchor.x - width / 2), round(anchor.y - height / 2), size)
        elif anchor is None and is_roomy:
            for x, y in ((left, top), (right - width, top), (left, bottom - height)):
                yield self._plate(x, y, size)

    def _plate(self, x: int, y: int, size: Size) -> Plate:
        """Return a plate with this corner, moved into the image."""
        width, height = size
        left = min(max(x, 0), self._image[0] - width)
        return Plate(left, min(max(y, 0), self._image[1] - height), width, height)

    def _corners(self, bounds: Bounds, size: Size) -> Iterator[Plate]:
        """Iterate over places at the corners of a mark: outside above it first."""
        left, top, right, bottom = (round(value) for value in bounds)
        width, height = size
        for x, y in (
            (left, top - height),
            (right - width, top - height),
            (left, bottom),
            (right - width, bottom),
            (left - width, top),
            (right, top),
            (left - width, bottom - height),
            (right, bottom - height),
            (left - width, top - height),
            (right, top - height),
            (left - width, bottom),
            (right, bottom),
            (left, top),
            (right - width, bottom - height),
        ):
            yield self._plate(x, y, size)

    def _on_grid(
        self, bounds: Bounds, size: Size, max_distance: float | None = None
    ) -> Plate | None:
        """Find the nearest free cell; with `max_distance`, one that covers no small mark."""
        left, top, right, bottom = bounds
        width, height = self._cell
        across = np.maximum(np.maximum(left - self._lefts - width, self._lefts - right), 0)
        down = np.maximum(np.maximum(top - self._tops - height, self._tops - bottom), 0)
        distance = np.hypot(across, down)
        is_free = ~self._is_used
        if max_distance is not None:
            is_free &= ~self._covers & (distance <= max_distance)
        if not is_free.any():
            return None
        at = int(np.argmin(np.where(is_free, distance, np.inf)))
        is_far = bool(distance[at] > height / 2)
        return Plate(int(self._lefts[at]), int(self._tops[at]), *size, is_far)

    def _add(self, plate: Plate) -> None:
        for column, row in self._cells(plate):
            self._plates[column, row].append(plate)
            if column < self._columns and row < self._rows:
                self._is_used[row * self._columns + column] = True

    def _cells(self, plate: Plate) -> Iterator[tuple[int, int]]:
        width, height = self._cell
        for row in range(plate.top // height, (plate.top + plate.height - 1) // height + 1):
            for column in range(plate.left // width, (plate.left + plate.width - 1) // width + 1):
                yield column, row


class _SmallMarks:
    """The pixels of small marks, summed up so that one look counts those below a plate."""

    def __init__(self, bounds: Sequence[Bounds], image: Size, plate: Size) -> None:
        self._scale = max(1, -(-max(image) // _MAX_MAP_SIDE))
        width, height = (side // self._scale + 1 for side in image)
        covered = np.zeros((height, width), np.int32)
        for left, top, right, bottom in bounds:
            if (right - left) * (bottom - top) <= _SMALL * plate[0] * plate[1]:
                columns = slice(int(left) // self._scale, -(-int(right + 1) // self._scale))
                covered[int(top) // self._scale : -(-int(bottom + 1) // self._scale), columns] = 1
        self._sums: NDArray[np.int64] = np.zeros((height + 1, width + 1), np.int64)
        self._sums[1:, 1:] = covered.cumsum(axis=0).cumsum(axis=1)

    def covered_by(self, plate: Plate) -> int:
        """Return how much of small marks a plate covers."""
        left, top = plate.left // self._scale, plate.top // self._scale
        right = -(-(plate.left + plate.width) // self._scale)
        bottom = -(-(plate.top + plate.height) // self._scale)
        sums = self._sums
        return int(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])

    def covered_by_all(
        self, lefts: NDArray[np.int64], tops: NDArray[np.int64], size: Size
    ) -> NDArray[np.int64]:
        """Return how much of small marks each of many plates of one size covers."""
        left, top = lefts // self._scale, tops // self._scale
        right, bottom = -(-(lefts + size[0]) // self._scale), -(-(tops + size[1]) // self._scale)
        sums = self._sums
        covered: NDArray[np.int64] = (
            sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        )
        return covered
