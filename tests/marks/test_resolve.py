"""Specs as marks on an image."""

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("ellipse", "-300,-300,500,400"),
        ("triangle", "-400,-50,600,-50,100,900"),
        ("mask", "-50,-50,-10,-50,-10,300,300,300,300,340,-50,340"),
    ],
)
def test_a_mark_that_touches_no_pixel_is_refused(shape: str, text: str) -> None:
    with pytest.raises(InputError, match="touches no pixel of the image: the image is 200x100"):
        resolve_marks([parse_mark(shape, text)], (200, 100))


def test_new_marks_avoid_the_colours_of_existing_marks_and_count_on() -> None:
    existing = resolve_marks([parse_mark("box", "1,1,9,9")], (200, 100)).marks
    resolved = resolve_marks([parse_mark("box", "-5,1,9,9")], (200, 100), existing=existing)
    assert [mark.color.name for mark in (*existing, *resolved.marks)] == ["red", "lime"]
    assert resolved.notes[0].startswith("mark 2 (box)")
