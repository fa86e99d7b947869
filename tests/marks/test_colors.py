"""Names and values of colours."""

import math
from itertools import combinations, pairwise

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.marks.colors import MODEL_COLORS, NAMED_COLORS, Color, parse_color


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
        ("grey", "gray", (128, 128, 128)),
        ("DarkGrey", "darkgray", (169, 169, 169)),
        ("darkgreen", "dark green", (0, 100, 0)),
        ("#006400", "dark green", (0, 100, 0)),
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


@pytest.mark.parametrize("text", ["dark-green", "dark green", "Dark-Green", " dark  green "])
def test_a_shade_has_a_name_of_two_words(text: str) -> None:
    color = parse_color(text)
    assert (color.name, color.rgb, str(color)) == ("dark green", (0, 100, 0), "dark-green")


@pytest.mark.parametrize("color", NAMED_COLORS, ids=str)
def test_the_text_of_every_colour_is_read_again(color: Color) -> None:
    assert parse_color(str(color)) == color


def test_a_misspelled_shade_is_recognized() -> None:
    with pytest.raises(InputError, match="did you mean dark-green"):
        parse_color("dark-gren")


def test_all_colours_are_far_from_each_other() -> None:
    places = [to_lab(color) for color in NAMED_COLORS]
    for (a, b), (one, other) in zip(
        combinations(NAMED_COLORS, 2), combinations(places, 2), strict=True
    ):
        both_trained = {a, b} <= set(MODEL_COLORS)
        assert math.dist(one, other) >= (23 if both_trained else 30), (a.name, b.name)
    for one, other in pairwise(places):
        assert math.dist(one, other) >= 40
    assert len({color.name for color in NAMED_COLORS}) == len(NAMED_COLORS)


def to_lab(color: Color) -> tuple[float, float, float]:
    """Convert sRGB to CIELAB with the white point D65."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in color.rgb)
    ]
    rows = (
        (0.4124564, 0.3575761, 0.1804375, 0.95047),
        (0.2126729, 0.7151522, 0.0721750, 1.0),
        (0.0193339, 0.1191920, 0.9503041, 1.08883),
    )
    x, y, z = (
        share ** (1 / 3) if share > 0.008856 else 7.787 * share + 16 / 116
        for share in (
            sum(a * b for a, b in zip(row, linear, strict=False)) / row[3] for row in rows
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
