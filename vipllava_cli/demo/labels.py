"""What each patch of the model's view shows: the dense targets that the vision tower learns first."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vipllava_cli.demo.scenes import SCENE_COLORS, SCENE_SHAPES, MarkedScene
from vipllava_cli.demo.things import THINGS
from vipllava_cli.drawing import coverage

IGNORE = -100  # torch's cross entropy passes over this label
_SHOWN = 0.3  # the share of a patch that a thing covers before the patch is called by its name
_MARKED = 0.04  # the same for a mark, whose lines are thin


@dataclass(frozen=True)
class Target:
    """One thing to tell of a patch, of `classes` possible values."""

    name: str
    classes: int


TARGETS: tuple[Target, ...] = (
    Target("thing", len(THINGS) + 1),  # what is here, or nothing
    Target("mark_color", len(SCENE_COLORS) + 1),  # the colour of the mark drawn here, or none
    Target("marked_by", len(SCENE_COLORS) + 1),  # on a thing: the colour of its mark, or none
    Target("marked_shape", len(SCENE_SHAPES) + 1),  # on a thing: the shape of its mark, or none
    Target("points_to", len(THINGS)),  # on a mark: the thing that it marks
)


def patch_labels(marked: MarkedScene, grid: int) -> NDArray[np.int64]:
    """Labels int64 [len(TARGETS), grid * grid] of the padded square's patches, row by row."""
    size = marked.scene.picture.size
    things = np.stack(
        [_thing_share(p.alpha, p.corner, size, grid) for p in marked.scene.placements]
    )
    lines = np.stack([_to_grid(coverage(mark, *size), size, grid) for mark in marked.marks])
    indices = np.array([placement.index for placement in marked.scene.placements])
    targets = np.array(marked.targets)
    colors = np.array([SCENE_COLORS.index(mark.color) for mark in marked.marks])
    shapes = np.array([SCENE_SHAPES.index(mark.shape) for mark in marked.marks])

    shown, share = things.argmax(0), things.max(0)
    drawn, ink = lines.argmax(0), lines.max(0)
    on_thing = share >= _SHOWN
    on_mark = ink >= _MARKED
    unmarked = len(marked.marks)
    mark_of = np.full(len(indices), unmarked)
    mark_of[targets] = np.arange(unmarked)
    color_of = np.append(colors, len(SCENE_COLORS))[mark_of]
    shape_of = np.append(shapes, len(SCENE_SHAPES))[mark_of]
    return np.stack(
        [
            np.select([on_thing, share == 0], [indices[shown], len(THINGS)], IGNORE),
            np.select([on_mark, ink == 0], [colors[drawn], len(SCENE_COLORS)], IGNORE),
            np.where(on_thing, color_of[shown], IGNORE),
            np.where(on_thing, shape_of[shown], IGNORE),
            np.where(on_mark, indices[targets[drawn]], IGNORE),
        ]
    ).reshape(len(TARGETS), grid * grid)


def _thing_share(
    alpha: NDArray[np.uint8], corner: tuple[int, int], size: tuple[int, int], grid: int
) -> NDArray[np.float32]:
    canvas = np.zeros((size[1], size[0]), np.uint8)
    canvas[corner[1] : corner[1] + alpha.shape[0], corner[0] : corner[0] + alpha.shape[1]] = alpha
    return _to_grid(canvas, size, grid)


def _to_grid(canvas: NDArray[np.uint8], size: tuple[int, int], grid: int) -> NDArray[np.float32]:
    """The mean over each patch, 0-1: float32 [grid, grid], of the canvas padded as `square` does."""
    width, height = size
    side = max(size)
    top, left = (side - height) // 2, (side - width) // 2
    padded = cv2.copyMakeBorder(
        canvas, top, side - height - top, left, side - width - left, cv2.BORDER_CONSTANT
    )
    small = cv2.resize(padded, (grid, grid), interpolation=cv2.INTER_AREA)
    share: NDArray[np.float32] = small.astype(np.float32) / 255
    return share
