"""Places on an image in pixels <-> the numbers with which a model family writes them.

A place is a box (left, top, right, bottom) or a point (x, y), in pixels of the image that the model
receives. The numbers have the order of the family's convention, y before x where it says so.
"""

from collections.abc import Mapping, Sequence

from vipllava_cli.engine.prompts.region_conventions import Order, RegionConvention, Unit
from vipllava_cli.images.resized import fit_size

Size = tuple[int, int]  # width, height
Place = tuple[float, ...]  # a box or a point

# Unit -> what the complete side of an image counts, for the units that do not depend on its size.
_FULL_SIDES: Mapping[Unit, float] = {
    Unit.THOUSANDTHS: 1000,
    Unit.FRACTIONS: 1,
    Unit.PERCENT: 100,
    Unit.LOC_BINS: 1024,
    Unit.SQUARE_FRACTIONS: 1,
}
# Unit -> decimals of its numbers.
_DECIMALS: Mapping[Unit, int] = {
    Unit.THOUSANDTHS: 0,
    Unit.FRACTIONS: 3,
    Unit.PERCENT: 1,
    Unit.LOC_BINS: 0,
    Unit.RESIZED_PIXELS: 0,
    Unit.SQUARE_FRACTIONS: 3,
}
_MAX_LOC_BIN = 1023


def to_units(place: Sequence[float], size: Size, convention: RegionConvention) -> Place:
    """Convert a box or a point on an image of `size` to the numbers of a convention.

    Numbers are rounded to the precision of the unit and stay inside the image.
    """
    unit = convention.unit
    numbers = []
    for pixels, shift, scale, full in _axes(len(place), size, convention):
        value = (place[pixels] + shift) * scale
        limit = _MAX_LOC_BIN if unit is Unit.LOC_BINS else full
        numbers.append(round(min(max(value, 0.0), limit), _DECIMALS[unit]))
    return _reorder(numbers, convention)


def to_pixels(numbers: Sequence[float], size: Size, convention: RegionConvention) -> Place:
    """Convert the numbers of a convention to a box or a point on an image of `size`, in pixels.

    The place may lie outside the image if the numbers do, and its corners may be swapped.
    """
    ordered = _reorder(numbers, convention)
    return tuple(
        ordered[at] / scale - shift for at, shift, scale, _ in _axes(len(ordered), size, convention)
    )


def _axes(
    count: int, size: Size, convention: RegionConvention
) -> list[tuple[int, float, float, float]]:
    """Return for each coordinate, x first: its index, its shift and then its scale, and the full side."""
    full_size: tuple[float, float]
    shifts, sides = (0.0, 0.0), (float(size[0]), float(size[1]))
    if convention.unit is Unit.RESIZED_PIXELS:
        resized = fit_size(size, convention.size_limits)
        full_size = float(resized[0]), float(resized[1])
    else:
        full_size = (_FULL_SIDES[convention.unit],) * 2
    if convention.unit is Unit.SQUARE_FRACTIONS:  # the padding is equal on both sides
        side = max(sides)
        shifts, sides = ((side - sides[0]) / 2, (side - sides[1]) / 2), (side, side)
    return [
        (at, shifts[at % 2], full_size[at % 2] / sides[at % 2], full_size[at % 2])
        for at in range(count)
    ]


def _reorder(numbers: Sequence[float], convention: RegionConvention) -> Place:
    """Swap x and y of each corner if the convention writes y first. Its own inverse."""
    if convention.order is Order.XYXY:
        return tuple(numbers)
    return tuple(numbers[at ^ 1] for at in range(len(numbers)))
