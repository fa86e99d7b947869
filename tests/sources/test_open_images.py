"""Open Images: columns in any order, flags, class names, malformed lines."""

import shutil
from pathlib import Path

import pytest

from tests.support.regions import CASES, read_regions
from vipllava_cli.sources.formats import RowUnit
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import Row

HEADER = "LabelName,ImageID,Confidence,XMax,XMin,YMin,YMax,IsGroupOf,IsInside"


def write(folder: Path, *lines: str) -> Path:
    shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", folder)
    file = folder / "val.csv"
    file.write_text("\n".join([HEADER, *lines]) + "\n")
    return file


def test_flags_and_confidences_are_columns(tmp_path: Path) -> None:
    found = read_regions(write(tmp_path, "/m/0a,a,0.5,0.375,0.125,0.25,0.5,1,-1"))
    assert found.regions == [("box", (20, 30, 60, 60))]
    assert found.columns == [{"label": "/m/0a", "confidence": 0.5, "IsGroupOf": 1}]
    assert any("class-descriptions" in note for note in found.notes)


def test_class_names_come_from_the_file_beside(tmp_path: Path) -> None:
    source = write(tmp_path, "/m/0a,a.jpg,nan,0.375,0.125,0.25,0.5,0,0")
    metadata = tmp_path / "metadata"
    metadata.mkdir()
    (metadata / "oidv7-class-descriptions-boxable.csv").write_text(
        'LabelName,DisplayName\n/m/0a,"Nut, hex"\n'
    )
    found = read_regions(source)
    assert found.columns == [
        {"label": "Nut, hex", "label_id": "/m/0a", "IsGroupOf": 0, "IsInside": 0}
    ]
    assert not found.notes


@pytest.mark.parametrize(
    "line",
    [
        "/m/0a,a,1,0.125,0.375,0.25,0.5,0,0",
        "/m/0a,a,1,60,20,30,55,0,0",
        "/m/0a,a,1,,0.125,0.25,0.5,0,0",
        "/m/0a,a,1",
    ],
    ids=["reversed", "pixels", "empty", "short"],
)
def test_a_malformed_line_fails_alone(tmp_path: Path, line: str) -> None:
    found = read_regions(write(tmp_path, line, "/m/0a,a,1,0.375,0.125,0.25,0.5,0,0"))
    assert len(found.errors) == 1
    assert found.regions == [("box", (20, 30, 60, 60))]


def test_a_missing_mask_fails_its_row(tmp_path: Path) -> None:
    source = tmp_path / "case"
    shutil.copytree(CASES / "68b-openimages-masks", source)
    shutil.rmtree(source / "masks")
    found = read_regions(source)
    assert "0001_m0a_ab.png" in found.errors[0]


def test_lines_of_an_image_need_not_follow_each_other(tmp_path: Path) -> None:
    shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", tmp_path / "b.jpg")
    near, far = "0.375,0.125,0.25,0.5,0,0", "0.75,0.5,0.25,0.5,0,0"
    source = write(tmp_path, f"n,a,1,{near}", f"n,b,1,{near}", f"f,a,1,{far}", f"f,b,1,{far}")
    assert [row.id for row in read_source(str(source)).rows] == ["a#1", "a#2", "b#1", "b#2"]
    rows = [row for row in read_source(str(source), per=RowUnit.image).rows if isinstance(row, Row)]
    assert [(row.id, row.extra["labels"]) for row in rows] == [("a", ["n", "f"]), ("b", ["n", "f"])]
