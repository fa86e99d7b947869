"""Marks as frozen values: `MarkSpec` is what a user typed, `Mark` is what is drawn."""

from dataclasses import dataclass, replace

from vipllava_cli.errors import InputError
from vipllava_cli.marks.colors import Color
from vipllava_cli.marks.shape_table import DEFAULT_WIDTH, MAX_WIDTH

XY = tuple[float, float]
Points = tuple[XY, ...]


@dataclass(frozen=True)
class Coordinate:
    """A number of a mark: pixels, or the share `value / scale` of its side of the image.

    `is_size` marks a width or height that counts from the point before it.
    """

    value: float
    scale: float | None = None
    is_size: bool = False

    def pixels(self, side: float) -> float:
        return self.value if self.scale is None else self.value / self.scale * side


@dataclass(frozen=True)
class DeclaredSize:
    """The size in pixels that a file declares for the image of its coordinates.

    `is_upright`: it is known to be the size of the upright image.
    """

    width: float
    height: float
    is_upright: bool = False


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
    mask image in `file` instead, with the `values` of the region's pixels. `declared` is the size of
    the image that the coordinates were made for, if their file says so.
    """

    shape: str
    parts: tuple[tuple[Coordinate, ...], ...] = ()
    file: str | None = None
    values: tuple[str, ...] = ()
    color: Color | None = None
    width: float | None = None
    alpha: float | None = None
    label: str | None = None
    declared: DeclaredSize | None = None


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


def scale_mark(mark: Mark, scale: float) -> Mark:
    """Scale the points of a mark, for an image of another size."""
    return replace(
        mark, parts=tuple(tuple((x * scale, y * scale) for x, y in part) for part in mark.parts)
    )


def shift_mark(mark: Mark, dx: float, dy: float) -> Mark:
    """Move a mark by (dx, dy) pixels, for example into a crop of its image."""
    return replace(
        mark, parts=tuple(tuple((x + dx, y + dy) for x, y in part) for part in mark.parts)
    )
