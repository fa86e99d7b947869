"""What each patch of the model's view shows: the dense targets that the vision tower learns first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES
from vipllava_cli.flows.evals.clipart.relations import DIRECTIONS, beside, reading_order
from vipllava_cli.flows.evals.clipart.scenes import WHOLE, MarkedScene
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.draw import coverage

IGNORE = -100  # torch's cross entropy passes over this label
_SHOWN = 0.3  # the share of a patch that a thing covers before the patch is called by its name
_MARKED = 0.04  # the same for a mark, whose lines are thin


@dataclass(frozen=True)
class Target:
    """One thing to tell of a patch, of `values` possible values and, if `or_none`, "none" after them;
    `share` is how much it counts in the loss, `nones` which share of the many patches of no value;
    `per_mark`, that every mark counts alike, however many patches it covers.
    """

    name: str
    values: int
    or_none: bool = True
    share: float = 1.0
    nones: float = 1.0
    per_mark: bool = False

    @property
    def classes(self) -> int:
        return self.values + self.or_none


TARGETS: tuple[Target, ...] = (
    Target("thing", len(OBJECT_CLASSES), nones=0.3),  # what is here
    Target("mark_color", WHOLE.colors, nones=0.3),  # the colour of the mark drawn here
    Target("marked_by", WHOLE.colors),  # on a thing: the colour of its mark
    Target("marked_shape", len(WHOLE.shapes)),  # on a thing: the shape of its mark
    Target("mark_shape", len(WHOLE.shapes), or_none=False, per_mark=True),  # on a mark: its own
    Target(
        "points_to", len(OBJECT_CLASSES), or_none=False, per_mark=True
    ),  # on a mark: what it marks
    Target("middle", 1, nones=0.3),  # whether a thing's middle is here: each has one, so they count
    # On a thing: the colour of the mark on the thing that has this one to its left, right, …
    *(Target(direction, WHOLE.colors, nones=0.1) for direction in DIRECTIONS),
    Target("order", WHOLE.most_objects, or_none=False),  # on a thing: its place from left to right
    Target(
        "number", WHOLE.most_objects, or_none=False, share=0.6
    ),  # on a thing: how many there are, less one
)
NUMBERS: Mapping[str, int] = {target.name: number for number, target in enumerate(TARGETS)}


def patch_labels(marked: MarkedScene, grid: int) -> NDArray[np.int64]:
    """Labels int64 [len(TARGETS), grid * grid] of the padded square's patches, row by row."""
    placements = marked.scene.placements
    size = marked.scene.image.size
    things = np.stack(
        [patch_shares(p.silhouette.alpha, p.silhouette.corner, size, grid) for p in placements]
    )
    lines = np.stack(
        [patch_shares(coverage(mark, *size), (0, 0), size, grid) for mark in marked.marks]
    )
    shown, share = things.argmax(0), things.max(0)
    drawn, ink = lines.argmax(0), lines.max(0)
    on_thing, on_mark = share >= _SHOWN, ink >= _MARKED

    told = _told(marked)
    of_things = {name: np.where(on_thing, values[shown], IGNORE) for name, values in told.items()}
    indices = np.array([placement.index for placement in placements])
    colors = np.array([MODEL_COLORS.index(mark.color) for mark in marked.marks])
    shapes = np.array([WHOLE.shapes.index(mark.shape) for mark in marked.marks])
    middle = np.ones((grid, grid), np.int64)
    for placement in placements:
        middle[_patch_at(placement.center, size, grid)] = 0
    labels = of_things | {
        "thing": np.select([on_thing, share == 0], [indices[shown], len(OBJECT_CLASSES)], IGNORE),
        "mark_color": np.select([on_mark, ink == 0], [colors[drawn], WHOLE.colors], IGNORE),
        "mark_shape": np.where(on_mark, shapes[drawn], IGNORE),
        "middle": middle,
        "points_to": np.where(on_mark, indices[np.array(marked.targets)[drawn]], IGNORE),
    }
    return np.stack([labels[target.name] for target in TARGETS]).reshape(len(TARGETS), grid * grid)


def _told(marked: MarkedScene) -> dict[str, NDArray[np.int64]]:
    """What is told of each thing of the scene, by target."""
    things = len(marked.scene.placements)
    told = {
        "marked_by": np.full(things, WHOLE.colors),
        "marked_shape": np.full(things, len(WHOLE.shapes)),
        "order": np.argsort(reading_order(marked.scene.placements)),
        "number": np.full(things, things - 1),
    }
    for mark, target in zip(marked.marks, marked.targets, strict=True):
        told["marked_by"][target] = MODEL_COLORS.index(mark.color)
        told["marked_shape"][target] = WHOLE.shapes.index(mark.shape)
    for direction in DIRECTIONS:  # a neighbour that people would argue about is nobody's
        told[direction] = np.full(things, WHOLE.colors)
        for number, found in beside(marked, direction).items():
            told[direction][found] = MODEL_COLORS.index(marked.marks[number].color)
    return told


def _patch_at(point: tuple[float, float], size: tuple[int, int], grid: int) -> tuple[int, int]:
    """The row and the column of the patch of the padded square in which an image's point lies."""
    side = max(size)
    column, row = (int(((side - size[axis]) // 2 + point[axis]) * grid / side) for axis in range(2))
    return row, column


def patch_shares(
    alpha: NDArray[np.uint8], corner: tuple[int, int], size: tuple[int, int], grid: int
) -> NDArray[np.float32]:
    """The mean over each patch of the padded square, 0-1: float32 [grid, grid], of what covers
    `alpha` of an image of this size from `corner` on and nothing of the rest.
    """
    (x, y), (height, width) = corner, alpha.shape
    across = _overlaps(size, 0, grid)[:, x : x + width]
    down = _overlaps(size, 1, grid)[:, y : y + height]
    # To whole numbers, as pixels would be: less than a half of one is nothing.
    share: NDArray[np.float32] = np.rint(down @ alpha.astype(np.float32) @ across.T) / 255
    return share


@lru_cache(maxsize=512)
def _overlaps(size: tuple[int, int], axis: int, grid: int) -> NDArray[np.float32]:
    """Which share of each patch's extent each pixel takes: float32 [grid, size[axis]], where the
    image lies in the square as `square` puts it.
    """
    side = max(size)
    begin = (side - size[axis]) // 2 + np.arange(size[axis])
    edges = np.arange(grid + 1)[:, None] * side / grid
    overlap = np.minimum(edges[1:], begin + 1) - np.maximum(edges[:-1], begin)
    shares: NDArray[np.float32] = (overlap.clip(0) * grid / side).astype(np.float32)
    return shares
