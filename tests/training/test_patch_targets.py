"""Patch targets: the labels of each patch."""

import cv2
import numpy as np
import pytest

from tests.support.object_rows import object_row
from training.architecture import GRID
from training.patch_targets import (
    IGNORE,
    PATCH_TARGETS,
    TARGET_INDEX,
    make_patch_targets,
    patch_coverage,
)
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES
from vipllava_cli.flows.evals.clipart.scenes import TRAINING, make_scene, mark_scene, scene_rng
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.shape_table import SHAPES

pytestmark = pytest.mark.model


def test_patch_targets_describe_the_scene() -> None:
    rng = scene_rng(TRAINING, 7)
    marked = mark_scene(rng, make_scene(rng))
    labels = {
        target.name: row
        for target, row in zip(PATCH_TARGETS, make_patch_targets(marked, GRID), strict=True)
    }
    classes = {placement.class_index for placement in marked.scene.placements}
    found = set(labels["object_class"].tolist())
    assert classes <= found <= classes | {len(OBJECT_CLASSES), IGNORE}
    marked_classes = {marked.scene.placements[target].class_index for target in marked.targets}
    assert set(labels["marked_class"].tolist()) == marked_classes | {IGNORE}
    colors = {MODEL_COLORS.index(mark.color) for mark in marked.marks}
    assert colors <= set(labels["object_mark_color"].tolist())
    assert set(labels["object_count"].tolist()) == {len(classes) - 1, IGNORE}
    assert set(labels["reading_order"].tolist()) == {*range(len(classes)), IGNORE}
    shapes = {list(SHAPES).index(mark.shape) for mark in marked.marks}
    assert set(labels["mark_shape"].tolist()) == shapes | {IGNORE}
    plain = draw(marked.scene.image, [])
    assert (np.asarray(pad_to_square(plain)) != np.asarray(pad_to_square(marked.image))).any()


def test_the_center_of_each_object_has_a_patch() -> None:
    marked = object_row("cat", "apple", "dog", marked={"dog": "red"})
    labels = make_patch_targets(marked, GRID)[TARGET_INDEX["center"]]
    found = np.argwhere(labels.reshape(GRID, GRID) == 0)
    # The centres are at x = 50, 150 and 250 of an image of 300 x 100 pixels, padded to a square.
    assert found.tolist() == [[GRID // 2, int(x * GRID / 300)] for x in (50, 150, 250)]


@pytest.mark.parametrize("size", [(320, 320), (301, 177), (150, 333)])
def test_patch_coverage_equals_a_resized_mask(size: tuple[int, int]) -> None:
    (width, height), side = size, max(size)
    rng = np.random.default_rng(0)
    alpha, (x, y) = rng.integers(0, 256, (60, 70), np.uint8), (width - 75, 41)
    canvas = np.zeros((side, side), np.uint8)
    top, left = (side - height) // 2 + y, (side - width) // 2 + x
    canvas[top : top + 60, left : left + 70] = alpha
    expected = cv2.resize(canvas, (GRID, GRID), interpolation=cv2.INTER_AREA)
    covered = patch_coverage(alpha, (x, y), size, GRID) * 255
    np.testing.assert_allclose(covered, expected, atol=1.01)  # OpenCV may round halves differently
    assert covered.max() > 100
