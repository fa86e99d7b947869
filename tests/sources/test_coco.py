"""COCO: boxes, polygons, run lengths, and the folders of the images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask

from tests.support.sources import (
    HEIGHT,
    WIDTH,
    read_bad_rows,
    read_error,
    read_ids,
    read_rows,
    resolve,
    write_file,
    write_images,
)
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.read_options import ReadOptions
from vipllava_cli.sources.rows import BadRow, Row


def write_coco_with(folder: Path, *annotations: Mapping[str, Any]) -> Path:
    """Write a file with one image. All annotations have the category `thing`."""
    value = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 3, **each} for each in annotations],
        "categories": [{"id": 3, "name": "thing"}],
    }
    return write_file(folder / "coco.json", value)


def two_blobs() -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(pixels, (60, 50), (40, 25), 20, 0, 360, 1, -1)
    pixels[70:95, 150:190] = 1
    return pixels


def test_run_lengths_become_the_outlines_of_their_mask(tmp_path: Path) -> None:
    pixels = two_blobs()
    compressed = mask.encode(np.asfortranarray(pixels))
    flat = pixels.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    uncompressed = np.diff([0, *edges, flat.size]).tolist()
    source = write_coco_with(
        tmp_path,
        {"segmentation": {"size": [HEIGHT, WIDTH], "counts": compressed["counts"].decode()}},
        {"segmentation": {"size": [HEIGHT, WIDTH], "counts": uncompressed}},
    )
    for row in read_rows(source):
        [mark] = resolve(row.marks)
        assert mark.shape == "contour"
        assert len(mark.parts) == 2
        again = np.zeros_like(pixels)
        outlines = [np.array(part, np.float64) - 0.5 for part in mark.parts]
        cv2.fillPoly(again, [outline.astype(np.int32) for outline in outlines], 1)
        assert np.array_equal(again, pixels)


def test_polygons_of_several_parts_are_one_contour(tmp_path: Path) -> None:
    parts = [[10, 10, 50, 10, 50, 50], [100, 10, 150, 10, 150.5, 50, 100, 50]]
    [row] = read_rows(write_coco_with(tmp_path, {"id": 12, "segmentation": parts, "iscrowd": 0}))
    assert row.marks == (mark_from_json({"shape": "contour", "coords": parts, "label": "thing"}),)
    assert row.extra == {"label": "thing", "annotation_id": 12}


@pytest.mark.parametrize(
    "annotation",
    [
        {},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, 3, float("nan")]},
        {"bbox": [1, 2, 3, "four"]},
        {"bbox": [1, 2, 3, "1_0"]},
        {"bbox": [1, 2, 0, 4]},
        {"bbox": "1,2,3,4"},
        {"bbox": [1, 2, 3, 10**400]},
        {"bbox": [1, 2, 3, 4], "attributes": {"rotation": "upside down"}},
        {"bbox": []},
        {"bbox": [0, 0, 0, 0]},
        {"segmentation": [[1, 2, 3, 4]]},
        {"segmentation": [[1, 2, 3, 4, 5]]},
        {"segmentation": 7},
        {"segmentation": {"size": [5, 5], "counts": [3, 4]}},
        {"segmentation": {"size": [5, 5], "counts": [30, 40]}},
        {"segmentation": {"size": [5, 5], "counts": [30, -5]}},
        {"segmentation": {"size": [5, 5], "counts": [25]}},
        {"segmentation": {"size": [10**6, 10**6], "counts": [10**12]}},
        {"segmentation": {"size": [5], "counts": [5]}},
        {"segmentation": {"size": [5, 5], "counts": "PPPPo"}},
        {"segmentation": {"size": [5, 5], "counts": "ä\x00"}},
        {"segmentation": {"size": [5, 5]}},
    ],
)
def test_a_malformed_annotation_is_a_bad_row(tmp_path: Path, annotation: Mapping[str, Any]) -> None:
    good = {"bbox": [1, 2, 3, 4]}
    bad, other = read_source(str(write_coco_with(tmp_path, annotation, good))).rows
    assert isinstance(bad, BadRow)
    assert "\n" not in str(bad.error)
    assert isinstance(other, Row)


def test_an_annotation_without_an_image_is_a_bad_row(tmp_path: Path) -> None:
    value = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2}, "b.jpg"],
        "annotations": [
            {"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"id": 6, "image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4]},
            "junk",
        ],
        "categories": [{"id": 3, "name": "thing"}],
    }
    source = write_file(tmp_path / "coco.json", value)
    assert read_ids(source) == ["a.jpg#1", "image 2", "image 3", "annotation 6", "annotation ?"]
    assert len(read_bad_rows(source)) == 4


@pytest.mark.parametrize(
    ("json_file", "image"),
    [
        ("coco.json", "a.jpg"),
        ("coco.json", "images/a.jpg"),
        ("annotations/coco.json", "images/a.jpg"),
        ("annotations/instances_train2017.json", "train2017/a.jpg"),
    ],
)
def test_images_are_found_in_the_folders_of_coco_datasets(
    tmp_path: Path, json_file: str, image: str
) -> None:
    write_images(tmp_path, image)
    source = write_coco_with(tmp_path, {"bbox": [1, 2, 3, 4]})
    (tmp_path / json_file).parent.mkdir(exist_ok=True)
    [row] = read_rows(source.rename(tmp_path / json_file))
    assert (row.id, row.image) == ("a.jpg#1", str(tmp_path / image))


def one_box(folder: Path, **changes: object) -> Path:
    """Write a COCO file with one box of an image. `changes` are of its annotation."""
    write_images(folder, "a.jpg")
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 30, 40, 25], **changes}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "bolt"}],
    }
    return write_file(folder / "a.json", content)


@pytest.mark.parametrize("id", [1, 1.0, "1", "1.0", " 1 "])
def test_ids_compare_by_value(tmp_path: Path, id: object) -> None:
    [row] = read_rows(one_box(tmp_path, image_id=id, category_id=id))
    assert row.extra["label"] == "bolt"


def test_keypoints_without_a_box_are_the_box_around_the_visible_ones(tmp_path: Path) -> None:
    keypoints = [20, 30, 2, 60, 55, 1, 0, 0, 0]
    [row] = read_rows(one_box(tmp_path, bbox=None, keypoints=keypoints))
    assert resolve(row.marks)[0].bounds == (20, 30, 60, 55)
    [bad] = read_bad_rows(one_box(tmp_path, bbox=None, keypoints=[0, 0, 0]))
    assert "visible point" in str(bad.error)


def test_a_rotation_of_another_program_gets_a_note(tmp_path: Path) -> None:
    source = read_source(str(one_box(tmp_path, rotation=10)))
    assert any("not applied" in note for note in source.notes)


def test_utf_16_is_read(tmp_path: Path) -> None:
    file = one_box(tmp_path)
    file.write_bytes(file.read_text("utf-8").encode("utf-16"))
    assert [row.extra["label"] for row in read_rows(file)] == ["bolt"]


@pytest.mark.parametrize(
    ("result", "shape"),
    [
        ({"category_id": 1, "segmentation": None, "image_id": 1, "bbox": [1, 2, 3, 4]}, "box"),
        ({"category_id": 1, "segmentation": {"size": [], "counts": ""}, "image_id": 1}, None),
        ({"image_id": 1, "category_id": 1, "keypoints": [20, 30, 1, 60, 55, 1]}, "box"),
    ],
)
def test_results_are_read_whatever_comes_first(
    tmp_path: Path, result: dict[str, Any], shape: str | None
) -> None:
    named = one_box(tmp_path)
    file = write_file(tmp_path / "results.json", [{**result, "score": 0.5}])
    [row] = read_source(str(file), options=ReadOptions(coco=str(named))).rows
    assert row.id == "a.jpg#1"
    shapes = [mark.shape for mark in row.marks] if isinstance(row, Row) else [None]
    assert shapes == [shape]


def test_results_of_captions_are_named(tmp_path: Path) -> None:
    file = write_file(tmp_path / "results.json", [{"image_id": 1, "caption": "a bolt"}])
    assert "captions" in read_error(file)


def test_a_manifest_may_have_image_ids(tmp_path: Path) -> None:
    row = {"image_id": 1, "image": "a.jpg", "question": "what?"}
    [read] = read_rows(write_file(tmp_path / "list.json", [row]))
    assert read.questions == ("what?",)
    assert read.extra["image_id"] == 1


@pytest.mark.parametrize("box", [None, [], "", {}, [None] * 4, [0, 0, 0, 0]])
def test_an_empty_box_gives_way_to_the_outline(box: object, tmp_path: Path) -> None:
    outline = [20, 30, 60, 30, 60, 55]
    [row] = read_rows(one_box(tmp_path, bbox=box, segmentation=[outline]))
    [mark] = resolve(row.marks)
    assert (mark.shape, mark.bounds) == ("contour", (20, 30, 60, 55))


def test_a_coco_file_beside_other_annotations_is_noted(tmp_path: Path) -> None:
    source = one_box(tmp_path, image_id=1)
    options = ReadOptions(coco=str(source))
    for name in (source, tmp_path, write_file(tmp_path / "m.csv", "image\na.jpg\n")):
        notes = read_source(str(name), options=options).notes
        assert any(f"no COCO results: --coco {source} is not used" in note for note in notes)


def test_results_may_name_their_images(tmp_path: Path) -> None:
    write_images(tmp_path, "in/7.jpg", "in/b.jpg", "in/c.jpg", "in/012.jpg")
    box = {"category_id": 1, "bbox": [20, 30, 40, 25], "score": 0.5}
    ids: list[dict[str, object]] = [
        {"image_id": 7},
        {"image_id": "012"},
        {"image_id": "b.jpg"},
        {"image_id": 9, "file_name": "c.jpg"},
    ]
    source = write_file(tmp_path / "results.json", [{**box, **id} for id in ids])
    options = ReadOptions((str(tmp_path / "in"),))
    assert read_ids(source, options=options) == [f"{name}.jpg#1" for name in ("7", "012", "b", "c")]
    write_images(tmp_path, "in/7.png")
    assert "the image 7 of" in read_error(source, options=options)


def test_an_error_of_results_names_their_file(tmp_path: Path) -> None:
    named = one_box(tmp_path)
    results = [{"image_id": 1, "bbox": [1, 2]}, {"image_id": 5, "bbox": [1, 2, 3, 4]}]
    source = write_file(tmp_path / "results.json", results)
    bad = read_bad_rows(source, options=ReadOptions(coco=str(named)))
    assert len(bad) == len(results)
    assert all(str(row.error).startswith(str(source)) for row in bad)
