"""The help below the image: complete, and cut off nowhere."""

import numpy as np
import pytest

from tests.support.picker import drag, press_keys
from vipllava_cli.cli.picker import help_strip
from vipllava_cli.cli.picker.help_strip import Help
from vipllava_cli.cli.picker.keys import ONE_IMAGE_HELP, SERIES_HELP
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.marks.shape_table import SHAPES

STATE = PickerState((200, 100))


@pytest.mark.parametrize("keys", [ONE_IMAGE_HELP, SERIES_HELP])
@pytest.mark.parametrize("width", [300, 620, 776, 1600])
def test_every_key_is_in_a_line_that_fits(keys: tuple[tuple[str, str], ...], width: int) -> None:
    lines = list(Help("", keys).lines("box", width))
    items = [item for line in lines for item in line]
    assert {item.text for item in items} == {*SHAPES, *(effect for _, effect in keys)}
    for line in lines:
        assert sum(item.width + help_strip._GAP for item in line) <= width
    assert Help("", keys).height(width) >= (1 + len(lines)) * help_strip.LINE_HEIGHT


def test_long_captions_are_cut_at_the_end_of_the_line() -> None:
    strip = Help("3 of 12: " + "long/" * 100, ONE_IMAGE_HELP).draw(STATE, 620)
    border = np.asarray(strip)[:, -help_strip._PADDING :]
    assert (border == help_strip._BACKGROUND).all()
    assert help_strip._shorten("abc", 1000) == "abc"
    assert help_strip._shorten("long" * 100, 200).endswith("…")
    assert help_strip.text_width(help_strip._shorten("long" * 100, 200)) <= 200


def test_the_status_names_shape_colour_count_and_caption() -> None:
    help = Help("3 of 12: a.jpg", SERIES_HELP)
    state = drag(press_keys(STATE, "e"), (10, 10), (50, 50))
    assert help.status(state) == (
        "lime ellipse: drag from corner to corner  |  1 mark  |  3 of 12: a.jpg"
    )
    assert "no marks yet" in help.status(STATE)
    assert help.status(STATE.undo()).startswith("there is no mark to undo")


def test_the_strip_shows_the_colour_of_the_next_mark() -> None:
    help = Help("", ONE_IMAGE_HELP)
    colors = [STATE.current_color, STATE.next_color().current_color]
    strips = [help.draw(state, 620) for state in (STATE, STATE.next_color())]
    for color, strip in zip(colors, strips, strict=True):
        assert (np.asarray(strip)[:30, :30] == color.rgb).all(axis=2).sum() > 100


def test_control_characters_of_a_file_name_are_escaped() -> None:
    status = Help("1 of 1: a\x1b[31m\nb.png", SERIES_HELP).status(STATE)
    assert "a\\x1b[31m b.png" in status
