"""Patch targets: the content of each patch of the model's view. The vision tower learns to predict it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES
from vipllava_cli.flows.evals.clipart.relations import (
    DIRECTIONS,
    marked_neighbors,
    reading_order,
)
from vipllava_cli.flows.evals.clipart.scenes import FULL, MarkedScene, Placement
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.draw import coverage
from vipllava_cli.marks.types import Mark

IGNORE = -100  # the default ignore_index of torch's cross entropy
_MIN_OBJECT_COVERAGE = 0.3  # share of a patch that an object must cover to be its object
_MIN_MARK_COVERAGE = 0.04  # the same for a mark, whose lines are thin


@dataclass(frozen=True)
class PatchTarget:
    """A classification of each patch into `values` values and, if `has_none`, "none" behind them.

    `loss_weight` is the target's weight in the loss. `none_rate` is the share of the many "none" patches
    that the loss uses. `balances_marks`: every mark has the same weight, however many patches it covers.
    """

    name: str
    values: int
    has_none: bool = True
    loss_weight: float = 1.0
    none_rate: float = 1.0
    balances_marks: bool = False

    @property
    def classes(self) -> int:
        return self.values + self.has_none


_CLASSES, _SHAPES = len(OBJECT_CLASSES), len(FULL.shapes)

PATCH_TARGETS: tuple[PatchTarget, ...] = (
    # The class of the object here, and the colour of the mark here.
    PatchTarget("object_class", _CLASSES, none_rate=0.3),
    PatchTarget("mark_color", FULL.colors, none_rate=0.3),
    # On an object: the colour and the shape of its mark.
    PatchTarget("object_mark_color", FULL.colors),
    PatchTarget("object_mark_shape", _SHAPES),
    # On a mark: its shape, and the class of its object.
    PatchTarget("mark_shape", _SHAPES, has_none=False, balances_marks=True),
    PatchTarget("marked_class", _CLASSES, has_none=False, balances_marks=True),
    # Whether the centre of an object is here. Each object has one, so this target teaches counting.
    PatchTarget("center", 1, none_rate=0.3),
    # On an object: the colour of the mark whose object has this one to its left, right, ...
    *(PatchTarget(direction, FULL.colors, none_rate=0.1) for direction in DIRECTIONS),
    # On an object: its index from left to right, and the number of objects minus one.
    PatchTarget("reading_order", FULL.max_objects, has_none=False),
    PatchTarget("object_count", FULL.max_objects, has_none=False, loss_weight=0.6),
)
TARGET_INDEX: Mapping[str, int] = {target.name: index for index, target in enumerate(PATCH_TARGETS)}


def make_patch_targets(marked: MarkedScene, grid: int) -> NDArray[np.int64]:
    """Label the patches of the padded square, row by row: int64 [len(PATCH_TARGETS), grid * grid].

    A patch that an object or a mark covers only a little has the label IGNORE.
    """
    placements, size = marked.scene.placements, marked.scene.image.size
    # 1. Find the object and the mark that cover most of each patch.
    object_coverage = np.stack(
        [patch_coverage(p.silhouette.alpha, p.silhouette.corner, size, grid) for p in placements]
    )
    mark_coverage = np.stack(
        [patch_coverage(coverage(mark, *size), (0, 0), size, grid) for mark in marked.marks]
    )
    top_object, covered_by_object = object_coverage.argmax(0), object_coverage.max(0)
    top_mark, covered_by_mark = mark_coverage.argmax(0), mark_coverage.max(0)
    is_object = covered_by_object >= _MIN_OBJECT_COVERAGE
    is_mark = covered_by_mark >= _MIN_MARK_COVERAGE
    # 2. Give each patch the labels of its object and its mark.
    classes = np.array([placement.class_index for placement in placements])
    colors = np.array([_color_index(mark) for mark in marked.marks])
    shapes = np.array([_shape_index(mark) for mark in marked.marks])
    labels = {
        name: np.where(is_object, values[top_object], IGNORE)
        for name, values in _object_labels(marked).items()
    } | {
        "object_class": np.select(
            [is_object, covered_by_object == 0], [classes[top_object], _CLASSES], IGNORE
        ),
        "mark_color": np.select(
            [is_mark, covered_by_mark == 0], [colors[top_mark], FULL.colors], IGNORE
        ),
        "mark_shape": np.where(is_mark, shapes[top_mark], IGNORE),
        "marked_class": np.where(is_mark, classes[np.array(marked.targets)[top_mark]], IGNORE),
        "center": _center_labels(placements, size, grid),
    }
    stacked = np.stack([labels[target.name] for target in PATCH_TARGETS])
    return stacked.reshape(len(PATCH_TARGETS), grid * grid)


def _object_labels(marked: MarkedScene) -> dict[str, NDArray[np.int64]]:
    """Label each object of the scene: int64 [objects] by target."""
    count = len(marked.scene.placements)
    labels = {
        "object_mark_color": np.full(count, FULL.colors),
        "object_mark_shape": np.full(count, _SHAPES),
        "reading_order": np.argsort(reading_order(marked.scene.placements)),
        "object_count": np.full(count, count - 1),
    }
    for mark, target in zip(marked.marks, marked.targets, strict=True):
        labels["object_mark_color"][target] = _color_index(mark)
        labels["object_mark_shape"][target] = _shape_index(mark)
    for direction in DIRECTIONS:
        labels[direction] = np.full(count, FULL.colors)
        for number, neighbor in marked_neighbors(marked, direction).items():
            labels[direction][neighbor] = _color_index(marked.marks[number])
    return labels


def _color_index(mark: Mark) -> int:
    return MODEL_COLORS.index(mark.color)


def _shape_index(mark: Mark) -> int:
    return FULL.shapes.index(mark.shape)


def _center_labels(
    placements: Sequence[Placement], size: tuple[int, int], grid: int
) -> NDArray[np.int64]:
    """Label patches 0 if the centre of an object is in them, else 1: int64 [grid, grid]."""
    labels = np.ones((grid, grid), np.int64)
    for placement in placements:
        labels[_patch_at(placement.center, size, grid)] = 0
    return labels


def _patch_at(point: tuple[float, float], size: tuple[int, int], grid: int) -> tuple[int, int]:
    """Return row and column of the patch that a point of the image falls into after padding."""
    side = max(size)
    column, row = (int(((side - size[axis]) // 2 + point[axis]) * grid / side) for axis in range(2))
    return row, column


def patch_coverage(
    alpha: NDArray[np.uint8], corner: tuple[int, int], size: tuple[int, int], grid: int
) -> NDArray[np.float32]:
    """Average an alpha mask over each patch of the padded square: float32 [grid, grid], 0-1.

    `alpha` is at `corner` (x, y) of an image of `size` (width, height); the rest is 0.
    """
    (x, y), (height, width) = corner, alpha.shape
    columns = _overlaps(size, 0, grid)[:, x : x + width]
    rows = _overlaps(size, 1, grid)[:, y : y + height]
    # Round to multiples of 1/255, like an 8-bit image: less than half of one is 0.
    covered: NDArray[np.float32] = np.rint(rows @ alpha.astype(np.float32) @ columns.T) / 255
    return covered


@lru_cache(maxsize=512)
def _overlaps(size: tuple[int, int], axis: int, grid: int) -> NDArray[np.float32]:
    """Return the share of each patch that each pixel takes along an axis: float32 [grid, size[axis]].

    The image is centred in the square, as `pad_to_square` centres it.
    """
    side = max(size)
    start = (side - size[axis]) // 2 + np.arange(size[axis])
    edges = np.arange(grid + 1)[:, None] * side / grid
    overlap = np.minimum(edges[1:], start + 1) - np.maximum(edges[:-1], start)
    shares: NDArray[np.float32] = (overlap.clip(0) * grid / side).astype(np.float32)
    return shares
