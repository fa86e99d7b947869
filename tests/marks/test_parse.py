"""The values of `--box` and the other options of marks."""

import numpy as np
import pytest

from tests.support.marks import resolve_text
from vipllava_cli.errors import InputError
from vipllava_cli.marks.parse import parse_mark, parse_units
from vipllava_cli.marks.shape_table import Units


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
def test_every_form_of_coordinates_gives_the_same_box(
    text: str, units: str, corners: tuple[tuple[float, float], ...]
) -> None:
    points = resolve_text("box", text, units).parts[0]
    assert np.allclose(points, corners)


def test_the_name_of_a_mask_image_may_contain_a_colon() -> None:
    for text in ("http://example.org/mask.png", "a:b,c.png"):
        assert parse_mark("mask", text).file == text
    spec = parse_mark("mask", "blue:mask.png")
    assert (spec.file, spec.color and spec.color.name) == ("mask.png", "blue")


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
def test_an_error_about_coordinates_shows_the_expected_form(shape: str, text: str) -> None:
    with pytest.raises(InputError, match=r"X,Y|X1,Y1"):
        parse_mark(shape, text)


@pytest.mark.parametrize("name", Units)
def test_units_are_found_by_name(name: str) -> None:
    assert parse_units(name).value == name


@pytest.mark.parametrize("name", ["inch", "PX", "", None, 1, ["px"]])
def test_unknown_units_are_refused(name: object) -> None:
    with pytest.raises(InputError, match="units are one of px, percent, unit, thousand, not"):
        parse_units(name)
