"""Measure how often a photograph and a clip-art scene are taken for a photograph.

    python -m benchmarks.photo_warning [FOLDER OF PHOTOGRAPHS ...]

The clip-art is the 200 scenes of `vipllava eval clipart`, with their marks, after each transform of
`--transform` and after further ones. The photographs are those of `sample_images/` and of the folders,
after the same transforms.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks.support import describe
from vipllava_cli.flows.evals.clipart.benchmark import IMAGE_TRANSFORMS
from vipllava_cli.flows.evals.clipart.scenes import (
    FULL,
    MEASURED,
    TRAINING_STYLE,
    UNSEEN,
    SceneStyle,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.images.load import decode
from vipllava_cli.images.photograph import THRESHOLD, photograph_score

SCENES = 200
SAMPLES = Path(__file__).parent.parent / "sample_images"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def as_jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    """Return a transform that stores an image as JPEG."""

    def store(image: Image.Image) -> Image.Image:
        data = BytesIO()
        image.save(data, "JPEG", quality=quality)
        return Image.open(data).convert("RGB")

    return store


TRANSFORMS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    **IMAGE_TRANSFORMS,
    "jpeg, quality 30": as_jpeg(30),
    "jpeg, quality 90": as_jpeg(90),
    "quarter": lambda image: image.resize((max(image.width // 4, 1), max(image.height // 4, 1))),
}


def scenes(style: SceneStyle, seed: int) -> Iterator[Image.Image]:
    """Yield marked scenes, as `eval clipart` renders them."""
    for number in range(SCENES):
        rng = scene_rng(MEASURED, seed, number)
        yield mark_scene(rng, make_scene(rng, FULL, style), FULL).image


def photographs(folders: list[Path]) -> dict[str, Image.Image]:
    """Read the photographs: the JPEG files of `sample_images/`, and all images of the folders."""
    paths = sorted(SAMPLES.glob("*.jpg"))
    for folder in folders:
        paths += sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return {path.name: decode(path.read_bytes(), path.name) for path in paths}


def show(name: str, images: list[Image.Image], names: list[str] | None = None) -> None:
    """Print the share of images that are taken for photographs, after each transform."""
    print(f"{name}, {len(images)} images")
    for transform, apply in TRANSFORMS.items():
        changed = [apply(image) for image in images]
        scores = list(map(photograph_score, changed))
        flags = [score > THRESHOLD for score in scores]
        line = f"  {transform:18} {sum(flags):4} of {len(flags)} ({sum(flags) / len(flags):.1%})"
        missed = [n for n, flag in zip(names or [], flags, strict=False) if not flag]
        print(line + f", score {min(scores):.4f} to {max(scores):.4f}", *missed)


def main(folders: list[Path]) -> None:
    """Print the tables."""
    print(describe())
    photos = photographs(folders)
    show("photographs", list(photos.values()), list(photos))
    for name, style, seed in (
        ("clip-art of `eval clipart`", UNSEEN, 0),
        ("clip-art of `eval clipart --seed 1`", UNSEEN, 1),
        ("clip-art like the training scenes", TRAINING_STYLE, 0),
    ):
        show(name, list(scenes(style, seed)))
    times = []
    for image in photos.values():
        start = time.perf_counter()
        photograph_score(image)
        times.append(time.perf_counter() - start)
    print(f"one decision takes {median(times) * 1000:.0f} ms (median over the photographs)")


if __name__ == "__main__":
    main(list(map(Path, sys.argv[1:])))
