"""Photographs are told from clip-art."""

from io import BytesIO

import pytest
from PIL import Image

from tests.conftest import SAMPLES
from vipllava_cli.flows.evals.clipart.benchmark import IMAGE_TRANSFORMS
from vipllava_cli.flows.evals.clipart.scenes import (
    FULL,
    MEASURED,
    UNSEEN,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.images.load import decode
from vipllava_cli.images.photograph import looks_like_photograph

PHOTOGRAPHS = sorted(SAMPLES.glob("*.jpg"))
CLIP_ART = sorted(SAMPLES.glob("*.png"))


def scene(number: int) -> Image.Image:
    rng = scene_rng(MEASURED, 0, number)
    return mark_scene(rng, make_scene(rng, FULL, UNSEEN), FULL).image


@pytest.mark.parametrize("transform", IMAGE_TRANSFORMS)
def test_sample_photographs_are_found_and_sample_clip_art_is_not(transform: str) -> None:
    apply = IMAGE_TRANSFORMS[transform]
    assert len(PHOTOGRAPHS) == 3
    assert len(CLIP_ART) == 7
    for path in (*PHOTOGRAPHS, *CLIP_ART):
        image = apply(decode(path.read_bytes(), path.name))
        assert looks_like_photograph(image) is (path in PHOTOGRAPHS), path.name


@pytest.mark.slow
@pytest.mark.parametrize("transform", IMAGE_TRANSFORMS)
def test_at_most_2_percent_of_200_clip_art_scenes_are_taken_for_photographs(
    transform: str,
) -> None:
    apply = IMAGE_TRANSFORMS[transform]
    assert sum(looks_like_photograph(apply(scene(number))) for number in range(200)) <= 4


def test_contrast_does_not_decide() -> None:
    for path in PHOTOGRAPHS:
        image = decode(path.read_bytes(), path.name)
        assert looks_like_photograph(image.point(lambda level: level // 2 + 60))


def test_a_strongly_compressed_photograph_is_found() -> None:
    for path in PHOTOGRAPHS:
        data = BytesIO()
        decode(path.read_bytes(), path.name).save(data, "JPEG", quality=30)
        assert looks_like_photograph(decode(data.getvalue(), path.name))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 2), (4000, 3), (64, 64)])
def test_an_image_of_one_colour_is_no_photograph(size: tuple[int, int]) -> None:
    assert not looks_like_photograph(Image.new("RGB", size, (200, 30, 30)))
