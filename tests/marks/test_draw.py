"""The pixels of drawn marks."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vipllava_cli.images.square import model_view
from vipllava_cli.marks import draw as drawing
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.draw import _DRAWERS, coverage, draw
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.shape_table import SHAPES
from vipllava_cli.marks.types import Mark

GREY = (128, 128, 128)

# The text of each mark, a pixel that it covers, and one that it does not, in an image of 200x100.
EXAMPLES = {
    "box": ("20,10,120,80", (70, 10), (70, 45)),
    "ellipse": ("20,10,120,80", (70, 11), (22, 12)),
    "arrow": ("20,50,120,50", (115, 50), (150, 50)),
    "point": ("60,40", (60, 40), (80, 40)),
    "triangle": ("20,10,120,10,70,80", (70, 10), (70, 40)),
    "scribble": ("20,10,120,10,120,80", (120, 40), (60, 40)),
    "mask": ("20,10,120,10,120,80,20,80", (70, 45), (150, 45)),
    "contour": ("20,10,120,10,120,80,20,80", (120, 45), (70, 45)),
}


def resolve_texts(size: tuple[int, int], **texts: str) -> tuple[Mark, ...]:
    specs = [parse_mark(shape, text) for shape, text in texts.items()]
    return resolve_coordinates(specs, *size).marks


def count_red_pixels(image: Image.Image) -> int:
    red, green, blue = (np.asarray(band, int) for band in image.split())
    return int(((red > 180) & (green < 90) & (blue < 90)).sum())


def test_every_shape_has_a_drawing_function() -> None:
    assert set(_DRAWERS) == set(SHAPES) == set(EXAMPLES)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mark_covers_its_pixels_in_its_colour(shape: str) -> None:
    text, covered, uncovered = EXAMPLES[shape]
    plain = Image.new("RGB", (200, 100), GREY)
    drawn = draw(plain, resolve_texts(plain.size, **{shape: f"blue:{text}"}))
    red, green, blue = drawn.getpixel(covered)  # type: ignore[misc]
    assert blue > 180
    assert max(red, green) < 90
    assert drawn.getpixel(uncovered) == GREY
    assert plain.getcolors() == [(200 * 100, GREY)], "draw changed its input"


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_input_gives_equal_pixels(shape: str) -> None:
    marks = resolve_texts((200, 100), **{shape: EXAMPLES[shape][0]})
    plain = Image.new("RGB", (200, 100), GREY)
    assert draw(plain, marks, numbers=True).tobytes() == draw(plain, marks, numbers=True).tobytes()


@pytest.mark.parametrize("shape", SHAPES)
def test_blending_in_bands_equals_blending_at_once(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = [
        replace(mark, alpha=0.6)
        for mark in resolve_texts((200, 100), **{shape: EXAMPLES[shape][0]})
    ]
    noise = Image.effect_noise((200, 100), 90).convert("RGB")
    at_once = draw(noise, marks).tobytes()
    monkeypatch.setattr(drawing, "BAND_PIXELS", 300)
    assert draw(noise, marks).tobytes() == at_once


def test_opacity_blends_the_colours() -> None:
    mark = Mark(
        "mask",
        (((10.0, 10.0), (90.0, 10.0), (90.0, 90.0), (10.0, 90.0)),),
        resolve_texts((9, 9), point="red:1,1")[0].color,
        alpha=0.25,
    )
    drawn = draw(Image.new("RGB", (100, 100), (0, 0, 200)), [mark])
    assert drawn.getpixel((50, 50)) == (64, 0, 150)


@pytest.mark.parametrize("size", [(1920, 1080), (4032, 3024), (640, 480), (300, 2000)])
def test_a_box_at_the_left_edge_is_visible_in_the_models_view(size: tuple[int, int]) -> None:
    width, height = size
    marks = resolve_texts(size, box=f"0,{height // 4},{width // 4},{height // 2}")
    drawn = draw(Image.new("RGB", size, GREY), marks)
    view = model_view(drawn, 336)
    assert view.size == (336, 336)
    assert count_red_pixels(view) > 100


def test_a_line_along_the_edge_shows_its_full_width() -> None:
    mark = resolve_texts((336, 336), box="0,0,336,336")[0]
    assert (coverage(mark, 336, 336)[100, :3] > 200).all()
    assert (coverage(mark, 336, 336)[100, -3:] > 200).all()


def test_both_halves_of_a_bow_tie_are_filled() -> None:
    marks = resolve_texts((200, 100), mask="blue:20,10,120,80,120,10,20,80")
    covered = coverage(marks[0], 200, 100) > 127
    assert covered[45, 30]
    assert covered[45, 110]
    assert not covered[15, 70]


def test_later_marks_cover_earlier_ones() -> None:
    specs = [parse_mark("point", f"{color}:50,50") for color in ("red", "blue")]
    drawn = draw(Image.new("RGB", (100, 100), GREY), resolve_coordinates(specs, 100, 100).marks)
    assert drawn.getpixel((50, 50)) == (0, 0, 255)


def test_numbers_stay_inside_the_image() -> None:
    plain = Image.new("RGB", (200, 100), GREY)
    for corner in ("0,0,5,5", "195,95,200,100", "0,95,5,100", "195,0,200,5"):
        marks = resolve_texts(plain.size, box=corner)
        assert draw(plain, marks, numbers=True).tobytes() != draw(plain, marks).tobytes()
