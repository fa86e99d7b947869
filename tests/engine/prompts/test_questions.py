"""Questions as typed -> questions as the model reads them."""

import pytest

from vipllava_cli.engine.prompts.questions import needs_numbers, prepare_question
from vipllava_cli.errors import UsageError
from vipllava_cli.marks.colors import NAMED_COLORS
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


def test_every_placeholder_of_many_marks_has_its_own_phrase() -> None:
    for count in (10, len(NAMED_COLORS), 60):
        specs = [parse_mark("box", f"{n},1,{n + 5},9") for n in range(count)]
        marks = resolve_coordinates(specs, 100, 10).marks
        phrases = [prepare_question(f"{{{n}}}", marks).text for n in range(1, count + 1)]
        assert len(set(phrases)) == count
        if count == len(NAMED_COLORS):
            assert phrases[9] == "the object within the dark green rectangle"
        assert needs_numbers([], marks) == (count > len(NAMED_COLORS))
    assert phrases[24] == "the object within the red rectangle numbered 25"


def test_marks_of_one_colour_are_told_apart_by_number() -> None:
    texts = ("red:1,1,9,9", "blue:1,1,9,9", "#fe0000:2,2,9,9")
    marks = resolve_coordinates([parse_mark("box", text) for text in texts], 10, 10).marks
    assert prepare_question("what is {3}, what {2}?", marks).text == (
        "what is the object within the red rectangle numbered 3,"
        " what the object within the blue rectangle?"
    )
    assert needs_numbers(["{1}"], marks)
    assert not needs_numbers(["what is {2} beside the red boxes?"], marks)


def test_a_shade_is_no_other_colour() -> None:
    marks = resolve_coordinates([parse_mark("box", "dark-blue:1,1,9,9")], 10, 10).marks
    for text in ("what is {1}?", "what is in the dark blue box?", "what is in the blue box?"):
        assert prepare_question(text, marks).notes == ()
    assert prepare_question("what is in the red box?", marks).notes
