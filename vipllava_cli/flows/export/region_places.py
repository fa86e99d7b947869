"""An index of the regions of an image by their place, so that finding one does not look at all."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from math import floor
from typing import TYPE_CHECKING

from vipllava_cli.marks.types import Mark

if TYPE_CHECKING:
    from vipllava_cli.flows.export.dataset import Region

_SAME = 0.01  # pixels between the points of equal regions
_SHIFT = 0.37  # of the cells: whole and half coordinates are far from the sides of a cell

Cell = tuple[str, int, int, int, int]


class RegionPlaces:
    """Finds the regions at the place of a mark. The list of regions may grow, but not change."""

    def __init__(self, regions: Sequence["Region"]) -> None:
        self._regions = regions
        self._count = 0  # of the regions in the index
        self._positions: dict[tuple[Cell, int | None], list[int]] = defaultdict(list)
        self._by_cell: dict[Cell, list[int]] = defaultdict(list)

    def find(self, mark: Mark) -> Iterator[int]:
        """Iterate over the positions of the regions that are the same as a mark, in their order."""
        self._update()
        return self._same(mark, [self._by_cell.get(cell, ()) for cell in _cells(mark)])

    def find_numbered(self, mark: Mark, number: int | None) -> Iterator[int]:
        """Iterate over those of the regions that have this number."""
        self._update()
        found = [self._positions.get((cell, number), ()) for cell in _cells(mark)]
        return self._same(mark, found)

    def _update(self) -> None:
        for position in range(self._count, len(self._regions)):
            region = self._regions[position]
            if region.mark is not None:
                cell = _cell(region.mark)
                self._by_cell[cell].append(position)
                self._positions[cell, region.number].append(position)
        self._count = len(self._regions)

    def _same(self, mark: Mark, found: Sequence[Sequence[int]]) -> Iterator[int]:
        near = [positions for positions in found if positions]
        ordered = near[0] if len(near) == 1 else sorted(p for each in near for p in each)
        for position in ordered:
            other = self._regions[position].mark
            if other is not None and _is_same(mark, other):
                yield position


def _ends(mark: Mark) -> tuple[float, ...]:
    points = mark.parts[0]
    return (*points[0], *points[-1])


def _cell(mark: Mark) -> Cell:
    left, top, right, bottom = (floor(value + _SHIFT) for value in _ends(mark))
    return mark.shape, left, top, right, bottom


def _cells(mark: Mark) -> set[Cell]:
    """Return the cells of the regions that may be the same as a mark: nearly always one."""
    ranges = [
        {floor(value - 2 * _SAME + _SHIFT), floor(value + 2 * _SAME + _SHIFT)}
        for value in _ends(mark)
    ]
    return {(mark.shape, left, top, right, bottom) for left, top, right, bottom in product(*ranges)}


def _is_same(one: Mark, other: Mark) -> bool:
    """Return whether two marks are the same region."""
    if one.shape != other.shape or len(one.parts) != len(other.parts):
        return False
    if abs(one.parts[0][0][0] - other.parts[0][0][0]) > _SAME:
        return False  # most pairs, at little cost
    return all(
        len(points) == len(others)
        and all(
            abs(x - u) <= _SAME and abs(y - v) <= _SAME
            for (x, y), (u, v) in zip(points, others, strict=True)
        )
        for points, others in zip(one.parts, other.parts, strict=True)
    )
