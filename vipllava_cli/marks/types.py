"""Marks as frozen values: what a user typed (`MarkSpec`), and what is drawn (`Mark`)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from vipllava_cli.errors import InputError

if TYPE_CHECKING:  # loads Pillow, which `--help` does not need
    from vipllava_cli.marks.colors import Color

Point = tuple[float, float]
Polyline = tuple[Point, ...]

DEFAULT_WIDTH = 3.0  # pixels in the model's 336-pixel view: ViP-LLaVA's constant line width


@dataclass(frozen=True)
class Shape:
    """What a shape needs: how many points, how opaque it is drawn, how its flag is written."""

    name: str
    min_points: int
    max_points: int | None
    alpha: float
    syntax: str
    has_area: bool = True


# Opacity: ViP-LLaVA trains masks at 0.19-0.5 and evaluates them at 128/255; lines may be solid.
SHAPES: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape("box", 2, 2, 1.0, "X1,Y1,X2,Y2"),
        Shape("ellipse", 2, 2, 1.0, "X1,Y1,X2,Y2"),
        Shape("arrow", 1, 2, 1.0, "X1,Y1,X2,Y2 (tail to tip) or X,Y (the tip)", has_area=False),
        Shape("point", 1, 1, 1.0, "X,Y", has_area=False),
        Shape("triangle", 3, 3, 1.0, "X1,Y1,X2,Y2,X3,Y3"),
        Shape("scribble", 2, None, 1.0, "X1,Y1,X2,Y2,…", has_area=False),
        Shape("mask", 3, None, 0.5, "X1,Y1,X2,Y2,X3,Y3,… or a mask image"),
        Shape("contour", 3, None, 1.0, "X1,Y1,X2,Y2,X3,Y3,… or a mask image"),
    )
}


class Units(StrEnum):
    """The unit of a coordinate that has no sign of its own."""

    px = "px"
    percent = "percent"
    unit = "unit"
    thousand = "thousand"


# The number that stands for the whole side of the image; None for pixels.
UNITS: Mapping[str, float | None] = {
    Units.px: None,
    Units.percent: 100.0,
    Units.unit: 1.0,
    Units.thousand: 1000.0,
}

MASK_SHAPES = ("mask", "contour")  # shapes that a mask image can give too


@dataclass(frozen=True)
class Coordinate:
    """One number: in pixels (`scale` None) or as a share of its side (`value` of `scale`)."""

    value: float
    scale: float | None = None
    is_size: bool = False

    def pixels(self, side: int) -> float:
        return self.value if self.scale is None else self.value / self.scale * side


MAX_WIDTH = 100.0  # in pixels of the model's 336-pixel view: nearly a third of it


@dataclass(frozen=True)
class MarkStyle:
    """Width and opacity of marks that have none of their own; None leaves the shape's default.

    Raises InputError for a width outside (0, 100] or an alpha outside (0, 1].
    """

    width: float | None = None
    alpha: float | None = None

    def __post_init__(self) -> None:
        if self.width is not None and not 0 < self.width <= MAX_WIDTH:
            raise InputError(
                f"a mark's width is above 0 and at most {MAX_WIDTH:g}, not {self.width:g}"
            )
        if self.alpha is not None and not 0 < self.alpha <= 1:
            raise InputError(f"a mark's alpha is above 0 and at most 1, not {self.alpha:g}")


@dataclass(frozen=True)
class MarkSpec:
    """A mark as given. `parts` holds flat lists x, y, x, y, …; a mask may have several parts, or
    name a mask image in `file`. `None` stands for "choose for me".
    """

    shape: str
    parts: tuple[tuple[Coordinate, ...], ...] = ()
    file: str | None = None
    color: "Color | None" = None
    width: float | None = None
    alpha: float | None = None
    label: str | None = None


@dataclass(frozen=True)
class Mark:
    """A mark on an image: points in pixels of the upright image, origin top left, `width` in
    pixels of the model's 336-pixel view, `alpha` 0-1. Only masks and contours have several parts.
    """

    shape: str
    parts: tuple[Polyline, ...]
    color: "Color"
    width: float = DEFAULT_WIDTH
    alpha: float = 1.0
    label: str | None = None

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        xs = [x for part in self.parts for x, _ in part]
        ys = [y for part in self.parts for _, y in part]
        return min(xs), min(ys), max(xs), max(ys)


def shift_mark(mark: Mark, dx: float, dy: float) -> Mark:
    """The mark moved by so many pixels, as for a crop of its image."""
    return replace(
        mark, parts=tuple(tuple((x + dx, y + dy) for x, y in part) for part in mark.parts)
    )
