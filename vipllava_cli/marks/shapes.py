"""Marks as a Python program writes them: `Box(120, 80, 340, 300, color="blue")`.

Coordinates are pixels of the upright image, origin top left, unless `units` says otherwise.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.mask_name import parse_values
from vipllava_cli.marks.mask_region import find_array_region
from vipllava_cli.marks.masks import trace_outlines
from vipllava_cli.marks.types import MarkSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

Number: TypeAlias = "float | np.integer[Any] | np.floating[Any]"
Points: TypeAlias = "Sequence[tuple[Number, Number]] | NDArray[Any]"


@dataclass(frozen=True, kw_only=True)
class Shape(ABC):
    """The base class of marks.

    Attributes:
        color: A CSS colour name or `#rrggbb`; None takes the next colour that the model knows.
        width: Line width in pixels of the model's 336-pixel view, above 0 to 100; None is 3.
        alpha: Opacity, above 0 to 1; None is 1, and 0.5 for masks.
        label: A name for the region, kept in the record.
        units: `px`, `percent`, `unit` (0-1) or `thousand` (0-1000).

    """

    shape: ClassVar[str]

    color: str | None = None
    width: Number | None = None
    alpha: Number | None = None
    label: str | None = None
    units: str = "px"

    def to_spec(self, size: tuple[int, int]) -> MarkSpec:
        """Convert to a spec for an image of `size` (width, height). Raises InputError."""
        return mark_from_json(to_json_value({**self._style(), **self._region(size)}))

    def _style(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "color": self.color,
            "width": self.width,
            "alpha": self.alpha,
            "label": self.label,
            "units": self.units,
        }

    @abstractmethod
    def _region(self, size: tuple[int, int]) -> dict[str, Any]:
        """Return the fields `coords` or `file` of the JSON form."""


@dataclass(frozen=True)
class Box(Shape):
    """A rectangle from one corner to the opposite one."""

    shape: ClassVar[str] = "box"

    x1: Number
    y1: Number
    x2: Number
    y2: Number

    def _region(self, size: tuple[int, int]) -> dict[str, Any]:
        return {"coords": [self.x1, self.y1, self.x2, self.y2]}


@dataclass(frozen=True)
class Ellipse(Box):
    """An ellipse that fills the rectangle between two corners."""

    shape: ClassVar[str] = "ellipse"


@dataclass(frozen=True)
class Arrow(Shape):
    """An arrow from tail to tip. Two numbers are the tip; the program then chooses the tail."""

    shape: ClassVar[str] = "arrow"

    x1: Number
    y1: Number
    x2: Number | None = None
    y2: Number | None = None

    def _region(self, size: tuple[int, int]) -> dict[str, Any]:
        coords = (self.x1, self.y1, self.x2, self.y2)
        return {"coords": [value for value in coords if value is not None]}


@dataclass(frozen=True)
class Point(Shape):
    """A dot."""

    shape: ClassVar[str] = "point"

    x: Number
    y: Number

    def _region(self, size: tuple[int, int]) -> dict[str, Any]:
        return {"coords": [self.x, self.y]}


@dataclass(frozen=True)
class Triangle(Shape):
    """A triangle through three points `(x, y)`."""

    shape: ClassVar[str] = "triangle"

    points: Points

    def _region(self, size: tuple[int, int]) -> dict[str, Any]:
        return {"coords": _flat(self.points)}


@dataclass(frozen=True)
class Scribble(Triangle):
    """A line through two or more points `(x, y)`."""

    shape: ClassVar[str] = "scribble"


@dataclass(frozen=True, eq=False)
class Mask(Shape):
    """A filled region.

    `region` is three or more points `(x, y)`, the path of a mask image, or an array [height, width]
    of the image's size in which the region is not 0. `value`, or a list of values, chooses the region
    of a label map.
    """

    shape: ClassVar[str] = "mask"

    region: Points | str | os.PathLike[str]
    value: int | str | Sequence[int | str] | None = None

    def _region(self, size: tuple[int, int]) -> dict[str, Any]:
        if isinstance(self.region, np.ndarray):
            return {"coords": _outlines(self.region, size, self.value), "units": "px"}
        if isinstance(self.region, str | os.PathLike):
            return {"file": os.fspath(self.region), "value": self.value}
        return {"coords": _flat(self.region), "value": self.value}


@dataclass(frozen=True, eq=False)
class Contour(Mask):
    """The outline of a region."""

    shape: ClassVar[str] = "contour"


def to_json_value(value: Any) -> Any:
    """Convert NumPy numbers and arrays, and tuples, to what JSON has. Leave other values."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {name: to_json_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(item) for item in value]
    return value


def _flat(points: Any) -> list[float]:
    """[(x, y), ...] -> [x, y, ...]. Raises InputError for anything else."""
    flat: list[float] = []
    if not isinstance(points, Iterable):
        raise InputError(f"expected a list of points (x, y), found {short_repr(points)}")
    for point in to_json_value(list(points)):
        if not isinstance(point, list) or len(point) != 2:
            raise InputError(f"expected points (x, y), found {short_repr(point)}")
        flat += point
    return flat


def _outlines(mask: NDArray[Any], size: tuple[int, int], value: Any) -> list[list[float]]:
    if mask.ndim != 2 or mask.shape != (size[1], size[0]):
        raise InputError(
            f"the mask has the shape {mask.shape}: expected the image's height and width,"
            f" {(size[1], size[0])}; give points as a list of (x, y)"
        )
    values = () if value is None else parse_values(to_json_value(value))
    region = find_array_region(mask, values)
    outlines = trace_outlines(region.astype(np.uint8))
    if not outlines:
        raise InputError("the mask contains no region: expected values other than 0")
    return outlines
