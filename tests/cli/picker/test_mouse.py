"""The events of the mouse, as OpenCV reports them."""

import cv2
import pytest
from PIL import Image

from vipllava_cli.cli.picker.canvas import Canvas
from vipllava_cli.cli.picker.help_strip import Help
from vipllava_cli.cli.picker.layout import lay_out
from vipllava_cli.cli.picker.pick import as_options
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.cli.picker.window import PickerWindow

SIZE = (1000, 700)
LAYOUT = lay_out(SIZE, (1200, 900), 80)
DOWN = cv2.EVENT_FLAG_LBUTTON
Event = tuple[int, int, int, int]  # kind, x and y in the image, flags

PRESS: Event = (cv2.EVENT_LBUTTONDOWN, 100, 50, DOWN)


@pytest.fixture
def canvas() -> Canvas:
    return Canvas(Image.new("RGB", SIZE), LAYOUT, Help("", ()), numbers=False)


def apply(canvas: Canvas, state: PickerState, *events: Event) -> PickerState:
    window = PickerWindow(LAYOUT.window)
    for kind, x, y, flags in events:
        window._note_mouse(kind, LAYOUT.left + x, LAYOUT.top + y, flags, None)
    return window._apply_mouse(state, canvas)


def test_press_move_and_release_draw_a_mark(canvas: Canvas) -> None:
    move, release = (cv2.EVENT_MOUSEMOVE, 300, 200, DOWN), (cv2.EVENT_LBUTTONUP, 400, 250, 0)
    state = apply(canvas, PickerState(SIZE), PRESS, move, release)
    assert as_options(state.kept, SIZE) == "--box red:100,50,400,250"


def test_a_release_outside_every_window_ends_the_mark_where_the_mouse_comes_back(
    canvas: Canvas,
) -> None:
    dragged = (cv2.EVENT_MOUSEMOVE, 300, 200, DOWN)
    back = (cv2.EVENT_MOUSEMOVE, 2000, 250, 0)
    state = apply(canvas, PickerState(SIZE), PRESS, dragged, back)
    assert as_options(state.kept, SIZE) == "--box red:100,50,1000,250"


@pytest.mark.parametrize("has_press", [True, False])
def test_a_double_click_counts_as_two_clicks(canvas: Canvas, has_press: bool) -> None:
    """Qt reports the second press twice, Windows only as a double click."""
    up = (cv2.EVENT_LBUTTONUP, 100, 50, 0)
    double = (cv2.EVENT_LBUTTONDBLCLK, 100, 50, DOWN)
    second = [double, *([PRESS] if has_press else []), up]
    state = apply(canvas, PickerState(SIZE, shape="point"), PRESS, up, *second)
    assert as_options(state.kept, SIZE) == "--point red:100,50 --point lime:100,50"


def test_other_buttons_draw_nothing(canvas: Canvas) -> None:
    right = (cv2.EVENT_RBUTTONDOWN, 100, 50, cv2.EVENT_FLAG_RBUTTON)
    assert apply(canvas, PickerState(SIZE), right) == PickerState(SIZE)
