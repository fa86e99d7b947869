"""Hugging Face image folders: the forms of `objects`, columns, and questions."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.regions import CASES, Found, read_regions

BOX = ("box", (20, 30, 60, 55))
BBOX = [20, 30, 40, 25]


def read_lines(folder: Path, *lines: dict[str, Any]) -> Found:
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", folder / name)
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (folder / "metadata.jsonl").write_text(text)
    return read_regions(folder)


@pytest.mark.parametrize(
    "objects",
    [
        {"bbox": [BBOX], "categories": ["bolt"], "area": [1000]},
        {"area": [1000], "category": ["bolt"], "bbox": [BBOX]},
        [{"bbox": BBOX, "label": "bolt", "area": 1000}],
    ],
)
def test_objects_and_their_columns_are_read(tmp_path: Path, objects: object) -> None:
    line = {"file_name": "a.jpg", "objects": objects, "width": 160, "height": 120, "site": "north"}
    found = read_lines(tmp_path, line)
    assert found.regions == [BOX]
    assert found.columns == [{"label": "bolt", "site": "north", "area": 1000}]


def test_the_first_image_may_have_no_objects(tmp_path: Path) -> None:
    found = read_lines(
        tmp_path,
        {"file_name": "b.jpg", "objects": None},
        {"file_name": "a.jpg", "objects": {"bbox": [BBOX]}},
    )
    assert found.regions == [BOX]
    assert "images without a region (skipped): 1" in found.notes


def test_boxes_under_another_name_are_not_passed_over(tmp_path: Path) -> None:
    found = read_lines(
        tmp_path,
        {"file_name": "a.jpg", "objects": {"bbox": [BBOX]}},
        {"file_name": "b.jpg", "objects": {"boxes": [BBOX], "labels": ["bolt"]}},
    )
    assert found.regions == [BOX]
    [error] = found.errors
    assert "a list \"bbox\", found {'boxes'" in error


def test_questions_beside_objects_are_named(tmp_path: Path) -> None:
    line = {"file_name": "a.jpg", "objects": {"bbox": [BBOX]}, "text": "Is it new?"}
    found = read_lines(tmp_path, line)
    assert found.columns[0]["text"] == "Is it new?"
    assert any("no question is read from text; --question '{text}'" in n for n in found.notes)
