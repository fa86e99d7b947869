"""Mask images of more than 8 bits, or with values that Pillow scales: their own values count."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.deep_images import tiff
from vipllava_cli.errors import InputError
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks

SIZE = (120, 80)
OBJECT = (30, 10, 70, 40)  # left, top, right, bottom
TRACED = (30.5, 10.5, 69.5, 39.5)
OTHER = (90, 50, 110, 70)


def paint(background: Any, *values: Any, dtype: Any = np.uint16) -> NDArray[Any]:
    """Paint the object with the first value, and the other object with the second."""
    pixels = np.full((SIZE[1], SIZE[0]), background, dtype)
    for value, (left, top, right, bottom) in zip(values, (OBJECT, OTHER), strict=False):
        pixels[top:bottom, left:right] = value
    return pixels


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def bounds_of(text: str) -> tuple[float, ...]:
    return resolve_marks([parse_mark("mask", text)], SIZE).marks[0].bounds


def refusal_of(text: str) -> str:
    with pytest.raises(InputError) as caught:
        resolve_marks([parse_mark("mask", text)], SIZE)
    return str(caught.value)


@pytest.mark.parametrize(("dtype", "top"), [("u2", 65535), ("u4", 1), ("f4", 1), ("f8", 255)])
def test_white_is_low_where_the_tiff_says_so(dtype: str, top: int, tmp_path: Path) -> None:
    pixels = paint(top, 0, dtype=dtype)
    assert bounds_of(write(tmp_path / "mask.tif", tiff(pixels, photometric=0))) == TRACED


@pytest.mark.parametrize("bands", [2, 4])
def test_opacity_of_16_bits_shows_the_object(bands: int, tmp_path: Path) -> None:
    colors = [paint(9000 * (band + 1)) for band in range(bands - 1)]
    values = np.dstack([*colors, paint(0, 65535)])
    data = tiff(values, photometric=1 if bands == 2 else 2, t338=(2,))
    assert bounds_of(write(tmp_path / "mask.tif", data)) == TRACED
    if bands == 4:
        cv2.imwrite(str(tmp_path / "mask.png"), values)
        assert bounds_of(str(tmp_path / "mask.png")) == TRACED


def test_bands_of_16_bits_that_are_equal_are_gray(tmp_path: Path) -> None:
    name = write(tmp_path / "mask.tif", tiff(np.dstack([paint(0, 3, 4)] * 3), photometric=2))
    cv2.imwrite(str(tmp_path / "mask.png"), np.dstack([paint(0, 3, 4)] * 3))
    for each in (name, str(tmp_path / "mask.png")):
        assert bounds_of(f"{each}:3") == TRACED
        assert "3 (1200), 4 (400)" in refusal_of(each)


def test_colours_of_8_bits_in_16_are_colours(tmp_path: Path) -> None:
    black = paint(0)
    red = write(
        tmp_path / "red.tif", tiff(np.dstack([paint(0, 65535), black, black]), photometric=2)
    )
    assert bounds_of(red) == TRACED
    colors = np.dstack([paint(0, 65535), paint(0, 0, 65535), black])
    several = write(tmp_path / "several.tif", tiff(colors, photometric=2))
    assert bounds_of(f"{several}:#ff0000") == TRACED
    colors[0, 0] = 5
    colors[0, 1, 0] = 6
    deep = write(tmp_path / "deep.tif", tiff(colors, photometric=2))
    assert "has colours of more than 8 bits" in refusal_of(deep)


@pytest.mark.parametrize(
    ("dtype", "first", "second"),
    [
        ("u4", 3_000_000_000, 5),
        ("u8", 5_000_000_000, 705_032_704),
        ("i4", 16_777_217, 16_777_216),
        ("f8", 16_777_217, 16_777_216),
    ],
)
def test_large_ids_are_exact(dtype: str, first: int, second: int, tmp_path: Path) -> None:
    name = write(tmp_path / "ids.tif", tiff(paint(0, first, second, dtype=dtype)))
    assert bounds_of(f"{name}:{first}") == TRACED
    assert f"as in {name}:{first}" in refusal_of(name)


def test_pixels_without_a_value_are_outside(tmp_path: Path) -> None:
    pixels = paint(0, 1, -9999, dtype="f4")
    assert bounds_of(write(tmp_path / "mask.tif", tiff(pixels, t42113=b"-9999\0"))) == TRACED


def test_the_advice_for_a_label_map_names_a_value_that_can_be_chosen(tmp_path: Path) -> None:
    name = write(tmp_path / "mask.tif", tiff(paint(0, -1, 4, dtype="i2")))
    assert refusal_of(name).endswith(f"as in {name}:4")


@pytest.mark.parametrize("dtype", ["u2", "f4"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_deep_mask_is_applied(
    orientation: int, dtype: str, tmp_path: Path
) -> None:
    upright = paint(0, 1, dtype=dtype)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: upright.T[::-1], 7: upright.T[::-1, ::-1], 8: upright.T[:, ::-1],
    }[orientation]  # fmt: skip
    data = tiff(np.ascontiguousarray(stored), t274=(orientation,))
    assert bounds_of(write(tmp_path / "mask.tif", data)) == TRACED
    if dtype == "u2":
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "mask.png", exif=exif)
        assert bounds_of(str(tmp_path / "mask.png")) == TRACED


@pytest.mark.parametrize("top", [20, 85, 255, 300])
def test_the_values_of_a_pgm_are_not_scaled(top: int, tmp_path: Path) -> None:
    pixels = paint(0, 9, 3)
    head = b"%d %d\n%d\n" % (*SIZE, top)
    content = pixels.astype(">u2" if top > 255 else "u1").tobytes()
    binary = write(tmp_path / "labels.pgm", b"P5\n" + head + content)
    plain = write(
        tmp_path / "text.pgm", b"P2\n" + head + b" ".join(b"%d" % each for each in pixels.flat)
    )
    assert bounds_of(f"{binary}:9") == TRACED
    assert bounds_of(f"{plain}:9") == TRACED
