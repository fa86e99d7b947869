"""The columns of manifests from other programs: regions, sizes of images, and notes about the rest."""

import shutil
from pathlib import Path

import pytest

from tests.support.regions import CASES, Found, read_regions
from tests.support.sources import write_file

BOX = ("box", (20.0, 30.0, 60.0, 55.0))


def read_table(folder: Path, header: str, *lines: str) -> Found:
    """Read a CSV about an image of 160x120 pixels."""
    shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", folder)
    return read_regions(write_file(folder / "m.csv", "\n".join([header, *lines])))


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("image_name,x1,y1,x2,y2", "a.jpg,20,30,60,55"),
        ("filepath,X_Min,Y_Min,X_Max,Y_Max", "a.jpg,20,30,60,55"),
        ("image,x0,y0,x1,y1", "a.jpg,20,30,60,55"),
        ("image,bbox,xmin,ymin,xmax,ymax", 'a.jpg,"20,30,40,25",20,30,60,55'),
        ("image,bbox,img_width,img_height", 'a.jpg,"40,60,80,50",320,240'),
        ("image,xmin,ymin,xmax,ymax,width,height", "a.jpg,20,30,60,55,40,25"),
    ],
)
def test_columns_for_one_box_give_it_once(tmp_path: Path, header: str, line: str) -> None:
    assert read_table(tmp_path, header, line).regions == [BOX]


def test_the_size_of_the_box_is_not_that_of_the_image(tmp_path: Path) -> None:
    header = "image,xmin,ymin,xmax,ymax,width,height"
    found = read_table(tmp_path, header, "a.jpg,20,30,100,90,80,60", "a.jpg,20,30,100,90,160,120")
    assert found.regions == [("box", (20, 30, 100, 90))] * 2
    assert not found.notes


@pytest.mark.parametrize(
    "columns",
    [
        "bbox_x,bbox_y,bbox_width,bbox_height",
        "bbox_x1,bbox_y1,bbox_x2,bbox_y2",
        "boundingBox",
        "bbox.xmin,bbox.ymin",
        "xywhn",
        "center_x,center_y",
        "segmentations",
        "keypoints",
        "bbox_2d",
        "gt_boxes",
        "detections",
    ],
)
def test_columns_like_a_region_that_are_not_read_are_named(tmp_path: Path, columns: str) -> None:
    cells = ",".join("1" for _ in columns.split(","))
    [note] = read_table(
        tmp_path, f"image,{columns},bbox_label,box_color", f"a.jpg,{cells},a,b"
    ).notes
    assert f" {columns.replace(',', ', ')};" in note


def test_columns_that_marks_hide_are_named(tmp_path: Path) -> None:
    found = read_table(tmp_path, "image,box,x1,y1,x2,y2", 'a.jpg,"20,30,60,55",1,2,3,4')
    assert found.regions == [BOX]
    assert ["a row with box does not use the columns x1, y1, x2, y2" in n for n in found.notes] == [
        True
    ]


@pytest.mark.parametrize(("column", "box"), [("bbox", "20,30,40,25"), ("boxes", "20,30,60,55")])
def test_an_empty_list_of_boxes_is_a_row_without_a_mark(
    tmp_path: Path, column: str, box: str
) -> None:
    found = read_table(tmp_path, f"image,{column}", "a.jpg,[]", f'a.jpg,"[{box}]"', "a.jpg,null")
    assert (found.regions, found.errors) == ([BOX], [])
