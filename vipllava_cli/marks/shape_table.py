"""The shapes, their rules, and the units and widths of marks.

Pure Python: `--help` imports this module and nothing heavy with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MODEL_VIEW_SIDE = 336  # pixels: the side of the view that widths refer to
DEFAULT_WIDTH = 3.0  # pixels of the model's 336-pixel view: ViP-LLaVA's constant line width
MAX_WIDTH = 100.0  # pixels of the model's 336-pixel view, nearly a third of it


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
        """The value that stands for the whole side of the image. None for pixels."""
        return _SCALES[self]


_SCALES: Mapping[Units, float | None] = {
    Units.px: None,
    Units.percent: 100.0,
    Units.unit: 1.0,
    Units.thousand: 1000.0,
}


def with_article(shape: str) -> str:
    """Return the name of a shape as a message writes it: `a box`, `an arrow`."""
    return f"{'an' if shape[0] in 'aeiou' else 'a'} {shape}"
