"""One scene set in every format gives the same marks, and the same answers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Run
from tests.support.scene_formats.scenes import BOX, POINT, SceneImage, scene_set, select
from tests.support.scene_formats.writers import MASK_WRITERS, WRITERS, Writer
from tests.support.scene_formats.written import Written
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import Mark
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.read_options import ReadOptions
from vipllava_cli.sources.rows import Row

HALF_A_PIXEL = 0.5
SHAPES: Mapping[str, str] = {BOX: "box", POINT: "point"}  # other kinds are contours

Found = tuple[str | None, Mark]  # the label, and the mark on the upright image


def read_written(written: Written, format: str) -> dict[bytes, list[Found]]:
    """Read a source, and resolve its marks as a batch does. The keys are the bytes of the images."""
    options = ReadOptions(
        (str(written.images),) if written.images else (),
        coco=str(written.coco) if written.coco else None,
    )
    source = read_source(str(written.source), options=options)
    assert source.format == format
    found: dict[bytes, list[Found]] = {}
    for row in source.rows:
        assert isinstance(row, Row), row
        assert row.image_error is None
        file = open_image(row.image)
        resolved = resolve_marks(row.marks, file.size, read_orientation=file.read_orientation)
        label = row.extra.get("label")
        found.setdefault(file.data, []).extend((label, mark) for mark in resolved.marks)
    return found


def assert_same(image: SceneImage, found: Sequence[Found], writer: Writer) -> None:
    assert len(found) == len(image.regions), image.name
    for region, (label, mark) in zip(image.regions, found, strict=True):
        assert label == writer.label_of(region.label)
        assert mark.shape == SHAPES.get(region.kind, "contour")
        [points] = mark.parts
        assert np.allclose(points, region.outline, rtol=0, atol=HALF_A_PIXEL), image.name


def test_the_scene_set_has_every_kind_of_image() -> None:
    images = scene_set()
    assert len({image.size for image in images}) > 6
    assert any(image.is_turned for image in images)
    assert {region.kind for image in images for region in image.regions} == set(WRITERS[8].kinds)


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_every_format_gives_the_same_marks(writer: Writer, tmp_path: Path) -> None:
    images = select(scene_set(), writer.kinds)
    found = read_written(writer.write(tmp_path, images), writer.format)
    expected = {image.data: image for image in images if image.regions}
    assert found.keys() == expected.keys()
    for data, image in expected.items():
        assert_same(image, found[data], writer)


@pytest.mark.parametrize("writer", MASK_WRITERS, ids=lambda writer: writer.name)
def test_every_mask_covers_the_pixels_of_its_box(writer: Writer, tmp_path: Path) -> None:
    images = select(scene_set()[:6], writer.kinds)
    found = read_written(writer.write(tmp_path, images), writer.format)
    assert found.keys() == {image.data for image in images if image.regions}
    for image in images:
        marks = found.get(image.data, [])
        for region, (label, mark) in zip(image.regions, marks, strict=True):
            assert (label, mark.shape) == (region.label, "mask")
            # The outline goes through the centres of the outer pixels.
            edges = [round(edge) for edge in region.box]
            assert np.allclose(mark.bounds, edges, rtol=0, atol=HALF_A_PIXEL), image.name


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.usefixtures("opened_once")
def test_every_format_gives_the_same_answers(run: Run, tmp_path: Path) -> None:
    images = select(scene_set()[5:7], (BOX,))
    boxes = answers_by_format(
        [each for each in WRITERS if BOX in each.kinds], images, run, tmp_path
    )
    masks = answers_by_format(MASK_WRITERS, images, run, tmp_path)
    for answers in (boxes, masks):
        expected = next(iter(answers.values()))
        assert len(expected) == sum(len(image.regions) for image in images) > len(images)
        assert all(given == expected for given in answers.values()), answers


def answers_by_format(
    writers: Sequence[Writer], images: Sequence[SceneImage], run: Run, tmp_path: Path
) -> dict[str, list[tuple[int, int, str]]]:
    """Return the answers about the images in each format, in the order of sizes and answers."""
    answers = {}
    for writer in writers:
        folder = tmp_path / writer.name
        folder.mkdir()
        written = writer.write(folder, images)
        out = tmp_path / f"{writer.name}.jsonl"
        options = ("--out", out, "--question", "What is {1}?", "-q")
        assert run("batch", *written.arguments, *options).code == 0
        records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        answers[writer.name] = sorted((r["width"], r["height"], r["answer"]) for r in records)
    return answers
