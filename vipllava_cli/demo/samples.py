"""The clip-art pictures of `sample_images/`: `python -m vipllava_cli.demo.samples FOLDER`.

They come from a stream of seeds of their own, so that training never saw them.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vipllava_cli.colors import parse_color
from vipllava_cli.demo.scenes import SAMPLES, MarkedScene, make_scene, mark_placement, scene_rng
from vipllava_cli.demo.things import THINGS

LONGEST = 640


@dataclass(frozen=True)
class Sample:
    """A scene of these things; `drawn` is a shape and a colour for some of them, by position."""

    number: int
    things: tuple[str, ...]
    drawn: tuple[tuple[str, str, int], ...] = ()


SAMPLE_SCENES: Mapping[str, Sample] = {
    "garden": Sample(1, ("butterfly", "sunflower", "snail", "rose")),
    "farm": Sample(11, ("cow", "tractor", "chicken", "corn")),
    "breakfast": Sample(3, ("egg", "banana", "bread", "orange")),
    "street": Sample(4, ("bus", "bicycle", "car", "dog")),
    "zoo-red-box": Sample(5, ("lion", "elephant", "penguin", "monkey"), (("box", "red", 2),)),
    "music-blue-arrow": Sample(6, ("guitar", "drum", "trumpet"), (("arrow", "blue", 1),)),
    "sky-two-marks": Sample(
        7, ("rocket", "helicopter", "balloon"), (("box", "red", 0), ("ellipse", "lime", 2))
    ),
}


def sample_scene(name: str) -> MarkedScene:
    """The scene of that name, with the marks that are drawn in it."""
    sample = SAMPLE_SCENES[name]
    indices = {thing.name: index for index, thing in enumerate(THINGS)}
    rng = scene_rng(SAMPLES, sample.number)
    scene = make_scene(rng, longest=LONGEST, things=[indices[thing] for thing in sample.things])
    marks = tuple(
        mark_placement(
            rng, scene.placements[position], shape, parse_color(color), scene.picture.size
        )
        for shape, color, position in sample.drawn
    )
    return MarkedScene(scene, marks, tuple(position for _, _, position in sample.drawn))


def main() -> None:
    """Write every sample picture into the folder."""
    for name in SAMPLE_SCENES:
        sample_scene(name).picture.save(Path(sys.argv[1]) / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
