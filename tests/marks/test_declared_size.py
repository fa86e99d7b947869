"""Marks whose file declares another size or orientation than their image has."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from vipllava_cli.errors import InputError
from vipllava_cli.images.load import read_orientation
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import DeclaredSize, MarkSpec

STORED = (160, 120)
CORNERS = (100, 10, 150, 40)


def box(corners: tuple[float, ...], declared: tuple[float, float], units: str = "px") -> MarkSpec:
    spec = mark_from_json({"shape": "box", "coords": list(corners), "units": units})
    return replace(spec, declared=DeclaredSize(*declared))


def write_turned(path: Path, orientation: int, size: tuple[int, int] = STORED) -> Path:
    """Write an image with white pixels at CORNERS before the EXIF turn."""
    image = Image.new("L", size)
    image.paste(255, CORNERS)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image.save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_coordinates_of_the_stored_image_are_turned_like_its_pixels(
    tmp_path: Path, orientation: int
) -> None:
    file = open_image(str(write_turned(tmp_path / "a.png", orientation)))
    declared = STORED if orientation >= 5 else file.size
    resolved = resolve_marks(
        [box(CORNERS, declared)], file.size, read_orientation=file.read_orientation
    )
    [mark], notes = resolved.marks, resolved.notes
    if orientation >= 5:
        rows, columns = np.nonzero(np.asarray(file.image.convert("L")))
        white = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.allclose(mark.bounds, white)
        assert file.size == (120, 160)
        assert len(notes) == 1
    else:
        assert mark.bounds == CORNERS
        assert len(notes) == (orientation > 1)


def test_a_mark_for_the_upright_image_stays_as_it_is(tmp_path: Path) -> None:
    file = open_image(str(write_turned(tmp_path / "a.png", 6)))
    resolved = resolve_marks(
        [box((10, 100, 40, 150), (120, 160))], file.size, read_orientation=file.read_orientation
    )
    assert resolved.marks[0].bounds == (10, 100, 40, 150)
    assert resolved.notes == ()


def test_a_square_image_counts_as_annotated_upright_with_a_note(tmp_path: Path) -> None:
    file = open_image(str(write_turned(tmp_path / "a.png", 6, (200, 200))))
    resolved = resolve_marks(
        [box(CORNERS, (200, 200))], file.size, read_orientation=file.read_orientation
    )
    assert resolved.marks[0].bounds == CORNERS
    assert "orientation 6" in resolved.notes[0]


@pytest.mark.parametrize(
    ("declared", "size", "scale"),
    [
        ((640, 480), (160, 120), 0.25),
        ((80, 60), (160, 120), 2),
        ((640, 427), (1024, 683), 1.6),
        ((1024, 683), (640, 427), 0.625),
    ],
)
def test_another_size_of_the_same_ratio_scales_with_a_note(
    declared: tuple[int, int], size: tuple[int, int], scale: float
) -> None:
    corners = (8, 12, 48, 40)
    resolved = resolve_marks([box(corners, declared)] * 2, size)
    expected = [scale * value for value in corners]
    assert resolved.marks[0].bounds == pytest.approx(expected, abs=0.05)
    assert len(resolved.notes) == 1
    assert f"{declared[0]}x{declared[1]}" in resolved.notes[0]
    assert f"{size[0]}x{size[1]}" in resolved.notes[0]


def test_a_smaller_copy_of_a_turned_image_is_turned_and_scaled() -> None:
    spec = box(CORNERS, (320, 240))
    [mark] = resolve_marks([spec], (120, 160), read_orientation=lambda: 6).marks
    assert mark.bounds == (100, 50, 115, 75)


@pytest.mark.parametrize(
    ("declared", "size"),
    [
        ((640, 480), (160, 160)),
        ((120, 160), (160, 120)),
        ((1000, 10), (100, 2)),
        ((640, 430), (1024, 683)),
    ],
)
def test_another_ratio_is_an_error_with_both_sizes(
    declared: tuple[int, int], size: tuple[int, int]
) -> None:
    with pytest.raises(InputError) as caught:
        resolve_marks([box((1, 1, 5, 5), declared)], size)
    assert f"{declared[0]}x{declared[1]}" in str(caught.value)
    assert f"{size[0]}x{size[1]}" in str(caught.value)


def test_shares_sizes_and_outlines_are_fitted_too() -> None:
    declared = DeclaredSize(320, 240)
    specs = [
        box((0.25, 0.5, 0.5, 0.75), (320, 240), "unit"),
        replace(parse_mark("box", "80,120,+80,+25%"), declared=declared),
        replace(parse_mark("contour", "80,120,160,120,160,180"), declared=declared),
    ]
    marks = resolve_marks(specs, STORED).marks
    assert [mark.bounds for mark in marks] == [(40, 60, 80, 90)] * 3
    turned = resolve_marks(specs, (120, 160), read_orientation=lambda: 8).marks
    assert [mark.bounds for mark in turned] == [(60, 80, 90, 120)] * 3


def test_pixels_below_one_suggest_shares() -> None:
    for text, is_noted in (
        ("0.1,0.2,0.5,0.75", True),
        ("0,0,1,0.5", True),
        ("0,0,1,1", False),
        ("10%,20%,50%,60%", False),
        ("0.5,0.5,20,30", False),
    ):
        notes = resolve_marks([parse_mark("box", text)], STORED).notes
        assert any("--units unit" in note for note in notes) == is_noted, text


def test_the_orientation_is_that_of_pillow(tmp_path: Path) -> None:
    for orientation in range(1, 9):
        for suffix in ("jpg", "png", "tif", "webp"):
            data = write_turned(tmp_path / f"a.{suffix}", orientation).read_bytes()
            assert read_orientation(data, "a") == orientation
    turned = Image.open(io.BytesIO(data))
    assert ImageOps.exif_transpose(turned).size == (120, 160)


def test_the_orientation_of_a_jpeg_can_be_in_xmp_alone(tmp_path: Path) -> None:
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    Image.new("L", STORED).save(tmp_path / "a.jpg", xmp=xmp)
    file = open_image(str(tmp_path / "a.jpg"))
    assert file.size == file.image.size == (120, 160)
    resolved = resolve_marks(
        [box(CORNERS, STORED)], file.size, read_orientation=file.read_orientation
    )
    assert resolved.marks[0].bounds == pytest.approx((80, 100, 110, 150))
