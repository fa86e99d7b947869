"""The codes of keys, by OpenCV's backends."""

import pytest

from vipllava_cli.cli.picker.keys import key_name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (-1, ""),
        (13, "enter"),
        (0xFF8D, "enter"),  # the number pad, on GTK
        (27, "escape"),
        (8, "backspace"),
        (127, "backspace"),
        (9, "tab"),
        (0xFF51, "left"),
        (0xFF53, "right"),
        (2424832, "left"),
        (63235, "right"),
        (ord("b"), "b"),
        (ord("B"), "b"),
        (0x100000 | ord("e"), "e"),  # with Num Lock, on GTK
        (0xFFE1, ""),  # Shift
    ],
)
def test_keys_have_names(code: int, name: str) -> None:
    assert key_name(code) == name
