"""A source may list an image several times, as merged files do: no region and no answer is lost."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Run
from tests.support.exports import mark, points, read_regions, record, write_image, write_records

BOXES = ([10, 10, 40, 40], [100, 10, 150, 40], [10, 50, 60, 90])
# Each box: the number of its entry in the source, its number there, and the id of its record.
PLACES = ((1, 1, "a.jpg#1"), (2, 1, "a.jpg#1~2"), (2, 2, "a.jpg#2"))


def merged_coco(folder: Path) -> Path:
    """Write a COCO file that lists one image under two ids."""
    file = folder / "source.json"
    image = {"file_name": "a.jpg", "width": 200, "height": 100}
    annotations = [
        {"id": id, "image_id": entry, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for id, ((x1, y1, x2, y2), (entry, _, _)) in enumerate(zip(BOXES, PLACES, strict=True), 1)
    ]
    content = {"annotations": annotations, "categories": [{"id": 1, "name": "dog"}]}
    file.write_text(json.dumps({"images": [{"id": 1, **image}, {"id": 2, **image}], **content}))
    return file


def answers(folder: Path, boxes: Any = BOXES) -> Path:
    """Write a record about each box, as batch writes them: `answer 1` and so on."""
    image = write_image(folder / "a.jpg")
    rows = (
        record(image, id, mark("box", box, label="dog"), answer=f"answer {number}")
        for number, (box, (_, _, id)) in enumerate(zip(boxes, PLACES, strict=True), 1)
    )
    return write_records(folder / "results.jsonl", *rows)


def export(run: Run, folder: Path, format: str, out: Path, source: Path) -> Path:
    results = folder / "results.jsonl"
    ended = run("export", results, "--to", format, "-o", out, "--source", source)
    assert ended.code == 0, ended
    assert "left out" not in ended.stderr
    assert "3 regions, 3 answers" in ended.stderr
    return out


def test_a_copy_has_every_answer_at_its_own_region(tmp_path: Path, run: Run) -> None:
    answers(tmp_path)
    out = export(run, tmp_path, "coco", tmp_path / "out.json", merged_coco(tmp_path))
    annotations = json.loads(out.read_text())["annotations"]
    found = [annotation["attributes"]["answer"] for annotation in annotations]
    assert found == ["answer 1", "answer 2", "answer 3"]


@pytest.mark.parametrize("format", ["labelme", "voc", "yolo", "cvat", "label-studio", "csv"])
def test_another_format_has_every_region_and_answer(format: str, tmp_path: Path, run: Run) -> None:
    answers(tmp_path)
    suffixes = {"cvat": ".xml", "label-studio": ".json", "csv": ".csv"}
    out = tmp_path / f"out{suffixes.get(format, '')}"
    found = read_regions(export(run, tmp_path, format, out, merged_coco(tmp_path)))
    assert np.allclose([points(marks[0])[0] for _, marks in found], BOXES)
    if format not in ("yolo", "label-studio"):  # their answers are no attributes
        assert [row.extra["answer"] for row, _ in found] == ["answer 1", "answer 2", "answer 3"]


def test_equal_regions_of_two_tasks_get_one_answer_each(tmp_path: Path, run: Run) -> None:
    boxes = (BOXES[0], BOXES[0], BOXES[2])
    answers(tmp_path, boxes)
    tasks: list[Any] = [
        {"id": id, "data": {"image": "a.jpg"}, "annotations": [{"result": []}]} for id in (1, 2)
    ]
    for (x1, y1, x2, y2), (entry, number, _) in zip(boxes, PLACES, strict=True):
        place = {"x": x1 / 2, "y": y1, "width": (x2 - x1) / 2, "height": y2 - y1, "rotation": 0}
        region = {"id": f"r{number}", "type": "rectanglelabels", "from_name": "l", "to_name": "i"}
        size = {"original_width": 200, "original_height": 100}
        value = {"value": {**place, "rectanglelabels": ["dog"]}}
        tasks[entry - 1]["annotations"][0]["result"].append({**region, **size, **value})
    source = tmp_path / "source.json"
    source.write_text(json.dumps(tasks))
    out = export(run, tmp_path, "label-studio", tmp_path / "out.json", source)
    found = [
        [
            result["value"]["text"][0]
            for result in task["predictions"][0]["result"]
            if "meta" in result
        ]
        for task in json.loads(out.read_text())
    ]
    assert found == [["answer 1"], ["answer 2", "answer 3"]]
