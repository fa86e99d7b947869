"""Every format that declares the size of an image: a box of the image as it was stored."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.regions import CASES, read_regions

EXIF_ORIENTATION = 274

Size = tuple[int, int]
Write = Callable[[Path, Size], Path]


def write_text(file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def coco(folder: Path, size: Size) -> Path:
    image = {"id": 1, "file_name": "a.jpg", "width": size[0], "height": size[1]}
    annotation = {"id": 1, "image_id": 1, "bbox": [20, 30, 40, 25]}
    return write_text(folder / "a.json", {"images": [image], "annotations": [annotation]})


def labelme(folder: Path, size: Size) -> Path:
    shape = {"label": "bolt", "points": [[20, 30], [60, 55]], "shape_type": "rectangle"}
    sides = {"imageWidth": size[0], "imageHeight": size[1]}
    return write_text(folder / "a.json", {"shapes": [shape], "imagePath": "a.jpg", **sides})


def voc(folder: Path, size: Size) -> Path:
    edges = "<xmin>21</xmin><ymin>31</ymin><xmax>60</xmax><ymax>55</ymax>"
    return write_text(
        folder / "a.xml",
        f"<annotation><filename>a.jpg</filename><size><width>{size[0]}</width><height>{size[1]}"
        f"</height></size><object><name>bolt</name><bndbox>{edges}</bndbox></object></annotation>",
    )


def cvat(folder: Path, size: Size) -> Path:
    box = '<box label="bolt" xtl="20" ytl="30" xbr="60" ybr="55"/>'
    image = f'<image name="a.jpg" width="{size[0]}" height="{size[1]}">{box}</image>'
    return write_text(folder / "a.xml", f"<annotations>{image}</annotations>")


def label_studio(folder: Path, size: Size) -> Path:
    value = {"x": 12.5, "y": 25, "width": 25, "height": 2500 / 120, "rectanglelabels": ["bolt"]}
    result = {"value": value, "original_width": size[0], "original_height": size[1]}
    task = {"data": {"image": "a.jpg"}, "annotations": [{"result": [result]}]}
    return write_text(folder / "a.json", [task])


def supervisely(folder: Path, size: Size) -> Path:
    points = {"exterior": [[20, 30], [60, 55]], "interior": []}
    value = {"classTitle": "bolt", "geometryType": "rectangle", "points": points}
    sides = {"height": size[1], "width": size[0]}
    return write_text(folder / "a.jpg.json", {"size": sides, "objects": [value]})


WRITERS: Mapping[str, Write] = {
    writer.__name__: writer for writer in (coco, labelme, voc, cvat, label_studio, supervisely)
}

# EXIF orientation -> the box 20,30-60,55 of the stored 160x120 pixels on the upright image.
TURNED = {
    5: (30, 20, 55, 60),
    6: (65, 20, 90, 60),
    7: (65, 100, 90, 140),
    8: (30, 100, 55, 140),
}


def write_image(folder: Path, orientation: int) -> None:
    image = Image.open(CASES / "01-coco-float-ids" / "a.jpg")
    exif = image.getexif()
    exif[EXIF_ORIENTATION] = orientation
    image.save(folder / "a.jpg", exif=exif)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("format", WRITERS)
def test_a_box_of_the_stored_image_is_turned(tmp_path: Path, format: str, orientation: int) -> None:
    write_image(tmp_path, orientation)
    found = read_regions(WRITERS[format](tmp_path, (160, 120)))
    assert found.regions == [("box", TURNED[orientation])]
    assert any("before the EXIF turn" in note for note in found.notes)


@pytest.mark.parametrize("orientation", [2, 3, 4])
@pytest.mark.parametrize("format", WRITERS)
def test_an_orientation_that_keeps_the_size_gets_a_note(
    tmp_path: Path, format: str, orientation: int
) -> None:
    write_image(tmp_path, orientation)
    found = read_regions(WRITERS[format](tmp_path, (160, 120)))
    assert found.regions == [("box", (20, 30, 60, 55))]
    assert any(f"EXIF orientation {orientation}" in note for note in found.notes)


@pytest.mark.parametrize("format", WRITERS)
def test_another_aspect_ratio_fails_the_row(tmp_path: Path, format: str) -> None:
    write_image(tmp_path, 1)
    found = read_regions(WRITERS[format](tmp_path, (120, 160)))
    assert not found.regions
    assert "120x160" in found.errors[0]
    assert "160x120" in found.errors[0]


@pytest.mark.parametrize("format", WRITERS)
def test_a_box_of_a_larger_image_is_scaled(tmp_path: Path, format: str) -> None:
    write_image(tmp_path, 1)
    found = read_regions(WRITERS[format](tmp_path, (320, 240)))
    scale = 1 if format == "label_studio" else 2  # its coordinates are percentages
    assert found.regions == [("box", tuple(v / scale for v in (20, 30, 60, 55)))]
    assert any("320x240" in note for note in found.notes)
