"""The state of the picker, and how the mouse and the keys change it. Needs no window."""

from dataclasses import dataclass, replace
from math import dist

import cv2
import numpy as np

from vipllava_cli.cli.picker.gestures import FREEHAND, PICKED_SHAPES, Gesture
from vipllava_cli.errors import InputError
from vipllava_cli.marks.colors import MODEL_COLORS, NAMED_COLORS, SHADES, Color
from vipllava_cli.marks.resolve import NO_STYLE, resolve_marks
from vipllava_cli.marks.shape_table import MODEL_VIEW_SIDE, SHAPES
from vipllava_cli.marks.types import XY, Coordinate, Mark, MarkSpec, MarkStyle, Points

_LINE = "scribble"  # what an unfinished triangle, mask or contour looks like
_FREEHAND_ERROR = 0.25  # pixels of the model's view by which a freehand line may be simplified
_SHORTEST_ARROW = 3.0  # pixels of the model's view: the mouse may move that far during a click


@dataclass(frozen=True)
class PickerState:
    """The marks on an image of `size` (width, height), and the mark in progress.

    The user draws `kept`. The marks `before` and `after` come from elsewhere: they keep their places
    in the order of drawing and numbering. `path` has the points of the mark in progress, in pixels of
    the image. `color` None is the next colour that no mark has.
    """

    size: tuple[int, int]
    before: tuple[Mark, ...] = ()
    after: tuple[Mark, ...] = ()
    style: MarkStyle = NO_STYLE
    kept: tuple[Mark, ...] = ()
    shape: str = "box"
    color: Color | None = None
    path: Points = ()
    message: str = ""

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All finished marks, in drawing order."""
        return (*self.before, *self.kept, *self.after)

    @property
    def gesture(self) -> Gesture:
        return PICKED_SHAPES[self.shape].gesture

    @property
    def is_dragging(self) -> bool:
        """Whether the mouse button is down on a mark in progress."""
        return bool(self.path) and self.gesture.is_held

    # --- the mouse ---------------------------------------------------------------------------

    def press(self, at: XY) -> "PickerState":
        """Start a mark, or set a corner of it. Points outside the image move to its edge."""
        return replace(self, path=self.gesture.press(self.path, self._clip(at)), message="")

    def move(self, at: XY) -> "PickerState":
        """Move the last point of the mark in progress."""
        if not self.path:
            return self
        return replace(self, path=self.gesture.move(self.path, self._clip(at)))

    def release(self, at: XY) -> "PickerState":
        """Keep the mark in progress, or wait for its next corner."""
        moved = self.move(at)
        if not moved.path or len(moved.path) >= self.gesture.points:
            return moved._keep()
        return replace(moved, path=(*moved.path, moved.path[-1]))

    def _keep(self) -> "PickerState":
        if not self.path:
            return self
        ended = replace(self, path=())
        try:
            mark = self._resolve(self.shape, self._finished_path())
        except InputError:
            extent = "area" if SHAPES[self.shape].has_area else "length"
            return replace(ended, message=f"this {self.shape} has no {extent}: draw a larger one")
        return replace(ended, kept=(*self.kept, mark), color=None)

    def _finished_path(self) -> Points:
        if self.gesture is FREEHAND:
            return _simplify(self.path, self._in_pixels(_FREEHAND_ERROR))
        if self.shape == "arrow" and dist(*self.path) < self._in_pixels(_SHORTEST_ARROW):
            return self.path[1:]  # a click is the tip
        return self.path

    # --- the keys ----------------------------------------------------------------------------

    def undo(self) -> "PickerState":
        """Remove the last corner of the mark in progress, else the last mark."""
        if self.path:
            # The last point follows the mouse; the one before it is the corner.
            rest = self.path[:-2] if not self.gesture.is_held else ()
            return replace(self, path=(*rest, self.path[-1]) if rest else (), message="")
        if not self.kept:
            return replace(self, message="there is no mark to undo")
        return replace(self, kept=self.kept[:-1], message="")

    def choose_shape(self, shape: str) -> "PickerState":
        """Draw this shape from now on. Drops the mark in progress."""
        return replace(self, shape=shape, path=(), message="")

    def next_color(self) -> "PickerState":
        """Choose the next colour for the next mark: one that no mark has, while there is one."""
        taken = {mark.color for mark in self.marks}
        pool = [color for color in MODEL_COLORS if color not in taken]
        pool = pool or [color for color in SHADES if color not in taken] or list(NAMED_COLORS)
        current = self.current_color
        number = pool.index(current) + 1 if current in pool else 0
        return replace(self, color=pool[number % len(pool)], message="")

    # --- the mark in progress ----------------------------------------------------------------

    @property
    def current_color(self) -> Color:
        """The colour of the next mark."""
        return self._resolve("point", ((0.0, 0.0),)).color

    def preview(self) -> Mark | None:
        """Return the mark in progress, if there is anything to see of it."""
        if not self.path:
            return None
        is_started = len(self.path) < SHAPES[self.shape].min_points
        try:
            return self._resolve(_LINE if is_started else self.shape, self.path)
        except InputError:
            return None

    def _resolve(self, shape: str, points: Points) -> Mark:
        """Resolve points as the command line does. Raises InputError."""
        flat = tuple(Coordinate(value) for point in points for value in point)
        spec = MarkSpec(shape, (flat,), color=self.color)
        return resolve_marks([spec], self.size, style=self.style, existing=self.marks).marks[0]

    def _in_pixels(self, length: float) -> float:
        """Convert pixels of the model's view to pixels of the image."""
        return length * max(self.size) / MODEL_VIEW_SIDE

    def _clip(self, at: XY) -> XY:
        (x, y), (width, height) = at, self.size
        return min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))


def _simplify(path: Points, error: float) -> Points:
    """Leave out points of a line that lie within `error` pixels of the others."""
    line = cv2.approxPolyDP(np.array(path, np.float32), error, False).reshape(-1, 2)
    return tuple((float(x), float(y)) for x, y in line.tolist())
