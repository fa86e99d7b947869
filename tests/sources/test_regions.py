"""Annotated images as rows: one scene in every format, selection by label, bad regions."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.support.sources import (
    ANNOTATION_FORMATS,
    assert_scene,
    read_error,
    read_ids,
    read_rows,
    resolve,
    write_coco,
    write_file,
    write_images,
    write_labelme,
    write_yolo,
)
from vipllava_cli.errors import UsageError
from vipllava_cli.sources.formats import RowUnit
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.regions import rotated_box_mark
from vipllava_cli.sources.rows import BadRow, Row


@pytest.mark.parametrize("format", ANNOTATION_FORMATS)
def test_every_annotation_format_gives_the_same_regions(tmp_path: Path, format: str) -> None:
    source = ANNOTATION_FORMATS[format](tmp_path)
    rows = read_rows(source, per=RowUnit.image)
    labels = ["dog", "cat"] if format == "voc" else ["dog", "cat", "sofa"]  # VOC has only boxes
    assert [list(row.extra["labels"]) for row in rows] == [labels, []]
    assert [mark.label for mark in rows[0].marks] == labels
    assert_scene(resolve(rows[0].marks))
    assert rows[1].marks == ()
    assert all(os.path.isfile(row.image) for row in rows)

    read = read_source(str(source))
    one_each = [row for row in read.rows if isinstance(row, Row)]
    assert read.format == format
    assert read.total == len(one_each) == len(labels)
    assert [row.extra["label"] for row in one_each] == labels
    assert [row.id for row in one_each] == [f"{rows[0].id}#{n + 1}" for n in range(len(labels))]
    assert tuple(mark for row in one_each for mark in row.marks) == rows[0].marks
    assert any("without a region" in note and note.endswith(": 1") for note in read.notes)


@pytest.mark.parametrize("format", ANNOTATION_FORMATS)
def test_labels_select_regions_and_keep_their_numbers(tmp_path: Path, format: str) -> None:
    source = ANNOTATION_FORMATS[format](tmp_path)
    [one] = read_rows(source, labels=["CAT"])
    assert one.id.endswith("#2")
    assert one.extra["label"] == "cat"
    [image] = read_rows(source, labels=["Cat", "dog"], per=RowUnit.image)
    assert list(image.extra["labels"]) == ["dog", "cat"]
    message = read_error(source, labels=["cat", "dgo"])
    assert "'dgo'" in message
    assert message.index("dog") < message.index("cat")


def test_labels_are_an_error_for_a_source_without_annotations(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg")
    with pytest.raises(UsageError, match="label"):
        read_source(str(tmp_path), labels=["dog"])


def test_a_class_without_a_region_is_an_error(tmp_path: Path) -> None:
    write_file(write_yolo(tmp_path) / "data.yaml", "names: [dog, cat, sofa, fish]\n")
    assert "fish" in read_error(tmp_path, labels=["fish"])


def test_a_source_without_regions_is_an_error_unless_each_image_is_a_row(
    tmp_path: Path,
) -> None:
    write_images(tmp_path, "a.jpg")
    source = write_file(tmp_path / "a.json", {"shapes": [], "imagePath": "a.jpg"})
    assert "no region" in read_error(source)
    assert read_ids(source, per=RowUnit.image) == ["a.jpg"]


def test_a_note_counts_images_without_an_annotation(tmp_path: Path) -> None:
    write_images(write_labelme(tmp_path), "c.jpg")
    assert any("1 image without an annotation" in note for note in read_source(str(tmp_path)).notes)


def test_a_bad_region_is_one_bad_row_and_makes_its_whole_image_bad(tmp_path: Path) -> None:
    source = write_coco(tmp_path)
    value = json.loads(source.read_text())
    value["annotations"][0]["bbox"][2] = -5
    write_file(source, value)
    first, *others = read_source(str(source)).rows
    assert isinstance(first, BadRow)
    assert first.id == "a.jpg#1"
    assert str(source) in str(first.error)
    assert [row.id for row in others if isinstance(row, Row)] == ["a.jpg#2", "a.jpg#3"]
    bad, good = read_source(str(source), per=RowUnit.image).rows
    assert isinstance(bad, BadRow)
    assert "region 1" in str(bad.error)
    assert isinstance(good, Row)


def test_a_rotated_box_turns_clockwise_about_its_centre() -> None:
    [mark] = resolve([rotated_box_mark((100, 50), (80, 40), 90, "x")])
    assert mark.shape == "contour"
    corners = [(120, 10), (120, 90), (80, 90), (80, 10)]
    assert np.allclose(mark.parts[0], corners)
    [tilted] = resolve([rotated_box_mark((100, 50), (80, 40), 10, "x")])
    (_, left), (_, right) = tilted.parts[0][:2]
    assert right > left  # the top right corner is lower than the top left one
