"""Mask images as outlines: their kinds, sizes and orientations."""

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from vipllava_cli.errors import InputError
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.draw import coverage
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.masks import load_mask_outlines, turn
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.shapes import Mask

SIZE = (200, 100)
OBJECT = (40, 20, 120, 80)  # the object of most masks: left, top, right, bottom
TRACED = (40.5, 20.5, 119.5, 79.5)  # through the centres of its outer pixels
OTHER = (150, 10, 180, 40)  # the object of a second value
TRACED_OTHER = (150.5, 10.5, 179.5, 39.5)

Bounds = tuple[float, float, float, float]


def paint(background: int, *values: int, dtype: Any = np.uint8) -> NDArray[Any]:
    """Paint the object with the first value, and the other object with the second."""
    pixels = np.full((SIZE[1], SIZE[0]), background, dtype)
    for value, (left, top, right, bottom) in zip(values, (OBJECT, OTHER), strict=False):
        pixels[top:bottom, left:right] = value
    return pixels


def save(image: Image.Image | NDArray[Any], path: Path, **options: Any) -> str:
    shown = image if isinstance(image, Image.Image) else Image.fromarray(image)
    shown.save(path, **options)
    return str(path)


def palette_image(indices: NDArray[Any], *colors: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(indices).convert("L")
    image.putpalette([value for color in colors for value in color])
    return image


def bounds_of(text: str, size: tuple[int, int] = SIZE, orientation: int = 1) -> Bounds:
    spec = parse_mark("mask", text)
    return resolve_marks([spec], size, read_orientation=lambda: orientation).marks[0].bounds


def refusal_of(text: str, size: tuple[int, int] = SIZE) -> str:
    with pytest.raises(InputError) as caught:
        resolve_marks([parse_mark("mask", text)], size)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_transparent_mask_image_is_dark_outside_the_object(tmp_path: Path) -> None:
    mask = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    mask.paste((255, 255, 255, 255), OBJECT)
    assert bounds_of(save(mask, tmp_path / "mask.png")) == TRACED


def test_a_mask_image_keeps_its_holes_and_separate_parts(tmp_path: Path) -> None:
    mask = paint(0, 255)
    mask[40:60, 60:100] = 0
    mask[10:15, 150:180] = 255
    spec = parse_mark("mask", save(mask, tmp_path / "mask.png"))
    mark = resolve_coordinates(load_mask_outlines([spec], SIZE)[0], *SIZE).marks[0]
    covered = coverage(mark, *SIZE) > 127
    agreement = (covered == (mask > 127)).mean()
    assert agreement > 0.98
    assert not covered[50, 80]
    assert covered[12, 165]


# --- black and white -------------------------------------------------------------------------


def _soft(radius: float) -> Image.Image:
    return Image.fromarray(paint(0, 255)).filter(ImageFilter.GaussianBlur(radius))


def _cut_out() -> Image.Image:
    """An object of a photograph, with transparency around it."""
    image = Image.effect_noise(SIZE, 80).convert("RGBA")
    image.putalpha(Image.fromarray(paint(0, 255)))
    return image


_BLACK_AND_WHITE = {
    "0-255": Image.fromarray(paint(0, 255)),
    "0-1": Image.fromarray(paint(0, 1)),
    "1-bit": Image.fromarray(paint(0, 1).astype(bool)),
    "rgb": Image.fromarray(paint(0, 255)).convert("RGB"),
    "la": Image.merge("LA", [Image.fromarray(paint(0, 255)), Image.new("L", SIZE, 255)]),
    "alpha-only": Image.merge("LA", [Image.new("L", SIZE, 0), Image.fromarray(paint(0, 255))]),
    "weak-alpha": Image.merge(
        "RGBA", [*(Image.new("L", SIZE, c) for c in (200, 30, 30)), Image.fromarray(paint(0, 90))]
    ),
    "cut-out": _cut_out(),
    "red-on-black": palette_image(paint(0, 1), (0, 0, 0), (128, 0, 0)).convert("RGB"),
    "one-class": palette_image(paint(0, 1), (0, 0, 0), (128, 0, 0)),
    "dark-class": palette_image(paint(0, 1), (250, 250, 250), (0, 0, 90)),
    "white-first": palette_image(paint(1, 0), (255, 255, 255), (0, 0, 0)),
    "16-bit": Image.fromarray(paint(0, 65535, dtype=np.uint16)),
    "16-bit-id": Image.fromarray(paint(0, 700, dtype=np.uint16)),
    "soft-1": _soft(1),
    "soft-6": _soft(6),
    "anti-aliased": Image.fromarray(paint(0, 255))
    .resize((50, 25), Image.Resampling.BOX)
    .resize(SIZE),
}


@pytest.mark.parametrize("kind", _BLACK_AND_WHITE)
def test_a_black_and_white_mask_is_read(kind: str, tmp_path: Path) -> None:
    bounds = bounds_of(save(_BLACK_AND_WHITE[kind], tmp_path / "mask.png"))
    assert bounds == pytest.approx(TRACED, abs=4 if kind == "anti-aliased" else 1)


@pytest.mark.parametrize("quality", [20, 50, 75, 95])
def test_the_noise_of_a_jpeg_is_no_label_map(quality: int, tmp_path: Path) -> None:
    circle = cv2.circle(np.zeros((100, 200), np.uint8), (80, 50), 30, 255, -1)
    jpeg = save(circle, tmp_path / "mask.jpg", quality=quality)
    assert bounds_of(jpeg) == pytest.approx((50, 20, 111, 81), abs=1.5)
    copied = save(Image.open(jpeg), tmp_path / "copy.png")
    assert bounds_of(copied) == pytest.approx((50, 20, 111, 81), abs=1.5)
    red = np.stack([circle, circle // 8, circle // 8], axis=-1)
    assert bounds_of(save(red, tmp_path / "red.jpg", quality=quality)) == pytest.approx(
        (50, 20, 111, 81), abs=3
    )


@pytest.mark.parametrize("values", [paint(0, 1), paint(0, 0)])
def test_scores_count_from_half_of_the_best(values: NDArray[Any], tmp_path: Path) -> None:
    scores = np.full((SIZE[1], SIZE[0]), 0.02, np.float32)
    scores[20:80, 40:120] = np.linspace(0.8, 0.9, 80)
    scores[0, 0] = np.nan
    assert bounds_of(save(scores, tmp_path / "mask.tif")) == TRACED


@pytest.mark.parametrize("kind", ["plain", "palette", "transparent"])
def test_an_empty_mask_is_refused(kind: str, tmp_path: Path) -> None:
    image = {
        "plain": Image.new("L", SIZE, 0),
        "palette": palette_image(paint(0), (0, 0, 0)),
        "transparent": Image.new("RGBA", SIZE, (0, 0, 0, 0)),
    }[kind]
    assert "no bright region" in refusal_of(save(image, tmp_path / "mask.png"))


@pytest.mark.parametrize(
    ("region", "bounds"),
    [
        (np.s_[30:31, 50:51], (50, 30, 51, 31)),
        (np.s_[30:31, 50:90], (50, 30, 90, 31)),
        (np.s_[30:70, 50:51], (50, 30, 51, 70)),
    ],
)
def test_a_region_of_one_pixel_or_one_line_is_read(
    region: Any, bounds: Bounds, tmp_path: Path
) -> None:
    pixels = paint(0)
    pixels[region] = 255
    assert bounds_of(save(pixels, tmp_path / "mask.png")) == bounds


# --- label maps ------------------------------------------------------------------------------


def _voc(first: int, second: int) -> Image.Image:
    """A class map of Pascal VOC: a palette in colour, and a border of the value 255."""
    indices = paint(0, first, second)
    for left, top, right, bottom in (OBJECT, OTHER):
        cv2.rectangle(indices, (left, top), (right - 1, bottom - 1), 255, 3)
    colors = [(0, 0, 0), *((i * 37 % 256, i * 91 % 256, i * 13 % 256) for i in range(1, 255))]
    return palette_image(indices, *colors, (224, 224, 192))


_LABEL_MAPS = {
    "voc": _voc(15, 20),
    "voc-one-class": _voc(1, 1),
    "gray-voc": Image.fromarray(np.asarray(_voc(1, 1))),
    "0-1-2": Image.fromarray(paint(0, 1, 2)),
    "1-2": Image.fromarray(paint(1, 2)),
    "trimap": Image.fromarray(paint(2, 1, 3)),
    "0-128-255": Image.fromarray(paint(0, 128, 255)),
    "16-bit": Image.fromarray(paint(0, 24001, 26002, dtype=np.uint16)),
    "32-bit": Image.fromarray(paint(0, 24001, 26002, dtype=np.int32)),
    "float": Image.fromarray(paint(0, 1, 2, dtype=np.float32)),
    "palette": palette_image(paint(0, 1, 2), (0, 0, 0), (9, 9, 200), (200, 9, 9)),
    "colours": palette_image(paint(0, 1, 2), (0, 0, 0), (9, 9, 200), (200, 9, 9)).convert("RGB"),
    "bright-colours": palette_image(paint(0, 1, 2), (0, 0, 0), (0, 255, 0), (255, 0, 0)).convert(
        "RGB"
    ),
    "rgba": palette_image(paint(0, 1, 2), (0, 0, 0), (9, 9, 200), (200, 9, 9)).convert("RGBA"),
}


@pytest.mark.parametrize("kind", _LABEL_MAPS)
def test_a_label_map_is_refused_with_its_values(kind: str, tmp_path: Path) -> None:
    name = save(
        _LABEL_MAPS[kind], tmp_path / ("mask.tif" if kind in ("float", "32-bit") else "mask.png")
    )
    message = refusal_of(name)
    assert "pixels)" in message
    # The advice works as it is written.
    advice = message.partition("as in ")[2].partition(" (several")[0]
    assert advice.startswith(f"{name}:")
    assert bounds_of(advice)[2] <= SIZE[0]


def test_the_message_of_a_label_map_says_what_to_do(tmp_path: Path) -> None:
    name = save(paint(0, 1, 2), tmp_path / "mask.png")
    assert refusal_of(name) == (
        f"the mask {name} has 3 values, 0 (14300 pixels), 1 (4800), 2 (900): expected black and"
        f" white, or the value of a region, as in {name}:1 (several: {name}:1,2)"
    )


def test_many_values_are_counted(tmp_path: Path) -> None:
    ids = np.repeat(np.repeat(np.arange(200, dtype=np.uint16).reshape(10, 20), 10, 0), 10, 1)
    message = refusal_of(save(ids, tmp_path / "mask.png"))
    assert " has 200 values, " in message
    assert " and 192 more: " in message


def test_a_label_map_with_small_instances_is_refused(tmp_path: Path) -> None:
    ids = paint(0, dtype=np.uint16)
    for number in range(1, 60):
        x, y = number * 7 % 190, number * 13 % 90
        ids[y : y + 2, x : x + 2] = number * 4
    assert "values" in refusal_of(save(ids, tmp_path / "mask.png"))


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_photograph_is_no_mask(kind: str, tmp_path: Path) -> None:
    photo = Path(__file__).parents[2] / "sample_images" / "cat.jpg"
    image = Image.open(photo).resize(SIZE)
    message = refusal_of(save(image, tmp_path / f"mask.{kind}"))
    assert message.endswith("colours, like a photograph: expected black and white")
    assert "the mask" in refusal_of(save(image.convert("L"), tmp_path / f"gray.{kind}"))


@pytest.mark.parametrize("kind", ["0-1-2", "16-bit", "32-bit", "float", "palette", "rgba"])
def test_values_choose_regions(kind: str, tmp_path: Path) -> None:
    name = save(
        _LABEL_MAPS[kind], tmp_path / ("mask.tif" if kind in ("float", "32-bit") else "mask.png")
    )
    first, second = {
        "16-bit": ("24001", "26002"),
        "32-bit": ("24001", "26002"),
        "rgba": ("#0909c8", "#c80909"),
    }.get(kind, ("1", "2"))
    assert bounds_of(f"{name}:{first}") == TRACED
    assert bounds_of(f"blue:{name}:{second}") == TRACED_OTHER
    assert bounds_of(f"{name}:{first},{second}") == (40.5, 10.5, 179.5, 79.5)


def test_a_colour_chooses_a_region_of_a_palette(tmp_path: Path) -> None:
    name = save(_LABEL_MAPS["palette"], tmp_path / "mask.png")
    assert bounds_of(f"{name}:#C80909") == TRACED_OTHER


def test_a_value_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    name = save(paint(0, 1, 2), tmp_path / "mask.png")
    assert refusal_of(f"{name}:7") == (
        f"the mask {name} has no pixel of the value 7: its values are 0 (14300 pixels), 1 (4800),"
        " 2 (900)"
    )
    colours = save(_LABEL_MAPS["colours"], tmp_path / "colours.png")
    assert "its values are #000000 (14300 pixels), #0909c8 (4800)" in refusal_of(f"{colours}:1")


def test_marks_in_json_choose_a_value(tmp_path: Path) -> None:
    name = save(paint(0, 1, 2), tmp_path / "mask.png")
    for fields in ({"file": name, "value": 2}, {"file": name, "value": [2]}, {"file": f"{name}:2"}):
        spec = mark_from_json({"shape": "mask", **fields})
        assert resolve_marks([spec], SIZE).marks[0].bounds == TRACED_OTHER
    values: list[Any] = [1.5, True, -1, "x", [], {}]
    for bad in values:
        with pytest.raises(InputError, match="a mark's value is"):
            mark_from_json({"shape": "mask", "file": name, "value": bad})
    with pytest.raises(InputError, match='it needs "file"'):
        mark_from_json({"shape": "box", "coords": [1, 1, 5, 5], "value": 2})


def test_arrays_and_their_values() -> None:
    for array in (paint(0, 255), paint(0, 1), paint(0, 1).astype(bool), paint(0, 3)):
        assert resolve_marks([Mask(array).to_spec(SIZE)], SIZE).marks[0].bounds == TRACED
    labels = paint(0, 1, 2)
    with pytest.raises(InputError, match="has 3 values"):
        Mask(labels).to_spec(SIZE)
    for value in (2, [2], np.uint8(2)):
        spec = Mask(labels, value=value).to_spec(SIZE)  # type: ignore[arg-type]
        assert resolve_marks([spec], SIZE).marks[0].bounds == TRACED_OTHER


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a:3", "a.png:3", "10:30", "red:1.png", "C:\\m.png", "a:1,2.png"])
def test_a_file_may_have_colons_in_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(paint(0, 255)).save(tmp_path / name, format="PNG")
    assert bounds_of(f"./{name}" if name == "red:1.png" else name) == TRACED


def test_a_value_follows_the_last_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("C:\\m.png", "a:b.png", "plain"):
        Image.fromarray(paint(0, 1, 2)).save(tmp_path / name, format="PNG")
        assert bounds_of(f"{name}:2") == TRACED_OTHER
        assert bounds_of(f"{name}:1,2") == (40.5, 10.5, 179.5, 79.5)


def test_a_missing_mask_is_named_without_its_value(tmp_path: Path) -> None:
    assert f"there is no file {tmp_path}/m.png:" in refusal_of(f"{tmp_path}/m.png:3")


def test_a_misspelled_colour_before_points_stays_an_unknown_colour() -> None:
    with pytest.raises(InputError, match="unknown colour 'bleu'"):
        parse_mark("mask", "bleu:1,1,9,1,9,9")


# --- size and orientation --------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_turn_as_pillow_turns_them(orientation: int) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    image = Image.fromarray(pixels)
    expected = image if method is None else image.transpose(method)
    assert np.array_equal(turn(pixels, orientation), np.asarray(expected))


@pytest.mark.parametrize(("scale", "tolerance"), [(0.5, 1), (2, 0.6), (0.3, 2)])
def test_a_mask_of_the_same_aspect_ratio_is_scaled_with_a_note(
    scale: float, tolerance: float, tmp_path: Path
) -> None:
    size = (round(SIZE[0] * scale), round(SIZE[1] * scale))
    small = Image.fromarray(paint(0, 255)).resize(size, Image.Resampling.NEAREST)
    name = save(small, tmp_path / "mask.png")
    resolved = resolve_marks([parse_mark("mask", name)], SIZE)
    assert resolved.marks[0].bounds == pytest.approx(TRACED, abs=tolerance)
    assert resolved.notes == (
        f"scaled the mask to the image: the mask {name} is {size[0]}x{size[1]} pixels and the image"
        " 200x100",
    )


def test_a_mask_of_another_aspect_ratio_is_refused_with_both_sizes(tmp_path: Path) -> None:
    name = save(paint(0, 255), tmp_path / "mask.png")
    assert refusal_of(name, (200, 120)) == (
        f"the mask {name} is 200x100 pixels and the image 200x120: expected a mask of the image's"
        " size or aspect ratio"
    )


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("scale", [1, 0.5])
def test_a_mask_of_the_stored_image_turns_with_it(
    orientation: int, scale: float, tmp_path: Path
) -> None:
    stored = paint(0, 255)
    upright = turn(stored, orientation)
    ys, xs = np.nonzero(upright)
    expected = (xs.min() + 0.5, ys.min() + 0.5, xs.max() + 0.5, ys.max() + 0.5)
    small = cv2.resize(stored, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    name = save(small, tmp_path / "mask.png")
    bounds = bounds_of(name, (SIZE[1], SIZE[0]), orientation)
    assert bounds == pytest.approx(expected, abs=0 if scale == 1 else 1)


def test_the_orientation_of_the_mask_itself_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("mask.png", "mask.jpg"):
        path = save(paint(0, 255), tmp_path / name, exif=exif)
        upright = turn(paint(0, 255), 6)
        ys, xs = np.nonzero(upright)
        expected = (xs.min() + 0.5, ys.min() + 0.5, xs.max() + 0.5, ys.max() + 0.5)
        assert bounds_of(path, (SIZE[1], SIZE[0]), 6) == pytest.approx(expected, abs=1)


def test_a_region_that_vanishes_when_scaled_is_refused(tmp_path: Path) -> None:
    large = np.zeros((1000, 2000), np.uint8)
    large[500, 700] = 255
    message = refusal_of(save(large, tmp_path / "mask.png"))
    assert message.endswith("is smaller than a pixel of the image")


def test_reading_masks_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bounds_of(save(paint(0, 1, dtype=np.uint16), tmp_path / "mask.png"))
