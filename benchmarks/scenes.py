"""Marked images and questions for the scenarios."""

from pathlib import Path

from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    SIMPLE,
    make_scene,
    mark_scene,
    scene_rng,
)

QUESTION = "what is marked?"
QUESTIONS = tuple(
    f"what {verb} in the {color} box?"
    for verb in ("is", "thing is")
    for color in ("red", "blue", "lime", "yellow")
)
SAMPLE = Path(__file__).parent.parent / "sample_images" / "garden.png"
SAMPLE_BOX = "294,48,522,247"


def write_scenes(folder: Path, count: int, first: int = 9000) -> list[Path]:
    """Write images with one drawn mark each. Skips existing files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(first, first + count):
        path = folder / f"{number}.png"
        if not path.exists():
            rng = scene_rng(HELD_OUT, number)
            mark_scene(rng, make_scene(rng, SIMPLE), SIMPLE, 1).image.save(path)
        paths.append(path)
    return paths
