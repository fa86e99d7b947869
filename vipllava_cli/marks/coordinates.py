"""Marks as typed -> marks on an image of a known size.

Percentages become pixels, corners are put in order, colours are given to marks without one, and what
does not fit is clipped with a note or refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from math import hypot

from vipllava_cli.errors import InputError
from vipllava_cli.marks.colors import MODEL_COLORS, Color
from vipllava_cli.marks.types import (
    DEFAULT_WIDTH,
    SHAPES,
    Coordinate,
    Mark,
    MarkSpec,
    Point,
    Polyline,
)

MAX_COORDINATE = 1e6  # pixels: what OpenCV's fixed-point coordinates hold with room to spare


@dataclass(frozen=True)
class ResolvedMarks:
    """Marks on an image, and a line for each thing that was changed to make them fit."""

    marks: tuple[Mark, ...]
    notes: tuple[str, ...]


def resolve_coordinates(
    specs: Sequence[MarkSpec], width: int, height: int, *, existing: Sequence[Mark] = ()
) -> ResolvedMarks:
    """Put marks on an image of `width` x `height` pixels; notes number them from `first` on. Raises
    InputError for a mark that lies wholly outside it or has no area.
    """
    colors = _choose_colors(specs, existing)
    marks, notes = [], []
    for number, (spec, color) in enumerate(zip(specs, colors, strict=True), len(existing) + 1):
        parts = tuple(_points(part, spec.shape, width, height) for part in spec.parts)
        mark = Mark(
            spec.shape,
            parts,
            color,
            DEFAULT_WIDTH if spec.width is None else spec.width,
            SHAPES[spec.shape].alpha if spec.alpha is None else spec.alpha,
            spec.label,
        )
        fitted = _fit(mark, width, height)
        if reaches_outside(mark, width, height):
            notes.append(
                f"mark {number} ({mark.shape}) reaches outside the {width}x{height} image"
                " and was clipped to it"
            )
        marks.append(fitted)
    return ResolvedMarks(tuple(marks), tuple(notes))


def _choose_colors(specs: Sequence[MarkSpec], existing: Sequence[Mark]) -> Iterator[Color]:
    """Keep given colours. Give the others the next colour of the model's pool that nobody has."""
    taken = {mark.color.name for mark in existing}
    taken |= {spec.color.name for spec in specs if spec.color}
    start = len(existing) % len(MODEL_COLORS)
    pool = [color for color in MODEL_COLORS if color.name not in taken]
    free = cycle(pool or (*MODEL_COLORS[start:], *MODEL_COLORS[:start]))
    return (spec.color or next(free) for spec in specs)


def _points(flat: tuple[Coordinate, ...], shape: str, width: int, height: int) -> Polyline:
    """Flat coordinates -> points in pixels; a size is added to the point before it."""
    points: list[Point] = []
    for x, y in zip(flat[::2], flat[1::2], strict=True):
        px, py = x.pixels(width), y.pixels(height)
        if x.is_size:
            px, py = points[-1][0] + px, points[-1][1] + py
        if max(abs(px), abs(py)) > MAX_COORDINATE:
            raise InputError(
                f"a coordinate of the {shape} is {max(px, py, key=abs):g} pixels, too far outside the"
                f" image: the image is {width}x{height} pixels"
            )
        points.append((px, py))
    if shape in ("box", "ellipse"):
        (x1, y1), (x2, y2) = points
        return (min(x1, x2), min(y1, y2)), (max(x1, x2), max(y1, y2))
    if shape == "arrow" and len(points) == 1:
        return _arrow_tail(points[0], width, height), points[0]
    return tuple(points)


def _arrow_tail(tip: Point, width: int, height: int) -> Point:
    """A tail for an arrow of which only the tip is known: on the side with more room."""
    reach = 0.15 * max(width, height)
    dx = min(reach, width / 2) * (1 if tip[0] < width / 2 else -1)
    dy = min(reach, height / 2) * (1 if tip[1] < height / 2 else -1)
    return tip[0] + dx, tip[1] + dy


def _fit(mark: Mark, width: int, height: int) -> Mark:
    """The mark as far as it lies in the image. Raises InputError if nothing of it does."""
    left, top, right, bottom = mark.bounds if mark.shape != "arrow" else mark.parts[0][1] * 2
    image = f"the image is {width}x{height} pixels"
    if right < 0 or bottom < 0 or left > width or top > height:
        what = "points at" if mark.shape == "arrow" else "lies at"
        one = (left, top) == (right, bottom)
        at = _list((left, top) if one else (left, top, right, bottom))
        raise InputError(
            f"the {mark.color.name} {mark.shape} {what} {at}, outside the image: {image};"
            " give coordinates inside it"
        )
    fitted = replace(mark, parts=_CLIPS.get(mark.shape, _as_it_is)(mark.parts, width, height))
    if _is_empty(fitted):
        raise InputError(
            f"the {mark.color.name} {mark.shape} at {_list(mark.bounds)} has no"
            f" {'area' if SHAPES[mark.shape].has_area else 'length'} in the image: {image};"
            f" expected {SHAPES[mark.shape].syntax}"
        )
    return fitted


def _sides_inside(parts: tuple[Polyline, ...], width: int, height: int) -> tuple[Polyline, ...]:
    """A box whose sides outside the image are moved to its edge, so that all four show."""
    return (tuple((min(max(x, 0.0), width), min(max(y, 0.0), height)) for x, y in parts[0]),)


def _tail_inside(parts: tuple[Polyline, ...], width: int, height: int) -> tuple[Polyline, ...]:
    """An arrow shortened, along its own line, to a tail in the image."""
    (x1, y1), (x2, y2) = parts[0]
    share = 1.0
    for start, end, side in ((x1, x2, width), (y1, y2, height)):
        for edge in (0.0, float(side)):
            if (start < edge <= end and edge == 0.0) or (start > edge >= end and edge == side):
                share = min(share, (end - edge) / (end - start))
    return (((x2 + (x1 - x2) * share, y2 + (y1 - y2) * share), (x2, y2)),)


def _as_it_is(parts: tuple[Polyline, ...], width: int, height: int) -> tuple[Polyline, ...]:
    """What is drawn of other shapes ends at the image's edge by itself, and keeps its form."""
    return parts


_CLIPS = {"box": _sides_inside, "arrow": _tail_inside}


def reaches_outside(mark: Mark, width: int, height: int) -> bool:
    """Whether more than a rounding error of the mark lies outside the image."""
    left, top, right, bottom = mark.bounds
    slack = 1e-6 * max(width, height)
    return left < -slack or top < -slack or right > width + slack or bottom > height + slack


def _is_empty(mark: Mark) -> bool:
    if mark.shape == "point":
        return False
    if mark.shape in ("box", "ellipse"):
        (x1, y1), (x2, y2) = mark.parts[0]
        return x1 == x2 or y1 == y2
    if SHAPES[mark.shape].has_area:
        return all(_on_one_line(part) for part in mark.parts)
    return len(set(mark.parts[0])) == 1


def _on_one_line(part: Polyline) -> bool:
    """Whether all points lie on a line, up to rounding. (The area by the shoelace formula is 0 for
    a bow-tie, too, whose halves go round in opposite directions.)
    """
    x0, y0 = part[0]
    x1, y1 = max(part, key=lambda point: hypot(point[0] - x0, point[1] - y0))
    length = hypot(x1 - x0, y1 - y0)
    return all(
        abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) <= 1e-9 * length**2 for x, y in part
    )


def _list(values: Sequence[float]) -> str:
    return ",".join(f"{value:.10g}" for value in values)
