"""Phrases for marks: the words of the training, and the words that people use."""

import pytest

from vipllava_cli.engine.prompts.phrases import find_undrawn_mark, object_phrase
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.shape_table import SHAPES

TEXTS = {
    "box": ("1,1,9,9", "within the red rectangle"),
    "ellipse": ("1,1,9,9", "within the red ellipse"),
    "triangle": ("1,1,9,9,1,9", "with the red triangle"),
    "point": ("5,5", "at the red point"),
    "scribble": ("1,1,9,9", "with the red scribble"),
    "mask": ("1,1,9,9,1,9", "with the red mask"),
    "contour": ("1,1,9,9,1,9", "with the red mask contour"),
    "arrow": ("1,1,9,9", "pointed to by the red arrow"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mark_has_the_phrase_of_the_training(shape: str) -> None:
    text, words = TEXTS[shape]
    mark = resolve_coordinates([parse_mark(shape, text)], 10, 10).marks[0]
    assert object_phrase(mark) == f"the object {words}"


@pytest.mark.parametrize(
    ("text", "undrawn"),
    [
        ("what is in the red box?", None),
        ("what is in the Red Square?", None),
        ("what does the blue arrow point to?", "blue arrow"),
        ("is the green dot left of the red rectangle?", None),
        ("what is in the red circle?", "red circle"),
        ("what is the red thing in a box?", None),
    ],
)
def test_a_mark_that_is_named_and_not_drawn_is_found(text: str, undrawn: str | None) -> None:
    specs = [parse_mark("box", "1,1,9,9"), parse_mark("point", "lime:5,5")]
    marks = resolve_coordinates(specs, 10, 10).marks
    assert find_undrawn_mark(text, marks) == undrawn
    assert find_undrawn_mark(text, ()) is None
