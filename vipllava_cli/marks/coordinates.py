"""Convert typed coordinates to marks in pixels of an image.

Units become pixels, corners are sorted, marks without a colour receive one, and marks that lie partly
outside the image are clipped with a note.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, cycle
from math import hypot, pi

from vipllava_cli.errors import InputError
from vipllava_cli.marks.colors import MODEL_COLORS, NAMED_COLORS, SHADES, Color
from vipllava_cli.marks.shape_table import DEFAULT_WIDTH, SHAPES, ShapeRules
from vipllava_cli.marks.types import XY, Coordinate, Mark, MarkSpec, Points

MAX_COORDINATE = 1e6  # pixels, well below the limit of OpenCV's fixed-point coordinates (2^27)


_UNCHECKED_POINTS = 2000
_MAX_CROSSINGS = 1e6  # filled in about half a second on an image of 300 rows


@dataclass(frozen=True)
class ResolvedMarks:
    """Marks on an image, and a note for each mark that was clipped."""

    marks: tuple[Mark, ...]
    notes: tuple[str, ...]


def resolve_coordinates(
    specs: Sequence[MarkSpec], width: int, height: int, *, existing: Sequence[Mark] = ()
) -> ResolvedMarks:
    """Resolve specs to marks on an image of `width` x `height` pixels.

    `existing` marks are already on the image: new marks avoid their colours, and notes count on from
    them. Raises InputError for a mark that is completely outside the image or has no area.
    """
    colors = _choose_colors(specs, existing)
    marks, notes = [], []
    for number, (spec, color) in enumerate(zip(specs, colors, strict=True), len(existing) + 1):
        shape = SHAPES[spec.shape]
        mark = Mark(
            shape.name,
            tuple(_normalize(part, shape, width, height) for part in spec.parts),
            color,
            DEFAULT_WIDTH if spec.width is None else spec.width,
            shape.alpha if spec.alpha is None else spec.alpha,
            spec.label,
        )
        _check_crossings(mark, width, height)
        marks.append(_clip(mark, width, height))
        if reaches_outside(mark, width, height):
            notes.append(
                f"mark {number} ({mark.shape}) reaches outside the {width}x{height} image"
                " and was clipped to it"
            )
    return ResolvedMarks(tuple(marks), tuple(notes))


def _check_crossings(mark: Mark, width: int, height: int) -> None:
    """Refuse a filled outline that crosses itself very often. Raises InputError.

    OpenCV 5.0.0 fills such an outline in a time that grows by more than the square of its points.
    """
    if mark.shape != "mask" or sum(map(len, mark.parts)) < _UNCHECKED_POINTS:
        return
    import numpy as np

    total = 0.0
    for part in mark.parts:
        points = np.array(part)
        steps = np.abs(np.roll(points, -1, axis=0) - points)
        long = np.all(steps > 1, axis=1)  # the steps of a traced region do not cross
        total += float(np.hypot(*np.minimum(steps[long], (width, height)).T).sum())
    # The number of crossings of as many lines of that length at random places.
    if total**2 / (pi * width * height) > _MAX_CROSSINGS:
        points_found = sum(map(len, mark.parts))
        raise InputError(
            f"the outline of the mask crosses itself too often, with {points_found:,} points:"
            " expected the outline of a region"
        )


def _choose_colors(specs: Sequence[MarkSpec], existing: Sequence[Mark]) -> Iterator[Color]:
    """Yield a colour for each spec: its own, or the next of NAMED_COLORS that no mark has.

    They repeat from the first if there are more marks.
    """
    taken = [mark.color for mark in existing] + [spec.color for spec in specs if spec.color]
    names, shades = {color.name for color in taken}, {color.rgb for color in taken}
    pool = [color for color in MODEL_COLORS if color.name not in names]
    pool += [each for each in SHADES if each.name not in names and each.rgb not in shades]
    start = 0 if pool else len(existing) % len(NAMED_COLORS)
    free = chain(pool, cycle((*NAMED_COLORS[start:], *NAMED_COLORS[:start])))
    return (spec.color or next(free) for spec in specs)


def _normalize(flat: tuple[Coordinate, ...], shape: ShapeRules, width: int, height: int) -> Points:
    """Convert flat coordinates to the points of a mark: sorted corners, an arrow with its tail."""
    points = _points(flat, shape, width, height)
    if shape.has_corners:
        (x1, y1), (x2, y2) = points
        return (min(x1, x2), min(y1, y2)), (max(x1, x2), max(y1, y2))
    if shape.name == "arrow" and len(points) == 1:
        return _arrow_tail(points[0], width, height), points[0]
    return points


def _points(flat: tuple[Coordinate, ...], shape: ShapeRules, width: int, height: int) -> Points:
    """Convert flat coordinates to points in pixels. A size counts from the point before it."""
    points: list[XY] = []
    for x, y in zip(flat[::2], flat[1::2], strict=True):
        px, py = x.pixels(width), y.pixels(height)
        if x.is_size:
            px, py = points[-1][0] + px, points[-1][1] + py
        if max(abs(px), abs(py)) > MAX_COORDINATE:
            raise InputError(
                f"a coordinate of the {shape.name} is {max(px, py, key=abs):g} pixels, too far outside"
                f" the image: the image is {width}x{height} pixels"
            )
        points.append((px, py))
    return tuple(points)


def _arrow_tail(tip: XY, width: int, height: int) -> XY:
    """Place the tail of an arrow that has only a tip: towards the centre of the image."""
    reach = 0.15 * max(width, height)
    dx = min(reach, width / 2) * (1 if tip[0] < width / 2 else -1)
    dy = min(reach, height / 2) * (1 if tip[1] < height / 2 else -1)
    return tip[0] + dx, tip[1] + dy


def _clip(mark: Mark, width: int, height: int) -> Mark:
    """Clip a mark to the image. Raises InputError if no part of it is inside or it has no area."""
    left, top, right, bottom = mark.bounds if mark.shape != "arrow" else mark.parts[0][1] * 2
    image_size = f"the image is {width}x{height} pixels"
    if right < 0 or bottom < 0 or left > width or top > height:
        verb = "points at" if mark.shape == "arrow" else "lies at"
        is_point = (left, top) == (right, bottom)
        position = _format((left, top) if is_point else (left, top, right, bottom))
        raise InputError(
            f"the {mark.color.name} {mark.shape} {verb} {position}, outside the image: {image_size};"
            " give coordinates inside it"
        )
    clip_parts = _CLIPPERS.get(mark.shape)
    parts = clip_parts(mark.parts, width, height) if clip_parts else mark.parts
    clipped = mark if parts == mark.parts else replace(mark, parts=parts)
    if _is_empty(clipped):
        raise InputError(
            f"the {mark.color.name} {mark.shape} at {_format(mark.bounds)} has no"
            f" {'area' if SHAPES[mark.shape].has_area else 'length'} in the image: {image_size};"
            f" expected {SHAPES[mark.shape].syntax}"
        )
    return clipped


def _clip_box(parts: tuple[Points, ...], width: int, height: int) -> tuple[Points, ...]:
    """Move the sides outside the image to its edges, so that all four stay visible."""
    return (tuple((min(max(x, 0.0), width), min(max(y, 0.0), height)) for x, y in parts[0]),)


def _clip_arrow(parts: tuple[Points, ...], width: int, height: int) -> tuple[Points, ...]:
    """Shorten an arrow along its line until the tail is inside the image."""
    (x1, y1), (x2, y2) = parts[0]
    share = 1.0
    for start, end, side in ((x1, x2, width), (y1, y2, height)):
        for edge in (0.0, float(side)):
            if (start < edge <= end and edge == 0.0) or (start > edge >= end and edge == side):
                share = min(share, (end - edge) / (end - start))
    return (((x2 + (x1 - x2) * share, y2 + (y1 - y2) * share), (x2, y2)),)


# The drawing of any other shape ends at the edge of the image, and the shape keeps its form.
_CLIPPERS = {"box": _clip_box, "arrow": _clip_arrow}


def reaches_outside(mark: Mark, width: int, height: int) -> bool:
    """Return whether a mark lies outside the image by more than a rounding error."""
    left, top, right, bottom = mark.bounds
    slack = 1e-6 * max(width, height)
    return left < -slack or top < -slack or right > width + slack or bottom > height + slack


def _is_empty(mark: Mark) -> bool:
    """Return whether a mark has no area, or a line has no length. A point is never empty."""
    shape = SHAPES[mark.shape]
    if shape.max_points == 1:
        return False
    if shape.has_corners:
        (x1, y1), (x2, y2) = mark.parts[0]
        return x1 == x2 or y1 == y2
    if shape.has_area:
        return all(_is_collinear(part) for part in mark.parts)
    return len(set(mark.parts[0])) == 1


def _is_collinear(part: Points) -> bool:
    """Return whether all points lie on one line, up to rounding errors."""
    # Not the shoelace formula: the area of a bow-tie is 0, as its halves have opposite signs.
    x0, y0 = part[0]
    x1, y1 = max(part, key=lambda point: hypot(point[0] - x0, point[1] - y0))
    length = hypot(x1 - x0, y1 - y0)
    return all(
        abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) <= 1e-9 * length**2 for x, y in part
    )


def _format(values: Sequence[float]) -> str:
    return ",".join(f"{value:.10g}" for value in values)
