"""Typed coordinates as pixels: units, colours, clipping and errors."""

import numpy as np
import pytest

from tests.support.marks import resolve_text
from vipllava_cli.errors import InputError
from vipllava_cli.marks.colors import MODEL_COLORS, NAMED_COLORS
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import Mark


def test_an_arrow_with_only_a_tip_starts_inside_the_image() -> None:
    for tip in ("0,0", "200,100", "100,50", "3,97", "0,100"):
        tail, head = resolve_text("arrow", tip).parts[0]
        assert head == tuple(float(value) for value in tip.split(","))
        assert 0 <= tail[0] <= 200
        assert 0 <= tail[1] <= 100
        assert tail != head


def test_marks_without_a_colour_take_the_next_free_colours() -> None:
    specs = [parse_mark("box", t) for t in ("1,1,9,9", "lime:1,1,9,9", "1,1,9,9", "1,1,9,9")]
    names = [mark.color.name for mark in resolve_coordinates(specs, 50, 50).marks]
    assert names == ["red", "lime", "blue", "yellow"]


def test_the_colours_repeat_when_there_are_more_marks_than_colours() -> None:
    specs = [parse_mark("point", "5,5")] * (len(NAMED_COLORS) + 2)
    colors = [mark.color for mark in resolve_coordinates(specs, 50, 50).marks]
    assert colors[:9] == list(MODEL_COLORS)
    assert colors[: len(NAMED_COLORS)] == list(NAMED_COLORS)
    assert [color.name for color in colors[-2:]] == ["red", "lime"]


def test_marks_added_one_by_one_get_the_same_colours() -> None:
    marks: tuple[Mark, ...] = ()
    for _ in range(len(NAMED_COLORS) + 1):
        marks += resolve_coordinates([parse_mark("point", "5,5")], 50, 50, existing=marks).marks
    assert [mark.color for mark in marks] == [*NAMED_COLORS, NAMED_COLORS[0]]


def test_a_given_colour_is_not_used_again_under_another_name() -> None:
    texts = ["darkgreen:5,5", "#ffb6c1:5,5", *["5,5"] * 10]
    specs = [parse_mark("point", text) for text in texts]
    names = [mark.color.name for mark in resolve_coordinates(specs, 50, 50).marks]
    assert names[2:] == [*(color.name for color in MODEL_COLORS), "black"]


def test_an_arrow_that_starts_outside_keeps_its_direction() -> None:
    tail, tip = resolve_text("arrow", "-300,-50,100,50").parts[0]
    assert tip == (100, 50)
    assert np.allclose(tail, (0, 25))


def test_a_shape_that_reaches_over_the_edge_keeps_its_form() -> None:
    for shape, text in (("ellipse", "-100,10,100,90"), ("triangle", "-50,10,50,10,0,90")):
        result = resolve_coordinates([parse_mark(shape, text)], 200, 100)
        assert result.marks[0].bounds[0] < 0
        assert "200x100" in result.notes[0]


def test_a_rounding_error_causes_no_note() -> None:
    assert resolve_coordinates([parse_mark("box", "8%,0,+92%,+50%")], 53, 40).notes == ()


def test_a_box_that_reaches_outside_is_clipped_with_a_note() -> None:
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
def test_a_mark_outside_or_without_area_is_refused_with_the_image_size(
    shape: str, text: str
) -> None:
    with pytest.raises(InputError, match="200x100"):
        resolve_text(shape, text)
