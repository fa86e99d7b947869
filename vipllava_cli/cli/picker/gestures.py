"""How the mouse draws each shape: one table of keys, gestures and hints."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vipllava_cli.marks.types import XY, Points


@dataclass(frozen=True)
class Gesture:
    """How the mouse changes the points of the mark in progress. The last point follows the mouse.

    The mark is complete if it has `points` points when the button is released. `is_held`: the button
    stays down until then.
    """

    press: Callable[[Points, XY], Points]
    move: Callable[[Points, XY], Points]
    points: int
    is_held: bool = True


def _replace_last(points: Points, at: XY) -> Points:
    return (*points[:-1], at)


def _append(points: Points, at: XY) -> Points:
    return points if points and points[-1] == at else (*points, at)


DRAG = Gesture(lambda _, at: (at, at), _replace_last, 2)
CLICK = Gesture(lambda _, at: (at,), _replace_last, 1)
FREEHAND = Gesture(lambda _, at: (at,), _append, 1)
THREE_CLICKS = Gesture(_replace_last, _replace_last, 3, is_held=False)


@dataclass(frozen=True)
class PickedShape:
    """A shape in the picker: the key that selects it, its gesture, and a hint for the user."""

    key: str
    gesture: Gesture
    hint: str


PICKED_SHAPES: Mapping[str, PickedShape] = {
    "box": PickedShape("b", DRAG, "drag from corner to corner"),
    "ellipse": PickedShape("e", DRAG, "drag from corner to corner"),
    "arrow": PickedShape("a", DRAG, "drag from tail to tip, or click the tip"),
    "point": PickedShape("p", CLICK, "click"),
    "triangle": PickedShape("t", THREE_CLICKS, "click its three corners"),
    "scribble": PickedShape("s", FREEHAND, "draw a line"),
    "mask": PickedShape("m", FREEHAND, "draw around the region"),
    "contour": PickedShape("c", FREEHAND, "draw around the region"),
}
