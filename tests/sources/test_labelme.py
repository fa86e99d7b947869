"""LabelMe: shapes, images from another machine, malformed files."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.support.sources import (
    read_bad_rows,
    read_error,
    read_rows,
    resolve,
    write_file,
    write_images,
    write_labelme,
)
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import BadRow, Row


def write_labelme_with(folder: Path, *shapes: object, image: str = "a.jpg") -> Path:
    return write_file(folder / "a.json", {"shapes": shapes, "imagePath": image})


BOX = {"label": "bolt", "shape_type": "rectangle", "points": [[20, 30], [60, 55]]}


def encoded_png(width: int, height: int) -> str:
    data = BytesIO()
    Image.new("L", (width, height), 255).save(data, "PNG")
    return b64encode(data.getvalue()).decode()


def test_every_shape_type_has_a_mark(tmp_path: Path) -> None:
    expected = {
        "circle": ([[50, 50], [80, 90]], parse_mark("ellipse", "0,0,100,100")),
        "point": ([[10, 20]], parse_mark("point", "10,20")),
        "line": ([[10, 20], [30, 40]], parse_mark("scribble", "10,20,30,40")),
        "linestrip": ([[1, 2], [3, 4], [5, 6]], parse_mark("scribble", "1,2,3,4,5,6")),
        "polygon": ([[1, 2], [30, 4], [5, 60]], parse_mark("contour", "1,2,30,4,5,60")),
        None: ([[1, 2], [30, 4], [5, 60]], parse_mark("contour", "1,2,30,4,5,60")),
        "rectangle": ([[1, 2], [30, 2], [30, 40], [1, 40]], parse_mark("box", "1,2,30,40")),
    }
    shapes = [{"shape_type": kind, "points": points} for kind, (points, _) in expected.items()]
    rows = read_rows(write_labelme_with(tmp_path, *shapes))
    assert [row.marks[0] for row in rows] == [mark for _, mark in expected.values()]


@pytest.mark.parametrize(
    "shape",
    [
        "junk",
        {"shape_type": "mask", "points": [[1, 2], [3, 4]]},
        {"shape_type": "rectangle", "points": [[1, 2]]},
        {"shape_type": "rectangle", "points": [[1, 2], [1, 9]]},
        {"shape_type": "rectangle", "points": [[1, 2], [3, float("nan")]]},
        {"shape_type": "circle", "points": [[1, 2], [1, 2]]},
        {"shape_type": "polygon", "points": [[1, 2], [3, 4]]},
        {"shape_type": "polygon", "points": [[1, 2], [3, 4], [5]]},
        {"shape_type": "point", "points": None},
        {"shape_type": ["point"], "points": [[1, 2]]},
    ],
)
def test_a_malformed_shape_is_a_bad_row(tmp_path: Path, shape: object) -> None:
    good = {"label": "x", "shape_type": "point", "points": [[1, 2]]}
    bad, other = read_source(str(write_labelme_with(tmp_path, shape, good))).rows
    assert isinstance(bad, BadRow)
    assert isinstance(other, Row)


def test_an_image_path_of_another_machine_is_found_beside_its_file(tmp_path: Path) -> None:
    point = {"shape_type": "point", "points": [[1, 2]]}
    write_images(tmp_path, "a.jpg", "sub/b.jpg")
    for image_path, image in (
        ("C:\\work\\a.jpg", "a.jpg"),
        ("sub\\b.jpg", "sub/b.jpg"),
        ("was.renamed.png", "a.jpg"),
    ):
        [row] = read_rows(write_labelme_with(tmp_path, point, image=image_path))
        assert row.image == str(tmp_path / image)


def test_a_malformed_file_in_a_folder_is_a_bad_row(tmp_path: Path) -> None:
    source = write_labelme(tmp_path)
    write_file(source / "broken.json", '{"imagePath": "c.jpg", "shapes": [')
    write_file(source / "settings.json", {"theme": "dark"})
    [bad] = read_bad_rows(source)
    assert bad.id == "broken.json"
    assert "broken.json" in str(bad.error)
    assert "broken.json" in read_error(source / "broken.json")
    assert any("another format: 1" in note for note in read_source(str(source)).notes)


@pytest.mark.parametrize("start", ["", "data:image/png;base64,"])
def test_the_image_and_the_mask_in_a_file_may_be_addresses(start: str, tmp_path: Path) -> None:
    shape = {
        "shape_type": "mask",
        "points": [[20, 30], [59, 54]],
        "mask": start + encoded_png(40, 25),
    }
    content = {"shapes": [shape], "imagePath": "a.png", "imageData": start + encoded_png(200, 100)}
    [row] = read_rows(write_file(tmp_path / "a.json", content))
    assert open_image(row.image).size == (200, 100)
    assert resolve(row.marks)[0].bounds == (20.5, 30.5, 59.5, 54.5)


def test_an_image_that_is_neither_there_nor_in_the_file_is_named(tmp_path: Path) -> None:
    content = {"shapes": [BOX], "imagePath": "gone.png", "imageData": ""}
    [row] = read_rows(write_file(tmp_path / "a.json", content))
    assert "found no image gone.png" in str(row.image_error)


def test_two_files_that_name_one_image_are_noted(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg", "b.jpg")
    for name in ("a.json", "b.json"):
        write_file(tmp_path / name, {"shapes": [BOX], "imagePath": "a.jpg"})
    notes = read_source(str(tmp_path)).notes
    assert any("a.json and" in note and "name the same image" in note for note in notes)
