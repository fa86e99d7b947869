"""Names and values of colours."""

import pytest

from vipllava_cli.marks.colors import Color, parse_color


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
def test_a_colour_is_a_css_name_or_hexadecimal(
    text: str, name: str, rgb: tuple[int, int, int]
) -> None:
    color = parse_color(text)
    assert (color.name, color.rgb) == (name, rgb)
    assert parse_color(str(color)) == color


def test_the_text_of_a_colour_is_hexadecimal_where_its_name_is_only_near() -> None:
    assert str(Color("red", (255, 0, 0))) == "red"
    assert str(Color("red", (254, 1, 2))) == "#fe0102"
