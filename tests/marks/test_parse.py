"""Marks: the text forms, and how they are put on an image."""

import numpy as np
import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.marks.colors import MODEL_COLORS, parse_color
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.parse import mark_from_json, mark_to_json, parse_mark
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import SHAPES, Mark, MarkStyle


def placed(shape: str, text: str, units: str = "px", size: tuple[int, int] = (200, 100)) -> Mark:
    return resolve_coordinates([parse_mark(shape, text, units)], *size).marks[0]


@pytest.mark.parametrize(
    ("text", "units", "corners"),
    [
        ("10,20,110,60", "px", ((10, 20), (110, 60))),
        ("10.5, 20.25, 110, 60", "px", ((10.5, 20.25), (110, 60))),
        ("110,60,10,20", "px", ((10, 20), (110, 60))),
        ("10,20,+100,+40", "px", ((10, 20), (110, 60))),
        ("5%,20%,+50%,+40%", "px", ((10, 20), (110, 60))),
        ("10,20%,110,60%", "px", ((10, 20), (110, 60))),
        ("0.05,0.2,0.55,0.6", "unit", ((10, 20), (110, 60))),
        ("50,200,550,600", "thousand", ((10, 20), (110, 60))),
        ("5,20,55,60", "percent", ((10, 20), (110, 60))),
        ("5%,200,550,60%", "thousand", ((10, 20), (110, 60))),
    ],
)
def test_every_coordinate_form_gives_the_same_box(
    text: str, units: str, corners: tuple[tuple[float, float], ...]
) -> None:
    points = placed("box", text, units).parts[0]
    assert np.allclose(points, corners)


def test_an_arrow_of_which_only_the_tip_is_given_starts_inside_the_image() -> None:
    for tip in ("0,0", "200,100", "100,50", "3,97", "0,100"):
        tail, head = placed("arrow", tip).parts[0]
        assert head == tuple(float(v) for v in tip.split(","))
        assert 0 <= tail[0] <= 200
        assert 0 <= tail[1] <= 100
        assert tail != head


def test_marks_without_a_colour_take_the_next_free_names_of_the_pool() -> None:
    specs = [parse_mark("box", t) for t in ("1,1,9,9", "lime:1,1,9,9", "1,1,9,9", "1,1,9,9")]
    assert [m.color.name for m in resolve_coordinates(specs, 50, 50).marks] == [
        "red",
        "lime",
        "blue",
        "yellow",
    ]


def test_more_marks_than_colours_begin_the_pool_again() -> None:
    specs = [parse_mark("point", "5,5")] * (len(MODEL_COLORS) + 1)
    assert resolve_coordinates(specs, 50, 50).marks[-1].color.name == "red"


@pytest.mark.parametrize(
    ("text", "name", "rgb"),
    [
        ("RED", "red", (255, 0, 0)),
        ("rebeccapurple", "rebeccapurple", (102, 51, 153)),
        ("#00f", "blue", (0, 0, 255)),
        ("#fe0102", "red", (254, 1, 2)),
        ("green", "green", (0, 128, 0)),
        ("cyan", "aqua", (0, 255, 255)),
        ("#808080", "gray", (128, 128, 128)),
    ],
)
def test_colours_are_names_of_css_or_hexadecimal(
    text: str, name: str, rgb: tuple[int, int, int]
) -> None:
    color = parse_color(text)
    assert (color.name, color.rgb) == (name, rgb)
    assert parse_color(str(color)) == color


def test_an_arrow_from_outside_keeps_its_direction() -> None:
    tail, tip = placed("arrow", "-300,-50,100,50").parts[0]
    assert tip == (100, 50)
    assert np.allclose(tail, (0, 25))


def test_what_is_drawn_over_the_edge_keeps_its_form() -> None:
    for shape, text in (("ellipse", "-100,10,100,90"), ("triangle", "-50,10,50,10,0,90")):
        result = resolve_coordinates([parse_mark(shape, text)], 200, 100)
        assert result.marks[0].bounds[0] < 0
        assert "200x100" in result.notes[0]


def test_a_rounding_error_is_not_said() -> None:
    assert resolve_coordinates([parse_mark("box", "8%,0,+92%,+50%")], 53, 40).notes == ()


def test_a_mask_image_may_have_a_colon_in_its_name() -> None:
    for text in ("http://example.org/mask.png", "a:b,c.png"):
        assert parse_mark("mask", text).file == text
    spec = parse_mark("mask", "blue:mask.png")
    assert (spec.file, spec.color and spec.color.name) == ("mask.png", "blue")


def test_what_reaches_outside_is_clipped_and_said() -> None:
    result = resolve_coordinates([parse_mark("box", "-20,-5,50,40")], 200, 100)
    assert result.marks[0].parts == (((0.0, 0.0), (50.0, 40.0)),)
    assert "200x100" in result.notes[0]


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("box", "300,10,400,50"),
        ("box", "-50,-50,-10,-10"),
        ("box", "10,10,10,50"),
        ("box", "200,10,260,50"),
        ("ellipse", "10,10,50,10"),
        ("point", "201,50"),
        ("arrow", "10,10,300,300"),
        ("arrow", "10,10,10,10"),
        ("triangle", "1,1,2,2,3,3"),
        ("scribble", "4,4,4,4"),
        ("mask", "1,1,5,5,9,9"),
    ],
)
def test_a_mark_outside_or_without_area_is_refused_with_the_size(shape: str, text: str) -> None:
    with pytest.raises(InputError, match="200x100"):
        placed(shape, text)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("box", "1,2,3"),
        ("box", "1,2,3,4,5,6"),
        ("box", ""),
        ("box", "a,b,c,d"),
        ("box", "nan,0,1,1"),
        ("box", "0,0,1e400,1"),
        ("box", "1,2,,4"),
        ("box", "1,2,3%%,4"),
        ("box", "1,2,1_0,40"),
        ("box", "1,2,++3,+4"),
        ("box", "1,2,+-3,+4"),
        ("box", "1,2,+3,4"),
        ("point", "1,2,3,4"),
        ("triangle", "1,2,3,4"),
        ("arrow", "1,2,+3,+4"),
        ("scribble", "1,2,3"),
    ],
)
def test_a_wrong_form_is_refused_with_the_right_one(shape: str, text: str) -> None:
    with pytest.raises(InputError, match=r"X,Y|X1,Y1"):
        parse_mark(shape, text)


def test_every_shape_survives_the_way_through_json() -> None:
    texts = {
        "box": "10,20,30,40",
        "ellipse": "10,20,30,40",
        "arrow": "10,20,30.5,40",
        "point": "10,20",
        "triangle": "10,20,30,40,50,20",
        "scribble": "10,20,30,40,50,20,60,70",
        "mask": "10,20,30,40,50,20",
        "contour": "10,20,30,40,50,20",
    }
    assert set(texts) == set(SHAPES)
    for shape, text in texts.items():
        spec = parse_mark(shape, f"#123456:{text}")
        style = MarkStyle(width=5, alpha=0.25)
        mark = resolve_marks([spec], (100, 100), style=style).marks[0]
        assert (mark.width, mark.alpha) == (5, 0.25)
        again = resolve_coordinates([mark_from_json(mark_to_json(mark))], 100, 100).marks[0]
        assert again == mark


def test_a_mark_in_json_may_have_units_of_its_own() -> None:
    value = {"shape": "box", "coords": [0.1, 0.2, 0.5, 0.6], "units": "unit"}
    mark = resolve_coordinates([mark_from_json(value)], 200, 100).marks[0]
    assert mark.bounds == (20, 20, 100, 60)


@pytest.mark.parametrize(
    "value",
    [
        "box",
        {},
        {"shape": "hexagon", "coords": [1, 2]},
        {"shape": "box"},
        {"shape": "box", "coords": [1, 2, 3]},
        {"shape": "box", "coords": [1, 2, 3, "4"]},
        {"shape": "box", "coords": [1, 2, 3, True]},
        {"shape": "box", "coords": [1, 2, 3, 10**400]},
        {"shape": "box", "coords": [[1, 2, 3, 4], [5, 6, 7, 8]]},
        {"shape": "box", "coords": [1, 2, 3, float("nan")]},
        {"shape": "box", "coords": [1, 2, 3, 4], "colour": "red"},
        {"shape": "box", "coords": [1, 2, 3, 4], "color": "blurple"},
        {"shape": "box", "coords": [1, 2, 3, 4], "width": "thick"},
        {"shape": "box", "coords": [1, 2, 3, 4], "width": 0},
        {"shape": "box", "coords": [1, 2, 3, 4], "alpha": 1.5},
        {"shape": "box", "coords": [1, 2, 3, 4], "units": "inch"},
        {"shape": "box", "coords": [1, 2, 3, 4], "units": ["px"]},
        {"shape": "box", "coords": [1, 2, 3, 4], "label": 7},
        {"shape": "box", "file": "mask.png"},
        {"shape": "mask", "coords": [[1, 2, 3, 4, 5, 6], 7]},
    ],
)
def test_a_wrong_mark_in_json_is_one_line(value: object) -> None:
    with pytest.raises(InputError) as caught:
        mark_from_json(value)
    assert "\n" not in str(caught.value)
