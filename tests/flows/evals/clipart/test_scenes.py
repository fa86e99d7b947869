"""Scenes: what a seed gives, and what training and measurement share."""

import numpy as np
import pytest

from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    MEASURED,
    TRAINING,
    TRAINING_SETTINGS,
    TRAINING_STYLE,
    UNSEEN,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.shape_table import SHAPES


# The shipped model was trained on these scenes. A change of them changes the world that it knows.
@pytest.mark.parametrize(
    ("number", "size", "objects", "marks", "targets", "mean_color"),
    [
        (
            0,
            (745, 745),
            ["dog", "tomato", "cat", "avocado", "snail", "bread", "giraffe"],
            ["fuchsia arrow", "purple mask", "lime scribble", "aqua box"],
            (4, 1, 0, 5),
            (111.69, 114.39, 61.04),
        ),
        (1, (231, 306), ["monkey"], ["blue mask"], (0,), (209.40, 88.24, 206.74)),
        (
            2,
            (662, 444),
            ["tomato", "guitar", "truck", "duck"],
            ["lime mask"],
            (0,),
            (130.32, 150.95, 162.77),
        ),
    ],
)
def test_a_seed_gives_the_scenes_that_the_shipped_model_was_trained_on(
    number: int,
    size: tuple[int, int],
    objects: list[str],
    marks: list[str],
    targets: tuple[int, ...],
    mean_color: tuple[float, float, float],
) -> None:
    rng = scene_rng(TRAINING, number)
    settings = TRAINING_SETTINGS[number % len(TRAINING_SETTINGS)]
    marked = mark_scene(rng, make_scene(rng, settings, TRAINING_STYLE), settings)
    assert marked.image.size == size
    assert [each.object_class.name for each in marked.scene.placements] == objects
    assert [f"{mark.color.name} {mark.shape}" for mark in marked.marks] == marks
    assert marked.targets == targets
    # Another CPU may round a few pixels differently.
    assert np.asarray(marked.image).mean((0, 1)) == pytest.approx(mean_color, abs=0.1)


def test_training_and_measurement_share_no_scenes() -> None:
    streams = (TRAINING, HELD_OUT, MEASURED)
    images = [make_scene(scene_rng(stream, 0)).image.tobytes() for stream in streams]
    assert len(set(images)) == 3
    assert images[0] == make_scene(scene_rng(TRAINING, 0)).image.tobytes()
    seeds = {tuple(scene_rng(s, n).integers(1 << 62, size=2)) for s in streams for n in range(2000)}
    assert len(seeds) == 3 * 2000


def test_training_sees_neither_backgrounds_nor_sizes_of_the_benchmark() -> None:
    assert not {"striped", "checkered"} & set(TRAINING_STYLE.backgrounds)
    ((least, most),) = UNSEEN.longer_sides
    assert all(end <= least or begin >= most for begin, end in TRAINING_STYLE.longer_sides)


def test_scenes_show_every_shape_color_aspect_and_number_of_objects() -> None:
    rng = scene_rng(TRAINING, 0)
    scenes = [mark_scene(rng, make_scene(rng)) for _ in range(200)]
    marks = [mark for marked in scenes for mark in marked.marks]
    assert {mark.shape for mark in marks} == set(SHAPES)
    assert {mark.color for mark in marks} == set(MODEL_COLORS)
    assert {len(marked.scene.placements) for marked in scenes} == set(range(1, 9))
    ratios = [marked.scene.image.width / marked.scene.image.height for marked in scenes]
    assert min(ratios) < 0.6
    assert max(ratios) > 1.6
