"""How often a photograph and a clip-art scene are taken for a photograph.

The clip-art is the scenes of `vipllava eval clipart`, with their marks, after each transform of
`--transform` and after further ones. The photographs are those of `sample_images/` and of `--images`,
after the same transforms.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, seconds, summarize

if TYPE_CHECKING:
    from vipllava_cli.flows.evals.clipart.scenes import SceneStyle

SAMPLES = Path(__file__).parents[2] / "sample_images"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}

Transform = Callable[[Image.Image], Image.Image]


def as_jpeg(quality: int) -> Transform:
    """Return a transform that stores an image as JPEG."""

    def store(image: Image.Image) -> Image.Image:
        data = BytesIO()
        image.save(data, "JPEG", quality=quality)
        return Image.open(data).convert("RGB")

    return store


def make_transforms() -> Mapping[str, Transform]:
    """Return all transforms by name."""
    from vipllava_cli.flows.evals.clipart.benchmark import IMAGE_TRANSFORMS

    return {
        **IMAGE_TRANSFORMS,
        "jpeg, quality 30": as_jpeg(30),
        "jpeg, quality 90": as_jpeg(90),
        "quarter": lambda image: image.resize(
            (max(image.width // 4, 1), max(image.height // 4, 1))
        ),
    }


def iter_scenes(style: "SceneStyle", seed: int, count: int) -> Iterator[Image.Image]:
    """Yield marked scenes, as `eval clipart` renders them."""
    from vipllava_cli.flows.evals.clipart.scenes import (
        FULL,
        MEASURED,
        make_scene,
        mark_scene,
        scene_rng,
    )

    for number in range(count):
        rng = scene_rng(MEASURED, seed, number)
        yield mark_scene(rng, make_scene(rng, FULL, style), FULL).image


def read_photographs(folders: Sequence[Path]) -> list[Image.Image]:
    """Read the photographs: the JPEG files of `sample_images/`, and all images of the folders."""
    from vipllava_cli.images.load import decode

    paths = sorted(SAMPLES.glob("*.jpg"))
    for folder in folders:
        paths += sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return [decode(path.read_bytes(), path.name) for path in paths]


def run(bench: Bench) -> Iterator[Measure]:
    """Count what the threshold takes for photographs."""
    from vipllava_cli.flows.evals.clipart.scenes import TRAINING_STYLE, UNSEEN
    from vipllava_cli.images.photograph import THRESHOLD, photograph_score

    photos = read_photographs(bench.images)
    scenes = bench.choose(200, 2)
    groups = {
        "photographs": photos,
        "clip-art": list(iter_scenes(UNSEEN, 0, scenes)),
        "clip-art, --seed 1": list(iter_scenes(UNSEEN, 1, scenes)),
        "clip-art like the training scenes": list(iter_scenes(TRAINING_STYLE, 0, scenes)),
    }
    for name, images in groups.items():
        for transform, apply in make_transforms().items():
            found = sum(photograph_score(apply(image)) > THRESHOLD for image in images)
            yield Measure(f"{name}: {transform}", found, f"of {len(images)}")
    times = [1000 * seconds(lambda i=image: photograph_score(i)) for image in photos]  # type: ignore[misc]
    yield summarize("one decision", times, "ms")
