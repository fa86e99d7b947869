"""VGG Image Annotator: labels, and files that are not quite right."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.regions import CASES, read_regions
from tests.support.sources import read_error
from vipllava_cli.sources.formats import SourceFormat

RECT = {"name": "rect", "x": 20, "y": 30, "width": 40, "height": 25}


def write(folder: Path, *regions: Any, **fields: Any) -> Path:
    entry = {
        "filename": "a.jpg",
        "size": 1,
        "regions": list(regions),
        "file_attributes": {},
        **fields,
    }
    (folder / "a.jpg").write_bytes((CASES / "01-coco-float-ids" / "a.jpg").read_bytes())
    file = folder / "via.json"
    file.write_text(json.dumps({"a.jpg1": entry}))
    return file


def region(shape: Any, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


@pytest.mark.parametrize(
    ("attributes", "label"),
    [
        ({"Label": "bolt", "name": "x"}, "bolt"),
        ({"kind": "bolt"}, "bolt"),
        ({"type": {"bolt": True, "nut": False}}, "bolt"),
        ({"type": {"bolt": True, "nut": True}}, "bolt, nut"),
        ({"color": "red", "size": "3"}, None),
        ({}, None),
    ],
)
def test_an_attribute_is_the_label(tmp_path: Path, attributes: Any, label: str | None) -> None:
    found = read_regions(write(tmp_path, region(RECT, **attributes)))
    assert found.labels == [label]
    assert found.regions == [("box", (20, 30, 60, 55))]
    assert any("label" in note for note in found.notes)


def test_regions_by_number_and_an_image_inside_the_file(tmp_path: Path) -> None:
    """As VIA 1 writes them."""
    file = write(tmp_path, region(RECT, name="bolt"))
    data = base64.b64encode((tmp_path / "a.jpg").read_bytes()).decode()
    text = json.loads(file.read_text())
    text["a.jpg1"] |= {"regions": {"0": region(RECT)}, "base64_img_data": data, "fileref": ""}
    file.write_text(json.dumps(text))
    (tmp_path / "a.jpg").unlink()
    assert read_regions(file).regions == [("box", (20, 30, 60, 55))]


@pytest.mark.parametrize(
    "shape",
    [
        {"name": "blob"},
        {"name": "rect", "x": 1, "y": 2, "width": 0, "height": 5},
        {"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]},
        {"name": "ellipse", "cx": 5, "cy": 5, "rx": "x", "ry": 1},
        {"name": []},
        None,
    ],
    ids=str,
)
def test_a_malformed_shape_fails_alone(tmp_path: Path, shape: Any) -> None:
    found = read_regions(write(tmp_path, region(shape), region(RECT)))
    assert len(found.errors) == 1
    assert found.regions == [("box", (20, 30, 60, 55))]


def test_a_file_of_via_3_is_named(tmp_path: Path) -> None:
    metadata = {"1_a": {"vid": "1", "z": [], "xy": [2, 20, 30, 40, 25], "av": {"1": "bolt"}}}
    file = tmp_path / "via.json"
    file.write_text(json.dumps({"file": {}, "metadata": metadata, "view": {}}))
    assert "VIA 3" in read_error(file)


@pytest.mark.parametrize(
    "header", ['filename,",region_shape_attributes,region_attributes', 'filename,"a,region_id']
)
def test_a_table_with_an_open_quote_in_its_header_is_one_line(tmp_path: Path, header: str) -> None:
    file = tmp_path / "via.csv"
    file.write_text(f'{header}\na.jpg,"{{""name"": ""rect""}}","{{}}"\n')
    for format in (SourceFormat.auto, SourceFormat.via):
        assert read_error(file, format=format)


def test_a_quoted_header_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    file = tmp_path / "via.csv"
    shape = json.dumps(RECT).replace('"', '""')
    file.write_text(
        '"filename","region_shape_attributes","region_attributes","notes, etc."\n'
        f'"a.jpg","{shape}","{{}}",""\n'
    )
    assert read_regions(file).regions == [("box", (20, 30, 60, 55))]
