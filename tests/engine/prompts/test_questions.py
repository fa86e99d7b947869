"""Questions as typed -> questions as the model reads them."""

import pytest

from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.errors import UsageError
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.parse import parse_mark


def test_placeholders_take_the_marks_in_order() -> None:
    specs = [parse_mark("box", "1,1,9,9"), parse_mark("arrow", "blue:1,1,9,9")]
    marks = resolve_coordinates(specs, 10, 10).marks
    assert prepare_question("what is {1} doing with {2}? {x} {", marks).text == (
        "what is the object within the red rectangle doing with"
        " the object pointed to by the blue arrow? {x} {"
    )


@pytest.mark.parametrize("text", ["", "   \n", "{1}", "what is {0}?", "what is {3}?"])
def test_an_invalid_question_is_refused(text: str) -> None:
    marks = (
        ()
        if text == "{1}"
        else resolve_coordinates([parse_mark("box", "1,1,9,9")] * 2, 10, 10).marks
    )
    with pytest.raises(UsageError):
        prepare_question(text, marks)


def test_a_placeholder_without_a_mark_names_those_that_have_one() -> None:
    marks = resolve_coordinates([parse_mark("box", "1,1,9,9")] * 2, 10, 10).marks
    for count, expected in (
        (0, "no mark is drawn; draw one first, for example a box"),
        (1, "only 1 mark is drawn; use {1}"),
        (2, "only 2 marks are drawn; use {1} to {2}"),
    ):
        with pytest.raises(UsageError) as caught:
            prepare_question("what is {3}?", marks[:count])
        assert str(caught.value) == f"the question contains {{3}}, but {expected}"


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        prepare_question("what is \udcff?", ())
