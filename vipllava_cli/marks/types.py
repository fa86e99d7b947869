"""Marks as frozen values: `MarkSpec` is what a user typed, `Mark` is what is drawn.

`--help` imports this module, so it must not import Pillow, NumPy or OpenCV.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from vipllava_cli.errors import InputError
from vipllava_cli.marks.colors import Color

XY = tuple[float, float]
Points = tuple[XY, ...]

DEFAULT_WIDTH = 3.0  # pixels of the model's 336-pixel view: ViP-LLaVA's constant line width


@dataclass(frozen=True)
class ShapeRules:
    """The rules of a shape: its number of points, its default opacity, the syntax of its option.

    `max_points` None means no limit. `has_area` is False for lines and points. `has_corners` is True
    for shapes that two opposite corners define.
    """

    name: str
    min_points: int
    max_points: int | None
    alpha: float
    syntax: str
    has_area: bool = True
    has_corners: bool = False


# ViP-LLaVA trains with masks of opacity 0.19-0.5 and evaluates with 128/255. Lines may be solid.
SHAPES: Mapping[str, ShapeRules] = {
    shape.name: shape
    for shape in (
        ShapeRules("box", 2, 2, 1.0, "X1,Y1,X2,Y2", has_corners=True),
        ShapeRules("ellipse", 2, 2, 1.0, "X1,Y1,X2,Y2", has_corners=True),
        ShapeRules(
            "arrow", 1, 2, 1.0, "X1,Y1,X2,Y2 (tail to tip) or X,Y (the tip)", has_area=False
        ),
        ShapeRules("point", 1, 1, 1.0, "X,Y", has_area=False),
        ShapeRules("triangle", 3, 3, 1.0, "X1,Y1,X2,Y2,X3,Y3"),
        ShapeRules("scribble", 2, None, 1.0, "X1,Y1,X2,Y2,…", has_area=False),
        ShapeRules("mask", 3, None, 0.5, "X1,Y1,X2,Y2,X3,Y3,… or a mask image"),
        ShapeRules("contour", 3, None, 1.0, "X1,Y1,X2,Y2,X3,Y3,… or a mask image"),
    )
}

MASK_SHAPES = ("mask", "contour")  # a mask image can define these


class Units(StrEnum):
    """The unit of a coordinate without a sign: pixels, percent, 0-1, or 0-1000."""

    px = "px"
    percent = "percent"
    unit = "unit"
    thousand = "thousand"

    @property
    def scale(self) -> float | None:
        """The value that equals the full side of the image. None for pixels."""
        return _SCALES[self]


_SCALES: Mapping[Units, float | None] = {
    Units.px: None,
    Units.percent: 100.0,
    Units.unit: 1.0,
    Units.thousand: 1000.0,
}


@dataclass(frozen=True)
class Coordinate:
    """A number of a mark: pixels, or the share `value / scale` of its side of the image.

    `is_size` marks a width or height that counts from the point before it.
    """

    value: float
    scale: float | None = None
    is_size: bool = False

    def pixels(self, side: int) -> float:
        return self.value if self.scale is None else self.value / self.scale * side


MAX_WIDTH = 100.0  # pixels of the model's 336-pixel view, nearly a third of it


@dataclass(frozen=True)
class MarkStyle:
    """Default width and opacity of marks. None stands for the default of the shape.

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
    """A mark as typed. The program chooses the value of a field that is None.

    `parts` contains flat lists x, y, x, y, … Only masks and contours may have several parts, or name a
    mask image in `file` instead.
    """

    shape: str
    parts: tuple[tuple[Coordinate, ...], ...] = ()
    file: str | None = None
    color: Color | None = None
    width: float | None = None
    alpha: float | None = None
    label: str | None = None


@dataclass(frozen=True)
class Mark:
    """A mark on an image. Only masks and contours have several parts.

    Points are pixels of the upright image with the origin at its top left. `width` is in pixels of
    the model's 336-pixel view. `alpha` is the opacity, 0-1.
    """

    shape: str
    parts: tuple[Points, ...]
    color: Color
    width: float = DEFAULT_WIDTH
    alpha: float = 1.0
    label: str | None = None

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom, in pixels."""
        xs = [x for part in self.parts for x, _ in part]
        ys = [y for part in self.parts for _, y in part]
        return min(xs), min(ys), max(xs), max(ys)


def shift_mark(mark: Mark, dx: float, dy: float) -> Mark:
    """Move a mark by (dx, dy) pixels, for example into a crop of its image."""
    return replace(
        mark, parts=tuple(tuple((x + dx, y + dy) for x, y in part) for part in mark.parts)
    )
