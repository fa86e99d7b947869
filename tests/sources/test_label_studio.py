"""Exports of Label Studio: which annotation, which image, and what becomes a column."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.regions import CASES, read_regions
from tests.support.sources import read_error
from vipllava_cli.sources.open import read_source

IMAGE = CASES / "01-coco-float-ids" / "a.jpg"
RECTANGLE = {"x": 12.5, "y": 25, "width": 25, "height": 20, "rotation": 0}
SIZE = {"original_width": 160, "original_height": 120}
BOX = ("box", (20, 30, 60, 54))


def result(**fields: Any) -> dict[str, Any]:
    """Make a rectangle, labelled bolt."""
    value = {**RECTANGLE, "rectanglelabels": ["bolt"]}
    return {
        "id": "r1",
        "type": "rectanglelabels",
        "value": value,
        "to_name": "image",
        **SIZE,
    } | fields


def task(*results: dict[str, Any], **data: Any) -> dict[str, Any]:
    annotations = [{"id": 3, "result": list(results)}]
    return {"id": 7, "data": data or {"image": "a.jpg"}, "annotations": annotations}


def write(folder: Path, content: Any) -> Path:
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(IMAGE, folder / name)
    file = folder / "export.json"
    file.write_text(json.dumps(content))
    return file


def test_choices_texts_and_relations_are_columns() -> None:
    found = read_regions(CASES / "61b-labelstudio-types" / "project.json")
    assert found.columns[0] == {
        "label": "bolt",
        "all_labels": "bolt, big",
        "caption": "cap",
        "quality": "good",
        "color": "red, blue",
        "txt": "hello",
        "tax": "a/b, c",
        "region_id": "r1",
        "relations": [{"to": "r2", "labels": ["on"]}],
    }


def test_a_turned_view_changes_no_coordinates(tmp_path: Path) -> None:
    """Label Studio stores the coordinates of the image as it was before the turn."""
    assert read_regions(write(tmp_path, [task(result(image_rotation=90))])).regions == [BOX]


def test_predictions_stand_in_for_annotations(tmp_path: Path) -> None:
    predicted: dict[str, Any] = {"data": {"image": "a.jpg"}, "annotations": [], "predictions": []}
    predicted["predictions"] = [{"model_version": "m1", "score": 0.7, "result": [result()]}]
    found = read_regions(write(tmp_path, [predicted]))
    assert found.regions == [BOX]
    assert found.columns[0]["score"] == 0.7
    assert found.columns[0]["model_version"] == "m1"
    assert any("first prediction is used): 1" in note for note in found.notes)


def test_a_skipped_task_has_no_regions(tmp_path: Path) -> None:
    skipped = {
        "data": {"image": "a.jpg"},
        "annotations": [{"was_cancelled": True, "result": [result()]}],
        "predictions": [{"result": [result()]}],
    }
    found = read_regions(write(tmp_path, [skipped, task(result(), image="b.jpg")]))
    assert len(found.regions) == 1
    assert any("skipped (no regions): 1" in note for note in found.notes)


def test_the_ground_truth_is_used_of_several_annotations(tmp_path: Path) -> None:
    other = result(value={**RECTANGLE, "x": 0})
    several = task(other)
    several["annotations"] += [{"ground_truth": True, "result": [result()]}]
    found = read_regions(write(tmp_path, [several]))
    assert found.regions == [BOX]
    assert any("several annotations" in note and note.endswith(": 1") for note in found.notes)


def test_regions_go_to_their_image_of_several(tmp_path: Path) -> None:
    regions = (
        result(to_name="right"),
        result(id="r2", to_name="left", value={**RECTANGLE, "x": 0}),
    )
    source = write(tmp_path, [task(*regions, left="a.jpg", right="b.jpg")])
    rows = list(read_source(str(source)).rows)
    assert [Path(row.image).name for row in rows] == ["a.jpg", "b.jpg"]
    assert read_regions(source).regions == [("box", (0, 30, 40, 54)), BOX]


def test_pages_of_a_field_are_told_apart(tmp_path: Path) -> None:
    source = write(tmp_path, [task(result(item_index=1), images=["a.jpg", "b.jpg"])])
    [row] = read_source(str(source)).rows
    assert Path(row.image).name == "b.jpg"


def test_an_uncertain_image_fails_the_task(tmp_path: Path) -> None:
    source = write(tmp_path, [task(result(to_name="img"), left="a.jpg", right="b.jpg")])
    found = read_regions(source)
    assert not found.regions
    assert "several images" in found.errors[0]


@pytest.mark.parametrize(
    "name",
    [
        "s3://bucket/x/a.jpg",
        "gs://bucket/a.jpg",
        "azure-blob://container/a.jpg",
        "/data/local-files/?d=some%20folder/a.jpg",
        "/data/upload/1/0f61ab27-a.jpg",
        "http://localhost:8080/data/upload/1/0f61ab27-a.jpg",
        "/tasks/1/presign/?fileuri=" + base64.b64encode(b"s3://bucket/a.jpg").decode(),
    ],
)
def test_names_of_stored_files_are_found(tmp_path: Path, name: str) -> None:
    source = write(tmp_path, [task(result(), image=name, text="Hello. there")])
    [row] = read_source(str(source)).rows
    assert Path(row.image) == tmp_path / "a.jpg"
    assert read_regions(source).regions == [BOX]


def test_an_address_is_a_file_only_with_images(tmp_path: Path) -> None:
    source = write(tmp_path, [task(result(), image="http://127.0.0.1:9/p/a.jpg?x=1")])
    [row] = read_source(str(source)).rows
    assert row.image.startswith("http://127.0.0.1:9/")
    assert read_regions(source, image_folders=(str(tmp_path),)).regions == [BOX]


def test_controls_of_json_min_that_repeat_a_region_are_one_region() -> None:
    found = read_regions(CASES / "61b-labelstudio-types" / "min.json")
    assert found.columns == [
        {"label": "bolt", "note": "n", "q": "good", "qq": "a, b", "color": "red"},
        {"label": "nut", "note": "n", "q": "good", "qq": "a, b"},
    ]


@pytest.mark.parametrize("as_annotation", [True, False])
def test_a_file_of_a_storage_is_one_task(tmp_path: Path, as_annotation: bool) -> None:
    one: dict[str, Any] = task(result())
    if as_annotation:
        one = {"id": 3, "result": [result()], "task": {"id": 7, "data": {"image": "a.jpg"}}}
    assert read_regions(write(tmp_path, one)).regions == [BOX]


@pytest.mark.parametrize(
    "rle",
    [None, [], [1, 2], ["x"], [0, 1, 44, 0, 56], [300], [255] * 50],
    ids=lambda rle: str(rle)[:12],
)
def test_a_damaged_brush_is_one_line(tmp_path: Path, rle: Any) -> None:
    brush = result(type="brushlabels", value={"format": "rle", "rle": rle, "brushlabels": ["x"]})
    found = read_regions(write(tmp_path, [task(brush)]))
    assert not found.regions
    assert len(found.errors) == 1


def test_an_export_as_a_table_is_read(tmp_path: Path) -> None:
    regions = json.dumps([{**RECTANGLE, **SIZE, "rectanglelabels": ["bolt"]}]).replace('"', '""')
    write(tmp_path, []).unlink()
    file = tmp_path / "export.csv"
    file.write_text(f'image,id,label,quality\n/data/upload/1/0f61ab27-a.jpg,7,"{regions}",good\n')
    for source in (file, tmp_path):
        found = read_regions(source)
        assert found.regions == [BOX]
        assert found.columns == [{"label": "bolt", "quality": "good"}]


def without_size(**fields: Any) -> dict[str, Any]:
    return {name: field for name, field in result(**fields).items() if name not in SIZE}


def test_percentages_need_no_size(tmp_path: Path) -> None:
    points = {"points": [[12.5, 25], [37.5, 25], [37.5, 45]], "polygonlabels": ["bolt"]}
    polygon = without_size(id="r2", type="polygonlabels", value=points)
    content = [{"data": {"image": "a.jpg"}, "predictions": [{"result": [without_size(), polygon]}]}]
    found = read_regions(write(tmp_path, content))
    assert found.regions == [BOX, ("contour", (20, 30, 60, 54))]
    assert found.labels == ["bolt", "bolt"]


@pytest.mark.parametrize("value", [{**RECTANGLE, "rotation": 30}, {"format": "rle", "rle": [0, 1]}])
def test_a_turned_region_needs_the_size(tmp_path: Path, value: dict[str, Any]) -> None:
    found = read_regions(write(tmp_path, [task(without_size(value=value))]))
    assert not found.regions
    assert "expected an original_width and an original_height in pixels" in found.errors[0]


def test_the_score_of_a_region_is_its_own(tmp_path: Path) -> None:
    prediction = {
        "score": 0.9,
        "model_version": "v2",
        "result": [result(score=0.7), result(id="r2")],
    }
    found = read_regions(
        write(tmp_path, [{"data": {"image": "a.jpg"}, "predictions": [prediction]}])
    )
    assert [columns["score"] for columns in found.columns] == [0.7, 0.9]


def test_tasks_without_regions_are_recognized(tmp_path: Path) -> None:
    choice = {"type": "choices", "from_name": "c", "to_name": "image", "value": {"choices": ["x"]}}
    file = write(tmp_path, [task(choice)])
    assert "has no region on its 1 image: --per image" in read_error(file)


def test_an_address_that_is_none_is_one_line(tmp_path: Path) -> None:
    found = read_regions(write(tmp_path, [task(result(), image="http://[x/a.jpg")]))
    assert not found.regions
    assert "http://[x/a.jpg" in found.errors[0]
