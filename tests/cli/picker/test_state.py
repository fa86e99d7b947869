"""The state of the picker: the mouse and the keys change marks, shape and colour."""

import pytest

from tests.support.picker import drag, press_keys
from vipllava_cli.cli.picker.gestures import PICKED_SHAPES
from vipllava_cli.cli.picker.keys import EDITING, SERIES, SHAPE_KEYS
from vipllava_cli.cli.picker.pick import as_options
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.marks.colors import MODEL_COLORS, SHADES
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.shape_table import SHAPES
from vipllava_cli.marks.types import XY, Mark, MarkStyle

EMPTY = PickerState((200, 100))
CIRCLE = [(60.0, 20.0), (90.0, 40.0), (60.0, 60.0), (30.0, 40.0), (58.0, 21.0)]

# Shape -> the points over which the mouse goes with the button down, and the options it gives.
GESTURES: dict[str, tuple[list[XY], str]] = {
    "box": ([(10, 20), (90, 70)], "--box red:10,20,90,70"),
    "ellipse": ([(90, 70), (10, 20)], "--ellipse red:10,20,90,70"),
    "arrow": ([(90, 70), (10, 20)], "--arrow red:90,70,10,20"),
    "point": ([(10, 20), (30, 40)], "--point red:30,40"),
    "scribble": ([(10, 20), (20, 25), (30, 10)], "--scribble red:10,20,20,25,30,10"),
    "mask": (CIRCLE, "--mask red:60,20,90,40,60,60,30,40,58,21"),
    "contour": (CIRCLE, "--contour red:60,20,90,40,60,60,30,40,58,21"),
}


def click(state: PickerState, *points: XY) -> PickerState:
    for point in points:
        state = drag(state.move(point), point)
    return state


def test_every_shape_has_a_key_of_its_own_and_no_other_effect() -> None:
    assert PICKED_SHAPES.keys() == SHAPES.keys()
    assert len(SHAPE_KEYS) == len(SHAPES)
    assert not SHAPE_KEYS.keys() & (EDITING.keys() | SERIES.keys())


@pytest.mark.parametrize("shape", GESTURES)
def test_the_mouse_draws_the_shape_of_the_key(shape: str) -> None:
    points, options = GESTURES[shape]
    state = drag(press_keys(EMPTY, PICKED_SHAPES[shape].key), *points)
    assert as_options(state.kept, EMPTY.size) == options
    assert state.path == ()


def test_a_triangle_is_three_clicks_and_its_last_corner_follows_the_mouse() -> None:
    state = click(press_keys(EMPTY, "t"), (10, 10), (90, 10))
    assert state.kept == ()
    moved = state.move((50, 60)).preview()
    assert moved is not None
    assert (moved.shape, moved.parts[0][-1]) == ("triangle", (50, 60))
    assert as_options(click(state, (50, 90)).kept, EMPTY.size) == "--triangle red:10,10,90,10,50,90"


def test_a_second_press_without_a_release_changes_nothing() -> None:
    """A double click arrives as two presses, on Qt, or as one of another kind."""
    state = click(press_keys(EMPTY, "t"), (10, 10))
    assert state.press((90, 10)).press((90, 10)) == state.press((90, 10))
    assert EMPTY.press((1, 2)).press((1, 2)) == EMPTY.press((1, 2))


def test_a_click_with_an_arrow_is_its_tip_even_if_the_hand_shakes() -> None:
    state = drag(press_keys(EMPTY, "a"), (50, 40), (51, 40))
    expected = resolve_marks([parse_mark("arrow", "51,40")], EMPTY.size).marks
    assert state.kept == expected


def test_marks_that_leave_the_image_end_at_its_edge() -> None:
    state = drag(EMPTY, (150, 50), (170, 80), (900, -40))
    assert as_options(state.kept, EMPTY.size) == "--box red:150,0,200,50"
    state = drag(press_keys(EMPTY, "s"), (-5, 50), (20, 50), (20, 300))
    assert as_options(state.kept, EMPTY.size) == "--scribble red:0,50,20,50,20,100"


@pytest.mark.parametrize(("key", "extent"), [("b", "area"), ("m", "area"), ("s", "length")])
def test_a_click_keeps_no_region_and_says_why(key: str, extent: str) -> None:
    state = click(press_keys(EMPTY, key), (50, 50))
    assert state.kept == ()
    assert f"has no {extent}" in state.message
    assert drag(state, (10, 10), (20, 15), (30, 40)).message == ""


def test_freehand_lines_lose_only_points_that_nobody_sees() -> None:
    line = [(float(x), 50.0) for x in range(10, 150)]
    state = drag(press_keys(EMPTY, "s"), *line)
    assert as_options(state.kept, EMPTY.size) == "--scribble red:10,50,149,50"


def test_colours_are_those_that_the_command_line_would_give() -> None:
    given = resolve_marks([parse_mark("point", "red:5,5")], EMPTY.size).marks
    state = PickerState((200, 100), before=given, style=MarkStyle(9, 0.4))
    state = drag(drag(state, (10, 10), (50, 50)), (60, 20), (90, 70))
    typed = [parse_mark("box", "10,10,50,50"), parse_mark("box", "60,20,90,70")]
    expected = resolve_marks(typed, (200, 100), style=MarkStyle(9, 0.4), existing=given).marks
    assert state.kept == expected
    assert [mark.color.name for mark in state.kept] == ["lime", "blue"]


def test_tab_goes_through_the_colours_that_no_mark_has() -> None:
    state = drag(EMPTY, (10, 10), (50, 50))
    names = []
    for _ in MODEL_COLORS:
        state = state.next_color()
        names.append(state.current_color.name)
    free = [color.name for color in MODEL_COLORS if color.name != "red"]
    assert names == [*free[1:], *free[:2]]
    kept = drag(state.next_color(), (60, 60), (90, 90))
    assert kept.kept[-1].color.name == "yellow"
    assert kept.current_color.name == "lime"  # the choice is for one mark


def test_tab_offers_every_colour_when_all_are_taken() -> None:
    state = EMPTY
    for number in range(len(MODEL_COLORS)):
        state = drag(state, (number, 1), (number + 10, 20))
    assert {mark.color for mark in state.kept} == set(MODEL_COLORS)
    assert state.next_color().current_color in SHADES
    for number in range(len(SHADES)):
        state = drag(state, (number, 1), (number + 10, 20))
    assert {mark.color for mark in state.kept} == {*MODEL_COLORS, *SHADES}
    assert state.next_color().current_color in MODEL_COLORS


def test_the_mark_under_the_mouse_is_the_mark_that_is_kept() -> None:
    for shape, (points, _) in GESTURES.items():
        state = press_keys(EMPTY, PICKED_SHAPES[shape].key).press(points[0])
        for point in points[1:]:
            state = state.move(point)
        seen = state.preview()
        assert (seen,) == state.release(points[-1]).kept


def test_the_first_points_of_a_region_look_like_a_line() -> None:
    state = press_keys(EMPTY, "m").press((10, 10))
    assert state.preview() is None
    seen = state.move((20, 30)).preview()
    assert isinstance(seen, Mark)
    assert seen.shape == "scribble"


@pytest.mark.parametrize("key", ["u", "z", "backspace"])
def test_undo_removes_the_last_mark_and_no_mark_of_the_command_line(key: str) -> None:
    given = resolve_marks([parse_mark("point", "red:5,5")], EMPTY.size).marks
    start = PickerState((200, 100), before=given)
    state = drag(start, (10, 10), (50, 50))
    assert EDITING[key](state) == start
    assert EDITING[key](start).marks == given
    assert "no mark to undo" in EDITING[key](start).message


def test_undo_removes_the_mark_in_progress_or_its_last_corner() -> None:
    state = press_keys(drag(EMPTY, (10, 10), (50, 50)), "t")
    two_corners = click(state, (60, 10), (90, 10)).move((80, 50))
    one_corner = two_corners.undo()
    assert one_corner.path == ((60, 10), (80, 50))
    assert one_corner.undo().path == ()
    assert len(one_corner.undo().kept) == 1
    dragged = press_keys(state, "b").press((1, 1)).move((9, 9)).undo()
    assert dragged.release((9, 9)).kept == state.kept
