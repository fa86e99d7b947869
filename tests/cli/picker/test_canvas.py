"""The content of the window: the marks look as in the result."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.picker import drag, press_keys
from vipllava_cli.cli.picker.canvas import Canvas
from vipllava_cli.cli.picker.help_strip import Help
from vipllava_cli.cli.picker.keys import ONE_IMAGE_HELP
from vipllava_cli.cli.picker.layout import lay_out
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks

HELP = Help("", ONE_IMAGE_HELP)
SIZE = (1000, 700)
BEFORE = resolve_marks([parse_mark("point", "orange:40,40")], SIZE).marks
AFTER = resolve_marks([parse_mark("mask", "gold:300,300,900,300,600,600")], SIZE).marks
STATE = PickerState(SIZE, before=BEFORE, after=AFTER)


@pytest.fixture
def noise() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return Image.fromarray(pixels)


def shown(canvas: Canvas, state: PickerState) -> NDArray[np.uint8]:
    """Return the image in the window, in red, green and blue."""
    layout = canvas.layout
    window = canvas.render(state)
    assert window.shape == (layout.window[1], layout.window[0], 3)
    rows = slice(layout.top, layout.top + layout.shown[1])
    columns = slice(layout.left, layout.left + layout.shown[0])
    return window[rows, columns, ::-1]


@pytest.mark.parametrize("numbers", [False, True])
def test_at_its_own_size_the_image_looks_exactly_like_the_result(
    noise: Image.Image, numbers: bool
) -> None:
    """Also with a mark in progress that overlaps others, and after an undo."""
    canvas = Canvas(noise, lay_out(SIZE, (1200, 900), 82), HELP, numbers=numbers)
    state = drag(STATE, (100, 100), (500, 500))
    dragged = press_keys(state, "e").press((50, 50)).move((450, 480))
    kept = dragged.release((450, 480))
    for each in (STATE, state, dragged, kept, kept.undo()):
        seen = each.preview()
        marks = (*BEFORE, *each.kept, *((seen,) if seen else ()), *AFTER)
        result = np.asarray(draw(noise, marks, numbers=numbers))
        assert (shown(canvas, each) == result).all()


@pytest.mark.parametrize("size", [(4000, 3000), (40, 30)])
def test_at_another_size_the_marks_are_where_and_as_wide_as_in_the_result(
    size: tuple[int, int],
) -> None:
    image = Image.new("RGB", size, (90, 90, 90))
    canvas = Canvas(image, lay_out(size, (1200, 900), 82), HELP, numbers=False)
    width, height = size
    state = drag(PickerState(size), (width * 0.2, height * 0.2), (width * 0.7, height * 0.9))
    result = draw(image, state.kept).resize(canvas.layout.shown, Image.Resampling.BICUBIC)
    seen = shown(canvas, state).astype(int)
    assert np.abs(seen - np.asarray(result)).mean() < 1
    assert np.abs(seen - 90).mean() > 2


def test_a_mark_in_progress_has_the_colour_that_it_will_have(noise: Image.Image) -> None:
    canvas = Canvas(noise, lay_out(SIZE, (1200, 900), 82), HELP, numbers=False)
    dragged = replace(STATE, color=None).next_color().press((100, 100)).move((300, 200))
    assert tuple(shown(canvas, dragged)[100, 200]) == dragged.current_color.rgb == (0, 255, 0)
    assert dragged.release((300, 200)).kept[0].color == dragged.current_color
